//! What the server does when keys change: it publishes keyspace notifications and tells clients
//! that cache.

use std::sync::Arc;

use store::{Author, Event, EventClasses, Observer};

use crate::mailboxes::Mailboxes;
use crate::message::Message;
use crate::pubsub::{Kind, PubSub};
use crate::tracking::Tracking;

/// See the module.
pub(crate) struct KeyObserver {
    /// Where notifications are published.
    pub(crate) pubsub: Arc<PubSub>,
    /// Who caches what.
    pub(crate) tracking: Arc<Tracking>,
    /// How threads are asked to serve.
    pub(crate) mailboxes: Arc<Mailboxes>,
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

    fn invalidated(&self, by: Author, key: &[u8]) {
        self.tracking.invalidate(by, key);
    }

    fn all_invalidated(&self, by: Author) {
        self.tracking.invalidate_all(by);
    }

    fn awaited_gone(&self, thread: usize, db: usize, key: &[u8]) {
        let unserved = (db, Box::from(key), Box::from(key));
        self.mailboxes.post(thread, Message::Serve(unserved));
    }
}
