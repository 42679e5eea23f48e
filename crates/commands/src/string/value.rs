//! String values as commands read, compare and store them.

use data::NewValue;
use protocol::{Reply, number};
use store::Str;

/// A string as it is to be stored: an integer where that is the same.
#[inline(always)]
pub(crate) fn encode(value: &[u8]) -> NewValue<'_> {
    let may_be_int = value.len() <= 20
        && value
            .first()
            .is_some_and(|&b| b.is_ascii_digit() || b == b'-');
    if may_be_int && let Some(int) = number::parse_i64(value) {
        return NewValue::Int(int);
    }
    NewValue::Str(value)
}

/// Replies with a string, or null.
#[inline(always)]
pub(crate) fn reply_str(value: Option<Str<'_>>, reply: &mut Reply<'_>) {
    match value {
        Some(Str::Bytes(bytes)) => reply.bulk(bytes),
        Some(Str::Int(value)) => reply.bulk_int(value),
        None => reply.null(),
    }
}

/// The bytes of a string; those of an integer are written into `digits`.
#[inline]
pub(crate) fn bytes_of<'a>(value: Str<'a>, digits: &'a mut itoa::Buffer) -> &'a [u8] {
    match value {
        Str::Bytes(bytes) => bytes,
        Str::Int(value) => digits.format(value).as_bytes(),
    }
}

/// The length of a string.
#[inline]
pub(crate) fn len_of(value: Str<'_>) -> usize {
    bytes_of(value, &mut itoa::Buffer::new()).len()
}
