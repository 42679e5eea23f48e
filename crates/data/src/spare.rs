//! Room in arenas that is kept for records to come: allocated, but free for the next one.

use std::sync::atomic::{AtomicI64, Ordering};

/// How far an arena's own count may be from what it has told.
const UNTOLD_MAX: i64 = 4 << 10;

static TOLD: AtomicI64 = AtomicI64::new(0);

/// Bytes that all arenas of the process keep free, to within 4 KiB an arena.
pub fn spare_bytes() -> u64 {
    u64::try_from(TOLD.load(Ordering::Relaxed)).unwrap_or(0)
}

/// What one arena keeps free. It tells the sum of all only now and then, so that threads that fill
/// arenas don't meet at one counter.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    untold: i64,
    told: i64,
}

impl Spare {
    #[inline(always)]
    pub(crate) fn add(&mut self, bytes: i64) {
        self.untold += bytes;
        if self.untold.abs() > UNTOLD_MAX {
            self.tell();
        }
    }

    /// The bytes of this arena. O(1).
    pub(crate) fn bytes(&self) -> usize {
        usize::try_from(self.told + self.untold).unwrap_or(0)
    }

    #[cold]
    fn tell(&mut self) {
        TOLD.fetch_add(self.untold, Ordering::Relaxed);
        self.told += std::mem::take(&mut self.untold);
    }
}

impl Clone for Spare {
    fn clone(&self) -> Self {
        let mut copy = Self {
            untold: self.told + self.untold,
            told: 0,
        };
        copy.add(0);
        copy
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        TOLD.fetch_sub(self.told, Ordering::Relaxed);
    }
}
