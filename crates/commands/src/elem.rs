//! Replies with elements of collections.

use data::packed::Elem;
use protocol::Reply;

/// Writes an element as a string.
#[inline]
pub(crate) fn bulk(reply: &mut Reply<'_>, elem: Elem<'_>) {
    match elem {
        Elem::Bytes(bytes) => reply.bulk(bytes),
        Elem::Int(int) => reply.bulk_int(int),
    }
}
