//! Streams.

use super::Collection;
use crate::record::Kind;
use crate::value::Value;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Stream {}

impl Stream {
    /// Bytes of memory behind it, without its own size. O(1).
    pub fn heap_bytes(&self) -> usize {
        0
    }

    /// How many steps dropping it takes. O(1).
    pub fn drop_cost(&self) -> usize {
        1
    }
}

impl Collection for Box<Stream> {
    const PACKED: Option<Kind> = None;

    type Ref<'a> = &'a Stream;

    fn from_packed(_: Vec<u8>) -> Self {
        unreachable!("a stream is never packed")
    }

    fn as_packed(&self) -> Option<&[u8]> {
        None
    }

    fn into_packed(self) -> Option<Vec<u8>> {
        None
    }

    fn view(&self) -> &Stream {
        self
    }

    fn view_packed(_: &[u8]) -> &Stream {
        unreachable!("a stream is never packed")
    }

    /// A stream without entries still has its last ID and its groups.
    fn is_spent(&self) -> bool {
        false
    }

    fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    fn into_value(self) -> Value {
        Value::Stream(self)
    }
}
