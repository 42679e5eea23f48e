//! The libraries that Redis gives to scripts: bit, cjson, cmsgpack and struct, with its exact
//! output.

mod bit;
mod cjson;
mod cmsgpack;
mod native;
mod packing;

use mlua::{Lua, Result, Table};

/// All of them by name.
pub(crate) fn all(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("bit", bit::library(lua)?)?;
    table.raw_set("cjson", cjson::library(lua)?)?;
    table.raw_set("cmsgpack", cmsgpack::library(lua)?)?;
    table.raw_set("struct", packing::library(lua)?)?;
    Ok(table)
}
