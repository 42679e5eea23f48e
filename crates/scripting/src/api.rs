//! The functions of the table `redis`.

use mlua::{Lua, MultiValue, Result, Table, Value};

use crate::call::{Call, Calls, MayRun, ProtectedCall};
use crate::from_reply::error_table;
use crate::host::{LogLevel, with_host};
use crate::raise;
use crate::raw;
use crate::script::sha;

/// What a function returns.
type Answer = Result<Value>;

/// Bits of `redis.REPL_ALL`.
const REPL_ALL: i64 = 3;

/// The functions by name, for the sandbox to wrap.
pub(crate) fn functions(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("call", raw::function::<Call>(lua)?)?;
    table.raw_set("pcall", raw::function::<ProtectedCall>(lua)?)?;
    table.raw_set("acl_check_cmd", raw::function::<MayRun>(lua)?)?;
    let add = |name: &str, run: fn(&Lua, MultiValue) -> Answer| {
        table.raw_set(name, lua.create_function(run)?)
    };
    add("log", log)?;
    add("sha1hex", sha1hex)?;
    add("setresp", setresp)?;
    add("set_repl", set_repl)?;
    add("error_reply", error_reply)?;
    add("status_reply", status_reply)?;
    Ok(table)
}

fn log(_: &Lua, args: MultiValue) -> Answer {
    if args.len() < 2 {
        return Err(raise::table("redis.log() requires two arguments or more."));
    }
    let Some(level) = args.front().and_then(Value::as_number_lenient) else {
        return Err(raise::table("First argument must be a number (log level)."));
    };
    let level = match level as i64 {
        0 => LogLevel::Debug,
        1 => LogLevel::Verbose,
        2 => LogLevel::Notice,
        3 => LogLevel::Warning,
        _ => return Err(raise::table("Invalid debug level.")),
    };
    let texts: Vec<Vec<u8>> = args.iter().skip(1).filter_map(text).collect();
    with_host(|host| host.log(level, &texts.join(&b' ')));
    Ok(Value::Nil)
}

fn sha1hex(lua: &Lua, args: MultiValue) -> Answer {
    if args.len() != 1 {
        return Err(raise::table("wrong number of arguments"));
    }
    let digits = sha(&text(&args[0]).unwrap_or_default());
    Ok(Value::String(lua.create_string(digits)?))
}

fn setresp(lua: &Lua, args: MultiValue) -> Answer {
    if args.len() != 1 {
        return Err(raise::table("redis.setresp() requires one argument."));
    }
    match args[0].as_number_lenient().map(|version| version as i64) {
        Some(version @ (2 | 3)) => {
            raw::memory::<Calls>(lua).borrow_mut().resp3 = version == 3;
        }
        _ => return Err(raise::table("RESP version must be 2 or 3.")),
    }
    Ok(Value::Nil)
}

/// What a script changes always goes to the log, so this only checks what it is given.
fn set_repl(_: &Lua, args: MultiValue) -> Answer {
    if args.len() != 1 {
        return Err(raise::table("redis.set_repl() requires two arguments."));
    }
    let flags = args[0].as_number_lenient().unwrap_or(0.0) as i64;
    if flags & !REPL_ALL != 0 {
        let text = "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
        return Err(raise::table(text));
    }
    Ok(Value::Nil)
}

fn error_reply(lua: &Lua, args: MultiValue) -> Answer {
    let (1, Some(Value::String(text))) = (args.len(), args.front()) else {
        return wrong_reply(lua);
    };
    let text = text.as_bytes();
    let bare = text.strip_prefix(b"-").unwrap_or(&text);
    // One word is the text, else the first is the code.
    let text = if bare.contains(&b' ') {
        bare.to_vec()
    } else {
        [b"ERR ", bare].concat()
    };
    Ok(Value::Table(error_table(lua, &text)?))
}

fn status_reply(lua: &Lua, args: MultiValue) -> Answer {
    let (1, Some(text @ Value::String(_))) = (args.len(), args.front()) else {
        return wrong_reply(lua);
    };
    let table = lua.create_table()?;
    table.raw_set("ok", text)?;
    Ok(Value::Table(table))
}

fn wrong_reply(lua: &Lua) -> Answer {
    let text = b"ERR wrong number or type of arguments";
    Ok(Value::Table(error_table(lua, text)?))
}

/// A string or a number as Lua itself would write it.
fn text(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(bytes) => Some(bytes.as_bytes().to_vec()),
        Value::Integer(_) | Value::Number(_) => value.to_string().ok().map(String::into_bytes),
        _ => None,
    }
}

/// Numbers, and strings that are numbers: what Lua's own functions take.
trait Lenient {
    fn as_number_lenient(&self) -> Option<f64>;
}

impl Lenient for Value {
    fn as_number_lenient(&self) -> Option<f64> {
        match self {
            Value::Integer(number) => Some(*number as f64),
            Value::Number(number) => Some(*number),
            Value::String(text) => text.to_str().ok()?.trim().parse().ok(),
            _ => None,
        }
    }
}
