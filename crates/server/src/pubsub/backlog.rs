//! Messages under way to the threads of their subscribers. A thread that delivers each of them to
//! many may be slower than those that publish; then these have to wait.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes that may be under way before publishers wait.
const LONG: usize = 16 << 20;
/// They go on when no more than these are.
const SHORT: usize = LONG / 2;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    bytes: AtomicUsize,
    is_long: AtomicBool,
}

// Who adds writes `bytes`, then `is_long`, and looks at `bytes` again; who removes writes `bytes`
// and looks at `is_long`. In one total order, one of them sees that the backlog is short.
impl Backlog {
    /// Whether publishers have to wait.
    #[inline(always)]
    pub(super) fn is_long(&self) -> bool {
        self.is_long.load(Ordering::Relaxed)
    }

    /// So many bytes are sent on their way. True when publishers that waited may go on.
    pub(super) fn add(&self, bytes: usize) -> bool {
        if self.bytes.fetch_add(bytes, Ordering::SeqCst) + bytes <= LONG {
            return false;
        }
        self.is_long.store(true, Ordering::SeqCst);
        self.is_over()
    }

    /// So many bytes have arrived. True when publishers that waited may go on.
    pub(super) fn remove(&self, bytes: usize) -> bool {
        self.bytes.fetch_sub(bytes, Ordering::SeqCst);
        self.is_over()
    }

    fn is_over(&self) -> bool {
        self.is_long.load(Ordering::SeqCst)
            && self.bytes.load(Ordering::SeqCst) <= SHORT
            && self.is_long.swap(false, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_wait_between_long_and_short() {
        let backlog = Backlog::default();
        assert!(!backlog.add(LONG) && !backlog.is_long());
        assert!(!backlog.add(1) && backlog.is_long());
        assert!(!backlog.remove(SHORT) && backlog.is_long());
        assert!(backlog.remove(1) && !backlog.is_long());
        assert!(!backlog.remove(SHORT), "nobody waits any more");
    }
}
