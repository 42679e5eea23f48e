//! Lists.

use super::Collection;
use crate::packed::{Packed, PackedRef};
use crate::record::Kind;
use crate::value::Value;

/// See the module.
#[derive(Clone, Debug)]
pub enum List {
    /// Elements side by side.
    Packed(Packed),
}

/// See [`List`]; to be read.
#[derive(Clone, Copy, Debug)]
pub enum ListRef<'a> {
    /// Elements side by side.
    Packed(PackedRef<'a>),
}

impl Default for List {
    fn default() -> Self {
        Self::Packed(Packed::new())
    }
}

impl List {
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

impl ListRef<'_> {
    /// How it is kept, as OBJECT ENCODING names it.
    pub fn encoding(self) -> &'static str {
        match self {
            Self::Packed(_) => "listpack",
        }
    }
}

impl Collection for List {
    const PACKED: Option<Kind> = Some(Kind::List);

    type Ref<'a> = ListRef<'a>;

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

    fn view(&self) -> ListRef<'_> {
        match self {
            Self::Packed(packed) => ListRef::Packed(packed.view()),
        }
    }

    fn view_packed(bytes: &[u8]) -> ListRef<'_> {
        ListRef::Packed(PackedRef::new(bytes))
    }

    fn is_spent(&self) -> bool {
        match self {
            Self::Packed(packed) => packed.is_empty(),
        }
    }

    fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::List(value) => Some(value),
            _ => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::List(value) => Some(value),
            _ => None,
        }
    }

    fn into_value(self) -> Value {
        Value::List(self)
    }
}
