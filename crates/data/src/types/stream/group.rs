//! A consumer group of a stream: how far it has read, what it has delivered and not yet seen
//! acknowledged, and its consumers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::id::Id;

/// A consumer within its group, until it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerKey(u32);

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// To whom.
    pub consumer: ConsumerKey,
    /// When it was last delivered, Unix time in milliseconds.
    pub time_ms: u64,
    /// How often.
    pub deliveries: u64,
}

/// A consumer.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// Its name.
    pub name: Arc<[u8]>,
    /// When it last asked, Unix time in milliseconds.
    pub seen_ms: u64,
    /// When it last got something.
    pub active_ms: Option<u64>,
    pending: BTreeSet<Id>,
}

impl Consumer {
    /// The entries that it hasn't acknowledged.
    pub fn pending(&self) -> &BTreeSet<Id> {
        &self.pending
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The last ID that was delivered.
    pub last_id: Id,
    /// How many entries were read, where that is known.
    pub entries_read: Option<u64>,
    pending: BTreeMap<Id, Pending>,
    names: BTreeMap<Arc<[u8]>, ConsumerKey>,
    /// By their keys; `None` where one was deleted.
    consumers: Vec<Option<Consumer>>,
    free: Vec<u32>,
}

impl Group {
    /// A group that has read up to an ID.
    pub fn new(last_id: Id, entries_read: Option<u64>) -> Self {
        Self {
            last_id,
            entries_read,
            ..Self::default()
        }
    }

    /// Entries that were delivered and not acknowledged.
    pub fn pending(&self) -> &BTreeMap<Id, Pending> {
        &self.pending
    }

    /// Its consumers, by name.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.names.values().map(|&key| self.consumer(key))
    }

    /// A consumer, by its name. O(log n), as all that follows.
    pub fn find_consumer(&self, name: &[u8]) -> Option<ConsumerKey> {
        self.names.get(name).copied()
    }

    /// A consumer.
    pub fn consumer(&self, key: ConsumerKey) -> &Consumer {
        self.consumers[key.0 as usize]
            .as_ref()
            .expect("keys are those of live consumers")
    }

    /// A consumer, to be changed.
    pub fn consumer_mut(&mut self, key: ConsumerKey) -> &mut Consumer {
        self.consumers[key.0 as usize]
            .as_mut()
            .expect("keys are those of live consumers")
    }

    /// Adds a consumer, of whose name there is none.
    pub fn add_consumer(&mut self, name: &[u8], now_ms: u64) -> ConsumerKey {
        let name: Arc<[u8]> = name.into();
        let consumer = Some(Consumer {
            name: Arc::clone(&name),
            seen_ms: now_ms,
            active_ms: None,
            pending: BTreeSet::new(),
        });
        let key = if let Some(free) = self.free.pop() {
            self.consumers[free as usize] = consumer;
            ConsumerKey(free)
        } else {
            self.consumers.push(consumer);
            ConsumerKey(self.consumers.len() as u32 - 1)
        };
        self.names.insert(name, key);
        key
    }

    /// Deletes a consumer with all that it hasn't acknowledged; how much that was. O(that).
    pub fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let key = self.names.remove(name)?;
        let consumer = self.consumers[key.0 as usize]
            .take()
            .expect("keys are those of live consumers");
        self.free.push(key.0);
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    /// Notes a delivery; the entry may have been another consumer's.
    pub fn deliver(&mut self, id: Id, delivery: Pending) {
        let before = self.pending.insert(id, delivery);
        if before.is_none_or(|before| before.consumer != delivery.consumer) {
            if let Some(before) = before {
                self.consumer_mut(before.consumer).pending.remove(&id);
            }
            self.consumer_mut(delivery.consumer).pending.insert(id);
        }
    }

    /// Forgets a delivery; whether there was one.
    pub fn acknowledge(&mut self, id: Id) -> bool {
        let pending = self.pending.remove(&id);
        if let Some(pending) = pending {
            self.consumer_mut(pending.consumer).pending.remove(&id);
        }
        pending.is_some()
    }
}
