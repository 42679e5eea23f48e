//! Numbers: no text may panic, and what is printed reads back as what it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::number::{
    format_double, format_double_shortest, parse_f64, parse_i64, parse_long_double,
};

fuzz_target!(|text: &[u8]| {
    if let Some(value) = parse_i64(text) {
        assert_eq!(value.to_string().as_bytes(), text);
    }
    if let Some(value) = parse_f64(text) {
        assert_eq!(parse_f64(format_double(value).as_bytes()), Some(value));
        assert_eq!(parse_f64(format_double_shortest(value).as_bytes()), Some(value));
    }
    if let Some(value) = parse_long_double(text) {
        let _ = (value + value).to_string();
    }
});
