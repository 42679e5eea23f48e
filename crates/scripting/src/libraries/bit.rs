//! Operations on the bits of 32-bit numbers.

use std::io::Write;

use mlua::{Lua, Table};

use super::native::{Library, Result};

type Given<'a> = super::native::Given<'a, ()>;

/// The table `bit`.
pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = Library::new(lua)?;
    library.add("tobit", |given| push(given, |given| bits(given, 1)))?;
    library.add("bnot", |given| push(given, |given| Ok(!bits(given, 1)?)))?;
    library.add("bswap", |given| {
        push(given, |given| Ok(bits(given, 1)?.swap_bytes()))
    })?;
    library.add("band", |given| all(given, |a, b| a & b))?;
    library.add("bor", |given| all(given, |a, b| a | b))?;
    library.add("bxor", |given| all(given, |a, b| a ^ b))?;
    library.add("lshift", |given| shifted(given, |bits, by| bits << by))?;
    library.add("arshift", |given| shifted(given, |bits, by| bits >> by))?;
    library.add("rol", |given| shifted(given, i32::rotate_left))?;
    library.add("ror", |given| shifted(given, i32::rotate_right))?;
    library.add("rshift", |given| {
        shifted(given, |bits, by| (bits as u32 >> by) as i32)
    })?;
    library.add("tohex", to_hex)?;
    Ok(library.table)
}

/// A number modulo 2^32: adding this moves the bits below the point out of a double.
fn bits(given: &mut Given<'_>, at: i32) -> Result<i32> {
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    Ok((given.number(at)? + MAGIC).to_bits() as i32)
}

fn push(given: &mut Given<'_>, work: fn(&mut Given<'_>) -> Result<i32>) -> Result<i32> {
    let result = work(given)?;
    given.stack.push_number(result.into());
    Ok(1)
}

fn all(given: &mut Given<'_>, operation: fn(i32, i32) -> i32) -> Result<i32> {
    let mut result = bits(given, 1)?;
    for at in 2..=given.stack.len() {
        result = operation(result, bits(given, at)?);
    }
    given.stack.push_number(result.into());
    Ok(1)
}

fn shifted(given: &mut Given<'_>, operation: fn(i32, u32) -> i32) -> Result<i32> {
    let result = operation(bits(given, 1)?, bits(given, 2)? as u32 & 31);
    given.stack.push_number(result.into());
    Ok(1)
}

/// As many digits as asked for, 8 at most; capitals for a negative number of them.
fn to_hex(given: &mut Given<'_>) -> Result<i32> {
    let number = bits(given, 1)? as u32;
    let wanted = if given.is_none(2) { 8 } else { bits(given, 2)? };
    // Nothing goes wrong when memory is written to.
    let _ = if wanted < 0 {
        write!(given.out, "{number:08X}")
    } else {
        write!(given.out, "{number:08x}")
    };
    let digits = wanted.unsigned_abs().min(8) as usize;
    given.stack.push_bytes(&given.out[8 - digits..]);
    Ok(1)
}
