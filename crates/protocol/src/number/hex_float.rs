//! Hexadecimal floats, `0x1.8p3`, which C's `strtod` takes and so Redis does.

/// The number `mant · 2^exp`, and a little more if `inexact`.
pub(super) struct HexFloat {
    pub(super) negative: bool,
    pub(super) mant: u64,
    pub(super) inexact: bool,
    pub(super) exp: i64,
}

/// Exponents beyond this are as good as infinite, and sums of two of them do not overflow.
const FAR: i64 = 1 << 40;

impl HexFloat {
    /// Reads the whole text, or says that it is no hexadecimal float.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.as_bytes() {
            [sign @ (b'-' | b'+'), ..] => (*sign == b'-', &text[1..]),
            _ => (false, text),
        };
        let text = text
            .strip_prefix("0x")
            .or_else(|| text.strip_prefix("0X"))?;
        let (mantissa, exponent) = match text.split_once(['p', 'P']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (text, 0),
        };
        let mut this = Self {
            negative,
            mant: 0,
            inexact: false,
            exp: exponent,
        };
        let (mut digits, mut after_point) = (0, false);
        for c in mantissa.chars() {
            if c == '.' && !after_point {
                after_point = true;
                continue;
            }
            this.push(c.to_digit(16)?, after_point);
            digits += 1;
        }
        (digits > 0).then_some(this)
    }

    fn push(&mut self, digit: u32, after_point: bool) {
        if self.mant >> 60 == 0 {
            self.mant = self.mant << 4 | u64::from(digit);
            self.exp -= if after_point { 4 } else { 0 };
        } else {
            self.inexact |= digit != 0;
            self.exp += if after_point { 0 } else { 4 };
        }
    }

    /// The nearest double, unless that is infinite, or zero where the number is not.
    pub(super) fn to_f64(&self) -> Option<f64> {
        const MIN_EXP: i64 = -1074;
        let sign = if self.negative { -1.0 } else { 1.0 };
        if self.mant == 0 {
            return Some(0.0 * sign);
        }
        let top = self.exp + i64::from(self.mant.ilog2());
        if !(MIN_EXP - 1..1024).contains(&top) {
            return None;
        }
        let exp = (top - 52).max(MIN_EXP);
        let mant = round_shift(self.mant, self.inexact, exp - self.exp);
        // `mant` has at most 53 bits, and two steps keep each power of two in range.
        let half = exp / 2;
        let value = mant as f64 * power_of_two(half) * power_of_two(exp - half);
        (value != 0.0 && value.is_finite()).then_some(value * sign)
    }
}

/// `mant / 2^shift`, to the nearest, ties to even; `inexact` breaks ties upwards.
fn round_shift(mant: u64, inexact: bool, shift: i64) -> u64 {
    match shift {
        ..=0 => mant << shift.unsigned_abs(),
        1..=64 => {
            let wide = u128::from(mant) << 64 >> shift;
            let (whole, fraction) = ((wide >> 64) as u64, wide as u64);
            let half = 1 << 63;
            let up = fraction > half || fraction == half && (inexact || whole & 1 == 1);
            whole + u64::from(up)
        }
        _ => 0,
    }
}

fn power_of_two(exp: i64) -> f64 {
    2_f64.powi(exp as i32)
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse().unwrap_or(FAR).min(FAR);
    Some(if text.starts_with('-') { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<f64> {
        HexFloat::parse(text)?.to_f64()
    }

    #[test]
    fn reads() {
        assert_eq!(parse("0x10"), Some(16.0));
        assert_eq!(parse("-0X.8P1"), Some(-1.0));
        assert_eq!(parse("+0x1.8p-1"), Some(0.75));
        assert_eq!(parse("0x1p-1074"), Some(5e-324));
        assert_eq!(parse("0x1.fffffffffffffp1023"), Some(f64::MAX));
        assert_eq!(parse("0x0p99999999999999999999"), Some(0.0));
        for text in [
            "0x",
            "0x.",
            "0x1p",
            "0x1p+",
            "0xg",
            "0x1..",
            "x1",
            "0x1p1024",
            "0x1p-1075",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn rounds_half_to_even() {
        assert_eq!(parse("0x20000000000001"), Some(9_007_199_254_740_992.0)); // 2^53 + 1
        assert_eq!(parse("0x20000000000003"), Some(9_007_199_254_740_996.0));
        assert_eq!(
            parse("0x20000000000001.00000001"),
            Some(9_007_199_254_740_994.0)
        );
    }
}
