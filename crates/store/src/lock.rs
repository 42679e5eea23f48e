//! The lock of one shard: a spin lock on which connections are parked, never threads.
//!
//! ```text
//! FREE ── try_lock ──> HELD ── park ──> CONTENDED ── unlock: FREE, then wake all parked
//! ```
//!
//! No wake is lost: a waiter is put on the list and the state moved to CONTENDED under the list's
//! mutex. Whoever unlocks swaps FREE in; if the swap sees CONTENDED, the waiter's mutex section
//! began before, so draining under the same mutex finds it. If the swap came first, the waiter sees
//! FREE and tries again instead of parking. Checked with loom, see the tests.

use crate::sync::{AtomicU32, Ordering, WaitList, Waiter, spin_loop};

const FREE: u32 = 0;
const HELD: u32 = 1;
const CONTENDED: u32 = 2;

/// Turns of waiting before a connection is parked: about the time of a short command.
#[cfg(not(loom))]
const SPINS: u32 = 200;
#[cfg(loom)]
const SPINS: u32 = 1;

/// See the module.
#[derive(Debug)]
pub struct ShardLock {
    state: AtomicU32,
    waiters: WaitList,
}

impl Default for ShardLock {
    fn default() -> Self {
        Self {
            state: AtomicU32::new(FREE),
            waiters: WaitList::new(),
        }
    }
}

impl ShardLock {
    /// Takes the lock if it is free.
    #[inline(always)]
    pub fn try_lock(&self) -> bool {
        self.state
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes the lock, waiting a few turns if need be.
    #[inline(always)]
    pub fn spin_lock(&self) -> bool {
        self.try_lock() || self.spin_lock_slow()
    }

    #[cold]
    fn spin_lock_slow(&self) -> bool {
        for _ in 0..SPINS {
            spin_loop();
            if self.state.load(Ordering::Relaxed) == FREE && self.try_lock() {
                return true;
            }
        }
        false
    }

    /// Leaves `waiter` to be woken when the lock is next free. Returns false when it is free
    /// already: the caller tries again.
    #[must_use]
    pub fn park(&self, waiter: Waiter) -> bool {
        self.waiters.add_unless(waiter, || {
            let contend = |from| {
                self.state
                    .compare_exchange(from, CONTENDED, Ordering::AcqRel, Ordering::Relaxed)
            };
            contend(HELD).is_err() && contend(CONTENDED).is_err()
        })
    }

    /// Gives the lock back; the returned waiters are to be woken.
    #[inline(always)]
    #[must_use]
    pub fn unlock(&self) -> Vec<Waiter> {
        match self.state.swap(FREE, Ordering::AcqRel) {
            CONTENDED => self.waiters.drain(),
            _ => Vec::new(),
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    /// Two threads add one each under the lock. One that can't get it parks and goes away; whoever
    /// unlocks does the parked one's work, as a woken connection would.
    #[test]
    fn loom_no_wake_is_lost_and_no_one_is_inside_together() {
        loom::model(|| {
            let lock = Arc::new(ShardLock::default());
            let inside = Arc::new(AtomicUsize::new(0));
            let done = Arc::new(AtomicUsize::new(0));
            let threads: Vec<_> = (0..2)
                .map(|id| {
                    let (lock, inside, done) = (lock.clone(), inside.clone(), done.clone());
                    thread::spawn(move || {
                        let mut work = vec![Waiter {
                            thread: id,
                            token: 0,
                        }];
                        while let Some(waiter) = work.pop() {
                            if !lock.try_lock() {
                                if !lock.park(waiter) {
                                    work.push(waiter);
                                }
                                continue;
                            }
                            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                            done.fetch_add(1, Ordering::Relaxed);
                            inside.fetch_sub(1, Ordering::Relaxed);
                            work.extend(lock.unlock());
                        }
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(
                done.load(Ordering::Relaxed),
                2,
                "a parked waiter was never woken"
            );
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn parked_waiters_come_back_once() {
        let lock = ShardLock::default();
        let waiter = Waiter {
            thread: 1,
            token: 5,
        };
        assert!(!lock.park(waiter), "a free lock parks no one");
        assert!(lock.try_lock());
        assert!(!lock.spin_lock());
        assert!(lock.park(waiter));
        assert_eq!(lock.unlock(), [waiter]);
        assert!(lock.try_lock());
        assert_eq!(lock.unlock(), []);
    }
}
