//! Listpacks: the packed lists of Redis 7. See [`data::packed`] for an entry.
//!
//! ```text
//! [ bytes (4) ][ entries (2), 65535 for unknown ][ entry ] … [ 255 ]
//! ```

use data::packed::{Elem, entry_bytes};

use super::Elements;
use super::bytes::{Bytes, signed};
use crate::Error;

const HEAD: usize = 6;
const END: u8 = 0xff;
const UNKNOWN: usize = u16::MAX as usize;
pub(super) const BROKEN: Error = Error::Corrupt("a listpack is broken");

/// All elements of a listpack.
pub(super) fn parse(blob: &[u8]) -> Result<Elements<'_>, Error> {
    elements(blob).ok_or(BROKEN)
}

fn elements(blob: &[u8]) -> Option<Elements<'_>> {
    let (head, run) = blob.split_at_checked(HEAD)?;
    let (&end, run) = run.split_last()?;
    let size = u32::from_le_bytes(head[..4].try_into().ok()?);
    if end != END || size as usize != blob.len() {
        return None;
    }
    let (mut elems, mut bytes, mut is_ours) = (Vec::new(), Bytes(run), true);
    while !bytes.0.is_empty() {
        let before = bytes.0.len();
        let elem = element(&mut bytes)?;
        back_length(&mut bytes, before)?;
        // Each form of an element has a length of its own.
        is_ours &= entry_bytes(elem) == before - bytes.0.len();
        elems.push(elem);
    }
    let count = usize::from(u16::from_le_bytes([head[4], head[5]]));
    let run = is_ours.then_some(run);
    (count == UNKNOWN || count == elems.len()).then_some(Elements { elems, run })
}

fn element<'a>(bytes: &mut Bytes<'a>) -> Option<Elem<'a>> {
    let head = bytes.u8()?;
    let text = match head {
        0..=0x7f => return Some(Elem::Int(i64::from(head))),
        0x80..=0xbf => bytes.take(usize::from(head & 0x3f))?,
        0xc0..=0xdf => {
            let bits = i64::from(head & 0x1f) << 8 | i64::from(bytes.u8()?);
            return Some(Elem::Int(bits << 51 >> 51));
        }
        0xe0..=0xef => {
            let length = usize::from(head & 0xf) << 8 | usize::from(bytes.u8()?);
            bytes.take(length)?
        }
        0xf0 => {
            let length = u32::from_le_bytes(bytes.take(4)?.try_into().ok()?);
            bytes.take(length as usize)?
        }
        0xf1 => return Some(Elem::Int(signed(bytes.take(2)?))),
        0xf2 => return Some(Elem::Int(signed(bytes.take(3)?))),
        0xf3 => return Some(Elem::Int(signed(bytes.take(4)?))),
        0xf4 => return Some(Elem::Int(signed(bytes.take(8)?))),
        _ => return None,
    };
    Some(Elem::of(text))
}

/// Reads the length of an entry that began when `before` bytes were left: 7 bits a byte, the
/// highest first; all but the first byte have their top bit set.
fn back_length(bytes: &mut Bytes<'_>, before: usize) -> Option<()> {
    let forward = before - bytes.0.len();
    let width = match forward {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    };
    let mut told = 0;
    for (i, &byte) in bytes.take(width)?.iter().enumerate() {
        if (byte & 128 != 0) != (i > 0) {
            return None;
        }
        told = told << 7 | usize::from(byte & 127);
    }
    (told == forward).then_some(())
}

#[cfg(test)]
mod tests {
    use data::packed::{Run, push_entry};
    use proptest::prelude::*;

    use super::*;
    use crate::input::Input;
    use crate::output::Output;

    fn blob(elems: &[Elem<'_>]) -> Vec<u8> {
        let mut run = Vec::new();
        for &elem in elems {
            push_entry(elem, &mut run);
        }
        let mut out = Vec::new();
        Output::new(&mut out, false).listpack(&[Run(&run)], elems.len());
        Input::new(&out[..]).string().expect("just written")
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<i64>().prop_map(|int| int.to_string().into_bytes()),
            any::<i16>().prop_map(|int| int.to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 0..200),
            Just(vec![b'x'; 5000]),
            Just(vec![b'x'; 70_000]),
        ]
    }

    proptest! {
        #[test]
        fn what_we_write_comes_back(texts in prop::collection::vec(text(), 0..20)) {
            let elems: Vec<_> = texts.iter().map(|text| Elem::of(text)).collect();
            let blob = blob(&elems);
            let parsed = parse(&blob).expect("well formed");
            prop_assert_eq!(&*parsed, &elems[..]);
            prop_assert!(parsed.run.is_some(), "it is as we write it");
            if blob.len() < 2_000 {
                for end in 0..blob.len() {
                    prop_assert!(parse(&blob[..end]).is_err());
                }
            }
        }

        #[test]
        fn nothing_panics(mut bytes in prop::collection::vec(any::<u8>(), 7..60)) {
            let len = bytes.len();
            bytes[..4].copy_from_slice(&(len as u32).to_le_bytes());
            bytes[4..6].fill(255);
            bytes[len - 1] = 255;
            let _ = parse(&bytes);
        }
    }

    #[test]
    fn a_changed_bit_of_the_head_is_noticed() {
        let elems = [Elem::Int(1), Elem::Bytes(b"abc"), Elem::Int(-5000)];
        let blob = blob(&elems);
        for bit in 0..48 {
            let mut broken = blob.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&broken).is_err(), "bit {bit}");
        }
    }
}
