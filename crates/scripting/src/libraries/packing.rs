//! struct: numbers and strings in the memory layout that a format describes, and back.

use mlua::{Error, Lua, MultiValue, Result, Table, Value};

use super::given::Given;

/// Longest integer.
const MAX_INTEGER: usize = 32;
/// Alignment of `!` without a number.
const MAX_ALIGNMENT: usize = 8;

/// The table `struct`.
pub(super) fn library(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("pack", lua.create_function(pack)?)?;
    table.raw_set("unpack", lua.create_function(unpack)?)?;
    table.raw_set("size", lua.create_function(size)?)?;
    Ok(table)
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

/// A format, read letter by letter.
struct Format<'a> {
    given: &'a Given<'a>,
    text: Vec<u8>,
    at: usize,
    is_big_endian: bool,
    alignment: usize,
}

impl<'a> Format<'a> {
    fn new(given: &'a Given<'a>) -> Result<Self> {
        Ok(Self {
            given,
            text: given.string(1)?.as_bytes().to_vec(),
            at: 0,
            is_big_endian: false,
            alignment: 1,
        })
    }

    /// The next item and how many bytes of padding come before it at this position.
    fn next(&mut self, position: usize) -> Result<Option<(Item, usize)>> {
        while let Some(&letter) = self.text.get(self.at) {
            self.at += 1;
            let integer = |size, signed| Item::Integer { size, signed };
            let item = match letter {
                b'b' | b'B' => integer(1, letter == b'b'),
                b'h' | b'H' => integer(2, letter == b'h'),
                b'i' | b'I' => integer(self.integer_size()?, letter == b'i'),
                b'l' | b'L' => integer(8, letter == b'l'),
                b'T' => integer(8, false),
                b'f' => Item::Float,
                b'd' => Item::Double,
                b's' => Item::ZeroEnded,
                b'c' => Item::Chars(self.count(1)?),
                b'x' => Item::Padding,
                _ => {
                    self.set_option(letter)?;
                    continue;
                }
            };
            return Ok(Some((item, self.padding(item, position))));
        }
        Ok(None)
    }

    fn set_option(&mut self, letter: u8) -> Result<()> {
        match letter {
            b' ' => {}
            b'>' => self.is_big_endian = true,
            b'<' => self.is_big_endian = false,
            b'!' => {
                let alignment = self.count(MAX_ALIGNMENT)?;
                if !alignment.is_power_of_two() {
                    let text = format!("alignment {alignment} is not a power of 2");
                    return Err(self.given.error(&text));
                }
                self.alignment = alignment;
            }
            _ => {
                let why = format!("invalid format option '{}'", char::from(letter));
                return Err(self.given.bad(1, &why));
            }
        }
        Ok(())
    }

    fn integer_size(&mut self) -> Result<usize> {
        let size = self.count(4)?;
        if size > MAX_INTEGER {
            let text = format!("integral size {size} is larger than limit of {MAX_INTEGER}");
            return Err(self.given.error(&text));
        }
        Ok(size)
    }

    /// The number that stands next, or `default`.
    fn count(&mut self, default: usize) -> Result<usize> {
        let digits = self.text[self.at..]
            .iter()
            .take_while(|b| b.is_ascii_digit());
        let len = digits.count();
        let digits = std::str::from_utf8(&self.text[self.at..][..len]).expect("digits");
        self.at += len;
        if digits.is_empty() {
            return Ok(default);
        }
        let count = digits
            .parse()
            .ok()
            .filter(|&count| i32::try_from(count).is_ok());
        count.ok_or_else(|| self.given.error("integral size overflow"))
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

fn pack(lua: &Lua, args: MultiValue) -> Result<Value> {
    let given = Given::new(lua, "pack", &args);
    let mut format = Format::new(&given)?;
    let (mut out, mut at) = (Vec::new(), 2);
    while let Some((item, padding)) = format.next(out.len())? {
        out.resize(out.len() + padding, 0);
        match item {
            Item::Padding => {
                out.push(0);
                continue;
            }
            Item::Integer { size, .. } => {
                pack_integer(
                    &mut out,
                    packed_number(&given, at)?,
                    size,
                    format.is_big_endian,
                );
            }
            Item::Float => {
                let bytes = (packed_number(&given, at)? as f32).to_le_bytes();
                push_ordered(&mut out, bytes, format.is_big_endian);
            }
            Item::Double => {
                let bytes = packed_number(&given, at)?.to_le_bytes();
                push_ordered(&mut out, bytes, format.is_big_endian);
            }
            Item::Chars(count) => {
                let text = given.string(at)?;
                let text = text.as_bytes();
                let count = if count == 0 { text.len() } else { count };
                let Some(text) = text.get(..count) else {
                    return Err(given.bad(at + 1, "string too short"));
                };
                out.extend_from_slice(text);
            }
            Item::ZeroEnded => {
                out.extend_from_slice(&given.string(at)?.as_bytes());
                out.push(0);
            }
        }
        at += 1;
    }
    Ok(Value::String(lua.create_string(out)?))
}

/// A number; the library says `nil` of one that isn't there.
fn packed_number(given: &Given<'_>, at: usize) -> Result<f64> {
    if given.get(at).is_none() {
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

fn unpack(lua: &Lua, args: MultiValue) -> Result<MultiValue> {
    let given = Given::new(lua, "unpack", &args);
    let mut format = Format::new(&given)?;
    let data = given.string(2)?;
    let data = data.as_bytes();
    let offset = given.number_or(3, 1.0)?;
    if offset == 0.0 {
        return Err(given.bad(3, "offset must be 1 or greater"));
    }
    let mut position = (offset as i64 - 1).cast_unsigned() as usize;
    let mut values = MultiValue::new();
    while let Some((item, padding)) = format.next(position)? {
        position = position.saturating_add(padding);
        let available = data.get(position..).unwrap_or_default();
        let (taken, size) = match item {
            Item::Chars(0) => (counted(&given, &mut values, available)?, None),
            Item::ZeroEnded => {
                let end = available.iter().position(|&byte| byte == 0);
                let end = end.ok_or_else(|| given.error("unfinished string in data"))?;
                (&available[..end], Some(end + 1))
            }
            _ => (take(&given, available, item.size())?, None),
        };
        position += size.unwrap_or(taken.len());
        if item != Item::Padding {
            values.push_back(unpacked(lua, item, taken, format.is_big_endian)?);
        }
    }
    values.push_back(Value::Number((position as f64) + 1.0));
    Ok(values)
}

fn take<'a>(given: &Given<'_>, available: &'a [u8], size: usize) -> Result<&'a [u8]> {
    let taken = available.get(..size);
    taken.ok_or_else(|| given.bad(2, "data string too short"))
}

/// The bytes whose number is the value before them, which they replace.
fn counted<'a>(
    given: &Given<'_>,
    values: &mut MultiValue,
    available: &'a [u8],
) -> Result<&'a [u8]> {
    let count = match values.pop_back() {
        Some(Value::Number(count)) if count >= 0.0 => count as usize,
        _ => return Err(given.error("format 'c0' needs a previous size")),
    };
    take(given, available, count)
}

fn unpacked(lua: &Lua, item: Item, bytes: &[u8], is_big_endian: bool) -> Result<Value> {
    if matches!(item, Item::Chars(_) | Item::ZeroEnded) {
        return Ok(Value::String(lua.create_string(bytes)?));
    }
    let mut ordered = [0; MAX_INTEGER];
    ordered[..bytes.len()].copy_from_slice(bytes);
    if is_big_endian {
        ordered[..bytes.len()].reverse();
    }
    let low = u64::from_le_bytes(ordered[..8].try_into().expect("eight bytes"));
    Ok(Value::Number(match item {
        Item::Float => f64::from(f32::from_bits(low as u32)),
        Item::Double => f64::from_bits(low),
        Item::Integer { signed: true, size } => {
            let unused_bits = 64 - 8 * size.min(8) as u32;
            (low << unused_bits).cast_signed().wrapping_shr(unused_bits) as f64
        }
        _ => low as f64,
    }))
}

fn size(lua: &Lua, args: MultiValue) -> Result<Value> {
    let given = Given::new(lua, "size", &args);
    let mut format = Format::new(&given)?;
    let mut position = 0;
    while let Some((item, padding)) = format.next(position)? {
        let letter = match item {
            Item::ZeroEnded => "s",
            Item::Chars(0) => "c0",
            _ => "",
        };
        if !letter.is_empty() {
            return Err(no_fixed_size(&given, letter));
        }
        position += padding + item.size();
    }
    Ok(Value::Number(position as f64))
}

fn no_fixed_size(given: &Given<'_>, letter: &str) -> Error {
    given.bad(1, &format!("option '{letter}' has no fixed size"))
}
