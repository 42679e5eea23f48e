//! The entry of a large hash: field and value side by side.
//!
//! ```text
//! [ length of the field, 7 bits a byte, lowest first (1..5) ][ field ][ value ]
//! ```

use crate::arena::Handle;
use crate::entries::{Entries, Shape, Spot};

const LENGTH_MAX: usize = 5;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Field;

impl Shape for Field {
    #[inline(always)]
    fn name(payload: &[u8]) -> &[u8] {
        split(payload).0
    }
}

/// Field and value of an entry.
#[inline(always)]
pub fn split(payload: &[u8]) -> (&[u8], &[u8]) {
    let (mut len, mut at) = (0, 0);
    loop {
        let byte = payload[at];
        len |= usize::from(byte & 127) << (7 * at);
        at += 1;
        if byte < 128 {
            return payload[at..].split_at(len);
        }
    }
}

/// The encoded length of a field.
struct Length {
    bytes: [u8; LENGTH_MAX],
    len: usize,
}

impl Length {
    #[inline]
    fn of(field: &[u8]) -> Self {
        let (mut bytes, mut len, mut rest) = ([0; LENGTH_MAX], 0, field.len());
        while rest >= 128 {
            bytes[len] = rest as u8 | 128;
            rest >>= 7;
            len += 1;
        }
        bytes[len] = rest as u8;
        Self {
            bytes,
            len: len + 1,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Adds a field that isn't there.
#[inline]
pub fn insert(entries: &mut Entries<Field>, field: &[u8], value: &[u8], expiry: Option<u64>) {
    entries.insert(field, &[Length::of(field).as_bytes(), field, value], expiry);
}

/// Replaces the value and the expiry of a field.
#[inline]
pub fn replace(
    entries: &mut Entries<Field>,
    spot: Spot,
    field: &[u8],
    value: &[u8],
    expiry: Option<u64>,
) -> Handle {
    entries.replace(spot, &[Length::of(field).as_bytes(), field, value], expiry)
}
