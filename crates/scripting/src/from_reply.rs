//! What a command has replied, as a Lua value.

use mlua::{Lua, Result, Table, Value};
use protocol::number;

/// The Lua value of the reply that `bytes` begin with.
pub(crate) fn to_lua(lua: &Lua, bytes: &[u8]) -> Result<Value> {
    let mut rest = bytes;
    value(lua, &mut rest)
}

/// An error as scripts see it; `counted` if the statistics know of it already.
pub(crate) fn error_table(lua: &Lua, text: &[u8], counted: bool) -> Result<Table> {
    let table = lua.create_table_with_capacity(0, 4)?;
    table.raw_set("err", lua.create_string(text)?)?;
    if counted {
        table.raw_set("ignore_error_stats_update", true)?;
    }
    Ok(table)
}

fn value(lua: &Lua, rest: &mut &[u8]) -> Result<Value> {
    let (kind, line) = take_line(rest);
    Ok(match kind {
        b'+' => field(lua, "ok", Value::String(lua.create_string(line)?))?,
        b'-' => Value::Table(error_table(lua, line, true)?),
        b':' => Value::Number(length(line) as f64),
        b'$' => match length(line) {
            -1 => Value::Boolean(false),
            len => Value::String(lua.create_string(take_bytes(rest, len))?),
        },
        b'*' => match length(line) {
            -1 => Value::Boolean(false),
            len => Value::Table(array(lua, rest, len)?),
        },
        b'#' => Value::Boolean(line == b"t"),
        b',' => {
            let double = std::str::from_utf8(line).ok().and_then(|t| t.parse().ok());
            field(lua, "double", Value::Number(double.unwrap_or(f64::NAN)))?
        }
        b'(' => field(lua, "big_number", Value::String(lua.create_string(line)?))?,
        b'=' => verbatim(lua, take_bytes(rest, length(line)))?,
        b'%' => map(lua, rest, length(line))?,
        b'~' => set(lua, rest, length(line))?,
        b'|' => {
            for _ in 0..2 * length(line) {
                value(lua, rest)?;
            }
            value(lua, rest)?
        }
        // Null, written as a line of its own. No command of a script answers with anything else.
        _ => Value::Nil,
    })
}

/// A table with one field.
fn field(lua: &Lua, name: &str, value: Value) -> Result<Value> {
    let table = lua.create_table_with_capacity(0, 1)?;
    table.raw_set(name, value)?;
    Ok(Value::Table(table))
}

fn array(lua: &Lua, rest: &mut &[u8], len: i64) -> Result<Table> {
    let table = lua.create_table_with_capacity(len.max(0) as usize, 0)?;
    for at in 1..=len {
        table.raw_set(at, value(lua, rest)?)?;
    }
    Ok(table)
}

fn map(lua: &Lua, rest: &mut &[u8], len: i64) -> Result<Value> {
    let table = lua.create_table()?;
    for _ in 0..len {
        let (key, value) = (value(lua, rest)?, value(lua, rest)?);
        table.raw_set(key, value)?;
    }
    field(lua, "map", Value::Table(table))
}

fn set(lua: &Lua, rest: &mut &[u8], len: i64) -> Result<Value> {
    let table = lua.create_table()?;
    for _ in 0..len {
        table.raw_set(value(lua, rest)?, true)?;
    }
    field(lua, "set", Value::Table(table))
}

fn verbatim(lua: &Lua, bytes: &[u8]) -> Result<Value> {
    let (format, text) = bytes.split_at(bytes.len().min(3));
    let table = lua.create_table()?;
    table.raw_set("format", lua.create_string(format)?)?;
    let text = text.strip_prefix(b":").unwrap_or(text);
    table.raw_set("string", lua.create_string(text)?)?;
    field(lua, "verbatim_string", Value::Table(table))
}

/// The kind of the next reply and what stands behind it in its line.
fn take_line<'a>(rest: &mut &'a [u8]) -> (u8, &'a [u8]) {
    let end = rest.iter().position(|&byte| byte == b'\r');
    let end = end.unwrap_or(rest.len());
    let line = &rest[..end];
    *rest = rest.get(end + 2..).unwrap_or_default();
    match line.split_first() {
        Some((&kind, line)) => (kind, line),
        None => (b'_', line),
    }
}

/// The next `len` bytes; a line's end follows them.
fn take_bytes<'a>(rest: &mut &'a [u8], len: i64) -> &'a [u8] {
    let len = (len.max(0) as usize).min(rest.len());
    let bytes = &rest[..len];
    *rest = rest.get(len + 2..).unwrap_or_default();
    bytes
}

fn length(line: &[u8]) -> i64 {
    number::parse_i64(line).unwrap_or(0)
}
