//! Numbers as C's `%.14g` and its like print them, which is how Lua and cjson show them.

/// A finite number in at most so many significant digits.
pub(crate) fn format_general(value: f64, precision: usize) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let scientific = format!("{value:.*e}", precision - 1);
    let (mantissa, exponent) = scientific
        .split_once('e')
        .expect("the notation has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    if exponent < -4 || exponent >= precision as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        let mantissa = without_zeros(mantissa);
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let places = (precision as i32 - 1 - exponent) as usize;
    without_zeros(&format!("{value:.places$}")).to_owned()
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_in_c() {
        let shown = |value| format_general(value, 14);
        assert_eq!(shown(3.0), "3");
        assert_eq!(shown(-0.0), "-0");
        assert_eq!(shown(0.1), "0.1");
        assert_eq!(shown(1.0 / 3.0), "0.33333333333333");
        assert_eq!(shown(1e15), "1e+15");
        assert_eq!(shown(123_456_789_012_345_678.0), "1.2345678901235e+17");
        assert_eq!(shown(99_999_999_999_999.0), "99999999999999");
        assert_eq!(shown(1e-5), "1e-05");
        assert_eq!(shown(0.000_123), "0.000123");
        assert_eq!(shown(-1e300), "-1e+300");
    }
}
