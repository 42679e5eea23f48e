//! The lock of one shard: a spin lock on which connections are parked, never threads.
//!
//! ```text
//! FREE ── try_lock ──> HELD ── park ──> CONTENDED ── unlock: FREE, then wake all parked
//! ```
//!
//! While it is held the word also says by whom, so that a holder of many locks need not keep an
//! index of them to know which are its own.
//!
//! Scripts with undeclared keys (see [`crate::families`]) can't take their locks before they begin.
//! Such a script reserves a shard when it first touches it and until it ends, and latches it for
//! the time of each command. A reserved shard can't be locked by anyone, but it can be reserved and
//! latched by other scripts: these have made sure that their keys are others.
//!
//! No wake is lost: a waiter is put on the list and the state moved to CONTENDED under the list's
//! mutex. Whoever unlocks swaps FREE in; if the swap sees CONTENDED, the waiter's mutex section
//! began before, so draining under the same mutex finds it. If the swap came first, the waiter sees
//! FREE and tries again instead of parking. Checked with loom, see the tests.

use crate::sync::{AtomicU64, Ordering, WaitList, Waiter, spin_loop};

const FREE: u64 = 0;
/// The lowest bit.
const CONTENDED: u64 = 1;
/// Who has locked or latched it.
const HOLDER: u64 = 0xffff_fffe;
/// In the upper half, how many scripts have reserved it.
const RESERVATION: u64 = 1 << 32;

/// Who holds a lock: a number from 1 up to 2^31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder(u32);

impl Holder {
    /// Background work, which never asks what it holds.
    pub const ANYONE: Self = Self(u32::MAX >> 1);

    /// The transaction with this number of a thread. Numbers come again after 2^18 others of the
    /// same thread, of which one is at work at a time.
    #[inline(always)]
    pub fn new(thread: usize, number: u32) -> Self {
        debug_assert!(thread < 0xfff);
        Self((thread as u32 + 1) << 18 | number & 0x3_ffff)
    }

    /// Where it stands in the lock's word.
    #[inline(always)]
    fn bits(self) -> u64 {
        u64::from(self.0) << 1
    }
}

/// Turns of waiting before a connection is parked: about the time of a short command.
#[cfg(not(loom))]
const SPINS: u32 = 200;
#[cfg(loom)]
const SPINS: u32 = 1;

/// See the module.
#[derive(Debug)]
pub struct ShardLock {
    state: AtomicU64,
    waiters: WaitList,
}

impl Default for ShardLock {
    fn default() -> Self {
        Self {
            state: AtomicU64::new(FREE),
            waiters: WaitList::new(),
        }
    }
}

impl ShardLock {
    /// Takes the lock if it is free.
    #[inline(always)]
    pub fn try_lock(&self, holder: Holder) -> bool {
        self.state
            .compare_exchange(FREE, holder.bits(), Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Whether this holder has it. Nobody else can make that true or false.
    #[inline(always)]
    pub fn is_held_by(&self, holder: Holder) -> bool {
        self.state.load(Ordering::Relaxed) & HOLDER == holder.bits()
    }

    /// Takes the lock, waiting a few turns if need be.
    #[inline(always)]
    pub fn spin_lock(&self, holder: Holder) -> bool {
        self.try_lock(holder) || self.spin_lock_slow(holder)
    }

    #[cold]
    fn spin_lock_slow(&self, holder: Holder) -> bool {
        for _ in 0..SPINS {
            spin_loop();
            if self.state.load(Ordering::Relaxed) == FREE && self.try_lock(holder) {
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
            let contend = |state| (state != FREE).then_some(state | CONTENDED);
            self.state
                .fetch_update(Ordering::AcqRel, Ordering::Relaxed, contend)
                .is_err()
        })
    }

    /// Latches the lock for a script, unless somebody holds it; reserves it as well if this is the
    /// script's first time.
    pub fn latch(&self, holder: Holder, is_first: bool) -> bool {
        let reservation = if is_first { RESERVATION } else { 0 };
        let latch = |state: u64| {
            (state & HOLDER == 0).then_some((state | holder.bits()).wrapping_add(reservation))
        };
        self.state
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, latch)
            .is_ok()
    }

    /// Ends a latch; the reservation stays.
    pub fn unlatch(&self) {
        self.state.fetch_and(!HOLDER, Ordering::Release);
    }

    /// Makes a reservation of a lock that is held.
    pub fn share(&self) {
        let share = |state: u64| Some((state & !HOLDER).wrapping_add(RESERVATION));
        let shared = self
            .state
            .fetch_update(Ordering::Release, Ordering::Relaxed, share);
        debug_assert!(shared.is_ok_and(|state| state & HOLDER != 0), "not held");
    }

    /// Ends a script's reservation, and its latch if it has that; the returned waiters are to be
    /// woken.
    #[must_use]
    pub fn unreserve(&self, holder: Holder) -> Vec<Waiter> {
        let unreserve = |state: u64| {
            let is_latched = state & HOLDER == holder.bits();
            let latch = if is_latched { HOLDER } else { 0 };
            let rest = (state & !latch).wrapping_sub(RESERVATION);
            // The last one to go opens it for those who wait.
            Some(if rest < RESERVATION { FREE } else { rest })
        };
        let before = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, unreserve)
            .unwrap_or_else(|state| state);
        if before >= 2 * RESERVATION || before & CONTENDED == 0 {
            return Vec::new();
        }
        self.waiters.drain()
    }

    /// Gives the lock back; the returned waiters are to be woken.
    #[inline(always)]
    #[must_use]
    pub fn unlock(&self) -> Vec<Waiter> {
        if self.state.swap(FREE, Ordering::AcqRel) & CONTENDED == 0 {
            return Vec::new();
        }
        self.waiters.drain()
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
                            if !lock.try_lock(Holder::new(usize::from(id), 0)) {
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
        let [me, other] = [0, 1].map(|number| Holder::new(3, number));
        assert!(lock.try_lock(me));
        assert!(!lock.spin_lock(other));
        assert!(lock.park(waiter));
        assert!(lock.is_held_by(me) && !lock.is_held_by(other));
        assert_eq!(lock.unlock(), [waiter]);
        assert!(!lock.is_held_by(me) && lock.try_lock(other));
        assert_eq!(lock.unlock(), []);
    }
}
