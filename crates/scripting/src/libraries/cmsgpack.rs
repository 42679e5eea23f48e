//! cmsgpack: values as `MessagePack` and back, in the encodings that Redis's library chooses.

use std::ops::Range;

use mlua::{Lua, Table};

use super::native::{Library, Refused, Result};
use crate::raw::Kind;

type Given<'a> = super::native::Given<'a, ()>;

/// Tables deeper than this are packed as nil.
const MAX_NESTING: usize = 16;
/// How deep what is unpacked may be: each level takes a part of the stack.
const MAX_UNPACKED_NESTING: usize = 1000;
/// Places of the stack that a table takes beside those of its parts.
const PLACES: i32 = 4;

/// The table `cmsgpack`.
pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = Library::new(lua)?;
    library.set("_NAME", "cmsgpack")?;
    library.set("_VERSION", "lua-cmsgpack 0.4.0")?;
    library.set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    library.add("pack", pack)?;
    library.add("unpack", unpack)?;
    library.add("unpack_one", unpack_one)?;
    library.add("unpack_limit", unpack_limit)?;
    Ok(library.table)
}

fn pack(given: &mut Given<'_>) -> Result<i32> {
    let count = given.stack.len();
    if count == 0 {
        return Err(given.bad(0, "MessagePack pack needs input."));
    }
    for at in 1..=count {
        given.stack.push_copy(at);
        pack_value(given, 0);
    }
    given.push_out();
    Ok(1)
}

/// Packs the topmost value, and pops it.
fn pack_value(given: &mut Given<'_>, depth: usize) {
    let Given { stack, out, .. } = given;
    match stack.kind(-1) {
        Kind::String => pack_string(out, stack.bytes(-1)),
        Kind::Boolean(truth) => out.push(if truth { 0xc3 } else { 0xc2 }),
        Kind::Number(number) => pack_number(out, number),
        Kind::Table if depth < MAX_NESTING => pack_table(given, depth + 1),
        _ => out.push(0xc0),
    }
    given.stack.pop();
}

fn pack_number(out: &mut Vec<u8>, number: f64) {
    if let Some(integer) = integer(number) {
        pack_integer(out, integer);
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

/// A number as a 64-bit integer, if it is one.
fn integer(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let is_integer = number.fract() == 0.0 && (-LIMIT..LIMIT).contains(&number);
    is_integer.then_some(number as i64)
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

/// Packs the topmost value, a table.
fn pack_table(given: &mut Given<'_>, depth: usize) {
    given.stack.reserve(PLACES);
    let table = given.stack.len();
    let (len, is_array) = measure(given, table);
    if is_array {
        pack_header(given.out, len, 0x90, 0xdc);
        for index in 1..=len {
            given.stack.push_element(table, index as i32);
            pack_value(given, depth);
        }
        return;
    }
    pack_header(given.out, len, 0x80, 0xde);
    given.stack.push_nil();
    while given.stack.next(table) {
        given.stack.push_copy(table + 1);
        pack_value(given, depth);
        pack_value(given, depth);
    }
}

/// How many keys a table has, and whether they are 1, 2, 3 … without holes.
fn measure(given: &mut Given<'_>, table: i32) -> (usize, bool) {
    let (mut len, mut last, mut are_indices) = (0, 0, true);
    given.stack.push_nil();
    while given.stack.next(table) {
        len += 1;
        given.stack.pop();
        match given.stack.kind(-1) {
            Kind::Number(key) if integer(key).is_some_and(|index| index > 0) => {
                last = last.max(key as usize);
            }
            _ => are_indices = false,
        }
    }
    (len, are_indices && last == len)
}

fn unpack(given: &mut Given<'_>) -> Result<i32> {
    unpack_some(given, 0, 0.0)
}

fn unpack_one(given: &mut Given<'_>) -> Result<i32> {
    let offset = given.number_or(2, 0.0)?;
    unpack_some(given, 1, offset)
}

fn unpack_limit(given: &mut Given<'_>) -> Result<i32> {
    let (limit, offset) = (given.number(2)?, given.number_or(3, 0.0)?);
    unpack_some(given, limit as i64, offset)
}

/// Unpacks `limit` values from an offset on; before them, where the next one begins, or -1 at the
/// end. Without either it is just all values.
fn unpack_some(given: &mut Given<'_>, limit: i64, offset: f64) -> Result<i32> {
    let len = given.string(1)?;
    let offset = offset as i64;
    let takes_all = limit == 0 && offset == 0;
    if offset < 0 || limit < 0 {
        return Err(given.refuse(format_args!(
            "Invalid request to unpack with offset of {offset} and limit of {len}."
        )));
    }
    if offset > len as i64 {
        return Err(given.refuse(format_args!(
            "Start offset {offset} greater than input length {len}."
        )));
    }
    let before = given.stack.len();
    if !takes_all {
        given.stack.push_nil();
    }
    let mut unpacker = Unpacker {
        given,
        at: offset as usize,
        len,
    };
    let mut values = 0;
    while unpacker.at < len && (takes_all || values < limit) {
        unpacker.given.stack.reserve(1);
        unpacker.value(0)?;
        values += 1;
    }
    let next = unpacker.at;
    if !takes_all {
        let next = if next == len { -1.0 } else { next as f64 };
        given.stack.push_number(next);
        given.stack.replace(before + 1);
    }
    Ok(given.stack.len() - before)
}

/// Unpacks the first argument.
struct Unpacker<'a, 'g> {
    given: &'a mut Given<'g>,
    /// Where the next value begins.
    at: usize,
    /// Where the input ends.
    len: usize,
}

impl Unpacker<'_, '_> {
    /// Pushes the next value.
    fn value(&mut self, depth: usize) -> Result<()> {
        let kind = self.unsigned(1)? as u8;
        let stack = &mut *self.given.stack;
        match kind {
            0..=0x7f => stack.push_number(kind.into()),
            0xe0.. => stack.push_number(kind.cast_signed().into()),
            0x80..=0x8f => self.map(usize::from(kind & 0xf), depth)?,
            0x90..=0x9f => self.array(usize::from(kind & 0xf), depth)?,
            0xa0..=0xbf => self.string(usize::from(kind & 0x1f))?,
            0xc0 => stack.push_nil(),
            0xc2 => stack.push_bool(false),
            0xc3 => stack.push_bool(true),
            0xca => {
                let number = f32::from_bits(self.unsigned(4)? as u32);
                self.given.stack.push_number(number.into());
            }
            0xcb => {
                let number = f64::from_bits(self.unsigned(8)?);
                self.given.stack.push_number(number);
            }
            0xcc..=0xcf => {
                let number = self.unsigned(1 << (kind - 0xcc))?.cast_signed();
                self.given.stack.push_number(number as f64);
            }
            0xd0..=0xd3 => {
                let number = self.signed(1 << (kind - 0xd0))?;
                self.given.stack.push_number(number as f64);
            }
            0xd9..=0xdb => {
                let len = self.unsigned(1 << (kind - 0xd9))?;
                self.string(len as usize)?;
            }
            0xdc | 0xdd => {
                let len = self.unsigned(2 << (kind - 0xdc))?;
                self.array(len as usize, depth)?;
            }
            0xde | 0xdf => {
                let len = self.unsigned(2 << (kind - 0xde))?;
                self.map(len as usize, depth)?;
            }
            _ => return Err(self.bad_format()),
        }
        Ok(())
    }

    fn bad_format(&mut self) -> Refused {
        self.given.refuse("Bad data format in input.")
    }

    /// Goes on by so many bytes, and says where they are.
    fn take(&mut self, len: usize) -> Result<Range<usize>> {
        if len > self.len - self.at {
            return Err(self.given.refuse("Missing bytes in input."));
        }
        self.at += len;
        Ok(self.at - len..self.at)
    }

    fn unsigned(&mut self, len: usize) -> Result<u64> {
        let place = self.take(len)?;
        let bytes = &self.given.stack.bytes(1)[place];
        Ok(bytes
            .iter()
            .fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    fn signed(&mut self, len: usize) -> Result<i64> {
        let unused_bits = 64 - 8 * len as u32;
        Ok((self.unsigned(len)? << unused_bits).cast_signed() >> unused_bits)
    }

    fn string(&mut self, len: usize) -> Result<()> {
        let place = self.take(len)?;
        self.given.stack.push_part(1, place);
        Ok(())
    }

    fn array(&mut self, len: usize, depth: usize) -> Result<()> {
        self.table(depth)?;
        for index in 1..=len {
            self.value(depth + 1)?;
            self.given.stack.set_element(index as i32);
        }
        Ok(())
    }

    fn map(&mut self, len: usize, depth: usize) -> Result<()> {
        self.table(depth)?;
        for _ in 0..len {
            self.value(depth + 1)?;
            let is_key = match self.given.stack.kind(-1) {
                Kind::Nil => false,
                Kind::Number(number) => !number.is_nan(),
                _ => true,
            };
            self.value(depth + 1)?;
            if !is_key {
                return Err(self.bad_format());
            }
            self.given.stack.set_field();
        }
        Ok(())
    }

    /// Pushes an empty table. It isn't made for so many fields: their order would be another then
    /// than it is in Redis.
    fn table(&mut self, depth: usize) -> Result<()> {
        if depth > MAX_UNPACKED_NESTING {
            return Err(self.bad_format());
        }
        self.given.stack.reserve(PLACES);
        self.given.stack.push_table(0, 0);
        Ok(())
    }
}
