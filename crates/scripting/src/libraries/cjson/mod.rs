//! cjson: values as JSON and back, with the settings and the limits of Redis's library.

mod decode;
mod encode;
mod settings;

use std::cell::Cell;
use std::rc::Rc;

use mlua::{LightUserData, Lua, MultiValue, Result, Table, Value};

use super::given::Given;
use decode::Decoder;
use encode::Encoder;
use settings::Settings;

/// The table `cjson`.
pub(super) fn library(lua: &Lua) -> Result<Table> {
    let settings = Rc::new(Cell::new(Settings::default()));
    let table = lua.create_table()?;
    table.raw_set("null", NULL)?;
    table.raw_set("_NAME", "cjson")?;
    table.raw_set("_VERSION", "2.1.0")?;
    table.raw_set("new", lua.create_function(|lua, ()| library(lua))?)?;
    let shared = Rc::clone(&settings);
    let run = move |lua: &Lua, args: MultiValue| encode(lua, &args, shared.get());
    table.raw_set("encode", lua.create_function(run)?)?;
    let shared = Rc::clone(&settings);
    let run = move |lua: &Lua, args: MultiValue| decode(lua, &args, shared.get());
    table.raw_set("decode", lua.create_function(run)?)?;
    settings::add_functions(lua, &table, &settings)?;
    Ok(table)
}

/// JSON's null.
const NULL: Value = Value::LightUserData(LightUserData(std::ptr::null_mut()));

fn encode(lua: &Lua, args: &MultiValue, settings: Settings) -> Result<Value> {
    let given = Given::new(lua, "encode", args);
    let (1, Some(value)) = (given.len(), given.get(1)) else {
        return Err(given.bad(1, "expected 1 argument"));
    };
    let mut encoder = Encoder {
        given: &given,
        settings,
        out: Vec::new(),
    };
    encoder.value(value, 0)?;
    Ok(Value::String(lua.create_string(&encoder.out)?))
}

fn decode(lua: &Lua, args: &MultiValue, settings: Settings) -> Result<Value> {
    let given = Given::new(lua, "decode", args);
    if given.len() != 1 {
        return Err(given.bad(1, "expected 1 argument"));
    }
    let text = given.string(1)?;
    let text = text.as_bytes();
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(given.error("JSON parser does not support UTF-16 or UTF-32"));
    }
    Decoder::new(&given, settings, &text).whole()
}
