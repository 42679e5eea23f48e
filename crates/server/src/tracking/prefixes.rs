//! Broadcasting mode: clients that are told of every change of keys with some prefix. Each thread
//! gathers the keys that its commands change and tells of them at the end of its tick.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use store::Author;

use crate::conn::Token;
use crate::message::Message;
use crate::sharded::Name;
use crate::tracking::{Invalidation, wire};

/// A client that is told of all keys with a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listener {
    pub(crate) thread: usize,
    pub(crate) token: Token,
    pub(crate) client: u64,
    /// Not of the keys that it has changed itself.
    pub(crate) no_loop: bool,
}

/// Changed keys, each with the client that was last at it.
type Changes = BTreeMap<Vec<u8>, u64>;

/// See the module.
#[derive(Debug)]
pub(super) struct Prefixes {
    listeners: RwLock<BTreeMap<Name, BTreeSet<Listener>>>,
    len: AtomicUsize,
    /// By thread.
    changes: Box<[Mutex<Changes>]>,
    /// Bytes of memory that these take, about.
    change_bytes: Box<[AtomicUsize]>,
}

impl Prefixes {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            listeners: RwLock::default(),
            len: AtomicUsize::new(0),
            changes: (0..threads).map(|_| Mutex::default()).collect(),
            change_bytes: (0..threads).map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(super) fn untold_bytes(&self, thread: usize) -> usize {
        self.change_bytes[thread].load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, prefix: &[u8], listener: Listener) {
        self.change(|listeners| {
            let of_prefix = listeners.entry(Name::from(prefix)).or_default();
            of_prefix.insert(listener);
        });
    }

    pub(super) fn remove(&self, prefix: &[u8], listener: Listener) {
        self.change(|listeners| {
            if let Some(of_prefix) = listeners.get_mut(prefix) {
                of_prefix.remove(&listener);
                if of_prefix.is_empty() {
                    listeners.remove(prefix);
                }
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<Name, BTreeSet<Listener>>)) {
        let listeners = self.listeners.write();
        let mut listeners = listeners.unwrap_or_else(PoisonError::into_inner);
        change(&mut listeners);
        self.len.store(listeners.len(), Ordering::Relaxed);
    }

    /// Notes a change, to be told with the others of this tick.
    pub(super) fn note(&self, by: Author, key: &[u8]) {
        if self.len() == 0 {
            return;
        }
        let listeners = self.listeners.read();
        let listeners = listeners.unwrap_or_else(PoisonError::into_inner);
        if listeners.keys().any(|prefix| key.starts_with(prefix)) {
            let old = self.changes(by.thread).insert(key.to_vec(), by.client);
            if old.is_none() {
                let bytes = 2 * size_of::<(Vec<u8>, u64)>() + key.len();
                self.change_bytes[by.thread].fetch_add(bytes, Ordering::Relaxed);
            }
        }
    }

    /// Tells of the changes that a thread has gathered; false when there are none.
    pub(super) fn tell(&self, thread: usize, mut post: impl FnMut(usize, Message)) -> bool {
        let changes = std::mem::take(&mut *self.changes(thread));
        self.change_bytes[thread].store(0, Ordering::Relaxed);
        if changes.is_empty() {
            return false;
        }
        let listeners = self.listeners.read();
        let listeners = listeners.unwrap_or_else(PoisonError::into_inner);
        for (prefix, listeners) in &*listeners {
            let with_prefix = |of: &(&Vec<u8>, &u64)| of.0.starts_with(prefix);
            let changes: Vec<_> = changes.iter().filter(with_prefix).collect();
            let everything = invalidation(changes.iter().map(|&(key, _)| key));
            for listener in listeners {
                let is_own = |author: &u64| listener.no_loop && *author == listener.client;
                let told = if changes.iter().any(|(_, author)| is_own(author)) {
                    let foreign = changes.iter().filter(|(_, author)| !is_own(author));
                    invalidation(foreign.map(|&(key, _)| key))
                } else {
                    everything.clone()
                };
                if let Some(told) = told {
                    let message = Message::Invalidate(listener.token.0, told);
                    post(listener.thread, message);
                }
            }
        }
        true
    }

    fn changes(&self, thread: usize) -> MutexGuard<'_, Changes> {
        let changes = &self.changes[thread];
        changes.lock().expect("never held across a panic")
    }
}

/// What is told of these keys; nothing if there are none.
fn invalidation<'k>(keys: impl Iterator<Item = &'k Vec<u8>>) -> Option<Arc<Invalidation>> {
    let keys: Vec<&[u8]> = keys.map(Vec::as_slice).collect();
    (!keys.is_empty()).then(|| {
        Arc::new(Invalidation {
            keys: Some(wire(keys.into_iter())),
            author: 0,
            is_broadcast: true,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_listener_is_told_of_its_prefixes_and_not_of_its_own_changes() {
        let listener = |client, no_loop| Listener {
            thread: 0,
            token: Token(client),
            client,
            no_loop,
        };
        let prefixes = Prefixes::new(1);
        prefixes.add(b"a", listener(1, false));
        prefixes.add(b"a", listener(2, true));
        prefixes.add(b"b", listener(3, true));
        for (key, client) in [("a1", 2), ("a2", 1), ("b1", 3), ("c", 1), ("a2", 3)] {
            prefixes.note(Author { thread: 0, client }, key.as_bytes());
        }
        let mut told = Vec::new();
        assert!(prefixes.tell(0, |_, message| {
            if let Message::Invalidate(token, invalidation) = message {
                told.push((token, invalidation.keys.clone().expect("keys")));
            }
        }));
        let both = b"*2\r\n$2\r\na1\r\n$2\r\na2\r\n".to_vec();
        assert_eq!(told, [(1, both), (2, b"*1\r\n$2\r\na2\r\n".to_vec())]);
        assert!(!prefixes.tell(0, |_, _| ()));
        prefixes.remove(b"a", listener(1, false));
        prefixes.remove(b"a", listener(2, true));
        assert_eq!(prefixes.len(), 1);
    }
}
