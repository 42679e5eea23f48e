//! What each thread counts, in a cache line of its own; readers add the threads up.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter that one thread writes and any may read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning thread may call this.
    #[inline(always)]
    pub fn add(&self, n: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(n),
            Ordering::Relaxed,
        );
    }

    /// The current count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Back to zero (an addition under way on the owner's side may survive it).
    pub fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Counts of keyspace events.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Stats {
    /// Look-ups that found a key.
    pub hits: Counter,
    /// Look-ups that found none.
    pub misses: Counter,
    /// Keys removed because their time had come.
    pub expired: Counter,
    /// Keys removed to make room.
    pub evicted: Counter,
    /// Fields of hashes and members of sets removed because their time had come.
    pub expired_members: Counter,
    /// Microseconds spent on looking for expired keys.
    pub expire_cycle_us: Counter,
    /// Times that looking for expired keys hit its time limit.
    pub expire_cycle_limits: Counter,
}

impl Stats {
    /// All back to zero.
    pub fn reset(&self) {
        for counter in [
            &self.hits,
            &self.misses,
            &self.expired,
            &self.evicted,
            &self.expired_members,
            &self.expire_cycle_us,
            &self.expire_cycle_limits,
        ] {
            counter.reset();
        }
    }
}
