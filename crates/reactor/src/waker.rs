//! Waking a thread that may be asleep in its driver's poll.
//!
//! Each driver has one three-state word. The sleeper moves it AWAKE → SLEEPING before it waits and
//! back to AWAKE after; a waker moves it to NOTIFIED and rings the bell (an eventfd) only if it
//! found SLEEPING. So a wake of a busy thread is one atomic swap and no system call, and a burst of
//! wakes rings once.
//!
//! No wake is lost, because every transition is a read-modify-write of the same word: a wake is
//! ordered either before the sleeper's compare-exchange, which then fails and the poll does not
//! wait, or after it, and then the waker sees SLEEPING and rings. The bell keeps ringing until the
//! driver has heard it, so it does not matter whether the system call has begun. All transitions
//! are acquire and release, and a release sequence continues through swaps, so whatever any waker
//! wrote before `wake` is visible after the poll that it made return.

use crate::sync::{Arc, AtomicU8, Ordering};
#[cfg(not(loom))]
use crate::sys;
use std::fmt;
#[cfg(not(loom))]
use std::{
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
};

const AWAKE: u8 = 0;
const SLEEPING: u8 = 1;
const NOTIFIED: u8 = 2;

/// Makes one driver's concurrent or next poll return. Cheap when its thread is not asleep.
#[derive(Clone)]
pub struct Waker {
    inner: Arc<Inner>,
}

struct Inner {
    state: AtomicU8,
    bell: Bell,
}

/// What a waker rings when the thread sleeps.
enum Bell {
    #[cfg(not(loom))]
    EventFd(OwnedFd),
    /// A simulated driver never sleeps in the kernel; its scheduler reads the state.
    #[cfg(not(loom))]
    Silent,
    /// An eventfd as loom can see it: a flag that stays up until it is heard.
    #[cfg(loom)]
    Loom(loom::sync::Mutex<bool>, loom::sync::Condvar),
}

#[cfg(not(loom))]
impl Waker {
    /// A waker that no driver listens to yet: make one on any thread, share it, then build the
    /// thread's driver with it.
    pub fn new() -> io::Result<Waker> {
        Ok(Waker::with_bell(Bell::EventFd(sys::event_fd()?)))
    }

    pub(crate) fn silent() -> Waker {
        Waker::with_bell(Bell::Silent)
    }

    /// The descriptor that becomes readable when the bell rings.
    pub(crate) fn event_fd(&self) -> Option<RawFd> {
        match &self.inner.bell {
            Bell::EventFd(fd) => Some(fd.as_raw_fd()),
            Bell::Silent => None,
        }
    }

    /// Whether a wake came since the last [`end_sleep`](Self::end_sleep).
    pub(crate) fn is_notified(&self) -> bool {
        self.inner.state.load(Ordering::Acquire) == NOTIFIED
    }
}

impl Waker {
    fn with_bell(bell: Bell) -> Waker {
        Waker {
            inner: Arc::new(Inner {
                state: AtomicU8::new(AWAKE),
                bell,
            }),
        }
    }

    /// Makes the driver's concurrent or next poll return.
    pub fn wake(&self) {
        if self.inner.state.swap(NOTIFIED, Ordering::AcqRel) == SLEEPING {
            self.inner.bell.ring();
        }
    }

    /// Before waiting. False: a wake has come, so only look.
    pub(crate) fn begin_sleep(&self) -> bool {
        self.inner
            .state
            .compare_exchange(AWAKE, SLEEPING, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// After waiting or looking: wakes from here on concern the next poll.
    pub(crate) fn end_sleep(&self) {
        self.inner.state.swap(AWAKE, Ordering::AcqRel);
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}

impl Bell {
    fn ring(&self) {
        match self {
            #[cfg(not(loom))]
            Bell::EventFd(fd) => sys::ring_event_fd(fd.as_raw_fd()),
            #[cfg(not(loom))]
            Bell::Silent => {}
            #[cfg(loom)]
            Bell::Loom(rung, condvar) => {
                *rung.lock().expect("no panic while locked") = true;
                condvar.notify_one();
            }
        }
    }
}

#[cfg(loom)]
impl Waker {
    pub(crate) fn for_loom() -> Waker {
        Waker::with_bell(Bell::Loom(
            loom::sync::Mutex::new(false),
            loom::sync::Condvar::new(),
        ))
    }

    /// What a driver's poll does, as far as wakes go.
    pub(crate) fn sleep_until_woken(&self) {
        if self.begin_sleep() {
            let Bell::Loom(rung, condvar) = &self.inner.bell;
            let mut rung = rung.lock().expect("no panic while locked");
            while !*rung {
                rung = condvar.wait(rung).expect("no panic while locked");
            }
            *rung = false;
        }
        self.end_sleep();
    }
}
