//! The gate: how one thread gets the whole keyspace for itself.
//!
//! A thread says in a cache line of its own that it is inside before it touches shards, once for a
//! batch of commands, and looks whether the gate is closed. Who closes the gate sets the flag and
//! waits until no other thread is inside; then no shard lock is held by anyone else and none can be
//! taken. Both sides write before they read, with a full fence between, so at least one sees the
//! other.

use crate::sync::{AtomicBool, Ordering, Padded, WaitList, Waiter, fence, spin_loop, yield_now};

/// See the module.
#[derive(Debug)]
pub struct Gate {
    closed: Padded<AtomicBool>,
    inside: Box<[Padded<AtomicBool>]>,
    waiters: WaitList,
}

impl Gate {
    /// A gate for threads `0 .. threads`.
    pub fn new(threads: usize) -> Self {
        Self {
            closed: Padded(AtomicBool::new(false)),
            inside: (0..threads)
                .map(|_| Padded(AtomicBool::new(false)))
                .collect(),
            waiters: WaitList::new(),
        }
    }

    /// Enters, unless the gate is closed: then the caller parks.
    #[inline(always)]
    pub fn enter(&self, thread: usize) -> bool {
        let inside = &self.inside[thread].0;
        inside.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.closed.0.load(Ordering::Acquire) {
            inside.store(false, Ordering::Release);
            return false;
        }
        true
    }

    /// Leaves; the caller holds no shard lock.
    #[inline(always)]
    pub fn leave(&self, thread: usize) {
        self.inside[thread].0.store(false, Ordering::Release);
    }

    /// Leaves `waiter` to be woken when the gate opens. Returns false when it is open already.
    #[must_use]
    pub fn park(&self, waiter: Waiter) -> bool {
        self.waiters
            .add_unless(waiter, || !self.closed.0.load(Ordering::Acquire))
    }

    /// Closes the gate and waits until all other threads are outside: at most the rest of their
    /// batches. `thread` is inside and holds no shard lock. False when another thread closes it:
    /// the caller leaves and parks.
    pub fn close(&self, thread: usize) -> bool {
        let closed = &self.closed.0;
        if closed
            .compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed)
            .is_err()
        {
            return false;
        }
        fence(Ordering::SeqCst);
        for (other, inside) in self.inside.iter().enumerate() {
            let mut turns = 0u32;
            while other != thread && inside.0.load(Ordering::Acquire) {
                turns += 1;
                // The other thread may be waiting for our processor.
                if turns.is_multiple_of(64) || cfg!(loom) {
                    yield_now();
                } else {
                    spin_loop();
                }
            }
        }
        true
    }

    /// Closes the gate if no other thread is inside, so without a wait. Otherwise returns those who
    /// are to be woken, as after [`Self::open`]; none if another thread had closed it.
    pub fn try_close(&self, thread: usize) -> Result<(), Vec<Waiter>> {
        let closed = &self.closed.0;
        if closed
            .compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed)
            .is_err()
        {
            return Err(Vec::new());
        }
        fence(Ordering::SeqCst);
        let mut others = self.inside.iter().enumerate();
        if others.any(|(other, inside)| other != thread && inside.0.load(Ordering::Acquire)) {
            return Err(self.open());
        }
        Ok(())
    }

    /// As [`Self::enter`], but tries again for some 100 µs: whoever closes the gate for each of its
    /// batches leaves it open in between.
    pub fn enter_patiently(&self, thread: usize) -> bool {
        const TURNS: u32 = if cfg!(loom) { 2 } else { 2000 };
        for turn in 1..=TURNS {
            if self.enter(thread) {
                return true;
            }
            if turn.is_multiple_of(64) || cfg!(loom) {
                yield_now();
            } else {
                spin_loop();
            }
        }
        false
    }

    /// Those who are parked, to be woken while the gate is closed.
    #[must_use]
    pub fn parked(&self) -> Vec<Waiter> {
        self.waiters.drain()
    }

    /// Opens the gate again; the returned waiters are to be woken.
    #[must_use]
    pub fn open(&self) -> Vec<Waiter> {
        self.closed.0.store(false, Ordering::Release);
        self.waiters.drain()
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread;

    /// Two who close it without a wait never both succeed, and who parks is woken.
    #[test]
    fn loom_closing_without_a_wait_excludes_everyone() {
        loom::model(|| {
            let gate = Arc::new(Gate::new(2));
            let alone = Arc::new(AtomicUsize::new(0));
            let (done, woken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let run = |thread: usize| {
                let (gate, alone) = (gate.clone(), alone.clone());
                let (done, woken) = (done.clone(), woken.clone());
                move || {
                    let waiter = Waiter {
                        thread: thread as u16,
                        token: 0,
                    };
                    while !gate.enter(thread) {
                        if gate.park(waiter) {
                            return;
                        }
                    }
                    let to_wake = match gate.try_close(thread) {
                        Ok(()) => {
                            assert_eq!(alone.fetch_add(1, Ordering::Relaxed), 0);
                            alone.fetch_sub(1, Ordering::Relaxed);
                            gate.open()
                        }
                        Err(waiters) => waiters,
                    };
                    woken.fetch_add(to_wake.len(), Ordering::Relaxed);
                    gate.leave(thread);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            };
            let other = thread::spawn(run(0));
            run(1)();
            other.join().unwrap();
            let (done, woken) = (done.load(Ordering::Relaxed), woken.load(Ordering::Relaxed));
            assert_eq!(done + woken, 2);
        });
    }

    #[test]
    fn loom_closing_excludes_everyone_and_wakes_the_parked() {
        loom::model(|| {
            let gate = Arc::new(Gate::new(2));
            let inside = Arc::new(AtomicUsize::new(0));
            let done = Arc::new(AtomicUsize::new(0));
            let user = {
                let (gate, inside, done) = (gate.clone(), inside.clone(), done.clone());
                thread::spawn(move || {
                    loop {
                        if gate.enter(0) {
                            inside.fetch_add(1, Ordering::Relaxed);
                            done.fetch_add(1, Ordering::Relaxed);
                            inside.fetch_sub(1, Ordering::Relaxed);
                            gate.leave(0);
                            return;
                        }
                        if gate.park(Waiter {
                            thread: 0,
                            token: 0,
                        }) {
                            return;
                        }
                    }
                })
            };
            assert!(gate.enter(1) && gate.close(1));
            assert_eq!(inside.load(Ordering::Relaxed), 0);
            let woken = gate.open().len();
            gate.leave(1);
            user.join().unwrap();
            assert_eq!(done.load(Ordering::Relaxed) + woken, 1);
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_closed_gate_parks_and_opens() {
        let gate = Gate::new(2);
        let waiter = Waiter {
            thread: 1,
            token: 3,
        };
        assert!(gate.enter(0) && gate.close(0));
        assert!(!gate.enter(1) && !gate.enter_patiently(1));
        assert!(gate.park(waiter));
        assert_eq!(gate.open(), [waiter]);
        assert!(!gate.park(waiter));
        assert!(gate.enter_patiently(1));
        // Someone is inside: it isn't closed.
        assert_eq!(gate.try_close(0), Err(Vec::new()));
        gate.leave(1);
        assert_eq!(gate.try_close(0), Ok(()));
        assert!(!gate.enter(1));
    }
}
