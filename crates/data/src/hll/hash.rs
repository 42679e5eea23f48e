//! Which register an element belongs to, and its rank.
//!
//! The hash is MurmurHash64A with the seed that Redis has used since 2014, for other hashes would
//! count the elements of merged or imported values twice.

use super::{RANK_MAX, REGISTERS};

const SEED: u64 = 0xadc8_3b19;
const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
const SHIFT: u32 = 47;

/// What an element leaves in a HyperLogLog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Number of the register.
    pub register: usize,
    /// At least what the register then holds.
    pub rank: u8,
}

/// The mark of an element. O(length).
pub fn mark(element: &[u8]) -> Mark {
    let hash = murmur64a(element, SEED);
    let rest = hash >> REGISTERS.trailing_zeros();
    // A one above the highest bit of the rest ends the search.
    let rest = rest | 1 << (RANK_MAX - 1);
    Mark {
        register: hash as usize % REGISTERS,
        rank: rest.trailing_zeros() as u8 + 1,
    }
}

/// Austin Appleby's MurmurHash2, the variant for 64-bit processors.
fn murmur64a(bytes: &[u8], seed: u64) -> u64 {
    let mix = |word: u64| {
        let word = word.wrapping_mul(MULTIPLIER);
        (word ^ word >> SHIFT).wrapping_mul(MULTIPLIER)
    };
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let (words, tail) = bytes.as_chunks::<8>();
    for &word in words {
        hash = (hash ^ mix(u64::from_le_bytes(word))).wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(MULTIPLIER);
    hash ^ hash >> SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_is_possible_and_none_above() {
        let all = (0..100_000u32).map(|i| mark(&i.to_le_bytes()));
        let (mut lowest, mut highest) = (u8::MAX, 0);
        for mark in all {
            assert!(mark.register < REGISTERS);
            lowest = lowest.min(mark.rank);
            highest = highest.max(mark.rank);
        }
        assert_eq!(lowest, 1);
        assert!((10..=RANK_MAX).contains(&highest), "{highest}");
    }
}
