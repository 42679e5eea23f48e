//! Client-side caching: who has read which key, and is told when that holds no longer.
//!
//! A key's readers are noted after the command ran and while its shard is still locked; who changes
//! the key does so under the same lock and asks for the readers afterwards. So no invalidation can
//! fall between the two. What a thread has to tell goes to its outbox and from there, at the end of
//! its tick, to the threads of the readers: behind the replies of the commands that caused it.

mod local;
mod prefixes;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use store::Author;

use crate::conn::Token;
use crate::mailboxes::Mailboxes;
use crate::message::Message;
use crate::sharded::{Name, Sharded};
use crate::tracking::prefixes::Prefixes;

pub(crate) use local::{ClientTracking, Mode, after};

/// What holds no longer, as it is told to one client or several.
#[derive(Debug)]
pub struct Invalidation {
    /// An array in wire form; `None` for all keys there are.
    keys: Option<Vec<u8>>,
    /// The client that has changed them, or 0.
    author: u64,
    /// Whether it is for clients that are told of all keys with some prefix.
    is_broadcast: bool,
}

impl Invalidation {
    /// Bytes of memory that it takes where a client is told: buffers have room for up to twice
    /// what is in them.
    fn told_bytes(&self) -> usize {
        2 * self.keys.as_ref().map_or(0, Vec::len)
    }
}

/// A client that has read a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reader {
    pub(crate) thread: usize,
    pub(crate) token: Token,
}

/// What a thread has to tell, and which thread that goes to.
type Outbox = Vec<(usize, Message)>;

/// What all threads share of it.
#[derive(Debug)]
pub struct Tracking {
    readers: Sharded<Vec<Reader>>,
    /// The readers of all keys.
    reader_count: AtomicUsize,
    /// How many keys may have readers; 0 for no limit.
    max_keys: AtomicUsize,
    prefixes: Prefixes,
    /// By thread.
    outboxes: Box<[Mutex<Outbox>]>,
    /// Bytes of memory that these take, about.
    outbox_bytes: Box<[AtomicUsize]>,
    /// Bytes of memory of what is on its way to clients, see [`Tracking::unsent_bytes`].
    posted_bytes: AtomicUsize,
    clients: Mutex<usize>,
    has_clients: AtomicBool,
    mailboxes: Arc<Mailboxes>,
}

impl Tracking {
    /// Nobody tracks anything, on so many threads.
    pub fn new(threads: usize, mailboxes: Arc<Mailboxes>) -> Self {
        Self {
            readers: Sharded::default(),
            reader_count: AtomicUsize::new(0),
            max_keys: AtomicUsize::new(0),
            prefixes: Prefixes::new(threads),
            outboxes: (0..threads).map(|_| Mutex::default()).collect(),
            outbox_bytes: (0..threads).map(|_| AtomicUsize::new(0)).collect(),
            posted_bytes: AtomicUsize::new(0),
            clients: Mutex::new(0),
            has_clients: AtomicBool::new(false),
            mailboxes,
        }
    }

    /// How many keys have readers.
    pub fn keys(&self) -> usize {
        self.readers.len()
    }

    /// How many readers all keys have together.
    pub fn items(&self) -> usize {
        self.reader_count.load(Ordering::Relaxed)
    }

    /// How many clients are told of changes.
    pub fn clients(&self) -> usize {
        *self.lock_clients()
    }

    /// Bytes of memory that news take for a moment, about: this thread's until they are told, at
    /// the end of its tick, and those of all threads until they are sent. That may be some ticks
    /// later, where a thread has its hands full.
    pub(crate) fn unsent_bytes(&self, thread: usize) -> usize {
        self.outbox_bytes[thread].load(Ordering::Relaxed)
            + self.prefixes.untold_bytes(thread)
            + self.posted_bytes.load(Ordering::Relaxed)
    }

    /// Has a thread tell clients of something. That thread says when it is sent
    /// (`Thread::end_telling`).
    fn post(&self, thread: usize, message: Message) {
        if let Message::Invalidate(_, told) | Message::Redirected(_, told) = &message {
            let bytes = told.told_bytes();
            self.posted_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        self.mailboxes.post(thread, message);
    }

    /// How many prefixes someone is told of.
    pub fn prefixes(&self) -> usize {
        self.prefixes.len()
    }

    /// Sets how many keys may have readers, and forgets those that are too many.
    pub(crate) fn limit(&self, max_keys: usize) {
        self.max_keys.store(max_keys, Ordering::Relaxed);
        self.evict();
    }

    /// One client more or less; `changed` is told whether there is any, under a lock.
    fn count_clients(&self, more: bool, changed: impl FnOnce(bool)) {
        let mut clients = self.lock_clients();
        *clients = if more { *clients + 1 } else { *clients - 1 };
        self.has_clients.store(*clients > 0, Ordering::Relaxed);
        changed(*clients > 0);
        if *clients == 0 {
            self.forget_readers();
        }
    }

    /// Notes that a client has read a key, whose shard is locked.
    pub(crate) fn remember(&self, key: &[u8], reader: Reader) {
        let is_new = self.readers.with(key, |part| match part.get_mut(key) {
            Some(readers) if readers.contains(&reader) => false,
            Some(readers) => {
                readers.push(reader);
                true
            }
            None => {
                part.insert(Name::from(key), vec![reader]);
                true
            }
        });
        if is_new {
            self.reader_count.fetch_add(1, Ordering::Relaxed);
            self.evict();
        }
    }

    /// Has the readers of a key told that it has changed, and forgets them.
    pub(crate) fn invalidate(&self, by: Author, key: &[u8]) {
        self.prefixes.note(by, key);
        if self.readers.len() == 0 {
            return;
        }
        if let Some(readers) = self.readers.with(key, |part| part.remove(key)) {
            let mut outbox = self.outbox(by.thread);
            self.dismiss(by.client, key, &readers, |thread, message| {
                outbox.push((thread, message));
            });
            // Vectors have room for up to twice what is in them.
            let bytes = 2 * (key.len() + readers.len() * size_of::<(usize, Message)>());
            self.outbox_bytes[by.thread].fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Has all clients told that all keys have changed.
    pub(crate) fn invalidate_all(&self, by: Author) {
        self.forget_readers();
        let threads = 0..self.outboxes.len();
        let everyone = threads.map(|thread| (thread, Message::InvalidateAll));
        self.outbox(by.thread).extend(everyone);
    }

    /// Posts what a thread has to tell; false when that was nothing.
    pub(crate) fn tell(&self, thread: usize) -> bool {
        if !self.has_clients.load(Ordering::Relaxed) {
            return false;
        }
        let outbox = std::mem::take(&mut *self.outbox(thread));
        self.outbox_bytes[thread].store(0, Ordering::Relaxed);
        let mut told = !outbox.is_empty();
        for (thread, message) in outbox {
            self.post(thread, message);
        }
        let post = |thread, message| self.post(thread, message);
        told |= self.prefixes.tell(thread, post);
        told
    }

    /// Forgets keys as long as there are too many: their readers must take them for changed.
    fn evict(&self) {
        let max_keys = self.max_keys.load(Ordering::Relaxed);
        let keys = self.readers.len();
        if max_keys > 0 && keys > max_keys {
            self.readers.evict(keys - max_keys, |key, readers| {
                let post = |thread, message| self.post(thread, message);
                self.dismiss(0, &key, &readers, post);
            });
        }
    }

    fn dismiss(
        &self,
        author: u64,
        key: &[u8],
        readers: &[Reader],
        mut post: impl FnMut(usize, Message),
    ) {
        self.reader_count
            .fetch_sub(readers.len(), Ordering::Relaxed);
        let invalidation = Arc::new(Invalidation {
            keys: Some(wire([key].into_iter())),
            author,
            is_broadcast: false,
        });
        for reader in readers {
            let message = Message::Invalidate(reader.token.0, Arc::clone(&invalidation));
            post(reader.thread, message);
        }
    }

    fn outbox(&self, thread: usize) -> MutexGuard<'_, Outbox> {
        self.outboxes[thread].lock().expect(NO_PANIC)
    }

    fn lock_clients(&self) -> MutexGuard<'_, usize> {
        self.clients.lock().expect(NO_PANIC)
    }

    fn forget_readers(&self) {
        self.readers.clear(|readers| {
            self.reader_count
                .fetch_sub(readers.len(), Ordering::Relaxed);
        });
    }
}

const NO_PANIC: &str = "never held across a panic";

/// Keys as an array in wire form.
fn wire<'k>(keys: impl ExactSizeIterator<Item = &'k [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut reply = protocol::Reply::new(&mut out, false);
    reply.array(keys.len());
    keys.for_each(|key| reply.bulk(key));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracking() -> Tracking {
        Tracking::new(2, Arc::new(Mailboxes::new(2)))
    }

    fn reader(number: u64) -> Reader {
        Reader {
            thread: 0,
            token: Token(number),
        }
    }

    #[test]
    fn readers_are_noted_once_and_forgotten_with_the_change() {
        let tracking = tracking();
        for number in [1, 2, 2, 1] {
            tracking.remember(b"a", reader(number));
        }
        tracking.remember(b"b", reader(1));
        assert_eq!((tracking.keys(), tracking.items()), (2, 3));
        tracking.invalidate(Author::default(), b"a");
        tracking.invalidate(Author::default(), b"absent");
        assert_eq!((tracking.keys(), tracking.items()), (1, 1));
        tracking.invalidate_all(Author::default());
        assert_eq!((tracking.keys(), tracking.items()), (0, 0));
    }

    #[test]
    fn what_is_on_its_way_is_accounted_for() {
        let tracking = tracking();
        tracking.count_clients(true, |_| ());
        tracking.remember(b"a", reader(1));
        assert_eq!(tracking.unsent_bytes(0), 0);
        tracking.invalidate(Author::default(), b"a");
        assert!(tracking.unsent_bytes(0) > 0, "in its outbox");
        assert_eq!(tracking.unsent_bytes(1), 0, "which is of one thread");
        assert!(tracking.tell(0));
        assert!(tracking.unsent_bytes(1) > 0, "posted, which all see");
    }

    #[test]
    fn the_limit_holds_at_once() {
        let tracking = tracking();
        for key in 0..100u8 {
            tracking.remember(&[key], reader(1));
        }
        tracking.limit(10);
        assert_eq!((tracking.keys(), tracking.items()), (10, 10));
        for key in 100..200u8 {
            tracking.remember(&[key], reader(1));
        }
        assert_eq!((tracking.keys(), tracking.items()), (10, 10));
        tracking.limit(0);
        for key in 100..200u8 {
            tracking.remember(&[key], reader(1));
        }
        assert!(tracking.keys() >= 100);
    }

    #[test]
    fn the_last_client_takes_the_table_along() {
        let tracking = tracking();
        tracking.count_clients(true, |any| assert!(any));
        tracking.count_clients(true, |any| assert!(any));
        tracking.remember(b"a", reader(1));
        tracking.count_clients(false, |any| assert!(any));
        assert_eq!(tracking.keys(), 1);
        tracking.count_clients(false, |any| assert!(!any));
        assert_eq!((tracking.keys(), tracking.items()), (0, 0));
    }

    #[test]
    fn keys_are_an_array() {
        let keys = [&b"a"[..], b"\r\n"];
        assert_eq!(wire(keys.into_iter()), b"*2\r\n$1\r\na\r\n$2\r\n\r\n\r\n");
    }
}
