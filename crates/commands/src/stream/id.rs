//! IDs of stream entries as clients write them (`1-2`, `1`, `-`, `+`, `(1-2`, `1-*`, `*`) and as
//! they are answered.

use data::types::stream::Id;
use protocol::Reply;

use crate::CommandError;

const INVALID: CommandError =
    CommandError::Text("ERR Invalid stream ID specified as stream command argument");
const INVALID_START: CommandError = CommandError::Text("ERR invalid start ID for the interval");
const INVALID_END: CommandError = CommandError::Text("ERR invalid end ID for the interval");

/// `ms-seq`, or `ms` alone, for which `seq` stands in.
fn parse(text: &[u8], seq: u64) -> Option<Id> {
    match text.iter().position(|&byte| byte == b'-') {
        Some(dash) => Some(Id::new(number(&text[..dash])?, number(&text[dash + 1..])?)),
        None => Some(Id::new(number(text)?, seq)),
    }
}

/// Decimal digits; zeros in front are allowed.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|&digit| digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A plain ID.
pub(super) fn id(text: &[u8]) -> Result<Id, CommandError> {
    parse(text, 0).ok_or(INVALID)
}

/// Where a range begins.
pub(super) fn range_start(text: &[u8]) -> Result<Id, CommandError> {
    match exclusive(text) {
        Some(text) => id(text)?.next().ok_or(INVALID_START),
        None => bound(text, 0),
    }
}

/// Where a range ends.
pub(super) fn range_end(text: &[u8]) -> Result<Id, CommandError> {
    match exclusive(text) {
        Some(text) => parse(text, u64::MAX)
            .ok_or(INVALID)?
            .prev()
            .ok_or(INVALID_END),
        None => bound(text, u64::MAX),
    }
}

fn exclusive(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"(").filter(|text| !text.is_empty())
}

/// An ID, or `-` or `+` for the lowest or highest; `seq` stands in where there is none.
pub(super) fn bound(text: &[u8], seq: u64) -> Result<Id, CommandError> {
    match text {
        b"-" => Ok(Id::MIN),
        b"+" => Ok(Id::MAX),
        _ => parse(text, seq).ok_or(INVALID),
    }
}

/// The ID that a new entry is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewId {
    /// `*`: made of the time.
    Auto,
    /// `ms-*`: the next of a millisecond.
    At(u64),
    /// This one.
    Given(Id),
}

impl NewId {
    pub(super) fn parse(text: &[u8]) -> Result<Self, CommandError> {
        if text == b"*" {
            return Ok(Self::Auto);
        }
        match text.strip_suffix(b"-*") {
            Some(ms) => number(ms).map(Self::At).ok_or(INVALID),
            None => id(text).map(Self::Given),
        }
    }

    /// The ID behind `last`; `None` when it isn't.
    #[inline]
    pub(super) fn after(self, last: Id, now_ms: u64) -> Option<Id> {
        match self {
            Self::Auto if now_ms > last.ms => Some(Id::new(now_ms, 0)),
            Self::Auto => last.next(),
            Self::At(ms) if ms == last.ms => last.next().filter(|next| next.ms == ms),
            Self::At(ms) => Some(Id::new(ms, 0)).filter(|&id| id > last),
            Self::Given(id) => Some(id).filter(|&id| id > last),
        }
    }
}

/// Room for the digits of an ID.
pub(super) struct Text {
    bytes: [u8; 41],
    len: usize,
}

impl Text {
    pub(super) fn new(id: Id) -> Self {
        let mut text = Self {
            bytes: [0; 41],
            len: 0,
        };
        text.push(itoa::Buffer::new().format(id.ms));
        text.push("-");
        text.push(itoa::Buffer::new().format(id.seq));
        text
    }

    fn push(&mut self, part: &str) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part.as_bytes());
        self.len += part.len();
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Answers an ID.
#[inline]
pub(super) fn reply_id(id: Id, reply: &mut Reply<'_>) {
    reply.bulk(Text::new(id).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_two_numbers() {
        for (text, ms, seq) in [("1-2", 1, 2), ("7", 7, 0), ("007-01", 7, 1)] {
            assert_eq!(id(text.as_bytes()), Ok(Id::new(ms, seq)), "{text}");
        }
        let max = "18446744073709551615-18446744073709551615";
        assert_eq!(id(max.as_bytes()), Ok(Id::MAX));
        assert_eq!(Text::new(Id::MAX).as_bytes(), max.as_bytes());
        let above = "18446744073709551616";
        for text in ["", "-", "+", "1-", "-1", "1-2-3", "x", "1-*", " 1", above] {
            assert_eq!(id(text.as_bytes()), Err(INVALID), "{text}");
        }
    }

    #[test]
    fn bounds_may_be_left_out_or_excluded() {
        assert_eq!(range_start(b"5"), Ok(Id::new(5, 0)));
        assert_eq!(range_end(b"5"), Ok(Id::new(5, u64::MAX)));
        assert_eq!(range_start(b"(5"), Ok(Id::new(5, 1)));
        assert_eq!(range_end(b"(5-0"), Ok(Id::new(4, u64::MAX)));
        assert_eq!(range_end(b"(0-0"), Err(INVALID_END));
        let max = format!("({}", Id::MAX);
        assert_eq!(range_start(max.as_bytes()), Err(INVALID_START));
        assert_eq!(range_start(b"(-"), Err(INVALID));
        assert_eq!(range_start(b"("), Err(INVALID));
    }

    #[test]
    fn new_ids_are_behind_the_last() {
        let last = Id::new(10, u64::MAX);
        assert_eq!(NewId::Auto.after(last, 9), Some(Id::new(11, 0)));
        assert_eq!(NewId::Auto.after(last, 12), Some(Id::new(12, 0)));
        assert_eq!(NewId::At(10).after(last, 0), None);
        assert_eq!(NewId::At(11).after(last, 0), Some(Id::new(11, 0)));
        assert_eq!(NewId::At(0).after(Id::MIN, 0), Some(Id::new(0, 1)));
        assert_eq!(NewId::Given(last).after(last, 0), None);
        assert_eq!(NewId::Auto.after(Id::MAX, 0), None);
    }
}
