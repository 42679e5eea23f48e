//! Packed lists: many small elements in one run of bytes, to be walked in both directions.
//!
//! ```text
//! [ number of elements (2) ][ entry ][ entry ] …
//! ```
//!
//! A [`Packed`] is a list with bytes of its own, a [`PackedRef`] one that lies elsewhere (in a
//! record). [`Run`] is the entries alone, for lists that keep their number otherwise. Hashes lay
//! field and value side by side, sorted sets member and score: what belongs together is a *group*
//! of `stride` elements. Elements are named by their offset in the run; every change makes the
//! offsets behind it void.

mod elem;
#[cfg(test)]
mod tests;

pub use elem::{Digits, Elem};

use elem::{Encoded, decode, skip, start_before};

const COUNT: usize = 2;
/// As many elements as a packed list can have.
pub const LEN_MAX: usize = u16::MAX as usize;

/// Entries one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a>(pub &'a [u8]);

impl<'a> Run<'a> {
    /// Its elements, from either end.
    #[inline]
    pub fn iter(self) -> Iter<'a> {
        Iter {
            run: self.0,
            start: 0,
            end: self.0.len(),
        }
    }

    /// The element at `offset`, and the offset behind it.
    #[inline]
    pub fn at(self, offset: usize) -> (Elem<'a>, usize) {
        decode(self.0, offset)
    }

    /// The offset of the element that ends at `offset`.
    #[inline]
    pub fn before(self, offset: usize) -> usize {
        start_before(self.0, offset)
    }

    /// The offset behind `n` elements from `offset` on. O(n).
    #[inline]
    pub fn skip(self, offset: usize, n: usize) -> usize {
        (0..n).fold(offset, |at, _| skip(self.0, at))
    }

    /// The offset of element `index`; `len` is the number of elements. Walks from the nearer end.
    pub fn offset_of(self, index: usize, len: usize) -> usize {
        debug_assert!(index <= len);
        if index <= len / 2 {
            return self.skip(0, index);
        }
        (index..len).fold(self.0.len(), |at, _| start_before(self.0, at))
    }

    /// The offset of the first group of `stride` elements that begins with `elem`. O(length).
    #[inline]
    pub fn find(self, elem: Elem<'_>, stride: usize) -> Option<usize> {
        // Equal elements have equal bytes.
        let wanted = Encoded::new(elem);
        let (head, bytes) = (wanted.head(), wanted.bytes());
        let mut at = 0;
        while at < self.0.len() {
            let entry = &self.0[at..];
            // The first byte holds the length of a short string: most others end here.
            if entry[0] == head[0]
                && entry.starts_with(head)
                && entry[head.len()..].starts_with(bytes)
            {
                return Some(at);
            }
            at = self.skip(at, stride);
        }
        None
    }
}

/// See [`Run::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    run: &'a [u8],
    start: usize,
    end: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Elem<'a>;

    #[inline]
    fn next(&mut self) -> Option<Elem<'a>> {
        if self.start >= self.end {
            return None;
        }
        let (elem, next) = decode(self.run, self.start);
        self.start = next;
        Some(elem)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.start >= self.end {
            return None;
        }
        self.end = start_before(self.run, self.end);
        Some(decode(self.run, self.end).0)
    }
}

/// The bytes that an element takes in a run.
pub fn entry_bytes(elem: Elem<'_>) -> usize {
    Encoded::new(elem).len()
}

/// Writes an element into a part of a run, which has exactly its [`entry_bytes`].
pub fn write_entry(elem: Elem<'_>, out: &mut [u8]) {
    Encoded::new(elem).write(out);
}

/// Adds an element at the end of a run. O(its length).
#[inline]
pub fn push_entry(elem: Elem<'_>, run: &mut Vec<u8>) {
    Encoded::new(elem).push(run);
}

/// A packed list to be read.
#[derive(Clone, Copy, Debug)]
pub struct PackedRef<'a>(&'a [u8]);

impl<'a> PackedRef<'a> {
    /// The list that lies in these bytes, which came from [`Packed::as_bytes`].
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// How many elements it has. O(1).
    #[inline]
    pub fn len(self) -> usize {
        count(self.0)
    }

    /// True when it has none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Its entries.
    #[inline]
    pub fn run(self) -> Run<'a> {
        Run(self.0.get(COUNT..).unwrap_or_default())
    }

    /// Its elements, from either end.
    #[inline]
    pub fn iter(self) -> Iter<'a> {
        self.run().iter()
    }

    /// Element `index`. O(distance to the nearer end).
    pub fn get(self, index: usize) -> Option<Elem<'a>> {
        let len = self.len();
        (index < len).then(|| self.run().at(self.run().offset_of(index, len)).0)
    }

    /// All its bytes.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// A packed list of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed(Vec<u8>);

impl Packed {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// The list that lies in these bytes, which came from [`Packed::as_bytes`].
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The list of these entries, of which there are `len`.
    ///
    /// # Panics
    /// When that is more than [`LEN_MAX`].
    pub fn of_run(run: Run<'_>, len: usize) -> Self {
        let mut list = Self(Vec::with_capacity(COUNT + run.0.len()));
        list.set_count(len);
        list.0.extend_from_slice(run.0);
        list
    }

    /// All its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its bytes, for another use of their memory.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Bytes of memory.
    pub fn heap_bytes(&self) -> usize {
        self.0.capacity()
    }

    /// The list, to be read.
    #[inline]
    pub fn view(&self) -> PackedRef<'_> {
        PackedRef(&self.0)
    }

    /// How many elements it has. O(1).
    #[inline]
    pub fn len(&self) -> usize {
        count(&self.0)
    }

    /// True when it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an element at the end. O(its length).
    ///
    /// # Panics
    /// When there are [`LEN_MAX`] already; so does [`Packed::insert`].
    pub fn push(&mut self, elem: Elem<'_>) {
        let end = self.0.len().max(COUNT) - COUNT;
        self.insert(end, &[elem]);
    }

    /// Adds elements before the one at `offset`. O(length of what is behind).
    pub fn insert(&mut self, offset: usize, elems: &[Elem<'_>]) {
        self.set_count(self.len() + elems.len());
        if COUNT + offset == self.0.len() {
            for &elem in elems {
                push_entry(elem, &mut self.0);
            }
            return;
        }
        let bytes = elems.iter().map(|&elem| entry_bytes(elem)).sum();
        self.resize_gap(offset, 0, bytes);
        self.write(offset, elems);
    }

    /// Puts elements in the place of as many from `offset` on. O(length of what is behind).
    pub fn replace(&mut self, offset: usize, elems: &[Elem<'_>]) {
        let old = self.view().run().skip(offset, elems.len()) - offset;
        let bytes = elems.iter().map(|&elem| entry_bytes(elem)).sum();
        self.resize_gap(offset, old, bytes);
        self.write(offset, elems);
    }

    /// Removes `n` elements from `offset` on. O(length of what is behind).
    pub fn remove(&mut self, offset: usize, n: usize) {
        let end = self.view().run().skip(offset, n);
        self.set_count(self.len() - n);
        self.resize_gap(offset, end - offset, 0);
    }

    fn write(&mut self, offset: usize, elems: &[Elem<'_>]) {
        let mut at = COUNT + offset;
        for &elem in elems {
            let encoded = Encoded::new(elem);
            encoded.write(&mut self.0[at..at + encoded.len()]);
            at += encoded.len();
        }
    }

    /// Makes the `old` bytes at `offset` of the run `new` ones, whatever they hold.
    fn resize_gap(&mut self, offset: usize, old: usize, new: usize) {
        resize_gap(&mut self.0, COUNT + offset, old, new);
    }

    fn set_count(&mut self, count: usize) {
        let count = u16::try_from(count).expect("a packed list is kept short");
        if self.0.is_empty() {
            self.0.resize(COUNT, 0);
        }
        self.0[..COUNT].copy_from_slice(&count.to_le_bytes());
    }
}

/// Makes the `old` bytes from `start` on `new` ones, whatever they hold. O(what is behind).
pub(crate) fn resize_gap(bytes: &mut Vec<u8>, start: usize, old: usize, new: usize) {
    let len = bytes.len();
    if new > old {
        bytes.resize(len + new - old, 0);
        bytes.copy_within(start + old..len, start + new);
    } else if new < old {
        bytes.copy_within(start + old.., start + new);
        bytes.truncate(len - (old - new));
    }
}

#[inline]
fn count(bytes: &[u8]) -> usize {
    match bytes {
        [low, high, ..] => usize::from(u16::from_le_bytes([*low, *high])),
        _ => 0,
    }
}
