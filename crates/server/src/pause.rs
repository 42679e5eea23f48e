//! CLIENT PAUSE: all commands, or those that change data, wait until a time or CLIENT UNPAUSE. Keys
//! don't expire meanwhile: the data stands still, so that a replica can catch up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::message::Message;
use crate::shared::Shared;
use crate::slow_path::Reason;

/// What has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Paused {
    /// Nothing.
    Nothing,
    /// Commands that change data or may be replicated.
    Writes,
    /// All commands.
    Everything,
}

impl Paused {
    /// What INFO's `paused_actions` says.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Writes => "write",
            Self::Everything => "all",
        }
    }

    /// What INFO's `paused_reason` says.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Writes | Self::Everything => "client_pause",
        }
    }
}

/// The state of the pause.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    /// Twice the monotonic time of its end in microseconds, and one more if everything is paused:
    /// in one word, so that readers need no lock. Zero when there is none.
    state: AtomicU64,
    changing: Mutex<()>,
}

impl Pause {
    /// What waits at this time.
    pub(crate) fn at(&self, now_us: u64) -> Paused {
        let state = self.state.load(Ordering::Acquire);
        if state / 2 <= now_us {
            Paused::Nothing
        } else if state % 2 == 1 {
            Paused::Everything
        } else {
            Paused::Writes
        }
    }

    /// Adds a pause to the one that may be: the later end wins, and everything wins over writes.
    fn add(&self, now_us: u64, end_us: u64, everything: bool) {
        let current = self.state.load(Ordering::Acquire);
        let current = if current / 2 <= now_us { 0 } else { current };
        let end_us = end_us.min(u64::MAX / 2).max(current / 2);
        let everything = everything || current % 2 == 1;
        let state = if end_us <= now_us {
            0
        } else {
            end_us * 2 + u64::from(everything)
        };
        self.state.store(state, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().expect("never held across a panic")
    }
}

impl Shared {
    /// What waits at this monotonic time.
    pub fn paused(&self, now_us: u64) -> Paused {
        self.pause.at(now_us)
    }

    /// When the pause ends, monotonic microseconds; in the past when there is none.
    pub fn pause_end_us(&self) -> u64 {
        self.pause.state.load(Ordering::Acquire) / 2
    }

    /// Milliseconds until the pause ends, for INFO.
    pub fn paused_ms(&self, now_us: u64) -> u64 {
        self.pause_end_us().saturating_sub(now_us) / 1000
    }

    /// Pauses commands until a time. The caller has closed the gate if no write that began before
    /// may end after this.
    pub(crate) fn pause_clients(&self, now_us: u64, end_us: u64, everything: bool) {
        let _lock = self.pause.lock();
        self.pause.add(now_us, end_us, everything);
        let is_paused = self.pause.at(now_us) != Paused::Nothing;
        self.slow_path.set(Reason::Pause, is_paused);
    }

    /// Ends the pause and has all threads look after the clients that waited.
    pub(crate) fn unpause_clients(&self) {
        let lock = self.pause.lock();
        self.pause.state.store(0, Ordering::Release);
        self.slow_path.set(Reason::Pause, false);
        drop(lock);
        self.post_all(|| Message::PauseChanged);
    }

    /// Takes commands off the slow path when the pause has ended by itself.
    pub(crate) fn forget_pause(&self, now_us: u64) {
        if self.pause_end_us() == 0 {
            return;
        }
        let _lock = self.pause.lock();
        if self.pause.at(now_us) == Paused::Nothing {
            self.pause.state.store(0, Ordering::Release);
            self.slow_path.set(Reason::Pause, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_end_wins_and_everything_wins() {
        let pause = Pause::default();
        assert_eq!(pause.at(0), Paused::Nothing);
        pause.add(10, 100, false);
        assert_eq!(
            (pause.at(99), pause.at(100)),
            (Paused::Writes, Paused::Nothing)
        );
        pause.add(20, 50, true);
        assert_eq!(
            (pause.at(99), pause.at(100)),
            (Paused::Everything, Paused::Nothing)
        );
        pause.add(30, 200, false);
        assert_eq!(
            (pause.at(199), pause.at(200)),
            (Paused::Everything, Paused::Nothing)
        );
    }

    #[test]
    fn one_that_is_over_counts_no_more() {
        let pause = Pause::default();
        pause.add(0, 100, true);
        pause.add(150, 200, false);
        assert_eq!(
            (pause.at(199), pause.at(200)),
            (Paused::Writes, Paused::Nothing)
        );
        pause.add(300, 300, true);
        assert_eq!(pause.at(300), Paused::Nothing);
        pause.add(300, u64::MAX, false);
        assert_eq!(pause.at(u64::MAX / 4), Paused::Writes);
    }
}
