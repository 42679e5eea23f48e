//! Lists: packed while they fit a record, else chunks of packed entries in a row.

mod chunk;
mod large;
#[cfg(test)]
mod tests;

pub use large::Large;

use super::Collection;
use crate::packed::{self, Elem, Packed, PackedRef, Run, entry_bytes};
use crate::record::Kind;
use crate::value::Value;
use chunk::equal_entries;
use large::Chunks;

/// Up to so many bytes a list is packed: about what a record takes.
const PACKED_MAX: usize = 1960;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Before element 0.
    Front,
    /// Behind the last element.
    Back,
}

/// How large a chunk may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLimit {
    /// Most elements.
    pub entries: usize,
    /// Most bytes, unless one element has more.
    pub bytes: usize,
}

impl NodeLimit {
    /// What Redis's `list-max-listpack-size` means: elements (up to 8 KB), or if negative
    /// -1 = 4 KB … -5 = 64 KB.
    pub fn new(setting: i64) -> Self {
        match setting {
            0.. => Self {
                entries: setting.max(1) as usize,
                bytes: 8192,
            },
            _ => Self {
                entries: usize::MAX,
                bytes: 2048 << setting.max(-5).unsigned_abs(),
            },
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub enum List {
    /// Elements side by side.
    Packed(Packed),
    /// Chunks of elements.
    Large(Box<Large>),
}

/// See [`List`]; to be read.
#[derive(Clone, Copy, Debug)]
pub enum ListRef<'a> {
    /// Elements side by side.
    Packed(PackedRef<'a>),
    /// Chunks of elements.
    Large(&'a Large),
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
            Self::Large(large) => size_of::<Large>() + large.heap_bytes(),
        }
    }

    /// How many steps dropping it takes. O(1).
    pub fn drop_cost(&self) -> usize {
        match self {
            Self::Packed(_) => 1,
            Self::Large(large) => large.chunks(),
        }
    }

    /// How many elements it has. O(1).
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// True when it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an element at an end. O(1) amortised.
    #[inline]
    pub fn push(&mut self, end: End, elem: Elem<'_>, limit: NodeLimit) {
        match self.with_room(elem, 0, limit) {
            Self::Large(large) => large.push(end, elem, limit),
            Self::Packed(packed) => match end {
                End::Front => packed.insert(0, &[elem]),
                End::Back => packed.push(elem),
            },
        }
    }

    /// Removes `n` elements from an end. O(n).
    ///
    /// # Panics
    /// When there are fewer.
    pub fn remove_at(&mut self, end: End, n: usize) {
        match self {
            Self::Large(large) => large.remove_at(end, n),
            Self::Packed(packed) => {
                let len = packed.len();
                let offset = match end {
                    End::Front => 0,
                    End::Back => packed.view().run().offset_of(len - n, len),
                };
                packed.remove(offset, n);
            }
        }
    }

    /// Adds an element before element `index`, or at the end. O(distance to the nearer end).
    ///
    /// # Panics
    /// When `index` is above the length.
    pub fn insert(&mut self, index: usize, elem: Elem<'_>, limit: NodeLimit) {
        match self.with_room(elem, 0, limit) {
            Self::Large(large) => large.insert(index, elem, limit),
            Self::Packed(packed) => {
                let offset = packed.view().run().offset_of(index, packed.len());
                packed.insert(offset, &[elem]);
            }
        }
    }

    /// Puts an element in the place of element `index`. O(distance to the nearer end).
    ///
    /// # Panics
    /// When there is no such element.
    pub fn set(&mut self, index: usize, elem: Elem<'_>, limit: NodeLimit) {
        match self.with_room(elem, 1, limit) {
            Self::Large(large) => large.set(index, elem, limit),
            Self::Packed(packed) => {
                let offset = packed.view().run().offset_of(index, packed.len());
                packed.replace(offset, &[elem]);
            }
        }
    }

    /// Removes up to `max` elements that equal `elem`, those nearest to `from`; returns how many.
    /// O(length).
    pub fn remove_equal(
        &mut self,
        elem: Elem<'_>,
        max: usize,
        from: End,
        limit: NodeLimit,
    ) -> usize {
        match self {
            Self::Large(large) => large.remove_equal(elem, max, from, limit),
            Self::Packed(packed) => {
                let equal = equal_entries(packed.view().run(), elem, max, from);
                for entry in equal.iter().rev() {
                    packed.remove(entry.start, 1);
                }
                equal.len()
            }
        }
    }

    /// The list, large if it would be too long otherwise with `elem` in the place of `replaced`
    /// elements.
    #[inline]
    fn with_room(&mut self, elem: Elem<'_>, replaced: usize, limit: NodeLimit) -> &mut Self {
        if let Self::Packed(packed) = self {
            let len = packed.len() + 1 - replaced;
            let bytes = packed.as_bytes().len() + entry_bytes(elem);
            if len > limit.entries || bytes > PACKED_MAX.min(limit.bytes) {
                *self = Self::Large(Box::new(Large::of(packed.view())));
            }
        }
        self
    }
}

impl<'a> ListRef<'a> {
    /// How it is kept, as OBJECT ENCODING names it.
    pub fn encoding(self) -> &'static str {
        match self {
            Self::Large(large) if large.is_quicklist() => "quicklist",
            Self::Packed(_) | Self::Large(_) => "listpack",
        }
    }

    /// How many elements it has. O(1).
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::Packed(packed) => packed.len(),
            Self::Large(large) => large.len(),
        }
    }

    /// True when it has none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Element `index`. O(distance to the nearer end).
    #[inline]
    pub fn get(self, index: usize) -> Option<Elem<'a>> {
        match self {
            Self::Packed(packed) => packed.get(index),
            Self::Large(large) => (index < large.len()).then(|| large.get(index)),
        }
    }

    /// Its elements in runs as they lie in memory, each with their number; none is empty.
    pub fn runs(self) -> impl ExactSizeIterator<Item = (Run<'a>, usize)> {
        let runs: Vec<_> = match self {
            Self::Packed(packed) => vec![(packed.run(), packed.len())],
            Self::Large(large) => large.runs().collect(),
        };
        runs.into_iter()
    }

    /// Its elements from an end on, without the first `skipped`. Finding the first one takes
    /// O(distance to the nearer end).
    pub fn iter_from(self, from: End, skipped: usize) -> Iter<'a> {
        let (run, chunks) = match self {
            Self::Packed(packed) => (part_of(packed, from, skipped), None),
            Self::Large(large) => match large.walk(from, skipped) {
                Some((run, chunks)) => (run, Some(chunks)),
                None => (Run(&[]), None),
            },
        };
        Iter {
            run: run.iter(),
            chunks,
            from,
        }
    }
}

/// The elements of a packed list without the first ones.
fn part_of(packed: PackedRef<'_>, from: End, skipped: usize) -> Run<'_> {
    let (run, len) = (packed.run(), packed.len());
    let skipped = skipped.min(len);
    match from {
        End::Front => Run(&run.0[run.offset_of(skipped, len)..]),
        End::Back => Run(&run.0[..run.offset_of(len - skipped, len)]),
    }
}

/// See [`ListRef::iter_from`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    run: packed::Iter<'a>,
    chunks: Option<Chunks<'a>>,
    from: End,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Elem<'a>;

    #[inline]
    fn next(&mut self) -> Option<Elem<'a>> {
        loop {
            let elem = match self.from {
                End::Front => self.run.next(),
                End::Back => self.run.next_back(),
            };
            if elem.is_some() {
                return elem;
            }
            self.run = self.chunks.as_mut()?.next(self.from)?.iter();
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
            Self::Large(_) => None,
        }
    }

    fn into_packed(self) -> Option<Vec<u8>> {
        match self {
            Self::Packed(packed) => Some(packed.into_bytes()),
            Self::Large(_) => None,
        }
    }

    #[inline]
    fn view(&self) -> ListRef<'_> {
        match self {
            Self::Packed(packed) => ListRef::Packed(packed.view()),
            Self::Large(large) => ListRef::Large(large),
        }
    }

    #[inline]
    fn view_packed(bytes: &[u8]) -> ListRef<'_> {
        ListRef::Packed(PackedRef::new(bytes))
    }

    #[inline]
    fn is_spent(&self) -> bool {
        self.is_empty()
    }

    #[inline]
    fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::List(value) => Some(value),
            _ => None,
        }
    }

    #[inline]
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
