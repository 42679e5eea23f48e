//! Small hashes: a packed list of fields and values, of three elements each once one of them has an
//! expiry.
//!
//! ```text
//! field, value, field, value …
//! marker, field, value, expiry, field, value, expiry …       expiry: Unix time in ms, 0 for none
//! ```
//!
//! The marker is the *string* "0", which no packed list of pairs begins with: there an integer is
//! always kept as one.

use crate::packed::{Elem, Packed, PackedRef, Run};

/// Where the number of elements ends, and the encoded marker behind it.
const COUNT: usize = 2;
const MARKER: &[u8] = &[0x81, b'0', 2];
const MARK: Elem<'_> = Elem::Bytes(b"0");

/// A field as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// Its name.
    pub field: Elem<'a>,
    /// Its value.
    pub value: Elem<'a>,
    /// Unix time in milliseconds at which it ceases to exist.
    pub expiry: Option<u64>,
}

impl Pair<'_> {
    /// Whether it hasn't ceased to exist by `now_ms`.
    #[inline]
    pub fn is_live(&self, now_ms: u64) -> bool {
        self.expiry.is_none_or(|at| at > now_ms)
    }
}

/// A small hash to be read.
#[derive(Clone, Copy, Debug)]
pub struct SmallRef<'a>(PackedRef<'a>);

impl<'a> SmallRef<'a> {
    /// The hash in these bytes.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(PackedRef::new(bytes))
    }

    /// The list that it is.
    pub fn as_packed(self) -> PackedRef<'a> {
        self.0
    }

    /// Whether there is room for expiries.
    #[inline]
    pub fn has_expiries(self) -> bool {
        self.0.as_bytes().get(COUNT..COUNT + MARKER.len()) == Some(MARKER)
    }

    /// Where the first field begins, and how many elements belong to one.
    #[inline]
    fn layout(self) -> (usize, usize) {
        if self.has_expiries() {
            (MARKER.len(), 3)
        } else {
            (0, 2)
        }
    }

    /// How many fields there are.
    #[inline]
    pub fn len(self) -> usize {
        self.0.len() / self.layout().1
    }

    /// True when there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Where a field is. O(n).
    #[inline]
    fn find(self, field: &[u8]) -> Option<usize> {
        let (start, stride) = self.layout();
        let run = Run(self.0.run().0.get(start..).unwrap_or_default());
        run.find(Elem::of(field), stride).map(|at| start + at)
    }

    #[inline]
    fn pair_at(self, at: usize) -> (Pair<'a>, usize) {
        let run = self.0.run();
        let (field, at) = run.at(at);
        let (value, mut next) = run.at(at);
        let mut expiry = None;
        if self.has_expiries() {
            let (elem, behind) = run.at(next);
            next = behind;
            expiry = match elem {
                Elem::Int(at @ 1..) => Some(at as u64),
                _ => None,
            };
        }
        let pair = Pair {
            field,
            value,
            expiry,
        };
        (pair, next)
    }

    /// The field of this name, expired or not. O(n).
    #[inline]
    pub fn get(self, field: &[u8]) -> Option<Pair<'a>> {
        self.find(field).map(|at| self.pair_at(at).0)
    }

    /// Its field with this number. O(n).
    pub fn nth(self, index: usize) -> Pair<'a> {
        let (start, stride) = self.layout();
        self.pair_at(self.0.run().skip(start, index * stride)).0
    }

    /// All fields, expired ones included.
    pub fn iter(self) -> impl Iterator<Item = Pair<'a>> + use<'a> {
        let end = self.0.run().0.len();
        let mut at = self.layout().0;
        std::iter::from_fn(move || {
            let (pair, next) = (at < end).then(|| self.pair_at(at))?;
            at = next;
            Some(pair)
        })
    }

    /// When the first field expires. O(n), O(1) where none can.
    pub fn next_expiry(self) -> Option<u64> {
        if !self.has_expiries() {
            return None;
        }
        self.iter().filter_map(|pair| pair.expiry).min()
    }
}

/// A small hash.
#[derive(Clone, Debug, Default)]
pub struct Small(Packed);

impl Small {
    /// The hash in these bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Packed::from_bytes(bytes))
    }

    /// All its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Its bytes, for another use of their memory.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    /// Bytes of memory.
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    /// The hash, to be read.
    #[inline]
    pub fn view(&self) -> SmallRef<'_> {
        SmallRef(self.0.view())
    }

    /// Sets a field; returns whether it was there, and when it would have expired. O(n).
    #[allow(clippy::option_option)] // Two questions are answered at once.
    pub fn put(&mut self, field: &[u8], value: &[u8], expiry: Option<u64>) -> Option<Option<u64>> {
        if expiry.is_some() {
            self.make_room_for_expiries();
        }
        let time = Elem::Int(expiry.map_or(0, |at| at as i64));
        let all = [Elem::of(field), Elem::of(value), time];
        let elems = &all[..self.view().layout().1];
        if let Some(at) = self.view().find(field) {
            let old = self.view().pair_at(at).0.expiry;
            self.0.replace(at, elems);
            return Some(old);
        }
        let end = self.0.view().run().0.len();
        self.0.insert(end, elems);
        None
    }

    /// Removes a field and returns whether it was there and when it expires. O(n).
    #[allow(clippy::option_option)] // Two questions are answered at once.
    pub fn remove(&mut self, field: &[u8]) -> Option<Option<u64>> {
        let at = self.view().find(field)?;
        let expiry = self.view().pair_at(at).0.expiry;
        self.0.remove(at, self.view().layout().1);
        Some(expiry)
    }

    fn make_room_for_expiries(&mut self) {
        if self.view().has_expiries() {
            return;
        }
        let mut roomy = Packed::new();
        roomy.push(MARK);
        for pair in self.view().iter() {
            let end = roomy.view().run().0.len();
            roomy.insert(end, &[pair.field, pair.value, Elem::Int(0)]);
        }
        self.0 = roomy;
    }
}
