//! The listeners inside a driver, and their rest when descriptors run out.
//!
//! A failed accept leaves the connection in the queue, so the kernel reports the listener again at
//! once: without a rest, a server out of descriptors would spin.

use crate::driver::{ListenerId, Now};
use crate::net::Listener;
use std::time::Duration;

/// How long a listener rests after running out of descriptors or memory.
const REST_US: u64 = 50_000;

/// A driver's listeners. There are few, so each search looks at all of them.
#[derive(Default)]
pub(crate) struct Listeners {
    all: Vec<Listening>,
    next: u32,
}

pub(crate) struct Listening {
    pub(crate) id: ListenerId,
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

impl Listeners {
    pub(crate) fn insert(&mut self, listener: Listener) -> ListenerId {
        let id = ListenerId(self.next);
        self.next += 1;
        self.all.push(Listening {
            id,
            listener,
            resumes_at_us: None,
        });
        id
    }

    /// The listener with this id, if it hasn't been removed.
    pub(crate) fn get_mut(&mut self, id: ListenerId) -> Option<&mut Listening> {
        self.all.iter_mut().find(|listening| listening.id == id)
    }

    pub(crate) fn remove(&mut self, id: ListenerId) -> Option<Listening> {
        let at = self.all.iter().position(|listening| listening.id == id)?;
        Some(self.all.remove(at))
    }

    /// Ends the rests that have lasted long enough, each of those listeners being given to
    /// `resume`.
    pub(crate) fn end_rests(&mut self, now: Now, mut resume: impl FnMut(&mut Listening)) {
        for listening in &mut self.all {
            let is_over = |at: &mut u64| *at <= now.mono_us;
            if listening.resumes_at_us.take_if(is_over).is_some() {
                resume(listening);
            }
        }
    }

    /// Shortens `timeout` to the end of the first rest.
    pub(crate) fn shorten(
        &self,
        timeout: Option<Duration>,
        now: impl FnOnce() -> Now,
    ) -> Option<Duration> {
        let Some(resumes_at) = self.all.iter().filter_map(|l| l.resumes_at_us).min() else {
            return timeout;
        };
        let rest = Duration::from_micros(resumes_at.saturating_sub(now().mono_us));
        Some(timeout.map_or(rest, |timeout| timeout.min(rest)))
    }
}

impl Listening {
    /// Starts a rest.
    pub(crate) fn rest(&mut self, now: Now) {
        self.resumes_at_us = Some(now.mono_us + REST_US);
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
