//! Numbers read and printed exactly as a Redis 7.0.15 server did when
//! `fixtures/record.py` asked it.

use std::fmt::Write;

use protocol::number::{format_double, parse_f64, parse_long_double};

#[test]
fn doubles_print_as_zscore_prints_them() {
    let mut wrong = String::new();
    for (line, [bits, expected]) in lines(include_str!("fixtures/doubles.txt")) {
        let value = f64::from_bits(u64::from_str_radix(bits, 16).unwrap());
        let text = format_double(value).to_string();
        if text != expected {
            writeln!(wrong, "line {line}: {text} for {expected}").unwrap();
        }
    }
    assert_eq!(wrong, "");
}

#[test]
fn sums_print_as_incrbyfloat_prints_them() {
    let mut wrong = String::new();
    for (line, [stored, increment, expected]) in lines(include_str!("fixtures/sums.txt")) {
        let parse = |text: &str| parse_long_double(text.as_bytes());
        let text = match (parse(stored), parse(increment)) {
            (Some(a), Some(b)) => (a + b).to_string(),
            _ => "-ERR_value_is_not_a_valid_float".to_string(),
        };
        if text != expected {
            writeln!(
                wrong,
                "line {line}: {stored} + {increment} = {text}, not {expected}"
            )
            .unwrap();
        }
    }
    assert_eq!(wrong, "");
}

#[test]
fn the_same_texts_are_numbers() {
    let mut wrong = String::new();
    for (line, [hex, double, long_double]) in lines(include_str!("fixtures/accepted.txt")) {
        let text = unhex(hex);
        let taken = [
            parse_f64(&text).is_some(),
            parse_long_double(&text).is_some(),
        ];
        if taken.map(|taken| taken.to_string()) != [double, long_double] {
            let text = text.escape_ascii();
            writeln!(
                wrong,
                "line {line}: {text:.60}: {taken:?}, not {double}, {long_double}"
            )
            .unwrap();
        }
    }
    assert_eq!(wrong, "");
}

fn lines<const N: usize>(file: &str) -> impl Iterator<Item = (usize, [&str; N])> {
    file.lines().enumerate().map(|(i, line)| {
        let fields: Vec<&str> = line.split(' ').collect();
        (
            i + 1,
            fields
                .try_into()
                .expect("as many fields as its writer put there"),
        )
    })
}

fn unhex(hex: &str) -> Vec<u8> {
    if hex == "-" {
        return Vec::new();
    }
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("two hex digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}
