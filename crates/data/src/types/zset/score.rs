//! Scores: how they are kept in a packed list, and how they and members are compared.

use std::cmp::Ordering;

use protocol::number::{NumberText, format_double_shortest, parse_f64};

use crate::packed::{Digits, Elem};

/// Integers below this have one double each, and their text has no exponent.
const INT_MAX: f64 = (1u64 << 52) as f64;

/// A score as a packed list keeps it: an integer, or else its shortest text.
pub(super) enum Packed {
    Int(i64),
    Text(NumberText),
}

impl Packed {
    pub(super) fn new(score: f64) -> Self {
        // As in Redis -0 becomes 0 here.
        if score.fract() == 0.0 && score.abs() < INT_MAX {
            Self::Int(score as i64)
        } else {
            Self::Text(format_double_shortest(score))
        }
    }

    pub(super) fn elem(&self) -> Elem<'_> {
        match self {
            Self::Int(score) => Elem::Int(*score),
            Self::Text(text) => Elem::of(text.as_bytes()),
        }
    }
}

/// The score that an element stands for.
#[inline]
pub(super) fn of(elem: Elem<'_>) -> f64 {
    match elem {
        Elem::Int(score) => score as f64,
        Elem::Bytes(text) => parse_f64(text).expect("a packed score is a number"),
    }
}

/// The upper half of a form whose unsigned order is that of the scores.
#[inline]
pub(super) fn prefix(score: f64) -> u32 {
    // Adding 0 makes -0 equal to 0.
    let bits = (score + 0.0).to_bits();
    let flipped = if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    };
    (flipped >> 32) as u32
}

/// How a member compares with this text.
#[inline]
pub fn compare(member: Elem<'_>, text: &[u8]) -> Ordering {
    member.text(&mut Digits::new()).cmp(text)
}

/// Whether an element stands before the place of this member and score.
#[inline]
pub(super) fn is_before(element: (Elem<'_>, f64), member: &[u8], score: f64) -> bool {
    element.1 < score || (element.1 == score && compare(element.0, member).is_lt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn scores_come_back(bits: u64) {
            let score = f64::from_bits(bits);
            prop_assume!(!score.is_nan());
            prop_assert_eq!(of(Packed::new(score).elem()), score);
        }

        #[test]
        fn prefixes_keep_the_order(a: f64, b: f64) {
            prop_assume!(a <= b);
            prop_assert!(prefix(a) <= prefix(b));
        }
    }

    #[test]
    fn special_scores() {
        for score in [
            0.0,
            1e17,
            -1e17,
            4e18,
            9.3e18,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ] {
            assert_eq!(of(Packed::new(score).elem()), score);
        }
        assert_eq!(prefix(0.0), prefix(-0.0));
        assert!(of(Packed::new(-0.0).elem()).is_sign_positive());
        assert!(prefix(f64::NEG_INFINITY) < prefix(-f64::MAX));
        assert!(prefix(f64::MAX) < prefix(f64::INFINITY));
    }
}
