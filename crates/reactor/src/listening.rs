//! A listener inside a driver, and its rest when descriptors run out.
//!
//! A failed accept leaves the connection in the queue, so the kernel reports the listener again at
//! once: without a rest, a server out of descriptors would spin.

use crate::driver::Now;
use crate::net::Listener;
use std::time::Duration;

/// How long a listener rests after running out of descriptors or memory.
const REST_US: u64 = 50_000;

pub(crate) struct Listening {
    pub(crate) listener: Listener,
    resumes_at_us: Option<u64>,
}

/// What to do about a failed accept.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum AcceptFailure {
    /// Nothing is waiting.
    Drained,
    /// That one connection went away; try the next.
    Skip,
    /// Out of descriptors or memory (or worse): trying again at once would spin.
    Rest,
}

impl Listening {
    pub(crate) fn new(listener: Listener) -> Self {
        Listening {
            listener,
            resumes_at_us: None,
        }
    }

    /// Starts a rest.
    pub(crate) fn rest(&mut self, now: Now) {
        self.resumes_at_us = Some(now.mono_us + REST_US);
    }

    /// Ends a rest that has lasted long enough; true if that is now.
    pub(crate) fn resume(&mut self, now: Now) -> bool {
        self.resumes_at_us
            .take_if(|at| *at <= now.mono_us)
            .is_some()
    }

    /// Shortens `timeout` to the end of the first rest.
    pub(crate) fn shorten(
        all: &[Listening],
        timeout: Option<Duration>,
        now: impl FnOnce() -> Now,
    ) -> Option<Duration> {
        let Some(resumes_at) = all.iter().filter_map(|l| l.resumes_at_us).min() else {
            return timeout;
        };
        let rest = Duration::from_micros(resumes_at.saturating_sub(now().mono_us));
        Some(timeout.map_or(rest, |timeout| timeout.min(rest)))
    }
}

impl AcceptFailure {
    pub(crate) fn classify(errno: i32) -> AcceptFailure {
        match errno {
            libc::EAGAIN => AcceptFailure::Drained,
            // The network errors are pending errors of the new socket, passed on by accept.
            libc::EINTR
            | libc::ECONNABORTED
            | libc::EPROTO
            | libc::ENETDOWN
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::ENONET
            | libc::ENOPROTOOPT => AcceptFailure::Skip,
            _ => AcceptFailure::Rest,
        }
    }
}
