//! The functions of the table `redis`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use commands::OwnedArgs;
use mlua::{Lua, MultiValue, Result, Table, Value};
use protocol::number::format_double;

use crate::from_reply::{error_table, to_lua};
use crate::host::{LogLevel, with_host};
use crate::raise;
use crate::script::sha;

/// What a function returns.
type Answer = Result<Value>;

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
const OUTSIDE_A_RUN: &str = "redis.call/pcall can only be called inside a script invocation";
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
    add("call", call)?;
    add("pcall", pcall)?;
    add("acl_check_cmd", acl_check_cmd)?;
    add("log", log)?;
    add("sha1hex", sha1hex)?;
    add("setresp", setresp)?;
    add("set_repl", set_repl)?;
    add("error_reply", error_reply)?;
    add("status_reply", status_reply)?;
    Ok(table)
}

/// `redis.call`: runs a command; an error it answers with is raised.
fn call(lua: &Lua, api: &Api, args: MultiValue) -> Answer {
    let mut scratch = api.scratch.borrow_mut();
    let Scratch { args: owned, reply } = &mut *scratch;
    read_args(&args, owned)?;
    // Their places in the interpreter are free again before the reply needs some.
    drop(args);
    reply.clear();
    let resp3 = api.resp3.get();
    with_host(|host| host.call(owned.borrow(), resp3, reply))
        .ok_or_else(|| raise::table(OUTSIDE_A_RUN))?;
    let answer = match reply.strip_prefix(b"-") {
        Some(error) => Err(raise::from_command(error)),
        None => to_lua(lua, reply),
    };
    if reply.capacity() > KEPT_BYTES {
        *reply = Vec::new();
    }
    answer
}

/// `redis.pcall`: runs a command; an error is returned.
fn pcall(lua: &Lua, api: &Api, args: MultiValue) -> Answer {
    call(lua, api, args).or_else(|error| raise::caught(lua, Value::Error(Box::new(error))))
}

fn read_args(args: &MultiValue, owned: &mut OwnedArgs) -> Result<()> {
    owned.clear(KEPT_BYTES);
    for arg in args {
        match arg {
            Value::String(bytes) => owned.push(&bytes.as_bytes()),
            Value::Integer(number) => owned.push(format_double(*number as f64).as_bytes()),
            Value::Number(number) => owned.push(format_double(*number).as_bytes()),
            _ => return Err(raise::table(BAD_ARGS)),
        }
    }
    if args.is_empty() {
        return Err(raise::table(NO_ARGS));
    }
    Ok(())
}

fn acl_check_cmd(_: &Lua, api: &Api, args: MultiValue) -> Answer {
    let mut scratch = api.scratch.borrow_mut();
    read_args(&args, &mut scratch.args)?;
    with_host(|host| host.may_run(scratch.args.borrow()))
        .flatten()
        .map(Value::Boolean)
        .ok_or_else(|| raise::table("Invalid command passed to redis.acl_check_cmd()"))
}

fn log(_: &Lua, _: &Api, args: MultiValue) -> Answer {
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

fn sha1hex(lua: &Lua, _: &Api, args: MultiValue) -> Answer {
    if args.len() != 1 {
        return Err(raise::table("wrong number of arguments"));
    }
    let digits = sha(&text(&args[0]).unwrap_or_default());
    Ok(Value::String(lua.create_string(digits)?))
}

fn setresp(_: &Lua, api: &Api, args: MultiValue) -> Answer {
    if args.len() != 1 {
        return Err(raise::table("redis.setresp() requires one argument."));
    }
    match args[0].as_number_lenient().map(|version| version as i64) {
        Some(version @ (2 | 3)) => api.resp3.set(version == 3),
        _ => return Err(raise::table("RESP version must be 2 or 3.")),
    }
    Ok(Value::Nil)
}

/// What a script changes always goes to the log, so this only checks what it is given.
fn set_repl(_: &Lua, _: &Api, args: MultiValue) -> Answer {
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
    Ok(Value::Table(error_table(lua, &text, false)?))
}

fn status_reply(lua: &Lua, _: &Api, args: MultiValue) -> Answer {
    let (1, Some(text @ Value::String(_))) = (args.len(), args.front()) else {
        return wrong_reply(lua);
    };
    let table = lua.create_table()?;
    table.raw_set("ok", text)?;
    Ok(Value::Table(table))
}

fn wrong_reply(lua: &Lua) -> Answer {
    let text = b"ERR wrong number or type of arguments";
    Ok(Value::Table(error_table(lua, text, false)?))
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
