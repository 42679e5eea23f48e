//! The bytes of one record: header, expiry, key and value in one block of the arena.
//!
//! ```text
//! byte 0      1         2..5     5..13       ..        ..     ..block end
//! [ head ][ key len ][ clock ][ expiry? ][ long? ][ key ][ value ][ slack ]
//!
//! head:    kind (bits 0-2), has expiry (bit 3), slack (bits 4-7)
//! key len: 255 means that the real length is in the four bytes of `long`
//! clock:   access clock of the eviction policies, 23 bits; the highest bit is the era
//! expiry:  Unix time in milliseconds, 64 bits
//! ```
//!
//! No length of the value is kept: it ends `slack` bytes (at most 15) before the block does. All
//! numbers are little-endian and unaligned.

use crate::arena::{SHARED_MAX, block_bytes};

const HEADER: usize = 5;
const EXPIRY: usize = 8;
const LONG_KEY: u8 = 255;
/// In the last byte of the clock.
const ERA: u8 = 1 << 7;

/// The bits of an access clock.
pub const CLOCK_MASK: u32 = 0x7f_ffff;

/// Which of two kinds a record is: a snapshot turns all records that there are into those that it
/// has yet to save, by changing what the current era is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Era(bool);

impl Era {
    /// The one that follows, which is the one before as well.
    #[must_use]
    pub fn next(self) -> Self {
        Self(!self.0)
    }
}
const HAS_EXPIRY: u8 = 1 << 3;

/// What the value bytes of a record are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A string as the client gave it.
    Str = 0,
    /// A string that a command has changed in place (Redis calls its encoding `raw`).
    StrRaw = 1,
    /// A 64-bit integer, the canonical decimal string of which is the value.
    Int = 2,
    /// The number of a [`crate::Value`] kept beside the records.
    External = 3,
    /// A packed list.
    List = 4,
    /// A packed hash.
    Hash = 5,
    /// A packed set.
    Set = 6,
    /// A packed sorted set.
    Zset = 7,
}

impl Kind {
    fn from_bits(bits: u8) -> Self {
        match bits & 7 {
            0 => Kind::Str,
            1 => Kind::StrRaw,
            2 => Kind::Int,
            3 => Kind::External,
            4 => Kind::List,
            5 => Kind::Hash,
            6 => Kind::Set,
            _ => Kind::Zset,
        }
    }
}

/// Where the parts of a record lie, given what goes into it.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    key_start: usize,
    value_start: usize,
    /// Bytes of the record without slack.
    pub len: usize,
}

/// The layout of a record with these parts. O(1).
#[inline]
pub fn layout(key_len: usize, has_expiry: bool, value_len: usize) -> Layout {
    let key_start =
        HEADER + if has_expiry { EXPIRY } else { 0 } + if key_len >= 255 { 4 } else { 0 };
    let value_start = key_start + key_len;
    Layout {
        key_start,
        value_start,
        len: value_start + value_len,
    }
}

/// True when a value of this length is kept inside the record.
#[inline]
pub fn fits_inline(key_len: usize, value_len: usize) -> bool {
    layout(key_len, true, value_len).len <= SHARED_MAX
}

/// Writes a whole record into its block.
#[inline]
pub fn write(
    block: &mut [u8],
    kind: Kind,
    key: &[u8],
    expiry: Option<u64>,
    (clock, era): (u32, Era),
    value: &[u8],
) {
    let layout = layout(key.len(), expiry.is_some(), value.len());
    let slack = if layout.len > SHARED_MAX {
        0
    } else {
        block.len() - layout.len
    };
    debug_assert!(slack <= 15 && block.len() == block_bytes(layout.len));
    block[0] = kind as u8 | (slack as u8) << 4;
    block[1] = LONG_KEY;
    block[4] = 0;
    set_clock(block, clock);
    set_era(block, era);
    if let Some(at) = expiry {
        block[0] |= HAS_EXPIRY;
        block[HEADER..HEADER + EXPIRY].copy_from_slice(&at.to_le_bytes());
    }
    if key.len() < LONG_KEY as usize {
        block[1] = key.len() as u8;
    } else {
        let len = u32::try_from(key.len()).expect("a key is below 4 GiB");
        block[layout.key_start - 4..layout.key_start].copy_from_slice(&len.to_le_bytes());
    }
    block[layout.key_start..layout.value_start].copy_from_slice(key);
    block[layout.value_start..layout.len].copy_from_slice(value);
}

/// Sets the access clock (its low 23 bits).
#[inline(always)]
pub fn set_clock(block: &mut [u8], clock: u32) {
    let [low, middle, high, _] = clock.to_le_bytes();
    let era = block[4] & ERA;
    block[2..5].copy_from_slice(&[low, middle, high & !ERA | era]);
}

/// Sets the era.
#[inline]
pub fn set_era(block: &mut [u8], era: Era) {
    block[4] = block[4] & !ERA | if era.0 { ERA } else { 0 };
}

/// Overwrites the expiry of a record that has one.
pub fn set_expiry(block: &mut [u8], at: u64) {
    debug_assert!(block[0] & HAS_EXPIRY != 0);
    block[HEADER..HEADER + EXPIRY].copy_from_slice(&at.to_le_bytes());
}

/// Sets the kind and leaves all else.
pub fn set_kind(block: &mut [u8], kind: Kind) {
    block[0] = block[0] & !7 | kind as u8;
}

/// Overwrites the value in place with one whose record has the same block size.
#[inline]
pub fn set_value(block: &mut [u8], kind: Kind, value: &[u8]) {
    let start = Record(block).value_start();
    let slack = block.len() - start - value.len();
    debug_assert!(slack <= 15);
    block[0] = kind as u8 | block[0] & HAS_EXPIRY | (slack as u8) << 4;
    block[start..start + value.len()].copy_from_slice(value);
}

/// A record to be read.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a>(pub &'a [u8]);

impl<'a> Record<'a> {
    /// What the value bytes are.
    #[inline(always)]
    pub fn kind(self) -> Kind {
        Kind::from_bits(self.0[0])
    }

    /// Unix time in milliseconds at which the record ceases to exist.
    #[inline(always)]
    pub fn expiry(self) -> Option<u64> {
        if self.0[0] & HAS_EXPIRY == 0 {
            return None;
        }
        let bytes = self.0[HEADER..HEADER + EXPIRY]
            .try_into()
            .expect("eight bytes");
        Some(u64::from_le_bytes(bytes))
    }

    /// True when it has ceased to exist at `now_ms`.
    #[inline(always)]
    pub fn is_expired(self, now_ms: u64) -> bool {
        self.expiry().is_some_and(|at| at <= now_ms)
    }

    /// The access clock, 23 bits.
    #[inline(always)]
    pub fn clock(self) -> u32 {
        u32::from_le_bytes([self.0[2], self.0[3], self.0[4] & !ERA, 0])
    }

    /// The era.
    #[inline]
    pub fn era(self) -> Era {
        Era(self.0[4] & ERA != 0)
    }

    /// The key.
    #[inline(always)]
    pub fn key(self) -> &'a [u8] {
        let (start, len) = self.key_span();
        &self.0[start..start + len]
    }

    /// The value bytes, to be understood by [`Record::kind`].
    #[inline(always)]
    pub fn value(self) -> &'a [u8] {
        let slack = (self.0[0] >> 4) as usize;
        &self.0[self.value_start()..self.0.len() - slack]
    }

    /// Where the value begins.
    #[inline(always)]
    pub fn value_start(self) -> usize {
        let (start, len) = self.key_span();
        start + len
    }

    /// The value of a [`Kind::Int`].
    #[inline(always)]
    pub fn int(self) -> i64 {
        i64::from_le_bytes(
            self.value()
                .try_into()
                .expect("an integer record holds 8 bytes"),
        )
    }

    /// The value number of a [`Kind::External`].
    #[inline(always)]
    pub fn external(self) -> u32 {
        u32::from_le_bytes(
            self.value()
                .try_into()
                .expect("an external record holds 4 bytes"),
        )
    }

    #[inline(always)]
    fn key_span(self) -> (usize, usize) {
        let start = HEADER
            + if self.0[0] & HAS_EXPIRY == 0 {
                0
            } else {
                EXPIRY
            };
        if self.0[1] != LONG_KEY {
            return (start, self.0[1] as usize);
        }
        let len = self.0[start..start + 4].try_into().expect("four bytes");
        (start + 4, u32::from_le_bytes(len) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_come_back(
            key in prop::collection::vec(any::<u8>(), 0..600),
            value in prop::collection::vec(any::<u8>(), 0..2500),
            expiry in any::<Option<u64>>(),
            clock in 0u32..1 << 23,
            is_later in any::<bool>(),
        ) {
            let len = layout(key.len(), expiry.is_some(), value.len()).len;
            let mut block = vec![0xaa; block_bytes(len)];
            write(&mut block, Kind::Str, &key, expiry, (clock, Era(is_later)), &value);
            let record = Record(&block);
            prop_assert_eq!(record.key(), &key[..]);
            prop_assert_eq!(record.value(), &value[..]);
            prop_assert_eq!(record.expiry(), expiry);
            prop_assert_eq!(record.clock(), clock);
            prop_assert_eq!(record.era(), Era(is_later));
            prop_assert_eq!(record.kind(), Kind::Str);
            set_clock(&mut block, clock ^ CLOCK_MASK);
            prop_assert_eq!(Record(&block).clock(), clock ^ CLOCK_MASK);
            prop_assert_eq!(Record(&block).era(), Era(is_later));
        }
    }
}
