//! struct: numbers and strings in the memory layout that a format describes, and back.

use std::ops::Range;

use mlua::{Lua, Table};

use super::native::{Library, Refused, Result};
use crate::raw::Kind;

type Given<'a> = super::native::Given<'a, ()>;

/// Longest integer.
const MAX_INTEGER: usize = 32;
/// Alignment of `!` without a number.
const MAX_ALIGNMENT: usize = 8;

/// The table `struct`.
pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = Library::new(lua)?;
    library.add("pack", pack)?;
    library.add("unpack", unpack)?;
    library.add("size", size)?;
    Ok(library.table)
}

/// What a letter of a format stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Integer {
        size: usize,
        signed: bool,
    },
    Float,
    Double,
    /// So many bytes; 0 as many as there are.
    Chars(usize),
    /// Up to a zero byte.
    ZeroEnded,
    Padding,
}

impl Item {
    fn size(self) -> usize {
        match self {
            Self::Integer { size, .. } => size,
            Self::Float => 4,
            Self::Double => 8,
            Self::Chars(count) => count,
            Self::ZeroEnded => 0,
            Self::Padding => 1,
        }
    }
}

/// A format, the first argument, read letter by letter.
struct Format {
    at: usize,
    is_big_endian: bool,
    alignment: usize,
}

impl Format {
    fn new(given: &mut Given<'_>) -> Result<Self> {
        given.string(1)?;
        Ok(Self {
            at: 0,
            is_big_endian: false,
            alignment: 1,
        })
    }

    /// The next item and how many bytes of padding come before it at this position.
    fn next(&mut self, given: &mut Given<'_>, position: usize) -> Result<Option<(Item, usize)>> {
        while let Some(&letter) = given.stack.bytes(1).get(self.at) {
            self.at += 1;
            let integer = |size, signed| Item::Integer { size, signed };
            let item = match letter {
                b'b' | b'B' => integer(1, letter == b'b'),
                b'h' | b'H' => integer(2, letter == b'h'),
                b'i' | b'I' => integer(self.integer_size(given)?, letter == b'i'),
                b'l' | b'L' => integer(8, letter == b'l'),
                b'T' => integer(8, false),
                b'f' => Item::Float,
                b'd' => Item::Double,
                b's' => Item::ZeroEnded,
                b'c' => Item::Chars(self.count(given, 1)?),
                b'x' => Item::Padding,
                _ => {
                    self.set_option(given, letter)?;
                    continue;
                }
            };
            return Ok(Some((item, self.padding(item, position))));
        }
        Ok(None)
    }

    fn set_option(&mut self, given: &mut Given<'_>, letter: u8) -> Result<()> {
        match letter {
            b' ' => {}
            b'>' => self.is_big_endian = true,
            b'<' => self.is_big_endian = false,
            b'!' => {
                let alignment = self.count(given, MAX_ALIGNMENT)?;
                if !alignment.is_power_of_two() {
                    return Err(
                        given.refuse(format_args!("alignment {alignment} is not a power of 2"))
                    );
                }
                self.alignment = alignment;
            }
            _ => {
                let letter = char::from(letter);
                return Err(given.bad(1, format_args!("invalid format option '{letter}'")));
            }
        }
        Ok(())
    }

    fn integer_size(&mut self, given: &mut Given<'_>) -> Result<usize> {
        let size = self.count(given, 4)?;
        if size > MAX_INTEGER {
            return Err(given.refuse(format_args!(
                "integral size {size} is larger than limit of {MAX_INTEGER}"
            )));
        }
        Ok(size)
    }

    /// The number that stands next, or `default`.
    fn count(&mut self, given: &mut Given<'_>, default: usize) -> Result<usize> {
        let rest = &given.stack.bytes(1)[self.at..];
        let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if len == 0 {
            return Ok(default);
        }
        self.at += len;
        let digits = std::str::from_utf8(&rest[..len]).expect("digits");
        let count = digits.parse().ok();
        let count = count.filter(|&count| i32::try_from(count).is_ok());
        count.ok_or_else(|| given.refuse("integral size overflow"))
    }

    fn padding(&self, item: Item, position: usize) -> usize {
        let is_aligned = !matches!(item, Item::Chars(_) | Item::ZeroEnded | Item::Padding);
        let to = item.size().min(self.alignment);
        if is_aligned && to > 1 && to.is_power_of_two() {
            position.next_multiple_of(to) - position
        } else {
            0
        }
    }
}

fn pack(given: &mut Given<'_>) -> Result<i32> {
    let mut format = Format::new(given)?;
    let mut at = 2;
    while let Some((item, padding)) = format.next(given, given.out.len())? {
        given.out.resize(given.out.len() + padding, 0);
        match item {
            Item::Padding => {
                given.out.push(0);
                continue;
            }
            Item::Integer { size, .. } => {
                let number = packed_number(given, at)?;
                pack_integer(given.out, number, size, format.is_big_endian);
            }
            Item::Float => {
                let bytes = (packed_number(given, at)? as f32).to_le_bytes();
                push_ordered(given.out, bytes, format.is_big_endian);
            }
            Item::Double => {
                let bytes = packed_number(given, at)?.to_le_bytes();
                push_ordered(given.out, bytes, format.is_big_endian);
            }
            Item::Chars(count) => {
                let len = given.string(at)?;
                let count = if count == 0 { len } else { count };
                let Some(text) = given.stack.bytes(at).get(..count) else {
                    return Err(given.bad(at + 1, "string too short"));
                };
                given.out.extend_from_slice(text);
            }
            Item::ZeroEnded => {
                given.string(at)?;
                given.out.extend_from_slice(given.stack.bytes(at));
                given.out.push(0);
            }
        }
        at += 1;
    }
    given.push_out();
    Ok(1)
}

/// A number; the library says `nil` of one that isn't there.
fn packed_number(given: &mut Given<'_>, at: i32) -> Result<f64> {
    if at > given.stack.len() {
        return Err(given.bad(at, "number expected, got nil"));
    }
    given.number(at)
}

fn pack_integer(out: &mut Vec<u8>, number: f64, size: usize, is_big_endian: bool) {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let bits = if number < LIMIT {
        (number as i64).cast_unsigned()
    } else {
        number as u64
    };
    let byte = |place: usize| {
        if place < 8 {
            (bits >> (8 * place)) as u8
        } else {
            0
        }
    };
    if is_big_endian {
        out.extend((0..size).rev().map(byte));
    } else {
        out.extend((0..size).map(byte));
    }
}

fn push_ordered<const N: usize>(out: &mut Vec<u8>, mut bytes: [u8; N], is_big_endian: bool) {
    if is_big_endian {
        bytes.reverse();
    }
    out.extend(bytes);
}

fn unpack(given: &mut Given<'_>) -> Result<i32> {
    let mut format = Format::new(given)?;
    given.string(2)?;
    let offset = given.number_or(3, 1.0)?;
    if offset == 0.0 {
        return Err(given.bad(3, "offset must be 1 or greater"));
    }
    let mut position = (offset as i64 - 1).cast_unsigned() as usize;
    let before = given.stack.len();
    while let Some((item, padding)) = format.next(given, position)? {
        position = position.saturating_add(padding);
        let (len, zero) = match item {
            Item::Chars(0) => (counted(given, before)?, 0),
            Item::ZeroEnded => {
                let data = given.stack.bytes(2).get(position..).unwrap_or_default();
                let end = data.iter().position(|&byte| byte == 0);
                let end = end.ok_or_else(|| given.refuse("unfinished string in data"))?;
                (end, 1)
            }
            _ => (item.size(), 0),
        };
        let taken = take(given, position, len)?;
        position = taken.end + zero;
        if item != Item::Padding {
            given.stack.reserve(2);
            push_unpacked(given, item, taken, format.is_big_endian);
        }
    }
    given.stack.push_number(position as f64 + 1.0);
    Ok(given.stack.len() - before)
}

/// Where so many bytes of the data are.
fn take(given: &mut Given<'_>, position: usize, len: usize) -> Result<Range<usize>> {
    let taken = position..position.saturating_add(len);
    if given.stack.bytes(2).get(taken.clone()).is_none() && len > 0 {
        return Err(given.bad(2, "data string too short"));
    }
    Ok(taken)
}

/// Pops the value before, the length of what follows it.
fn counted(given: &mut Given<'_>, before: i32) -> Result<usize> {
    match given.stack.kind(-1) {
        Kind::Number(count) if given.stack.len() > before && count >= 0.0 => {
            given.stack.pop();
            Ok(count as usize)
        }
        _ => Err(given.refuse("format 'c0' needs a previous size")),
    }
}

fn push_unpacked(given: &mut Given<'_>, item: Item, place: Range<usize>, is_big_endian: bool) {
    if matches!(item, Item::Chars(_) | Item::ZeroEnded) {
        return given.stack.push_part(2, place);
    }
    let bytes = &given.stack.bytes(2)[place];
    let mut ordered = [0; MAX_INTEGER];
    ordered[..bytes.len()].copy_from_slice(bytes);
    if is_big_endian {
        ordered[..bytes.len()].reverse();
    }
    let low = u64::from_le_bytes(ordered[..8].try_into().expect("eight bytes"));
    given.stack.push_number(match item {
        Item::Float => f64::from(f32::from_bits(low as u32)),
        Item::Double => f64::from_bits(low),
        Item::Integer { signed: true, size } => {
            let unused_bits = 64 - 8 * size.min(8) as u32;
            (low << unused_bits).cast_signed().wrapping_shr(unused_bits) as f64
        }
        _ => low as f64,
    });
}

fn size(given: &mut Given<'_>) -> Result<i32> {
    let mut format = Format::new(given)?;
    let mut position = 0;
    while let Some((item, padding)) = format.next(given, position)? {
        match item {
            Item::ZeroEnded => return Err(no_fixed_size(given, "s")),
            Item::Chars(0) => return Err(no_fixed_size(given, "c0")),
            _ => position += padding + item.size(),
        }
    }
    given.stack.push_number(position as f64);
    Ok(1)
}

fn no_fixed_size(given: &mut Given<'_>, letter: &str) -> Refused {
    given.bad(1, format_args!("option '{letter}' has no fixed size"))
}
