//! Ziplists and zipmaps: the packed lists and hashes of Redis before version 7.
//!
//! ```text
//! ziplist: [ bytes (4) ][ offset of the last entry (4) ][ entries (2), 65535 for unknown ]
//!          [ entry ] … [ 255 ]
//! entry:   [ bytes of the entry before (1, or 254 and 4) ][ head (1..5) ][ text or integer ]
//!
//! head:    00llllll                 text of up to 63 bytes
//!          01llllll llllllll        text of up to 16383 bytes
//!          80 + 4 bytes             text, the length with the highest byte first
//!          c0, d0, e0, f0, fe       integer of 2, 4, 8, 3, 1 bytes
//!          f1 … fd                  0 … 12
//!
//! zipmap:  [ fields (1) ][ length (1, or 254 and 4) ][ field ]
//!          [ length ][ unused bytes (1) ][ value ][ unused ] … [ 255 ]
//! ```

use data::packed::Elem;

use super::Elements;
use super::bytes::{Bytes, signed};
use crate::Error;

const HEAD: usize = 10;
const END: u8 = 0xff;
/// Four bytes follow instead of one.
const LONG: u8 = 254;
const UNKNOWN: usize = u16::MAX as usize;

/// All elements of a ziplist.
pub(super) fn parse(blob: &[u8]) -> Result<Elements<'_>, Error> {
    let elems = elements(blob).ok_or(Error::Corrupt("a ziplist is broken"))?;
    Ok(Elements { elems, run: None })
}

fn elements(blob: &[u8]) -> Option<Vec<Elem<'_>>> {
    let mut head = Bytes(blob);
    let (size, tail, count) = (head.u32()?, head.u32()?, head.take(2)?);
    let (&end, run) = head.0.split_last()?;
    if end != END || size as usize != blob.len() {
        return None;
    }
    let (mut elems, mut bytes) = (Vec::new(), Bytes(run));
    let (mut last, mut last_size) = (0, 0);
    while !bytes.0.is_empty() {
        let before = bytes.0.len();
        if short_length(&mut bytes)? != last_size {
            return None;
        }
        elems.push(element(&mut bytes)?);
        (last, last_size) = (run.len() - before, before - bytes.0.len());
    }
    let count = usize::from(u16::from_le_bytes([count[0], count[1]]));
    let is_whole = tail as usize == HEAD + last && (count == UNKNOWN || count == elems.len());
    is_whole.then_some(elems)
}

/// A length in one byte, or in four behind the mark for that.
fn short_length(bytes: &mut Bytes<'_>) -> Option<usize> {
    match bytes.u8()? {
        LONG => Some(bytes.u32()? as usize),
        END => None,
        short => Some(usize::from(short)),
    }
}

fn element<'a>(bytes: &mut Bytes<'a>) -> Option<Elem<'a>> {
    let head = bytes.u8()?;
    let width = match head {
        0..=0x3f => return bytes.take(usize::from(head)).map(Elem::of),
        0x40..=0x7f => {
            let length = usize::from(head & 0x3f) << 8 | usize::from(bytes.u8()?);
            return bytes.take(length).map(Elem::of);
        }
        0x80 => {
            let length = bytes.u32()?.swap_bytes();
            return bytes.take(length as usize).map(Elem::of);
        }
        0xc0 => 2,
        0xd0 => 4,
        0xe0 => 8,
        0xf0 => 3,
        0xfe => 1,
        0xf1..=0xfd => return Some(Elem::Int(i64::from(head & 0xf) - 1)),
        _ => return None,
    };
    bytes.take(width).map(|int| Elem::Int(signed(int)))
}

/// All fields and values of a zipmap, by turns.
pub(super) fn parse_zipmap(blob: &[u8]) -> Result<Elements<'_>, Error> {
    let elems = pairs(blob).ok_or(Error::Corrupt("a zipmap is broken"))?;
    Ok(Elements { elems, run: None })
}

fn pairs(blob: &[u8]) -> Option<Vec<Elem<'_>>> {
    let (&end, bytes) = blob.split_last()?;
    let mut bytes = Bytes(bytes);
    let count = bytes.u8()?;
    if end != END {
        return None;
    }
    let mut elems = Vec::new();
    while !bytes.0.is_empty() {
        let field = short_length(&mut bytes)?;
        elems.push(Elem::of(bytes.take(field)?));
        let value = short_length(&mut bytes)?;
        let unused = bytes.u8()?;
        elems.push(Elem::of(bytes.take(value)?));
        bytes.take(usize::from(unused))?;
    }
    (count >= LONG || usize::from(count) * 2 == elems.len()).then_some(elems)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A ziplist of these entries without their first byte, all shorter than 254 bytes.
    fn ziplist(entries: &[&[u8]]) -> Vec<u8> {
        let (mut run, mut last, mut before) = (Vec::new(), 0, 0);
        for entry in entries {
            last = run.len();
            run.push(before);
            run.extend_from_slice(entry);
            before = entry.len() as u8 + 1;
        }
        let mut blob = (run.len() as u32 + 11).to_le_bytes().to_vec();
        blob.extend_from_slice(&(last as u32 + 10).to_le_bytes());
        blob.extend_from_slice(&(entries.len() as u16).to_le_bytes());
        blob.extend_from_slice(&run);
        blob.push(END);
        blob
    }

    #[test]
    fn all_kinds_of_entries() {
        let long = [&[0x40, 70][..], &[b'x'; 70]].concat();
        let longer = [&[0x80, 0, 0, 0, 5][..], b"hello"].concat();
        let blob = ziplist(&[
            b"\x03abc",
            b"\x00",
            b"\x02-7",
            &long,
            &longer,
            b"\xc0\xfe\xff",
            b"\xd0\x00\x00\x01\x00",
            b"\xe0\xff\xff\xff\xff\xff\xff\xff\x7f",
            b"\xf0\x00\x00\x80",
            b"\xfe\x80",
            b"\xf1",
            b"\xfd",
        ]);
        let expected = [
            Elem::Bytes(b"abc"),
            Elem::Bytes(b""),
            Elem::Int(-7),
            Elem::Bytes(&[b'x'; 70]),
            Elem::Bytes(b"hello"),
            Elem::Int(-2),
            Elem::Int(65_536),
            Elem::Int(i64::MAX),
            Elem::Int(-8_388_608),
            Elem::Int(-128),
            Elem::Int(0),
            Elem::Int(12),
        ];
        assert_eq!(&*parse(&blob).expect("well formed"), &expected[..]);
        for end in 0..blob.len() {
            assert!(parse(&blob[..end]).is_err(), "{end}");
        }
        for bit in 0..80 {
            let mut broken = blob.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&broken).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn zipmaps() {
        let blob = b"\x02\x01a\x02\x0012\x03bcd\x01\x02xyy\xff";
        let expected = [
            Elem::Bytes(b"a"),
            Elem::Int(12),
            Elem::Bytes(b"bcd"),
            Elem::Bytes(b"x"),
        ];
        assert_eq!(&*parse_zipmap(blob).expect("well formed"), &expected[..]);
        for end in 0..blob.len() {
            assert!(parse_zipmap(&blob[..end]).is_err(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(mut bytes in prop::collection::vec(any::<u8>(), 11..60)) {
            let len = bytes.len();
            let _ = parse_zipmap(&bytes);
            bytes[..4].copy_from_slice(&(len as u32).to_le_bytes());
            bytes[8..10].fill(255);
            bytes[len - 1] = 255;
            let _ = parse(&bytes);
            let _ = parse_zipmap(&bytes);
        }
    }
}
