//! A clock that costs six nanoseconds: the processor's own, for the duration of each command.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A reading of [`Ticks`]; differences count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick(u64);

/// Turns differences of readings into time.
#[derive(Clone, Debug)]
pub struct Ticks {
    start: (Tick, Instant),
    /// Nanoseconds in a tick, times 2^32.
    ns_per_tick: u64,
}

impl Ticks {
    /// A clock that is good to some tenths of a percent, and better with each
    /// [`Ticks::calibrate`]. The first one in a process takes two milliseconds.
    pub fn new() -> Self {
        static FIRST: OnceLock<u64> = OnceLock::new();
        let mut ticks = Self {
            start: (Self::now(), Instant::now()),
            ns_per_tick: 1 << 32,
        };
        ticks.ns_per_tick = *FIRST.get_or_init(|| {
            std::thread::sleep(Duration::from_millis(2));
            ticks.calibrate();
            ticks.ns_per_tick
        });
        ticks
    }

    /// The time now.
    #[inline(always)]
    pub fn now() -> Tick {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        {
            // SAFETY: every x86-64 processor has the instruction; it only reads a counter.
            Tick(unsafe { std::arch::x86_64::_rdtsc() })
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        {
            static START: OnceLock<Instant> = OnceLock::new();
            Tick(START.get_or_init(Instant::now).elapsed().as_nanos() as u64)
        }
    }

    /// Compares the counter with the system's clock; called now and then, for the longer the two
    /// ran side by side the better.
    pub fn calibrate(&mut self) {
        let ticks = Self::now().0.wrapping_sub(self.start.0.0);
        let elapsed = self.start.1.elapsed().as_nanos();
        if ticks > 0 && elapsed > 1_000_000 {
            self.ns_per_tick = ((elapsed << 32) / u128::from(ticks)) as u64;
        }
    }

    /// Nanoseconds from `from` to `to`; zero if the processor's clocks disagree.
    #[inline(always)]
    pub fn ns_between(&self, from: Tick, to: Tick) -> u64 {
        let ticks = u128::from(to.0.saturating_sub(from.0));
        ((ticks * u128::from(self.ns_per_tick)) >> 32) as u64
    }
}

impl Default for Ticks {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_from_the_start() {
        let ticks = Ticks::new();
        let (from, start) = (Ticks::now(), Instant::now());
        std::thread::sleep(Duration::from_millis(20));
        let (to, real) = (Ticks::now(), start.elapsed());
        let shown = Duration::from_nanos(ticks.ns_between(from, to));
        assert!(shown.abs_diff(real) < real / 10, "{shown:?} for {real:?}");
    }
}
