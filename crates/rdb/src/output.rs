//! Writing: lengths, strings and listpacks.

use data::packed::{Digits, Elem, Run};
use protocol::number::parse_i64;

use crate::codes::form;
use crate::lzf;

/// Where a value is written to.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    bytes: &'a mut Vec<u8>,
    compress: bool,
}

/// The longest text of an integer of 32 bits.
const INT_TEXT_MAX: usize = 11;
/// Shorter strings aren't worth compressing: as in Redis.
const COMPRESS_MIN: usize = 21;
/// What a compressed string has to save at least.
const COMPRESS_GAIN: usize = 4;
const LISTPACK_HEAD: usize = 6;
const LISTPACK_END: u8 = 0xff;

impl<'a> Output<'a> {
    /// Appends to `bytes`; long strings are compressed if so wanted.
    pub(crate) fn new(bytes: &'a mut Vec<u8>, compress: bool) -> Self {
        Self { bytes, compress }
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn u8(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    pub(crate) fn f64(&mut self, value: f64) {
        self.raw(&value.to_le_bytes());
    }

    /// A number as the format counts: in 6, 14, 32 or 64 bits.
    pub(crate) fn length(&mut self, value: u64) {
        match value {
            0..64 => self.u8(value as u8),
            64..0x4000 => self.raw(&(0x4000 | value as u16).to_be_bytes()),
            0x4000..=0xffff_ffff => {
                self.u8(0x80);
                self.raw(&(value as u32).to_be_bytes());
            }
            _ => {
                self.u8(0x81);
                self.raw(&value.to_be_bytes());
            }
        }
    }

    /// A string in its shortest form.
    pub(crate) fn string(&mut self, text: &[u8]) {
        if text.len() <= INT_TEXT_MAX
            && let Some(int) = parse_i64(text)
            && let Ok(int) = i32::try_from(int)
        {
            self.int(int);
        } else if !self.compressed(text) {
            self.length(text.len() as u64);
            self.raw(text);
        }
    }

    /// The text of an element.
    pub(crate) fn elem(&mut self, elem: Elem<'_>) {
        self.string(elem.text(&mut Digits::new()));
    }

    fn int(&mut self, int: i32) {
        if let Ok(int) = i8::try_from(int) {
            self.u8(0xc0 | form::INT_8);
            self.raw(&int.to_le_bytes());
        } else if let Ok(int) = i16::try_from(int) {
            self.u8(0xc0 | form::INT_16);
            self.raw(&int.to_le_bytes());
        } else {
            self.u8(0xc0 | form::INT_32);
            self.raw(&int.to_le_bytes());
        }
    }

    /// Writes a string compressed, or nothing when that isn't worth it.
    fn compressed(&mut self, text: &[u8]) -> bool {
        if !self.compress || text.len() < COMPRESS_MIN {
            return false;
        }
        let mut compressed = Vec::new();
        if !lzf::compress(text, text.len() - COMPRESS_GAIN, &mut compressed) {
            return false;
        }
        self.u8(0xc0 | form::LZF);
        self.length(compressed.len() as u64);
        self.length(text.len() as u64);
        self.raw(&compressed);
        true
    }

    /// A listpack with these entries, of which there are `len`, as a string.
    pub(crate) fn listpack(&mut self, parts: &[Run<'_>], len: usize) {
        let entries: usize = parts.iter().map(|part| part.0.len()).sum();
        let bytes = LISTPACK_HEAD + entries + 1;
        let mut blob = Vec::with_capacity(bytes);
        let size = u32::try_from(bytes).expect("packed lists are kept below 4 GiB");
        blob.extend_from_slice(&size.to_le_bytes());
        // The greatest number says that the entries have to be counted.
        let len = u16::try_from(len).unwrap_or(u16::MAX);
        blob.extend_from_slice(&len.to_le_bytes());
        for part in parts {
            blob.extend_from_slice(part.0);
        }
        blob.push(LISTPACK_END);
        self.string(&blob);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Input;

    fn written(write: impl FnOnce(&mut Output<'_>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut Output::new(&mut bytes, true));
        bytes
    }

    #[test]
    fn lengths_come_back() {
        let powers = (0..64).map(|bit| 1u64 << bit);
        let edges = powers.flat_map(|at| [at - 1, at, at + 1]).chain([u64::MAX]);
        for value in edges {
            let bytes = written(|out| out.length(value));
            let mut input = Input::new(&bytes[..]);
            assert_eq!(input.length().expect("written"), value);
            assert!(input.u8().is_err(), "nothing is left");
        }
    }

    #[test]
    fn strings_come_back_from_the_form_that_redis_gives_them() {
        for (text, first, len) in [
            ("", 0, 1),
            ("abc", 3, 4),
            ("-1", 0xc0, 2),
            ("127", 0xc0, 2),
            ("128", 0xc1, 3),
            ("-32769", 0xc2, 5),
            ("-2147483648", 0xc2, 5),
            ("2147483648", 10, 11),
            ("01", 2, 3),
            ("abcdefghijklmnopqrstu", 21, 22),
            ("aaaaaaaaaaaaaaaaaaaa", 20, 21),
            ("aaaaaaaaaaaaaaaaaaaaa", 0xc3, 8),
        ] {
            let bytes = written(|out| out.string(text.as_bytes()));
            assert_eq!((bytes[0], bytes.len()), (first, len), "{text}");
            let read = Input::new(&bytes[..]).string().expect("written");
            assert_eq!(read, text.as_bytes());
        }
    }
}
