//! 64-bit floats: read as C's `strtod` reads them, printed as C's `%.17g` prints them. Redis 7.0
//! shows scores that way in RESP2 and RESP3 alike.

use std::fmt::Write;

use super::hex_float::HexFloat;
use super::text::NumberText;

/// Integers below this are printed digit by digit in all the notations used here.
const FIRST_EXPONENTIAL: f64 = 1e17;

/// Significant digits that tell any two doubles apart.
const DIGITS: i32 = 17;

/// A double, or `None` for what Redis calls "not a valid float": NaN, blanks around the number,
/// and whatever becomes infinite or zero without saying so.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    if let Some(value) = parse_short_integer(text) {
        return Some(value);
    }
    let text = std::str::from_utf8(text).ok()?;
    let Ok(value) = text.parse::<f64>() else {
        return HexFloat::parse(text)?.to_f64();
    };
    let says = |wanted: &[char]| text.contains(wanted);
    let overflowed = value.is_infinite() && !says(&['n', 'N']);
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let underflowed = value == 0.0 && mantissa.contains(|c: char| matches!(c, '1'..='9'));
    (!value.is_nan() && !overflowed && !underflowed).then_some(value)
}

/// The commonest scores: up to 15 digits and nothing else, which no rounding touches.
fn parse_short_integer(text: &[u8]) -> Option<f64> {
    if text.is_empty() || text.len() > 15 {
        return None;
    }
    let mut value = 0_u64;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value as f64)
}

/// A double as Redis 7.0 shows it in replies: C's `%.17g`.
pub fn format_double(value: f64) -> NumberText {
    let quick = format_plain(value).or_else(|| few_binary_places(value));
    quick.unwrap_or_else(|| seventeen_digits(value))
}

/// A double in the fewest digits that give the same double back, as Redis 7.2 and later show it.
pub fn format_double_shortest(value: f64) -> NumberText {
    format_plain(value).unwrap_or_else(|| {
        let text = zmij::Buffer::new().format_finite(value).to_owned();
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, ""));
        if exponent.is_empty() {
            return NumberText::new(&text);
        }
        let mantissa = mantissa.strip_suffix(".0").unwrap_or(mantissa);
        let sign = if exponent.starts_with('-') { "" } else { "+" };
        NumberText::new(&format!(
            "{mantissa}e{sign}{}",
            exponent.trim_start_matches('+')
        ))
    })
}

/// What has no fraction to print: integers of up to 17 digits, infinities, NaN.
fn format_plain(value: f64) -> Option<NumberText> {
    // Not `fract`, which is a call where the processor is any of x86-64.
    let integer = value as i64;
    if value.abs() < FIRST_EXPONENTIAL && value - integer as f64 == 0.0 {
        let negative_zero = integer == 0 && value.is_sign_negative();
        let mut digits = itoa::Buffer::new();
        let text = if negative_zero {
            "-0"
        } else {
            digits.format(integer)
        };
        return Some(NumberText::new(text));
    }
    if value.is_finite() {
        return None;
    }
    let negative = if value < 0.0 { "-inf" } else { "inf" };
    Some(NumberText::new(if value.is_nan() {
        "nan"
    } else {
        negative
    }))
}

/// Halves, quarters and so on of numbers below ten million, whose decimal digits are at most 17
/// and come out exactly. They are what the general way below takes longest for.
fn few_binary_places(value: f64) -> Option<NumberText> {
    const PLACES: u32 = 10;
    let scaled = value.abs() * (1_u64 << PLACES) as f64;
    if value.abs() >= 1e7 || scaled.fract() != 0.0 {
        return None;
    }
    let scaled = scaled as u64;
    let mut fraction = (scaled & ((1 << PLACES) - 1)) * 5_u64.pow(PLACES);
    let mut decimals = [b'0'; PLACES as usize];
    for digit in decimals.iter_mut().rev() {
        *digit = b'0' + (fraction % 10) as u8;
        fraction /= 10;
    }
    let last = decimals.iter().rposition(|&digit| digit != b'0')?;
    let mut text = NumberText::empty();
    if value < 0.0 {
        text.push(b'-');
    }
    text.push_all(itoa::Buffer::new().format(scaled >> PLACES).as_bytes());
    text.push(b'.');
    text.push_all(&decimals[..=last]);
    Some(text)
}

fn seventeen_digits(value: f64) -> NumberText {
    let mut scientific = NumberText::empty();
    // Writing to a text of fixed size cannot fail.
    let _ = write!(scientific, "{:.16e}", value.abs());
    let (digits, exponent) = digits_and_exponent(scientific.as_bytes());
    let significant = digits
        .iter()
        .rposition(|&digit| digit != b'0')
        .map_or(1, |last| last + 1);
    let digits = &digits[..significant];

    let mut text = NumberText::empty();
    if value.is_sign_negative() {
        text.push(b'-');
    }
    if (-4..DIGITS).contains(&exponent) {
        push_fixed(&mut text, digits, exponent);
    } else {
        push_scientific(&mut text, digits, exponent);
    }
    text
}

/// Takes `d.dddde-dd` apart.
fn digits_and_exponent(scientific: &[u8]) -> ([u8; DIGITS as usize], i32) {
    let mut digits = [b'0'; DIGITS as usize];
    let (mut len, mut exponent, mut sign, mut in_exponent) = (0, 0, 1, false);
    for &byte in scientific {
        match byte {
            b'e' => in_exponent = true,
            b'-' => sign = -1,
            b'0'..=b'9' if in_exponent => exponent = exponent * 10 + i32::from(byte - b'0'),
            b'0'..=b'9' if len < digits.len() => {
                digits[len] = byte;
                len += 1;
            }
            _ => {}
        }
    }
    (digits, sign * exponent)
}

fn push_fixed(text: &mut NumberText, digits: &[u8], exponent: i32) {
    if exponent < 0 {
        text.push_all(b"0.");
        (1..-exponent).for_each(|_| text.push(b'0'));
        return text.push_all(digits);
    }
    let before_point = exponent as usize + 1;
    for (i, &digit) in digits.iter().enumerate() {
        if i == before_point {
            text.push(b'.');
        }
        text.push(digit);
    }
    (digits.len()..before_point).for_each(|_| text.push(b'0'));
}

fn push_scientific(text: &mut NumberText, digits: &[u8], exponent: i32) {
    push_fixed(text, digits, 0);
    text.push_all(if exponent < 0 { b"e-" } else { b"e+" });
    if exponent.abs() < 10 {
        text.push(b'0');
    }
    text.push_all(itoa::Buffer::new().format(exponent.abs()).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn seventeen() {
        let text = |value: f64| format_double(value).to_string();
        assert_eq!(text(3.0), "3");
        assert_eq!(text(-0.0), "-0");
        assert_eq!(text(0.1), "0.10000000000000001");
        assert_eq!(text(-1234.5), "-1234.5");
        assert_eq!(text(1e17), "1e+17");
        assert_eq!(text(99_999_999_999_999_984.0), "99999999999999984");
        assert_eq!(text(1.5e-5), "1.5e-05");
        assert_eq!(text(1.5e-4), "0.00014999999999999999");
        assert_eq!(text(f64::NEG_INFINITY), "-inf");
        assert_eq!(text(f64::NAN), "nan");
        assert_eq!(text(0.5_f64.powi(25)), "2.9802322387695312e-08");
        assert_eq!(text(-f64::MAX), "-1.7976931348623157e+308");
    }

    #[test]
    fn shortest() {
        let text = |value: f64| format_double_shortest(value).to_string();
        assert_eq!(text(0.1), "0.1");
        assert_eq!(text(-2.5), "-2.5");
        assert_eq!(text(1e16), "10000000000000000");
        assert_eq!(text(1e300), "1e+300");
        assert_eq!(text(1.5e-300), "1.5e-300");
        assert_eq!(text(f64::INFINITY), "inf");
    }

    proptest! {
        #[test]
        fn the_quick_way_agrees_with_the_general_one(scaled in 0..10_240_000_000_u64, minus: bool) {
            let value = scaled as f64 / if minus { -1024.0 } else { 1024.0 };
            if let Some(text) = few_binary_places(value) {
                prop_assert_eq!(text.to_string(), seventeen_digits(value).to_string());
            }
        }

        #[test]
        fn both_texts_give_the_double_back(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            for text in [format_double(value), format_double_shortest(value)] {
                prop_assert_eq!(parse_f64(text.as_bytes()), Some(value));
            }
        }
    }
}
