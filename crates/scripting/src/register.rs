//! `redis.register_function`: what a library tells of its functions while it is loaded.

use std::cell::RefCell;
use std::rc::Rc;

use mlua::{Function, Lua, MultiValue, Result, Table, Value};

use crate::key_pattern::KeyNotes;
use crate::library::{FunctionInfo, flag, is_name};
use crate::raise;

/// What has been registered so far; `None` while no library is loaded.
pub(crate) type Registered = Rc<RefCell<Option<Vec<(FunctionInfo, Function)>>>>;

/// The function for scripts.
pub(crate) fn function(lua: &Lua, registered: &Registered) -> Result<Function> {
    let registered = Rc::clone(registered);
    lua.create_function(move |_, args: MultiValue| {
        let mut registered = registered.borrow_mut();
        let registered = registered.as_mut().ok_or_else(|| {
            raise::table("redis.register_function can only be called on FUNCTION LOAD command")
        })?;
        let (info, callback) = match args.len() {
            1 => named(&args)?,
            2 => positional(&args)?,
            _ => {
                return Err(raise::table(
                    "wrong number of arguments to redis.register_function",
                ));
            }
        };
        if !is_name(&info.name) {
            return Err(raise::table(
                "Library names can only contain letters, numbers, or underscores(_) and must be at \
                 least one character long",
            ));
        }
        if registered.iter().any(|(other, _)| other.name == info.name) {
            return Err(raise::table("Function already exists in the library"));
        }
        registered.push((info, callback));
        Ok(())
    })
}

fn info(name: String, description: Option<String>, flags: u8) -> FunctionInfo {
    FunctionInfo {
        name,
        description,
        flags,
        notes: KeyNotes::default(),
    }
}

fn positional(args: &MultiValue) -> Result<(FunctionInfo, Function)> {
    let name = text(&args[0]).ok_or_else(|| {
        raise::table("first argument to redis.register_function must be a string")
    })?;
    let Value::Function(callback) = &args[1] else {
        return Err(raise::table(
            "second argument to redis.register_function must be a function",
        ));
    };
    Ok((info(name, None, 0), callback.clone()))
}

fn named(args: &MultiValue) -> Result<(FunctionInfo, Function)> {
    let Value::Table(table) = &args[0] else {
        return Err(raise::table(
            "calling redis.register_function with a single argument is only applicable to Lua \
             table (representing named arguments).",
        ));
    };
    let (mut name, mut callback, mut description, mut flags) = (None, None, None, 0);
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let key = key.as_string().map(mlua::LuaString::to_string_lossy);
        match (key.as_deref(), &value) {
            (Some("function_name"), value) => name = Some(string_of(value, "function_name")?),
            (Some("description"), value) => description = Some(string_of(value, "description")?),
            (Some("callback"), Value::Function(function)) => callback = Some(function.clone()),
            (Some("callback"), _) => {
                return Err(raise::table(
                    "callback argument given to redis.register_function must be a function",
                ));
            }
            (Some("flags"), Value::Table(list)) => flags = read_flags(list)?,
            (Some("flags"), _) => {
                return Err(raise::table(
                    "flags argument to redis.register_function must be a table representing \
                     function flags",
                ));
            }
            (Some(_), _) => {
                return Err(raise::table(
                    "unknown argument given to redis.register_function",
                ));
            }
            (None, _) => {
                return Err(raise::table(
                    "named argument key given to redis.register_function is not a string",
                ));
            }
        }
    }
    let name = name
        .ok_or_else(|| raise::table("redis.register_function must get a function name argument"))?;
    let callback = callback
        .ok_or_else(|| raise::table("redis.register_function must get a callback argument"))?;
    Ok((info(name, description, flags), callback))
}

fn read_flags(list: &Table) -> Result<u8> {
    let mut flags = 0;
    for value in list.sequence_values::<Value>() {
        let known = text(&value?).and_then(|name| flag(&name));
        flags |= known.ok_or_else(|| raise::table("unknown flag given"))?;
    }
    Ok(flags)
}

fn string_of(value: &Value, argument: &str) -> Result<String> {
    text(value).ok_or_else(|| {
        raise::table(&format!(
            "{argument} argument given to redis.register_function must be a string"
        ))
    })
}

/// A string, or a number as one.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_string_lossy()),
        Value::Integer(_) | Value::Number(_) => value.to_string().ok(),
        _ => None,
    }
}
