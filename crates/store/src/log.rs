//! The one ordered log of effects: what replicas and the append-only file read.
//!
//! A transaction hands over its effects while it still holds its locks, so the order of the log is
//! an order in which the transactions could have run one after the other. With no reader attached a
//! write only looks at a flag.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// One change, as a command that repeats it exactly: relative times and random choices are
/// resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The database it applies to.
    pub db: usize,
    /// Command name and arguments.
    pub args: Vec<Vec<u8>>,
}

/// Takes the effects of the log in order. Called with shard locks held: it must be quick and must
/// not wait.
pub trait LogReader: Send {
    /// The effects of one transaction; the first has number `lsn`, the others follow it.
    fn transaction(&mut self, lsn: u64, effects: &[Effect]);
}

/// See the module.
#[derive(Default)]
pub struct Log {
    is_read: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    next_lsn: u64,
    readers: Vec<Box<dyn LogReader>>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("is_read", &self.is_read)
            .finish_non_exhaustive()
    }
}

impl Log {
    /// True when a reader is attached: effects must be recorded.
    #[inline(always)]
    pub fn is_read(&self) -> bool {
        self.is_read.load(Ordering::Relaxed)
    }

    /// Adds a reader, which gets everything from the returned LSN on. The caller has closed the
    /// gate.
    pub fn attach(&self, reader: Box<dyn LogReader>) -> u64 {
        let mut inner = self.inner.lock().expect("log readers don't panic");
        inner.readers.push(reader);
        self.is_read.store(true, Ordering::Relaxed);
        inner.next_lsn
    }

    /// Appends the effects of a transaction that still holds its locks.
    pub fn append(&self, effects: &[Effect]) {
        let mut inner = self.inner.lock().expect("log readers don't panic");
        let lsn = inner.next_lsn;
        inner.next_lsn += effects.len() as u64;
        for reader in &mut inner.readers {
            reader.transaction(lsn, effects);
        }
    }
}
