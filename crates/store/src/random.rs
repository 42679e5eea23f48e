//! Random numbers for commands such as RANDOMKEY: fast, and the same again for the same seed.

use std::sync::atomic::{AtomicU64, Ordering};

/// The generator of one thread, `SplitMix64`. Nothing that must be hard to guess may come from it.
#[derive(Debug)]
#[repr(align(128))]
pub struct Random(AtomicU64);

impl Random {
    /// A generator that starts from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// 64 random bits. Only the owning thread may call this.
    #[inline]
    pub fn next(&self) -> u64 {
        let state = self
            .0
            .load(Ordering::Relaxed)
            .wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.store(state, Ordering::Relaxed);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`, each as likely as the others but for one in 2^64 / `bound`.
    #[inline]
    pub fn below(&self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_and_repeats() {
        let (a, b) = (Random::new(7), Random::new(7));
        let mut seen = [0; 10];
        for _ in 0..10_000 {
            let drawn = a.below(10);
            assert_eq!(drawn, b.below(10));
            seen[drawn as usize] += 1;
        }
        assert!(
            seen.iter().all(|&times| (900..1100).contains(&times)),
            "{seen:?}"
        );
    }
}
