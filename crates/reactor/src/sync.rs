//! The synchronisation primitives of the mailbox and the waker: the standard ones, or loom's when
//! the crate is built to have its interleavings explored (`--cfg loom`).

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8, Ordering, fence},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8, Ordering, fence},
};

#[cfg(not(loom))]
pub(crate) use crossbeam_queue::SegQueue as Queue;

/// Under loom the queue is a locked one, for what is explored there is the order of the push
/// against the sleeping flag, not the queue, which has its own tests. But `is_empty` looks at a
/// relaxed counter beside the lock, or the lock would order what the fences are there to order.
#[cfg(loom)]
pub(crate) struct Queue<T> {
    items: loom::sync::Mutex<std::collections::VecDeque<T>>,
    count: loom::sync::atomic::AtomicIsize,
}

#[cfg(loom)]
impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Queue {
            items: loom::sync::Mutex::new(std::collections::VecDeque::new()),
            count: loom::sync::atomic::AtomicIsize::new(0),
        }
    }

    pub(crate) fn push(&self, value: T) {
        self.items
            .lock()
            .expect("no panic while locked")
            .push_back(value);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn pop(&self) -> Option<T> {
        let value = self
            .items
            .lock()
            .expect("no panic while locked")
            .pop_front()?;
        self.count.fetch_sub(1, Ordering::Relaxed);
        Some(value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) <= 0
    }
}
