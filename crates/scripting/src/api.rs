//! The functions of the table `redis`.
//!
//! A function that refuses what it was given doesn't raise the error itself, since what the binding
//! raises isn't a Lua value: it returns the error as a value behind `true`, and the sandbox raises
//! that (see `sandbox.lua`).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use commands::OwnedArgs;
use mlua::{Lua, MultiValue, Result, Table, Value};
use protocol::number::format_double;

use crate::from_reply::{error_table, to_lua};
use crate::host::{LogLevel, with_host};
use crate::script::sha;

/// What a function returns: its value, and whether it is an error to be raised.
type Answer = Result<(Value, bool)>;

/// What the functions remember during a run.
#[derive(Debug, Default)]
pub(crate) struct Api {
    /// Whether commands are to answer in RESP3 (`redis.setresp`).
    pub(crate) resp3: Cell<bool>,
    scratch: RefCell<Scratch>,
}

/// Memory for the arguments and the reply of a command.
#[derive(Debug, Default)]
struct Scratch {
    args: OwnedArgs,
    reply: Vec<u8>,
}

/// Longest reply whose memory is kept for the next one.
const KEPT_BYTES: usize = 64 << 10;

const NO_ARGS: &str = "Please specify at least one argument for this redis lib call";
const BAD_ARGS: &str = "Lua redis lib command arguments must be strings or integers";
/// Bits of `redis.REPL_ALL`.
const REPL_ALL: i64 = 3;

/// The functions by name, for the sandbox to wrap.
pub(crate) fn functions(lua: &Lua, api: &Rc<Api>) -> Result<Table> {
    let table = lua.create_table()?;
    let add = |name: &str, run: fn(&Lua, &Api, MultiValue) -> Answer| {
        let api = Rc::clone(api);
        let run = move |lua: &Lua, args: MultiValue| run(lua, &api, args);
        table.raw_set(name, lua.create_function(run)?)
    };
    add("command", command)?;
    add("acl_check_cmd", acl_check_cmd)?;
    add("log", log)?;
    add("sha1hex", sha1hex)?;
    add("setresp", setresp)?;
    add("set_repl", set_repl)?;
    add("error_reply", error_reply)?;
    add("status_reply", status_reply)?;
    Ok(table)
}

/// Runs a command; both `redis.call` and `redis.pcall`.
fn command(lua: &Lua, api: &Api, args: MultiValue) -> Answer {
    let mut scratch = api.scratch.borrow_mut();
    let Scratch { args: owned, reply } = &mut *scratch;
    if let Err(error) = read_args(&args, owned) {
        return fail(lua, error);
    }
    // Their places in the interpreter are free again before the reply needs some.
    drop(args);
    reply.clear();
    let resp3 = api.resp3.get();
    let ran = with_host(|host| host.call(owned.borrow(), resp3, reply));
    if ran.is_none() {
        return fail(
            lua,
            "redis.call/pcall can only be called inside a script invocation",
        );
    }
    let answer = to_lua(lua, reply);
    if reply.capacity() > KEPT_BYTES {
        *reply = Vec::new();
    }
    answer
}

fn read_args(args: &MultiValue, owned: &mut OwnedArgs) -> std::result::Result<(), &'static str> {
    owned.clear(KEPT_BYTES);
    for arg in args {
        match arg {
            Value::String(bytes) => owned.push(&bytes.as_bytes()),
            Value::Integer(number) => owned.push(format_double(*number as f64).as_bytes()),
            Value::Number(number) => owned.push(format_double(*number).as_bytes()),
            _ => return Err(BAD_ARGS),
        }
    }
    if args.is_empty() {
        Err(NO_ARGS)
    } else {
        Ok(())
    }
}

fn acl_check_cmd(lua: &Lua, api: &Api, args: MultiValue) -> Answer {
    let mut scratch = api.scratch.borrow_mut();
    if let Err(error) = read_args(&args, &mut scratch.args) {
        return fail(lua, error);
    }
    match with_host(|host| host.may_run(scratch.args.borrow())).flatten() {
        Some(allowed) => Ok((Value::Boolean(allowed), false)),
        None => fail(lua, "Invalid command passed to redis.acl_check_cmd()"),
    }
}

fn log(lua: &Lua, _: &Api, args: MultiValue) -> Answer {
    if args.len() < 2 {
        return fail(lua, "redis.log() requires two arguments or more.");
    }
    let Some(level) = args.front().and_then(Value::as_number_lenient) else {
        return fail(lua, "First argument must be a number (log level).");
    };
    let level = match level as i64 {
        0 => LogLevel::Debug,
        1 => LogLevel::Verbose,
        2 => LogLevel::Notice,
        3 => LogLevel::Warning,
        _ => return fail(lua, "Invalid debug level."),
    };
    let texts: Vec<Vec<u8>> = args.iter().skip(1).filter_map(text).collect();
    with_host(|host| host.log(level, &texts.join(&b' ')));
    Ok((Value::Nil, false))
}

fn sha1hex(lua: &Lua, _: &Api, args: MultiValue) -> Answer {
    if args.len() != 1 {
        return fail(lua, "wrong number of arguments");
    }
    let digits = sha(&text(&args[0]).unwrap_or_default());
    Ok((Value::String(lua.create_string(digits)?), false))
}

fn setresp(lua: &Lua, api: &Api, args: MultiValue) -> Answer {
    if args.len() != 1 {
        return fail(lua, "redis.setresp() requires one argument.");
    }
    match args[0].as_number_lenient() {
        Some(version) if version == 2.0 || version == 3.0 => api.resp3.set(version == 3.0),
        _ => return fail(lua, "RESP version must be 2 or 3."),
    }
    Ok((Value::Nil, false))
}

/// What a script changes always goes to the log, so this only checks what it is given.
fn set_repl(lua: &Lua, _: &Api, args: MultiValue) -> Answer {
    if args.len() != 1 {
        return fail(lua, "redis.set_repl() requires two arguments.");
    }
    let flags = args[0].as_number_lenient().unwrap_or(0.0) as i64;
    if flags & !REPL_ALL != 0 {
        let text = "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
        return fail(lua, text);
    }
    Ok((Value::Nil, false))
}

fn error_reply(lua: &Lua, _: &Api, args: MultiValue) -> Answer {
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
    Ok((Value::Table(error_table(lua, &text, false)?), false))
}

fn status_reply(lua: &Lua, _: &Api, args: MultiValue) -> Answer {
    let (1, Some(text @ Value::String(_))) = (args.len(), args.front()) else {
        return wrong_reply(lua);
    };
    let table = lua.create_table()?;
    table.raw_set("ok", text)?;
    Ok((Value::Table(table), false))
}

fn wrong_reply(lua: &Lua) -> Answer {
    let text = b"ERR wrong number or type of arguments";
    Ok((Value::Table(error_table(lua, text, false)?), false))
}

fn fail(lua: &Lua, text: &str) -> Answer {
    Ok((Value::Table(error(lua, text)?), true))
}

/// An error without a code of its own.
pub(crate) fn error(lua: &Lua, text: &str) -> Result<Table> {
    error_table(lua, format!("ERR {text}").as_bytes(), false)
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
