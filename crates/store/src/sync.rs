//! The atomics of lock and gate, real or loom's, and who waits for them.

#[cfg(loom)]
pub(crate) use loom::{
    hint::spin_loop,
    sync::Mutex,
    sync::atomic::{AtomicBool, AtomicU64, Ordering, fence},
    thread::yield_now,
};
#[cfg(not(loom))]
pub(crate) use std::{
    hint::spin_loop,
    sync::Mutex,
    sync::atomic::{AtomicBool, AtomicU64, Ordering, fence},
    thread::yield_now,
};

/// A connection that waits for a lock or the gate: whom to wake, and with which word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// The thread that owns the connection.
    pub thread: u16,
    /// What that thread understands as the connection.
    pub token: u64,
}

/// A list of waiters; an entry is removed by whoever wakes it.
#[derive(Debug)]
pub(crate) struct WaitList(Mutex<Vec<Waiter>>);

impl WaitList {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Adds `waiter` unless `is_free_after_all` (run while no one can drain the list) says that
    /// there is no need to wait. Returns true when it was added.
    pub(crate) fn add_unless(
        &self,
        waiter: Waiter,
        is_free_after_all: impl FnOnce() -> bool,
    ) -> bool {
        let mut list = self
            .0
            .lock()
            .expect("no one panics while holding a wait list");
        if is_free_after_all() {
            return false;
        }
        list.push(waiter);
        true
    }

    /// Takes all waiters out.
    pub(crate) fn drain(&self) -> Vec<Waiter> {
        std::mem::take(
            &mut *self
                .0
                .lock()
                .expect("no one panics while holding a wait list"),
        )
    }
}

/// Keeps `T` on cache lines of its own (two, for processors that fetch lines in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);
