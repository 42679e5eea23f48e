//! Operations on the bits of 32-bit numbers.

use mlua::{Lua, MultiValue, Result, Table, Value};

use super::given::Given;

/// The table `bit`.
pub(super) fn library(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    let add = |name: &'static str, run: fn(&Given<'_>) -> Result<i32>| {
        let run = move |lua: &Lua, args: MultiValue| run(&Given::new(lua, name, &args));
        table.raw_set(name, lua.create_function(run)?)
    };
    add("tobit", |given| bits(given, 1))?;
    add("bnot", |given| Ok(!bits(given, 1)?))?;
    add("bswap", |given| Ok(bits(given, 1)?.swap_bytes()))?;
    add("band", |given| all(given, |a, b| a & b))?;
    add("bor", |given| all(given, |a, b| a | b))?;
    add("bxor", |given| all(given, |a, b| a ^ b))?;
    add("lshift", |given| shifted(given, |bits, by| bits << by))?;
    add("arshift", |given| shifted(given, |bits, by| bits >> by))?;
    add("rol", |given| shifted(given, i32::rotate_left))?;
    add("ror", |given| shifted(given, i32::rotate_right))?;
    add("rshift", |given| {
        shifted(given, |bits, by| (bits as u32 >> by) as i32)
    })?;
    table.raw_set("tohex", lua.create_function(to_hex)?)?;
    Ok(table)
}

/// A number modulo 2^32: adding this moves the bits below the point out of a double.
fn bits(given: &Given<'_>, at: usize) -> Result<i32> {
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    Ok((given.number(at)? + MAGIC).to_bits() as i32)
}

fn all(given: &Given<'_>, operation: fn(i32, i32) -> i32) -> Result<i32> {
    let mut result = bits(given, 1)?;
    for at in 2..=given.len() {
        result = operation(result, bits(given, at)?);
    }
    Ok(result)
}

fn shifted(given: &Given<'_>, operation: fn(i32, u32) -> i32) -> Result<i32> {
    Ok(operation(bits(given, 1)?, bits(given, 2)? as u32 & 31))
}

/// As many digits as asked for, 8 at most; capitals for a negative number of them.
fn to_hex(lua: &Lua, args: MultiValue) -> Result<Value> {
    let given = Given::new(lua, "tohex", &args);
    let number = bits(&given, 1)? as u32;
    let wanted = match given.get(2) {
        None | Some(Value::Nil) => 8,
        Some(_) => bits(&given, 2)?,
    };
    let digits = wanted.unsigned_abs().min(8) as usize;
    let text = if wanted < 0 {
        format!("{number:08X}")
    } else {
        format!("{number:08x}")
    };
    Ok(Value::String(lua.create_string(&text[8 - digits..])?))
}
