//! Sorted sets: members in the order of their scores.

use super::Collection;
use crate::packed::{Packed, PackedRef};
use crate::record::Kind;
use crate::value::Value;

/// See the module.
#[derive(Clone, Debug)]
pub enum Zset {
    /// Elements side by side.
    Packed(Packed),
}

/// See [`Zset`]; to be read.
#[derive(Clone, Copy, Debug)]
pub enum ZsetRef<'a> {
    /// Elements side by side.
    Packed(PackedRef<'a>),
}

impl Default for Zset {
    fn default() -> Self {
        Self::Packed(Packed::new())
    }
}

impl Zset {
    /// How it is kept, as OBJECT ENCODING names it.
    pub fn encoding(&self) -> &'static str {
        self.view().encoding()
    }

    /// Bytes of memory behind it, without its own size. O(1).
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Packed(packed) => packed.heap_bytes(),
        }
    }

    /// How many steps dropping it takes. O(1).
    pub fn drop_cost(&self) -> usize {
        match self {
            Self::Packed(_) => 1,
        }
    }
}

impl ZsetRef<'_> {
    /// How it is kept, as OBJECT ENCODING names it.
    pub fn encoding(self) -> &'static str {
        match self {
            Self::Packed(_) => "listpack",
        }
    }
}

impl Collection for Zset {
    const PACKED: Option<Kind> = Some(Kind::Zset);

    type Ref<'a> = ZsetRef<'a>;

    fn from_packed(bytes: Vec<u8>) -> Self {
        Self::Packed(Packed::from_bytes(bytes))
    }

    fn as_packed(&self) -> Option<&[u8]> {
        match self {
            Self::Packed(packed) => Some(packed.as_bytes()),
        }
    }

    fn into_packed(self) -> Option<Vec<u8>> {
        match self {
            Self::Packed(packed) => Some(packed.into_bytes()),
        }
    }

    fn view(&self) -> ZsetRef<'_> {
        match self {
            Self::Packed(packed) => ZsetRef::Packed(packed.view()),
        }
    }

    fn view_packed(bytes: &[u8]) -> ZsetRef<'_> {
        ZsetRef::Packed(PackedRef::new(bytes))
    }

    fn is_spent(&self) -> bool {
        match self {
            Self::Packed(packed) => packed.is_empty(),
        }
    }

    fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::Zset(value) => Some(value),
            _ => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Zset(value) => Some(value),
            _ => None,
        }
    }

    fn into_value(self) -> Value {
        Value::Zset(self)
    }
}
