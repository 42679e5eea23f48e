//! 64-bit integers, read as strictly as Redis reads them: a text that would not come out the
//! same when printed is no integer.

/// A signed integer, strictly: no blanks, no plus, no leading zeros, no `-0`.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    // 19 digits always fit 64 bits without a sign.
    let mut value = 0_u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    if negative {
        0_i64.checked_sub_unsigned(value)
    } else {
        i64::try_from(value).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Option<i64> {
        parse_i64(text.as_bytes())
    }

    #[test]
    fn strict() {
        for value in [0, 1, -1, 10, 42, i64::MAX, i64::MIN] {
            assert_eq!(parse(&value.to_string()), Some(value));
        }
        for text in [
            "", "-", "+1", "-0", "00", "01", "-01", " 1", "1 ", "1a", "0x1", "1.0",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        for text in [
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn only_what_prints_the_same(text in "[-+]?[0-9]{0,20}") {
            let printed = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
            prop_assert_eq!(parse(&text), printed);
        }
    }
}
