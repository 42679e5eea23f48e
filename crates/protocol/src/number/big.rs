//! As much of unlimited integers as reading and printing 80-bit floats takes.

use std::cmp::Ordering;
use std::fmt::Write;

/// A non-negative integer: 64-bit limbs, lowest first, the highest not zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Big {
    limbs: Vec<u64>,
}

/// The largest power of ten in one limb.
const LIMB_DIGITS: u32 = 19;
const LIMB_POWER: u64 = 10_u64.pow(LIMB_DIGITS);

impl Big {
    pub(super) fn new(value: u64) -> Self {
        let mut this = Self { limbs: vec![value] };
        this.trim();
        this
    }

    /// The number that a text of decimal digits stands for.
    pub(super) fn from_digits(digits: &[u8]) -> Self {
        let mut this = Self::new(0);
        for chunk in digits.chunks(LIMB_DIGITS as usize) {
            let value = chunk
                .iter()
                .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
            this.multiply_add(10_u64.pow(chunk.len() as u32), value);
        }
        this
    }

    pub(super) fn multiply_power_of_ten(&mut self, mut power: u32) {
        while power > 0 {
            let step = power.min(LIMB_DIGITS);
            self.multiply_add(10_u64.pow(step), 0);
            power -= step;
        }
    }

    fn multiply_add(&mut self, factor: u64, addend: u64) {
        let mut carry = addend;
        for limb in &mut self.limbs {
            let wide = u128::from(*limb) * u128::from(factor) + u128::from(carry);
            *limb = wide as u64;
            carry = (wide >> 64) as u64;
        }
        self.limbs.push(carry);
        self.trim();
    }

    /// How many bits the number takes; 0 for zero.
    pub(super) fn bits(&self) -> u32 {
        let top = self.limbs.last().map_or(0, |top| top.ilog2() + 1);
        (self.limbs.len() as u32).saturating_sub(1) * 64 + top
    }

    pub(super) fn shift_left(&mut self, by: u32) {
        let (limbs, bits) = ((by / 64) as usize, by % 64);
        if bits > 0 {
            self.multiply_add(1 << bits, 0);
        }
        if !self.limbs.is_empty() {
            self.limbs.splice(0..0, std::iter::repeat_n(0, limbs));
        }
    }

    /// `self / divisor`, whose quotient must fit 127 bits, and whether anything is left over.
    pub(super) fn divide(mut self, mut divisor: Self) -> (u128, bool) {
        let steps = (self.bits() + 1).saturating_sub(divisor.bits());
        debug_assert!(steps < 128);
        divisor.shift_left(steps);
        let mut quotient = 0;
        for _ in 0..=steps {
            quotient <<= 1;
            if self.compare(&divisor) != Ordering::Less {
                self.subtract(&divisor);
                quotient |= 1;
            }
            self.shift_left(1);
        }
        (quotient, !self.limbs.is_empty())
    }

    fn compare(&self, other: &Self) -> Ordering {
        let by_length = self.limbs.len().cmp(&other.limbs.len());
        by_length.then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }

    /// Takes away a number that is not larger.
    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (i, limb) in self.limbs.iter_mut().enumerate() {
            let taken = other.limbs.get(i).copied().unwrap_or(0);
            let (less, first) = limb.overflowing_sub(taken);
            let (less, second) = less.overflowing_sub(u64::from(borrow));
            *limb = less;
            borrow = first || second;
        }
        debug_assert!(!borrow);
        self.trim();
    }

    /// The decimal digits.
    pub(super) fn into_digits(mut self) -> String {
        let mut chunks = Vec::new();
        while !self.limbs.is_empty() {
            let mut rest = 0;
            for limb in self.limbs.iter_mut().rev() {
                let wide = u128::from(rest) << 64 | u128::from(*limb);
                *limb = (wide / u128::from(LIMB_POWER)) as u64;
                rest = (wide % u128::from(LIMB_POWER)) as u64;
            }
            self.trim();
            chunks.push(rest);
        }
        let mut digits = chunks.pop().unwrap_or(0).to_string();
        for chunk in chunks.iter().rev() {
            // Writing to a string cannot fail.
            let _ = write!(digits, "{chunk:019}");
        }
        digits
    }

    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digits_there_and_back() {
        for digits in [
            "0",
            "7",
            "18446744073709551616",
            &format!("1{}", "0".repeat(100)),
        ] {
            assert_eq!(Big::from_digits(digits.as_bytes()).into_digits(), digits);
        }
        assert_eq!(Big::from_digits(b"000").bits(), 0);
    }

    proptest! {
        #[test]
        fn as_u128(
            a in 0..u128::MAX / 4,
            b in 1..=u128::MAX,
            shift in 0..130_u32,
            power in 0..60_u32,
        ) {
            let big = |value: u128| Big::from_digits(value.to_string().as_bytes());
            prop_assert_eq!(big(a).into_digits(), a.to_string());
            prop_assert_eq!(big(a).bits(), a.checked_ilog2().map_or(0, |log| log + 1));
            prop_assert_eq!(big(a).divide(big(b)), (a / b, a % b != 0));
            let mut product = big(a);
            product.multiply_power_of_ten(power);
            product.shift_left(shift);
            let mut factor = big(1);
            factor.shift_left(shift);
            factor.multiply_power_of_ten(power);
            prop_assert_eq!(product.divide(factor), (a, false));
        }
    }
}
