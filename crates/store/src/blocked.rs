//! Clients that wait for keys: BLPOP and its like.
//!
//! A command that finds nothing says so with [`Txn::wait_for`]. The server makes a [`Blocked`] of
//! it and puts that into the queues of the keys ([`Txn::block`]) before the locks are given back,
//! so no change goes unseen. Whoever changes such a key serves those who wait in its own
//! transaction ([`Txn::serve_ready`]), the first come first, before anyone else sees the key: no
//! other command comes between a push and the pop it was waited for.

use std::fmt;
use std::sync::Mutex;

use crate::txn::Txn;

/// What a command waits for, see [`Txn::wait_for`].
#[derive(Debug)]
pub struct Wait {
    /// Any of these keys.
    pub keys: Vec<Box<[u8]>>,
    /// At most for so many milliseconds.
    pub timeout_ms: Option<u64>,
    /// The reply when nothing has come in that time.
    pub at_end: AtEnd,
    /// Whether the removal of a key is news as well.
    pub even_if_gone: bool,
    /// The command as it is to be repeated, where that isn't as it came.
    pub args: Option<Vec<Vec<u8>>>,
}

/// The reply to a client that has waited in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// Null, where a string was asked for.
    Null,
    /// Null, where an array was asked for.
    NullArray,
    /// Two zeros, where it was asked how many have what was written.
    Zeros,
}

/// How an attempt to serve a client ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// It has got what it waited for, or an error.
    Yes,
    /// There is nothing for it at this key.
    No,
    /// Another key has to be locked first: the target of a move.
    Needs(Box<[u8]>),
}

/// Serves one client.
pub trait Serve: Send + Sync {
    /// Runs the client's command on `key`, of which there is news, and hands it the reply. The
    /// database of the client is selected and the shard of the key locked.
    fn serve(&self, txn: &mut Txn<'_>, key: &[u8]) -> Served;
}

/// A client that waits. Whoever ends its wait does so exactly once: served, out of time, unblocked
/// by another client, or gone.
pub struct Blocked {
    is_waiting: Mutex<bool>,
    db: usize,
    keys: Vec<Box<[u8]>>,
    even_if_gone: bool,
    client: Box<dyn Serve>,
}

impl fmt::Debug for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocked")
            .field("db", &self.db)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl Blocked {
    /// A client that waits in a database.
    pub fn new(db: usize, wait: Wait, client: Box<dyn Serve>) -> Self {
        Self {
            is_waiting: Mutex::new(true),
            db,
            keys: wait.keys,
            even_if_gone: wait.even_if_gone,
            client,
        }
    }

    /// Ends the wait; false when it has ended already. The entries in the queues stay until
    /// [`Txn::unblock`], or until they are met there.
    pub fn end(&self) -> bool {
        std::mem::replace(&mut self.lock(), false)
    }

    /// Whether it still waits.
    pub fn is_waiting(&self) -> bool {
        *self.lock()
    }

    /// The database it waits in.
    pub fn db(&self) -> usize {
        self.db
    }

    /// The keys it waits for.
    pub fn keys(&self) -> &[Box<[u8]>] {
        &self.keys
    }

    /// Whether the removal of a key is news to it.
    pub(crate) fn even_if_gone(&self) -> bool {
        self.even_if_gone
    }

    /// Serves it, unless its wait has ended. Held to the end of that, so that a client isn't taken
    /// for gone while it is being served.
    pub(crate) fn serve(&self, txn: &mut Txn<'_>, key: &[u8]) -> Served {
        let mut is_waiting = self.lock();
        if !*is_waiting {
            return Served::No;
        }
        let served = self.client.serve(txn, key);
        if served == Served::Yes {
            *is_waiting = false;
        }
        served
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        self.is_waiting.lock().expect("serving doesn't panic")
    }
}
