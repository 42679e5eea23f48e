//! What the server does when keys change: it publishes keyspace notifications.

use std::sync::Arc;

use store::{Author, Event, EventClasses, Observer};

use crate::pubsub::{Kind, PubSub};

/// See the module.
pub(crate) struct KeyObserver {
    /// Where notifications are published.
    pub(crate) pubsub: Arc<PubSub>,
}

impl Observer for KeyObserver {
    fn event(&self, wanted: EventClasses, db: usize, event: Event, key: &[u8]) {
        if !self.pubsub.has_listeners() {
            return;
        }
        if wanted.has(EventClasses::KEYSPACE) {
            let prefix = format!("__keyspace@{db}__:");
            let channel = [prefix.as_bytes(), key].concat();
            self.pubsub
                .publish(Kind::Channel, &channel, event.as_bytes());
        }
        if wanted.has(EventClasses::KEYEVENT) {
            let channel = format!("__keyevent@{db}__:{event}");
            self.pubsub.publish(Kind::Channel, channel.as_bytes(), key);
        }
    }

    fn invalidated(&self, _: Author, _: &[u8]) {}

    fn all_invalidated(&self, _: Author) {}
}
