//! cmsgpack: values as `MessagePack` and back, in the encodings that Redis's library chooses.

use mlua::{Error, Lua, MultiValue, Result, Table, Value};

use super::given::Given;

/// Tables deeper than this are packed as nil.
const MAX_NESTING: usize = 16;
/// How deep what is unpacked may be: each level takes a part of the stack.
const MAX_UNPACKED_NESTING: usize = 1000;

/// The table `cmsgpack`.
pub(super) fn library(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("_NAME", "cmsgpack")?;
    table.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    table.raw_set("pack", lua.create_function(pack)?)?;
    table.raw_set("unpack", lua.create_function(unpack)?)?;
    table.raw_set("unpack_one", lua.create_function(unpack_one)?)?;
    table.raw_set("unpack_limit", lua.create_function(unpack_limit)?)?;
    Ok(table)
}

fn pack(lua: &Lua, args: MultiValue) -> Result<Value> {
    if args.is_empty() {
        let given = Given::new(lua, "pack", &args);
        return Err(given.bad(0, "MessagePack pack needs input."));
    }
    let mut out = Vec::new();
    for value in &args {
        pack_value(&mut out, value, 0)?;
    }
    Ok(Value::String(lua.create_string(out)?))
}

fn pack_value(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<()> {
    match value {
        Value::String(text) => pack_string(out, &text.as_bytes()),
        Value::Boolean(truth) => out.push(if *truth { 0xc3 } else { 0xc2 }),
        Value::Integer(number) => pack_integer(out, *number),
        Value::Number(number) => pack_number(out, *number),
        Value::Table(table) if depth < MAX_NESTING => pack_table(out, table, depth + 1)?,
        _ => out.push(0xc0),
    }
    Ok(())
}

fn pack_number(out: &mut Vec<u8>, number: f64) {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let is_integer = number.fract() == 0.0 && (-LIMIT..LIMIT).contains(&number);
    if is_integer {
        pack_integer(out, number as i64);
    } else if f64::from(number as f32).to_bits() == number.to_bits() {
        out.push(0xca);
        out.extend((number as f32).to_be_bytes());
    } else {
        out.push(0xcb);
        // Which bits a NaN has depends on how it came about; the usual one has the sign.
        let number = if number.is_nan() { -f64::NAN } else { number };
        out.extend(number.to_be_bytes());
    }
}

fn pack_integer(out: &mut Vec<u8>, number: i64) {
    let unsigned = number.cast_unsigned();
    match number {
        -32..=127 => out.push(number as u8),
        128..=0xff => out.extend([0xcc, number as u8]),
        0x100..=0xffff => with_size(out, 0xcd, &unsigned.to_be_bytes()[6..]),
        0x1_0000..=0xffff_ffff => with_size(out, 0xce, &unsigned.to_be_bytes()[4..]),
        0x1_0000_0000.. => with_size(out, 0xcf, &unsigned.to_be_bytes()),
        -0x80..=-33 => out.extend([0xd0, number as u8]),
        -0x8000..=-0x81 => with_size(out, 0xd1, &unsigned.to_be_bytes()[6..]),
        -0x8000_0000..=-0x8001 => with_size(out, 0xd2, &unsigned.to_be_bytes()[4..]),
        _ => with_size(out, 0xd3, &unsigned.to_be_bytes()),
    }
}

fn pack_string(out: &mut Vec<u8>, text: &[u8]) {
    let len = text.len() as u32;
    match len {
        0..32 => out.push(0xa0 | len as u8),
        32..0x100 => out.extend([0xd9, len as u8]),
        0x100..0x1_0000 => with_size(out, 0xda, &len.to_be_bytes()[2..]),
        _ => with_size(out, 0xdb, &len.to_be_bytes()),
    }
    out.extend_from_slice(text);
}

fn with_size(out: &mut Vec<u8>, kind: u8, size: &[u8]) {
    out.push(kind);
    out.extend_from_slice(size);
}

/// The header of an array (`fixed` 0x90, `wide` 0xdc) or a map (0x80, 0xde).
fn pack_header(out: &mut Vec<u8>, len: usize, fixed: u8, wide: u8) {
    let len = len as u32;
    match len {
        0..16 => out.push(fixed | len as u8),
        16..0x1_0000 => with_size(out, wide, &len.to_be_bytes()[2..]),
        _ => with_size(out, wide + 1, &len.to_be_bytes()),
    }
}

fn pack_table(out: &mut Vec<u8>, table: &Table, depth: usize) -> Result<()> {
    let (len, is_array) = measure(table)?;
    if is_array {
        pack_header(out, len, 0x90, 0xdc);
        for index in 1..=len {
            pack_value(out, &table.raw_get(index)?, depth)?;
        }
        return Ok(());
    }
    pack_header(out, len, 0x80, 0xde);
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        pack_value(out, &key, depth)?;
        pack_value(out, &value, depth)?;
    }
    Ok(())
}

/// How many keys there are, and whether they are 1, 2, 3 … without holes. No value is kept
/// meanwhile: the binding has places for some thousands.
fn measure(table: &Table) -> Result<(usize, bool)> {
    let (mut len, mut last, mut are_indices) = (0, 0, true);
    for pair in table.pairs::<Value, Value>() {
        len += 1;
        match pair?.0 {
            Value::Integer(index) if index > 0 => last = index.max(last),
            _ => are_indices = false,
        }
    }
    Ok((len, are_indices && last == len as i64))
}

fn unpack(lua: &Lua, args: MultiValue) -> Result<MultiValue> {
    let given = Given::new(lua, "unpack", &args);
    unpack_some(&given, 0, 0.0)
}

fn unpack_one(lua: &Lua, args: MultiValue) -> Result<MultiValue> {
    let given = Given::new(lua, "unpack_one", &args);
    let offset = given.number_or(2, 0.0)?;
    unpack_some(&given, 1, offset)
}

fn unpack_limit(lua: &Lua, args: MultiValue) -> Result<MultiValue> {
    let given = Given::new(lua, "unpack_limit", &args);
    let (limit, offset) = (given.number(2)?, given.number_or(3, 0.0)?);
    unpack_some(&given, limit as i64, offset)
}

/// Unpacks `limit` values from an offset on; before them, where the next one begins, or -1 at the
/// end. Without either it is just all values.
fn unpack_some(given: &Given<'_>, limit: i64, offset: f64) -> Result<MultiValue> {
    let input = given.string(1)?;
    let input = input.as_bytes();
    let (offset, len) = (offset as i64, input.len());
    let takes_all = limit == 0 && offset == 0;
    if offset < 0 || limit < 0 {
        return Err(given.error(&format!(
            "Invalid request to unpack with offset of {offset} and limit of {len}."
        )));
    }
    if offset > len as i64 {
        return Err(given.error(&format!(
            "Start offset {offset} greater than input length {len}."
        )));
    }
    let mut unpacker = Unpacker {
        given,
        rest: &input[offset as usize..],
    };
    let mut values = MultiValue::new();
    while !unpacker.rest.is_empty() && (takes_all || (values.len() as i64) < limit) {
        values.push_back(unpacker.value(0)?);
    }
    if !takes_all {
        let next = match unpacker.rest.len() {
            0 => -1,
            left => (len - left) as i64,
        };
        values.push_front(Value::Integer(next));
    }
    Ok(values)
}

struct Unpacker<'a> {
    given: &'a Given<'a>,
    rest: &'a [u8],
}

impl<'a> Unpacker<'a> {
    fn value(&mut self, depth: usize) -> Result<Value> {
        let kind = self.take(1)?[0];
        Ok(match kind {
            0..=0x7f => Value::Integer(i64::from(kind)),
            0xe0.. => Value::Integer(i64::from(kind.cast_signed())),
            0x80..=0x8f => self.map(usize::from(kind & 0xf), depth)?,
            0x90..=0x9f => self.array(usize::from(kind & 0xf), depth)?,
            0xa0..=0xbf => self.string(usize::from(kind & 0x1f))?,
            0xc0 => Value::Nil,
            0xc2 => Value::Boolean(false),
            0xc3 => Value::Boolean(true),
            0xca => Value::Number(f64::from(f32::from_bits(self.unsigned(4)? as u32))),
            0xcb => Value::Number(f64::from_bits(self.unsigned(8)?)),
            0xcc..=0xcf => Value::Integer(self.unsigned(1 << (kind - 0xcc))?.cast_signed()),
            0xd0..=0xd3 => Value::Integer(self.signed(1 << (kind - 0xd0))?),
            0xd9..=0xdb => {
                let len = self.unsigned(1 << (kind - 0xd9))?;
                self.string(len as usize)?
            }
            0xdc | 0xdd => {
                let len = self.unsigned(2 << (kind - 0xdc))?;
                self.array(len as usize, depth)?
            }
            0xde | 0xdf => {
                let len = self.unsigned(2 << (kind - 0xde))?;
                self.map(len as usize, depth)?
            }
            _ => return Err(self.bad_format()),
        })
    }

    fn bad_format(&self) -> Error {
        self.given.error("Bad data format in input.")
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.given.error("Missing bytes in input."));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn unsigned(&mut self, len: usize) -> Result<u64> {
        let bytes = self.take(len)?;
        Ok(bytes
            .iter()
            .fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    fn signed(&mut self, len: usize) -> Result<i64> {
        let unused_bits = 64 - 8 * len as u32;
        Ok((self.unsigned(len)? << unused_bits).cast_signed() >> unused_bits)
    }

    fn string(&mut self, len: usize) -> Result<Value> {
        let bytes = self.take(len)?;
        Ok(Value::String(self.given.lua.create_string(bytes)?))
    }

    fn array(&mut self, len: usize, depth: usize) -> Result<Value> {
        let table = self.table(depth)?;
        for index in 1..=len {
            table.raw_set(index, self.value(depth + 1)?)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, len: usize, depth: usize) -> Result<Value> {
        let table = self.table(depth)?;
        for _ in 0..len {
            let (key, value) = (self.value(depth + 1)?, self.value(depth + 1)?);
            let is_nan = key.as_number().is_some_and(f64::is_nan);
            if key.is_nil() || is_nan {
                return Err(self.bad_format());
            }
            table.raw_set(key, value)?;
        }
        Ok(Value::Table(table))
    }

    fn table(&self, depth: usize) -> Result<Table> {
        if depth > MAX_UNPACKED_NESTING {
            return Err(self.bad_format());
        }
        self.given.lua.create_table()
    }
}
