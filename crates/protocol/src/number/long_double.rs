//! The 80-bit floats of x87 in software. Redis computes INCRBYFLOAT in C's `long double`, and the
//! digits that its clients see (0.1 + 0.2 = 0.3) come from there, on every kind of machine.
//!
//! A number is `mant · 2^exp` with 64 bits of `mant`; sums and texts are rounded to the nearest,
//! ties to even, as the hardware does. Everything within 128 bits, which is nearly everything, is
//! done in `u128`; only far exponents take unlimited integers.

use std::fmt;
use std::ops::Add;

use super::big::Big;
use super::hex_float::HexFloat;

/// An 80-bit float.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LongDouble {
    negative: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// `mant` is zero, or its top bit is set, or `exp` is `MIN_EXP`.
    Finite {
        mant: u64,
        exp: i32,
    },
    Infinite,
    Nan,
}

const MIN_EXP: i32 = -16445;
const MAX_EXP: i32 = 16320;
/// Redis refuses longer texts.
const MAX_TEXT: usize = 5 * 1024;
/// Digits after the point that are printed.
const DECIMALS: u32 = 17;

/// Reads the text of a number as C's `strtold` does. `None` for what Redis calls "not a valid
/// float": NaN, blanks around the number, and what becomes infinite or zero without saying so.
pub fn parse_long_double(text: &[u8]) -> Option<LongDouble> {
    if text.len() >= MAX_TEXT {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    if let Some(hex) = HexFloat::parse(text) {
        let exp = hex
            .exp
            .clamp(i64::from(i32::MIN / 2), i64::from(i32::MAX / 2)) as i32;
        let parsed = LongDouble::round(hex.negative, u128::from(hex.mant), exp, hex.inexact);
        return parsed.unless_lost(hex.mant == 0);
    }
    parse_decimal(text)
}

fn parse_decimal(text: &str) -> Option<LongDouble> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity") {
        return Some(LongDouble {
            negative,
            kind: Kind::Infinite,
        });
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole.as_bytes(), fraction.as_bytes()].concat();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let exponent = exponent - fraction.len() as i32;
    let first = digits
        .iter()
        .position(|&digit| digit != b'0')
        .unwrap_or(digits.len());
    let digits = &digits[first..];
    LongDouble::from_decimal(negative, digits, exponent).unless_lost(digits.is_empty())
}

/// Exponents too large to matter are cut, far beyond what any digits could make up for.
fn parse_exponent(text: &str) -> Option<i32> {
    const FAR: i32 = 1_000_000;
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse().unwrap_or(FAR).min(FAR);
    Some(if text.starts_with('-') { -value } else { value })
}

impl LongDouble {
    /// Neither infinite nor NaN.
    pub fn is_finite(self) -> bool {
        matches!(self.kind, Kind::Finite { .. })
    }

    const fn zero(negative: bool) -> Self {
        Self {
            negative,
            kind: Kind::Finite { mant: 0, exp: 0 },
        }
    }

    /// The parsed number, unless it was lost to the limits of the exponent.
    fn unless_lost(self, is_zero: bool) -> Option<Self> {
        match self.kind {
            Kind::Finite { mant: 0, .. } => is_zero.then_some(self),
            Kind::Finite { .. } => Some(self),
            Kind::Infinite | Kind::Nan => None,
        }
    }

    /// The float nearest to `digits · 10^exponent`; `digits` begin with another than 0.
    fn from_decimal(negative: bool, digits: &[u8], exponent: i32) -> Self {
        let magnitude = digits.len() as i32 + exponent;
        if digits.is_empty() || magnitude < -5000 {
            return Self::zero(negative);
        }
        if magnitude > 5000 {
            return Self {
                negative,
                kind: Kind::Infinite,
            };
        }
        if digits.len() <= 19 && (-18..=0).contains(&exponent) {
            let mant = digits
                .iter()
                .fold(0_u64, |mant, digit| mant * 10 + u64::from(digit - b'0'));
            let (dividend, divisor) = (u128::from(mant), 10_u128.pow(exponent.unsigned_abs()));
            let shift = dividend.leading_zeros();
            let dividend = dividend << shift;
            let inexact = dividend % divisor != 0;
            return Self::round(negative, dividend / divisor, -(shift as i32), inexact);
        }
        let (mut dividend, mut divisor) = (Big::from_digits(digits), Big::new(1));
        let scaled = if exponent < 0 {
            &mut divisor
        } else {
            &mut dividend
        };
        scaled.multiply_power_of_ten(exponent.unsigned_abs());
        // Bring the quotient to about 100 bits.
        let shift = 100 + divisor.bits() as i32 - dividend.bits() as i32;
        let scaled = if shift < 0 {
            &mut divisor
        } else {
            &mut dividend
        };
        scaled.shift_left(shift.unsigned_abs());
        let (quotient, inexact) = dividend.divide(divisor);
        Self::round(negative, quotient, -shift, inexact)
    }

    /// The float nearest to `mant · 2^exp`, and a little more if `inexact`.
    fn round(negative: bool, mant: u128, exp: i32, inexact: bool) -> Self {
        if mant == 0 {
            return Self::zero(negative);
        }
        let bits = 128 - mant.leading_zeros() as i32;
        let drop = (bits - 64).max(MIN_EXP.saturating_sub(exp));
        let (mut mant, mut exp) = match drop {
            ..=0 => {
                // Shorter than 64 bits: exact, whatever `inexact` would add is far below a half.
                let up = drop
                    .unsigned_abs()
                    .min(mant.leading_zeros().saturating_sub(64));
                ((mant << up) as u64, exp - up as i32)
            }
            1..=127 => {
                let (kept, dropped) = (mant >> drop, mant & ((1 << drop) - 1));
                let half = 1 << (drop - 1);
                let up = dropped > half || dropped == half && (inexact || kept & 1 == 1);
                let kept = kept + u128::from(up);
                let carry = (kept >> 64) as i32;
                ((kept >> carry) as u64, exp + drop + carry)
            }
            _ => (0, 0),
        };
        if mant == 0 {
            exp = 0;
        } else if exp > MAX_EXP {
            return Self {
                negative,
                kind: Kind::Infinite,
            };
        }
        if exp > MIN_EXP {
            let up = (mant.leading_zeros() as i32).min(exp - MIN_EXP);
            if mant != 0 {
                mant <<= up;
                exp -= up;
            }
        }
        Self {
            negative,
            kind: Kind::Finite { mant, exp },
        }
    }
}

impl From<f64> for LongDouble {
    fn from(value: f64) -> Self {
        let negative = value.is_sign_negative();
        if !value.is_finite() {
            let kind = if value.is_nan() {
                Kind::Nan
            } else {
                Kind::Infinite
            };
            return Self { negative, kind };
        }
        let bits = value.to_bits();
        let (fraction, exponent) = (bits & ((1 << 52) - 1), (bits >> 52 & 0x7ff) as i32);
        let mant = if exponent == 0 {
            fraction
        } else {
            fraction | 1 << 52
        };
        Self::round(negative, u128::from(mant), exponent.max(1) - 1075, false)
    }
}

impl From<i64> for LongDouble {
    fn from(value: i64) -> Self {
        Self::round(value < 0, u128::from(value.unsigned_abs()), 0, false)
    }
}

impl Add for LongDouble {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (
            Kind::Finite { mant, exp },
            Kind::Finite {
                mant: other_mant,
                exp: other_exp,
            },
        ) = (self.kind, other.kind)
        else {
            return self.add_special(other);
        };
        if mant == 0 || other_mant == 0 {
            return match (mant, other_mant) {
                (0, 0) => Self::zero(self.negative && other.negative),
                (0, _) => other,
                _ => self,
            };
        }
        let (large, small) = if exp >= other_exp {
            (self, other)
        } else {
            (other, self)
        };
        let (high, low) = if exp >= other_exp {
            (mant, other_mant)
        } else {
            (other_mant, mant)
        };
        // 63 bits of room below; what falls out of them is remembered in the lowest bit.
        let (high, wide) = (u128::from(high) << 63, u128::from(low) << 63);
        let shift = exp.abs_diff(other_exp);
        let low = wide.checked_shr(shift).unwrap_or(0);
        let lost = low.checked_shl(shift).unwrap_or(0) != wide;
        let low = low | u128::from(lost);
        let exp = exp.max(other_exp) - 63;
        if self.negative == other.negative {
            return Self::round(large.negative, high + low, exp, false);
        }
        match high.checked_sub(low) {
            Some(0) => Self::zero(false),
            Some(difference) => Self::round(large.negative, difference, exp, false),
            None => Self::round(small.negative, low - high, exp, false),
        }
    }
}

impl LongDouble {
    fn add_special(self, other: Self) -> Self {
        match (self.kind, other.kind) {
            (Kind::Finite { .. }, _) => other,
            (_, Kind::Finite { .. }) => self,
            (Kind::Infinite, Kind::Infinite) if self.negative == other.negative => self,
            _ => Self {
                negative: false,
                kind: Kind::Nan,
            },
        }
    }

    fn integer_digits(mant: u64, exp: u32) -> String {
        if exp <= 64 {
            return (u128::from(mant) << exp).to_string();
        }
        let mut integer = Big::new(mant);
        integer.shift_left(exp);
        integer.into_digits()
    }
}

/// As Redis prints a `long double` for people: `%.17Lf` without the zeros at the end.
impl fmt::Display for LongDouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let (mant, exp) = match self.kind {
            Kind::Finite { mant, exp } => (mant, exp),
            Kind::Infinite => return write!(f, "{sign}inf"),
            Kind::Nan => return write!(f, "{sign}nan"),
        };
        if exp >= 0 && mant != 0 {
            return write!(
                f,
                "{sign}{}",
                Self::integer_digits(mant, exp.unsigned_abs())
            );
        }
        // 64 bits times 10^17 fit 121 bits, so a shift of 127 leaves nothing.
        const UNIT: u128 = 10_u128.pow(DECIMALS);
        let scaled = u128::from(mant) * UNIT;
        let shift = exp.unsigned_abs().min(127);
        let (kept, dropped) = (scaled >> shift, scaled & ((1 << shift) - 1));
        let half = (1_u128 << shift) >> 1;
        let up = shift > 0 && (dropped > half || dropped == half && kept & 1 == 1);
        let kept = kept + u128::from(up);
        let (whole, fraction) = (kept / UNIT, kept % UNIT);
        match (whole, fraction) {
            (0, 0) => f.write_str("0"),
            (_, 0) => write!(f, "{sign}{whole}"),
            _ => {
                let fraction = format!("{fraction:017}");
                write!(f, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
            }
        }
    }
}

/// A double printed for people, as GEOPOS and the like do: `%.17Lf` without the zeros at the end.
pub fn format_double_human(value: f64) -> String {
    LongDouble::from(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Option<LongDouble> {
        parse_long_double(text.as_bytes())
    }

    fn sum(a: &str, b: &str) -> String {
        (parse(a).unwrap() + parse(b).unwrap()).to_string()
    }

    #[test]
    fn sums() {
        assert_eq!(sum("0.1", "0.2"), "0.3");
        assert_eq!(sum("3.0e3", "0"), "3000");
        assert_eq!(sum("1.123456789012345678", "0"), "1.12345678901234568");
        assert_eq!(sum("1e30", "-1e30"), "0");
        assert_eq!(sum("-0", "-0"), "0");
        assert_eq!(sum("inf", "1"), "inf");
        assert_eq!(sum("-inf", "-inf"), "-inf");
        assert!(!(parse("inf").unwrap() + parse("-inf").unwrap()).is_finite());
        let max = "1.18973149535723176502e4932";
        assert_eq!(sum(max, max), "inf");
    }

    #[test]
    fn of_double() {
        assert_eq!(format_double_human(0.1), "0.10000000000000001");
        assert_eq!(
            format_double_human(13.361_389_338_970_184),
            "13.36138933897018433"
        );
        assert_eq!(format_double_human(-1e22), "-10000000000000000000000");
        assert_eq!(format_double_human(5e-324), "0");
        assert_eq!(format_double_human(f64::NEG_INFINITY), "-inf");
        assert_eq!(LongDouble::from(i64::MIN).to_string(), i64::MIN.to_string());
    }

    proptest! {
        #[test]
        fn integers_are_exact(a in i64::MIN / 2..=i64::MAX / 2, b in i64::MIN / 2..=i64::MAX / 2) {
            prop_assert_eq!(sum(&a.to_string(), &b.to_string()), (a + b).to_string());
        }

        #[test]
        fn the_quick_path_agrees_with_the_general_one(digits in "[1-9][0-9]{0,17}", e in -18..=0) {
            // A zero more and an exponent less: the same number, past the quick path's 19 digits.
            let long = format!("{digits}00");
            let quick = LongDouble::from_decimal(false, digits.as_bytes(), e);
            prop_assert_eq!(quick, LongDouble::from_decimal(false, long.as_bytes(), e - 2));
        }

        #[test]
        fn doubles_add_as_in_hardware(a in -1e9..1e9_f64, b in -1e9..1e9_f64) {
            let exact = (LongDouble::from(a) + LongDouble::from(b)).to_string();
            let exact: f64 = exact.parse().unwrap();
            prop_assert!((exact - (a + b)).abs() <= (a + b).abs() * f64::EPSILON + 1e-17);
        }

        #[test]
        fn any_text_is_answered(text in "[-+]?[0-9a-fxp.einf]{0,30}") {
            if let Some(parsed) = parse(&text) {
                let _ = parsed.to_string();
                let _ = (parsed + parsed).to_string();
            }
        }
    }
}
