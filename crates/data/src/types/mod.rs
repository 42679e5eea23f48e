//! Redis's data types beyond strings. Each is packed into one run of bytes while it is small (and
//! then lies in the record of its key, if it fits) and takes its large form above the thresholds
//! that are configured; it never goes back.

pub mod hash;
pub mod list;
pub mod set;
pub mod stream;
pub mod zset;

pub use hash::Hash;
pub use list::List;
pub use set::Set;
pub use stream::Stream;
pub use zset::Zset;

use crate::packed::LEN_MAX;
use crate::record::Kind;
use crate::value::Value;

/// Up to which size a collection stays packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most members or fields.
    pub entries: usize,
    /// Longest member, field or value, in bytes.
    pub text_len: usize,
}

impl Limits {
    /// Whether so many members, the longest of which is so long, stay packed.
    #[inline]
    pub fn admit(&self, entries: usize, text_len: usize) -> bool {
        entries <= self.entries.min(LEN_MAX / 4) && text_len <= self.text_len
    }
}

/// What the keyspace has to know of a data type: how to read and change a value of it, wherever it
/// lies.
pub trait Collection: Default + 'static {
    /// The kind of records that hold it packed; `None` when it has no packed form.
    const PACKED: Option<Kind>;

    /// What readers see.
    type Ref<'a>: Copy;

    /// The collection whose packed form is `bytes`.
    fn from_packed(bytes: Vec<u8>) -> Self;

    /// An empty collection, which may use this memory.
    fn from_packed_or_new(memory: Vec<u8>) -> Self {
        match Self::PACKED {
            Some(_) => Self::from_packed(memory),
            None => Self::default(),
        }
    }

    /// Its packed form, unless it is large.
    fn as_packed(&self) -> Option<&[u8]>;

    /// The memory of its packed form, for another use.
    fn into_packed(self) -> Option<Vec<u8>>;

    /// The collection, to be read.
    fn view(&self) -> Self::Ref<'_>;

    /// The collection whose packed form lies in `bytes`, to be read.
    fn view_packed(bytes: &[u8]) -> Self::Ref<'_>;

    /// Whether nothing is left that its key should exist for.
    fn is_spent(&self) -> bool;

    /// When the first of its elements expires, or before that; `None` when none does. O(1), O(n)
    /// while packed.
    fn next_expiry(&self) -> Option<u64> {
        None
    }

    /// The collection in a value.
    fn of(value: &Value) -> Option<&Self>;

    /// The collection in a value, to be changed.
    fn of_mut(value: &mut Value) -> Option<&mut Self>;

    /// The value that is this collection.
    fn into_value(self) -> Value;
}
