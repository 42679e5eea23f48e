//! What a command has replied, as a Lua value.

use mlua::{Lua, Result, Table};
use protocol::number;

use crate::raw::Stack;

/// Pushes the Lua value of the reply that `bytes` begin with.
pub(crate) fn push_reply(stack: &mut Stack, bytes: &[u8]) {
    push_next(stack, bytes);
}

/// An error as scripts see it, of which the statistics don't know yet.
pub(crate) fn error_table(lua: &Lua, text: &[u8]) -> Result<Table> {
    let table = lua.create_table_with_capacity(0, 4)?;
    table.raw_set("err", lua.create_string(text)?)?;
    Ok(table)
}

/// The field of an error that the statistics know of.
pub(crate) const COUNTED: &str = "ignore_error_stats_update";

/// Places of the stack that one reply takes beside those of its parts.
const PLACES: i32 = 4;

/// Pushes the value of the next reply. Returns what follows that.
fn push_next<'a>(stack: &mut Stack, bytes: &'a [u8]) -> &'a [u8] {
    let (kind, line, rest) = take_line(bytes);
    match kind {
        b'$' | b'*' if line == b"-1" => stack.push_bool(false),
        b'$' => {
            let (text, rest) = take_bytes(rest, length(line));
            stack.push_bytes(text);
            return rest;
        }
        b':' => stack.push_number(number::parse_i64(line).unwrap_or(0) as f64),
        b'+' => push_field(stack, b"ok", |stack| stack.push_bytes(line)),
        b'-' => push_error(stack, line, true),
        b'*' => return push_array(stack, rest, length(line)),
        b'#' => stack.push_bool(line == b"t"),
        b',' => {
            let double = std::str::from_utf8(line).ok().and_then(|t| t.parse().ok());
            push_field(stack, b"double", |stack| {
                stack.push_number(double.unwrap_or(f64::NAN));
            });
        }
        b'(' => push_field(stack, b"big_number", |stack| stack.push_bytes(line)),
        b'=' => {
            let (text, rest) = take_bytes(rest, length(line));
            push_field(stack, b"verbatim_string", |stack| {
                push_verbatim(stack, text);
            });
            return rest;
        }
        b'%' => return push_parts(stack, b"map", |stack| push_map(stack, rest, length(line))),
        b'~' => return push_parts(stack, b"set", |stack| push_set(stack, rest, length(line))),
        b'|' => {
            let mut rest = rest;
            for _ in 0..2 * length(line) {
                rest = push_next(stack, rest);
                stack.pop();
            }
            return push_next(stack, rest);
        }
        // Null, written as a line of its own. No command of a script answers with anything else.
        _ => stack.push_nil(),
    }
    rest
}

/// Pushes an error as scripts see it; `counted` if the statistics know of it already.
pub(crate) fn push_error(stack: &mut Stack, text: &[u8], counted: bool) {
    stack.push_table(0, 4);
    stack.push_bytes(b"err");
    stack.push_bytes(text);
    stack.set_field();
    if counted {
        stack.push_bytes(COUNTED.as_bytes());
        stack.push_bool(true);
        stack.set_field();
    }
}

/// Pushes a table with one field.
#[inline]
fn push_field(stack: &mut Stack, name: &[u8], push_value: impl FnOnce(&mut Stack)) {
    push_parts(stack, name, |stack| {
        push_value(stack);
        &[]
    });
}

/// Pushes a table with one field, whose value is read from what `push_value` doesn't return.
fn push_parts<'a>(
    stack: &mut Stack,
    name: &[u8],
    push_value: impl FnOnce(&mut Stack) -> &'a [u8],
) -> &'a [u8] {
    stack.push_table(0, 1);
    stack.push_bytes(name);
    let rest = push_value(stack);
    stack.set_field();
    rest
}

fn push_array<'a>(stack: &mut Stack, mut rest: &'a [u8], len: usize) -> &'a [u8] {
    stack.reserve(PLACES);
    stack.push_table(len, 0);
    for at in 1..=len {
        rest = push_next(stack, rest);
        stack.set_element(at as i32);
    }
    rest
}

fn push_map<'a>(stack: &mut Stack, mut rest: &'a [u8], len: usize) -> &'a [u8] {
    stack.reserve(PLACES);
    stack.push_table(0, 0);
    for _ in 0..len {
        rest = push_next(stack, rest);
        rest = push_next(stack, rest);
        stack.set_field();
    }
    rest
}

fn push_set<'a>(stack: &mut Stack, mut rest: &'a [u8], len: usize) -> &'a [u8] {
    stack.reserve(PLACES);
    stack.push_table(0, 0);
    for _ in 0..len {
        rest = push_next(stack, rest);
        stack.push_bool(true);
        stack.set_field();
    }
    rest
}

fn push_verbatim(stack: &mut Stack, bytes: &[u8]) {
    let (format, text) = bytes.split_at(bytes.len().min(3));
    stack.push_table(0, 2);
    stack.push_bytes(b"format");
    stack.push_bytes(format);
    stack.set_field();
    stack.push_bytes(b"string");
    stack.push_bytes(text.strip_prefix(b":").unwrap_or(text));
    stack.set_field();
}

/// The kind of the next reply, what stands behind it in its line, and what follows that.
#[inline(always)]
fn take_line(bytes: &[u8]) -> (u8, &[u8], &[u8]) {
    let end = bytes.iter().position(|&byte| byte == b'\r');
    let end = end.unwrap_or(bytes.len());
    let rest = bytes.get(end + 2..).unwrap_or_default();
    match bytes[..end].split_first() {
        Some((&kind, line)) => (kind, line, rest),
        None => (b'_', &[], rest),
    }
}

/// The next `len` bytes, and what follows the line's end behind them.
fn take_bytes(bytes: &[u8], len: usize) -> (&[u8], &[u8]) {
    let len = len.min(bytes.len());
    (&bytes[..len], bytes.get(len + 2..).unwrap_or_default())
}

/// How many bytes or parts there are; none if it doesn't say so.
fn length(line: &[u8]) -> usize {
    let len = number::parse_i64(line).unwrap_or(0);
    len.max(0) as usize
}
