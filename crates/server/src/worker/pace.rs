//! How a thread divides its time between clients and a snapshot.
//!
//! A thread that fills all of its idle time is one that never sleeps. The scheduler then takes it
//! for a hog, and what it has to share cores with (the thread that writes the snapshot, clients on
//! the same machine) waits for milliseconds, or makes it wait. So while clients are active it does
//! a little after it has served them, and sleeps before it does more. `bench/save` measures that:
//! with one core for the server and a load of half its capacity, p99 was four times as long during
//! a save without the rest, and 1.3 to 1.9 times with it. (That was where it is 0.4 ms and more
//! without a save. Where it is 0.18 ms it grows to 0.35, and to 0.9 with five million keys and the
//! file on a disk rather than in memory: what the disk costs isn't in this module's hands.)

use std::time::Duration;

/// While clients are active a slice takes a quarter of the time they were just served for, within
/// these bounds.
const SLICE_MIN_US: u64 = 20;
const SLICE_MAX_US: u64 = 100;
const SHARE: u64 = 4;
/// Then the thread sleeps so long, unless clients wake it.
const REST_US: u64 = 150;
/// Clients that were served so recently are active.
const ACTIVE_US: u64 = 10_000;
/// Without any, slices follow each other.
const ALONE_US: u64 = 40;

/// When a thread goes on with a snapshot, and for how long.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Commands of this thread's clients so far.
    commands: u64,
    active_until_us: u64,
    /// When the next slice is due; `None` if there is nothing to save or the disk is behind.
    next_us: Option<u64>,
}

impl Pace {
    /// How long the slice that begins may take, at the end of a tick that began at `tick_us`.
    pub(super) fn slice(&mut self, commands: u64, tick_us: u64, now_us: u64) -> Duration {
        if commands != self.commands {
            self.commands = commands;
            self.active_until_us = now_us + ACTIVE_US;
        }
        let served_us = now_us - tick_us;
        Duration::from_micros(if self.is_alone(now_us) {
            ALONE_US
        } else {
            (served_us / SHARE).clamp(SLICE_MIN_US, SLICE_MAX_US)
        })
    }

    /// The slice has ended, and there is more to save.
    pub(super) fn rest(&mut self, now_us: u64) {
        if self.is_alone(now_us) {
            self.next_us = Some(now_us);
            // Who writes may be waiting for this core.
            std::thread::yield_now();
        } else {
            self.next_us = Some(now_us + REST_US);
        }
    }

    /// There is nothing to save for now.
    pub(super) fn stop(&mut self) {
        self.next_us = None;
    }

    /// When the thread has to wake for a slice, if it can save.
    pub(super) fn next_us(&self) -> Option<u64> {
        self.next_us
    }

    fn is_alone(&self, now_us: u64) -> bool {
        now_us >= self.active_until_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_follow_each_other_while_nobody_is_served() {
        let mut pace = Pace::default();
        assert_eq!(
            pace.slice(0, 50_000, 50_001),
            Duration::from_micros(ALONE_US)
        );
        pace.rest(50_041);
        assert_eq!(pace.next_us(), Some(50_041));
        pace.stop();
        assert_eq!(pace.next_us(), None);
    }

    #[test]
    fn clients_get_most_of_the_time_while_they_are_active() {
        let mut pace = Pace::default();
        let slice = |pace: &mut Pace, commands, served_us: u64| {
            pace.slice(commands, 1_000_000, 1_000_000 + served_us)
                .as_micros()
        };
        assert_eq!(slice(&mut pace, 1, 8), 20, "the least that is worth it");
        assert_eq!(slice(&mut pace, 9, 200), 50, "a quarter");
        assert_eq!(slice(&mut pace, 99, 4000), 100, "nobody waits for longer");
        pace.rest(1_000_150);
        assert_eq!(pace.next_us(), Some(1_000_150 + REST_US));
        assert_eq!(
            pace.slice(99, 1_000_250, 1_000_251).as_micros(),
            20,
            "still active"
        );
        assert_eq!(
            pace.slice(99, 1_020_000, 1_020_001).as_micros(),
            40,
            "no more"
        );
    }
}
