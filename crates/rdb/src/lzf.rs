//! LZF, the compression of strings in RDB files.
//!
//! ```text
//! 000lllll                    + l+1 bytes, to be copied
//! lllooooo oooooooo           l+2 bytes that stand o+1 before the end of the output, l in 1..=6
//! 111ooooo llllllll oooooooo  the same, l+9 bytes
//! ```

use crate::Error;

const LITERAL_MAX: usize = 32;
const MATCH_MIN: usize = 3;
const MATCH_MAX: usize = 264;
const DISTANCE_MAX: usize = 8192;
/// The lengths that stand in the first byte end here.
const SHORT_MAX: usize = 6;
const SLOTS_LOG2: u32 = 12;

/// Appends what `input` is compressed; nothing, and false, when that isn't less than `limit` bytes.
pub(crate) fn compress(input: &[u8], limit: usize, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    // For each hash of three bytes, one more than where it was last seen.
    let mut seen = [0u32; 1 << SLOTS_LOG2];
    let (mut at, mut copied) = (0, 0);
    while at + MATCH_MIN <= input.len() {
        let slot = &mut seen[slot_of(&input[at..])];
        let before = std::mem::replace(slot, at as u32 + 1) as usize;
        let length = match before.checked_sub(1) {
            Some(before) if at - before <= DISTANCE_MAX => common(&input[before..], &input[at..]),
            _ => 0,
        };
        if length < MATCH_MIN {
            at += 1;
            continue;
        }
        push_literals(&input[copied..at], out);
        push_match(at - before, length, out);
        at += length;
        copied = at;
        if out.len() - start >= limit {
            break;
        }
    }
    push_literals(&input[copied..], out);
    let is_less = out.len() - start < limit;
    if !is_less {
        out.truncate(start);
    }
    is_less
}

fn slot_of(bytes: &[u8]) -> usize {
    let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
    (word.wrapping_mul(0x9e37_79b1) >> (32 - SLOTS_LOG2)) as usize
}

/// How many bytes are the same from the beginning on.
fn common(a: &[u8], b: &[u8]) -> usize {
    let pairs = a.iter().zip(b).take(MATCH_MAX);
    pairs.take_while(|(a, b)| a == b).count()
}

fn push_literals(bytes: &[u8], out: &mut Vec<u8>) {
    for part in bytes.chunks(LITERAL_MAX) {
        out.push(part.len() as u8 - 1);
        out.extend_from_slice(part);
    }
}

/// `offset` is one less than the distance.
fn push_match(offset: usize, length: usize, out: &mut Vec<u8>) {
    let (length, high) = (length - 2, (offset >> 8) as u8);
    if length <= SHORT_MAX {
        out.push((length as u8) << 5 | high);
    } else {
        out.push(7 << 5 | high);
        out.push((length - SHORT_MAX - 1) as u8);
    }
    out.push(offset as u8);
}

/// What was compressed, which has to be `len` bytes. Takes no memory beyond what comes out.
pub(crate) fn decompress(mut input: &[u8], len: u64) -> Result<Vec<u8>, Error> {
    const BROKEN: Error = Error::Corrupt("a compressed string is broken");
    let mut out = Vec::new();
    while let [control, rest @ ..] = input {
        let control = usize::from(*control);
        input = rest;
        if control < LITERAL_MAX {
            let (literals, rest) = input.split_at_checked(control + 1).ok_or(BROKEN)?;
            out.extend_from_slice(literals);
            input = rest;
        } else {
            let mut length = (control >> 5) + 2;
            if length == SHORT_MAX + 3 {
                length += usize::from(take(&mut input).ok_or(BROKEN)?);
            }
            let low = usize::from(take(&mut input).ok_or(BROKEN)?);
            let distance = ((control & 31) << 8 | low) + 1;
            let from = out.len().checked_sub(distance).ok_or(BROKEN)?;
            // What is copied may reach into what the copy adds.
            for at in from..from + length {
                out.push(out[at]);
            }
        }
        if out.len() as u64 > len {
            return Err(BROKEN);
        }
    }
    if out.len() as u64 == len {
        Ok(out)
    } else {
        Err(BROKEN)
    }
}

fn take(input: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = input.split_first()?;
    *input = rest;
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn comes_back(input: &[u8]) -> usize {
        let mut out = b"before".to_vec();
        assert!(compress(input, usize::MAX, &mut out));
        let compressed = out.split_off(6);
        let len = input.len() as u64;
        assert_eq!(
            decompress(&compressed, len).expect("it was compressed"),
            input
        );
        assert!(decompress(&compressed, len + 1).is_err());
        compressed.len()
    }

    #[test]
    fn repetition_goes() {
        assert!(comes_back(&b"a".repeat(100_000)) < 1_500);
        assert!(comes_back(&b"0123456789".repeat(100)) < 40);
        for len in 0..600 {
            comes_back(&b"ab".repeat(len));
        }
    }

    #[test]
    fn what_does_not_get_smaller_is_left() {
        let mut out = vec![1];
        let noise: Vec<u8> = (0..=255).collect();
        assert!(!compress(&noise, noise.len() - 4, &mut out));
        assert_eq!(out, [1]);
    }

    #[test]
    fn broken_ones_are_refused() {
        for broken in [
            &[5, 1][..],
            &[0xff],
            &[0x20],
            &[0x20, 0],
            &[0xe0, 255],
            &[0, 1, 0x40, 5],
        ] {
            assert!(decompress(broken, 3).is_err(), "{broken:?}");
        }
        // A forged length takes no memory.
        assert!(decompress(&[0, 1], u64::MAX).is_err());
    }

    proptest! {
        #[test]
        fn everything_comes_back(input in prop::collection::vec(0u8..4, 0..2000)) {
            comes_back(&input);
        }

        #[test]
        fn nothing_panics(input in prop::collection::vec(any::<u8>(), 0..200), len in 0u64..600) {
            let _ = decompress(&input, len);
        }
    }
}
