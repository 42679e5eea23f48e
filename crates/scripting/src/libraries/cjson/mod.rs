//! cjson: values as JSON and back, with the settings and the limits of Redis's library.

mod decode;
mod encode;
mod settings;

use mlua::{LightUserData, Lua, Table};

use super::native::{Library, Result};
use decode::Decoder;
use settings::Settings;

type Given<'a> = super::native::Given<'a, Settings>;

/// Places of the stack that a table takes beside those of its parts.
const PLACES: i32 = 5;

/// The table `cjson`.
pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = Library::new(lua)?;
    // JSON's null.
    library.set("null", LightUserData(std::ptr::null_mut()))?;
    library.set("_NAME", "cjson")?;
    library.set("_VERSION", "2.1.0")?;
    library.set("new", lua.create_function(|lua, ()| self::library(lua))?)?;
    library.add("encode", encode)?;
    library.add("decode", decode)?;
    settings::add_functions(&library)?;
    Ok(library.table)
}

fn encode(given: &mut Given<'_>) -> Result<i32> {
    if given.stack.len() != 1 {
        return Err(given.bad(1, "expected 1 argument"));
    }
    encode::value(given, 0)?;
    given.push_out();
    Ok(1)
}

fn decode(given: &mut Given<'_>) -> Result<i32> {
    if given.stack.len() != 1 {
        return Err(given.bad(1, "expected 1 argument"));
    }
    given.string(1)?;
    if let [0, _, ..] | [_, 0, ..] = given.stack.bytes(1) {
        return Err(given.refuse("JSON parser does not support UTF-16 or UTF-32"));
    }
    Decoder::new(given).whole()?;
    Ok(1)
}
