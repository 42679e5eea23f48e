//! Errors that functions of ours raise, and where in a script that is.
//!
//! What a native function raises reaches Lua as a userdata of the binding's. Scripts expect Lua
//! values, so whatever catches errors (`pcall`, `xpcall`, `coroutine.resume`, the end of the
//! script) turns it into one with [`caught`].

use mlua::{Error, Lua, LuaString, Result, Table, Value};
use thiserror::Error as ThisError;

use crate::from_reply::error_table;

/// The chunk name of what is ours, which no message mentions.
pub(crate) const OWN_CHUNK: &str = "=darner";

/// See the module.
#[derive(Clone, Debug, ThisError)]
pub(crate) enum Raised {
    /// A table as `redis.error_reply` makes it, with this text.
    #[error("{}", String::from_utf8_lossy(.0))]
    Table(Vec<u8>),
    /// A message.
    #[error("{0}")]
    Message(String),
    /// The script is to end: nothing catches this.
    #[error("{0}")]
    End(&'static str),
}

/// An error in a table, with the common code.
pub(crate) fn table(text: &str) -> Error {
    Error::external(Raised::Table(format!("ERR {text}").into_bytes()))
}

/// Ends the script: its own handlers don't get this.
pub(crate) fn end(text: &'static str) -> Error {
    Error::external(Raised::End(text))
}

/// A message with the position of the caller, as Lua's own functions raise it.
pub(crate) fn message(lua: &Lua, text: &str) -> Error {
    let prefix = match at(lua, 1) {
        Some(Frame::Script(position)) => format!("{}:{}: ", position.short, position.line),
        _ => String::new(),
    };
    Error::external(Raised::Message(prefix + text))
}

/// An error as a Lua value; an error itself if nothing may catch it.
pub(crate) fn caught(lua: &Lua, error: Value) -> Result<Value> {
    let Value::Error(error) = error else {
        return Ok(error);
    };
    Ok(match error.downcast_ref::<Raised>() {
        Some(Raised::Table(text)) => Value::Table(error_table(lua, text)?),
        Some(Raised::Message(text)) => Value::String(lua.create_string(text)?),
        Some(Raised::End(_)) => return Err(*error),
        None => Value::String(lua.create_string(error.to_string())?),
    })
}

/// Whether an error ends the script.
pub(crate) fn is_end(_: &Lua, error: Value) -> Result<bool> {
    let ends = |error: &Error| matches!(error.downcast_ref(), Some(Raised::End(_)));
    Ok(error.as_error().is_some_and(ends))
}

/// What an uncaught error becomes: a table that says where it was raised.
pub(crate) fn uncaught(lua: &Lua, error: Value) -> Result<Table> {
    let table = match caught(lua, error) {
        Ok(Value::Table(table)) => table,
        Ok(Value::Nil) => error_table(lua, b"ERR nil")?,
        Ok(Value::String(text)) => error_table(lua, &[b"ERR ", &*text.as_bytes()].concat())?,
        Ok(other) => error_table(lua, format!("ERR {}", other.to_string()?).as_bytes())?,
        Err(error) => {
            let text = error.downcast_ref::<Raised>().map(ToString::to_string);
            let text = format!("ERR {}", text.unwrap_or_default());
            error_table(lua, text.as_bytes())?
        }
    };
    if let Some(position) = innermost(lua) {
        table.raw_set("source", position.source)?;
        table.raw_set("line", position.line)?;
    }
    Ok(table)
}

/// The text in what [`uncaught`] has made of an error.
pub(crate) fn text_of(error: &Value) -> String {
    let Value::Table(table) = error else {
        return String::new();
    };
    let text: Result<LuaString> = table.raw_get("err");
    text.map_or_else(|_| String::new(), |text| text.to_string_lossy())
}

/// A place in a script.
struct Position {
    /// The chunk's whole name, `@user_script`.
    source: String,
    /// As it stands in messages, `user_script`.
    short: String,
    /// From 1.
    line: usize,
}

/// The place where the innermost function of the script is.
fn innermost(lua: &Lua) -> Option<Position> {
    for level in 1.. {
        match at(lua, level)? {
            Frame::Script(position) => return Some(position),
            Frame::Other => {}
        }
    }
    None
}

enum Frame {
    Script(Position),
    /// A native function or one of ours.
    Other,
}

fn at(lua: &Lua, level: usize) -> Option<Frame> {
    lua.inspect_stack(level, |frame| {
        let source = frame.source();
        let (Some(line), Some(name)) = (frame.current_line(), source.source) else {
            return Frame::Other;
        };
        if name == OWN_CHUNK {
            return Frame::Other;
        }
        Frame::Script(Position {
            source: name.into_owned(),
            short: source.short_src.unwrap_or_default().into_owned(),
            line,
        })
    })
}
