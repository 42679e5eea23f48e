//! A value as JSON.

use std::io::Write;

use super::settings::Invalid;
use super::{Given, PLACES};
use crate::libraries::native::{Refused, Result};
use crate::number::format_general;
use crate::raw::Kind;

/// Appends the topmost value, which lies in so many tables, and pops it.
pub(super) fn value(given: &mut Given<'_>, depth: i32) -> Result<()> {
    match given.stack.kind(-1) {
        Kind::String => append_string(given.out, given.stack.bytes(-1)),
        Kind::Number(number) => append_number(given, number)?,
        Kind::Boolean(true) => given.out.extend_from_slice(b"true"),
        Kind::Boolean(false) => given.out.extend_from_slice(b"false"),
        Kind::Nil => given.out.extend_from_slice(b"null"),
        Kind::Table => append_table(given, depth + 1)?,
        Kind::Other if given.stack.is_null(-1) => given.out.extend_from_slice(b"null"),
        Kind::Other => return Err(refuse(given, "type not supported")),
    }
    given.stack.pop();
    Ok(())
}

/// The topmost value can't be shown.
fn refuse(given: &mut Given<'_>, why: &str) -> Refused {
    let name = given.stack.type_name(-1);
    given.refuse(format_args!("Cannot serialise {name}: {why}"))
}

fn append_table(given: &mut Given<'_>, depth: i32) -> Result<()> {
    if depth > given.state.encode_depth {
        return Err(given.refuse(format_args!(
            "Cannot serialise, excessive nesting ({depth})"
        )));
    }
    given.stack.reserve(PLACES);
    match array_length(given)? {
        Some(length) => append_array(given, length, depth),
        None => append_object(given, depth),
    }
}

/// The last index of the topmost value if it is an array; `None` for another table.
fn array_length(given: &mut Given<'_>) -> Result<Option<i32>> {
    let table = given.stack.len();
    let (mut last, mut items) = (0_i64, 0_i64);
    given.stack.push_nil();
    while given.stack.next(table) {
        given.stack.pop();
        match given.stack.kind(-1) {
            Kind::Number(index) if index.fract() == 0.0 && index >= 1.0 => {
                last = last.max(index as i64);
            }
            _ => {
                given.stack.pop();
                return Ok(None);
            }
        }
        items += 1;
    }
    let settings = &given.state;
    let is_sparse = settings.sparse_ratio > 0
        && last > items.saturating_mul(settings.sparse_ratio.into())
        && last > settings.sparse_safe.into();
    if is_sparse && !settings.sparse_convert {
        return Err(refuse(given, "excessively sparse array"));
    }
    let length = i32::try_from(last).unwrap_or(i32::MAX);
    Ok((length > 0 && !is_sparse).then_some(length))
}

fn append_array(given: &mut Given<'_>, length: i32, depth: i32) -> Result<()> {
    let table = given.stack.len();
    given.out.push(b'[');
    for index in 1..=length {
        if index > 1 {
            given.out.push(b',');
        }
        given.stack.push_element(table, index);
        value(given, depth)?;
    }
    given.out.push(b']');
    Ok(())
}

fn append_object(given: &mut Given<'_>, depth: i32) -> Result<()> {
    let table = given.stack.len();
    given.out.push(b'{');
    let mut is_first = true;
    given.stack.push_nil();
    while given.stack.next(table) {
        if !std::mem::replace(&mut is_first, false) {
            given.out.push(b',');
        }
        match given.stack.kind(table + 1) {
            Kind::String => append_string(given.out, given.stack.bytes(table + 1)),
            Kind::Number(key) => {
                given.out.push(b'"');
                append_number(given, key)?;
                given.out.push(b'"');
            }
            _ => {
                given.stack.pop();
                return Err(refuse(given, "table key must be a number or string"));
            }
        }
        given.out.push(b':');
        value(given, depth)?;
    }
    given.out.push(b'}');
    Ok(())
}

fn append_number(given: &mut Given<'_>, number: f64) -> Result<()> {
    let precision = given.state.precision;
    let is_short = number.fract() == 0.0 && number.abs() < 10_f64.powi(precision);
    if is_short && (number != 0.0 || number.is_sign_positive()) {
        // Nothing goes wrong when memory is written to.
        let _ = write!(given.out, "{}", number as i64);
        return Ok(());
    }
    if number.is_finite() {
        let text = format_general(number, precision as usize);
        given.out.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    let text: &[u8] = match given.state.encode_invalid {
        Invalid::Refused => {
            let why = "must not be NaN or Inf";
            return Err(given.refuse(format_args!("Cannot serialise number: {why}")));
        }
        Invalid::Null => b"null",
        Invalid::Allowed if number.is_nan() => b"nan",
        Invalid::Allowed if number > 0.0 => b"inf",
        Invalid::Allowed => b"-inf",
    };
    given.out.extend_from_slice(text);
    Ok(())
}

fn append_string(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' | b'/' => out.extend([b'\\', byte]),
            8 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..32 | 127 => {
                // Nothing goes wrong when memory is written to.
                let _ = write!(out, "\\u{byte:04x}");
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
