//! Makes the globals of scripts: the native functions that `sandbox.lua` needs, and that.

use std::cell::Cell;
use std::rc::Rc;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, MultiValue, Result, Table, Value};

use crate::api;
use crate::enter::constant;
use crate::libraries;
use crate::raise::{self, OWN_CHUNK};
use crate::raw::{self, Kept};
use crate::register::{self, Registered};
use crate::to_reply::field;

/// What the sandbox hands back.
pub(crate) struct Sandbox {
    /// Where scripts and functions are called from, with the constants that `enter.rs` needs.
    pub(crate) protection: Kept,
    /// Loads a library.
    pub(crate) load_library: Function,
    /// What the library that is loaded has registered.
    pub(crate) registered: Registered,
}

/// Makes the globals of scripts.
pub(crate) fn build(lua: &Lua, constants: Table) -> Result<Sandbox> {
    let native = lua.create_table()?;
    native.raw_set("redis", api::functions(lua)?)?;
    native.raw_set("constants", constants)?;
    let handler = lua.create_function(raise::uncaught)?;
    native.raw_set("handler", &handler)?;
    native.raw_set("caught", lua.create_function(raise::caught)?)?;
    native.raw_set("compile", lua.create_function(compile_text)?)?;
    let registered = Registered::default();
    native.raw_set("register", register::function(lua, &registered)?)?;
    native.raw_set("libraries", libraries::all(lua)?)?;
    native.raw_set("protect", raw::protecting(lua, true)?)?;
    native.raw_set("unprotect", raw::protecting(lua, false)?)?;
    native.raw_set("is_end", lua.create_function(raise::is_end)?)?;
    add_random(lua, &native)?;
    let source: &[u8] = include_bytes!("sandbox.lua");
    let chunk = lua.load(source).set_name(OWN_CHUNK);
    let (globals, load_library) = chunk.call::<(Table, Function)>(native)?;
    lua.set_globals(globals.clone())?;
    Ok(Sandbox {
        protection: protection(lua, handler, globals)?,
        load_library,
        registered,
    })
}

/// See [`Sandbox::protection`].
fn protection(lua: &Lua, handler: Function, globals: Table) -> Result<Kept> {
    let mut constants = MultiValue::new();
    for name in field::NAMES {
        constants.push_back(Value::String(lua.create_string(name)?));
    }
    debug_assert_eq!(constants.len() as i32 + 1, constant::HANDLER);
    constants.push_back(Value::Function(handler));
    constants.push_back(Value::Table(globals));
    constants.push_back(Value::Table(lua.create_table()?));
    for name in ["KEYS", "ARGV"] {
        constants.push_back(Value::String(lua.create_string(name)?));
    }
    debug_assert_eq!(constants.len() as i32, constant::ARGV);
    raw::protection(lua, constants)
}

/// Compiles text; the message without a position of its own if it isn't Lua.
pub(crate) fn compile(lua: &Lua, text: &[u8], name: &str) -> std::result::Result<Function, String> {
    let chunk = lua.load(text).set_name(name).set_mode(ChunkMode::Text);
    chunk.into_function().map_err(|error| match error {
        mlua::Error::SyntaxError { message, .. } => message,
        other => other.to_string(),
    })
}

/// `loadstring`: a function, or nothing and a message.
fn compile_text(lua: &Lua, (text, name): (mlua::LuaString, mlua::LuaString)) -> Result<MultiValue> {
    let bytes = text.as_bytes();
    // What begins like this is compiled already, and could be made to crash the interpreter.
    if bytes.first() == Some(&0x1b) {
        let message = lua.create_string("attempt to load bytecode")?;
        return Ok([Value::Nil, Value::String(message)].into_iter().collect());
    }
    Ok(match compile(lua, &bytes, &name.to_string_lossy()) {
        Ok(function) => [Value::Function(function)].into_iter().collect(),
        Err(message) => {
            let message = lua.create_string(message)?;
            [Value::Nil, Value::String(message)].into_iter().collect()
        }
    })
}

/// Random numbers of the interpreter's own: C's generator is shared by all threads.
fn add_random(lua: &Lua, native: &Table) -> Result<()> {
    let state = Rc::new(Cell::new(0x330e_u64));
    let seeded = Rc::clone(&state);
    let randomseed = move |_: &Lua, seed: f64| {
        seeded.set((seed as i64 as u64) << 16 | 0x330e);
        Ok(())
    };
    native.raw_set("randomseed", lua.create_function(randomseed)?)?;
    let random = move |lua: &Lua, args: MultiValue| {
        state.set(state.get().wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & 0xffff_ffff_ffff);
        let fraction = (state.get() >> 17) as f64 / (1u64 << 31) as f64;
        random_between(lua, fraction, &args)
    };
    native.raw_set("random", lua.create_function(random)?)
}

/// `math.random`: a fraction, or a whole number of a range.
fn random_between(lua: &Lua, fraction: f64, args: &MultiValue) -> Result<Value> {
    let bound = |at: usize| {
        let value = args.get(at).cloned().unwrap_or(Value::Nil);
        lua.coerce_number(value).ok().flatten().map(f64::floor)
    };
    let (low, high) = match (args.len(), bound(0), bound(1)) {
        (0, ..) => return Ok(Value::Number(fraction)),
        (1, Some(high), _) => (1.0, high),
        (2, Some(low), Some(high)) => (low, high),
        (1 | 2, ..) => {
            return Err(raise::message(
                lua,
                "bad argument #1 to 'random' (number expected)",
            ));
        }
        _ => return Err(raise::message(lua, "wrong number of arguments")),
    };
    if low > high {
        let number = args.len();
        let text = format!("bad argument #{number} to 'random' (interval is empty)");
        return Err(raise::message(lua, &text));
    }
    let number = (fraction * (high - low + 1.0)).floor() + low;
    Ok(Value::Number(number))
}
