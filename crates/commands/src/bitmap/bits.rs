//! Counting and finding bits, a word at a time.

use crate::string::clamp_range;
use crate::{Args, CommandError};

/// What the positions of a range count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Byte,
    Bit,
}

impl Unit {
    /// BYTE or BIT at an argument; bytes if there is none.
    pub(super) fn parse(args: Args<'_>, at: usize) -> Result<Self, CommandError> {
        if args.is(at, "BIT") {
            Ok(Unit::Bit)
        } else if at >= args.len() || args.is(at, "BYTE") {
            Ok(Unit::Byte)
        } else {
            Err(CommandError::Syntax)
        }
    }

    /// The first and the last bit that positions in a string of `len` bytes mean.
    pub(super) fn bits(self, start: i64, end: i64, len: usize) -> Option<(u64, u64)> {
        let (first, last) = match self {
            Unit::Bit => {
                return clamp_range(start, end, len * 8).map(|(a, b)| (a as u64, b as u64));
            }
            Unit::Byte => clamp_range(start, end, len)?,
        };
        Some((first as u64 * 8, last as u64 * 8 + 7))
    }
}

/// How many of the bits from `first` to `last` are set; the last lies within `bytes`.
pub(super) fn count(bytes: &[u8], first: u64, last: u64) -> u64 {
    let bytes = &bytes[(first / 8) as usize..=(last / 8) as usize];
    let before = bytes[0] & !(0xff >> (first % 8));
    let after = bytes[bytes.len() - 1] & (0x7f >> (last % 8));
    count_ones(bytes) - u64::from(before.count_ones() + after.count_ones())
}

fn count_ones(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words: u64 = words
        .iter()
        .map(|word| u64::from(u64::from_ne_bytes(*word).count_ones()))
        .sum();
    words
        + rest
            .iter()
            .map(|byte| u64::from(byte.count_ones()))
            .sum::<u64>()
}

/// The first of the bits from `first` to `last` that is `wanted`; the last lies within `bytes`.
pub(super) fn find(bytes: &[u8], wanted: bool, first: u64, last: u64) -> Option<u64> {
    let bytes = &bytes[..=(last / 8) as usize];
    let other = if wanted { 0 } else { 0xff };
    let mut at = (first / 8) as usize;
    let mut differs = (bytes[at] ^ other) & (0xff >> (first % 8));
    if differs == 0 {
        let rest = &bytes[at + 1..];
        let (words, _) = rest.as_chunks::<8>();
        let skipped = words.iter().take_while(|word| **word == [other; 8]).count() * 8;
        let found = rest[skipped..].iter().position(|&byte| byte != other)?;
        at += 1 + skipped + found;
        differs = bytes[at] ^ other;
    }
    let found = at as u64 * 8 + u64::from(differs.leading_zeros());
    (found <= last).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bit(bytes: &[u8], at: u64) -> bool {
        bytes[(at / 8) as usize] & (0x80 >> (at % 8)) != 0
    }

    /// Long runs of equal bits, so that whole words are passed over.
    fn runs() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![4 => Just(0), 4 => Just(0xff), 1 => any::<u8>()];
        prop::collection::vec((byte, 1usize..20), 1..8).prop_map(|runs| {
            let runs = runs.into_iter();
            runs.flat_map(|(byte, len)| vec![byte; len]).collect()
        })
    }

    proptest! {
        #[test]
        fn as_bit_by_bit(
            bytes in runs(),
            from in any::<prop::sample::Index>(),
            to in any::<prop::sample::Index>(),
        ) {
            let (from, to) = (from.index(bytes.len() * 8), to.index(bytes.len() * 8));
            let (first, last) = (from.min(to) as u64, from.max(to) as u64);
            let ones = (first..=last).filter(|&at| bit(&bytes, at)).count() as u64;
            prop_assert_eq!(count(&bytes, first, last), ones);
            for wanted in [false, true] {
                let expected = (first..=last).find(|&at| bit(&bytes, at) == wanted);
                prop_assert_eq!(find(&bytes, wanted, first, last), expected);
            }
        }
    }
}
