//! How long commands such as BLPOP wait: seconds with a fraction, 0 for ever.

use protocol::number::{parse_f64, parse_long_double};

use crate::CommandError;

const NOT_FLOAT: CommandError = CommandError::Text("ERR timeout is not a float or out of range");
const NEGATIVE: CommandError = CommandError::Text("ERR timeout is negative");
const TOO_LONG: CommandError = CommandError::Text("ERR timeout is out of range");

/// A timeout as clients give it, in milliseconds, a fraction of one rounded up; `None` is for ever.
pub(crate) fn timeout(seconds: &[u8], now_ms: u64) -> Result<Option<u64>, CommandError> {
    // What only a long double can hold is too long or too short to make a difference.
    parse_long_double(seconds).ok_or(NOT_FLOAT)?;
    let ms = parse_f64(seconds).map_or(f64::INFINITY, |seconds| (seconds * 1000.0).ceil());
    if ms > i64::MAX as f64 {
        return Err(TOO_LONG);
    }
    if ms < 0.0 {
        return Err(NEGATIVE);
    }
    let ms = ms as u64;
    if ms > i64::MAX as u64 - now_ms {
        return Err(TOO_LONG);
    }
    Ok((ms > 0).then_some(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_up_and_refuses() {
        for (text, expected) in [
            ("0", Ok(None)),
            ("-0", Ok(None)),
            ("1", Ok(Some(1000))),
            ("0.0001", Ok(Some(1))),
            ("1.2345", Ok(Some(1235))),
            ("-1", Err(NEGATIVE)),
            ("-0.5", Err(NEGATIVE)),
            ("x", Err(NOT_FLOAT)),
            ("", Err(NOT_FLOAT)),
            ("inf", Err(TOO_LONG)),
            ("9223372036854775807", Err(TOO_LONG)),
            ("9223372036854775", Err(TOO_LONG)),
        ] {
            assert_eq!(
                timeout(text.as_bytes(), 1_700_000_000_000),
                expected,
                "{text}"
            );
        }
    }
}
