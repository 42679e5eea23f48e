//! A block of a stream: entries one after the other in one run of bytes. The names of the first
//! entry's fields stand at its beginning and are left out of entries that have the same.
//!
//! ```text
//! run:   [ name ] … [ entry ] …
//! entry: [ flags ][ ms ][ seq ]                     as distances from the block's ID
//!        [ value ] …                                when the names are the block's, or
//!        [ number of fields ][ name ][ value ] …
//!        [ number of elements in this entry ]       to walk backwards
//! ```
//!
//! These are the entries of Redis's stream nodes.

use super::id::Id;
use crate::packed::{self, Elem, Run, push_entry};

/// Says that an entry has the names of its block.
const SAME_NAMES: i64 = 2;
/// What Redis counts of a node beyond our run: header and end of a listpack, three small entries.
const NODE_BYTES: usize = 13;

/// Up to which size blocks grow; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLimits {
    /// Bytes.
    pub bytes: usize,
    /// Entries, removed ones included.
    pub entries: usize,
}

/// Blocks beyond this are never made, whatever the limits.
pub(super) const BYTES_MAX: usize = 1 << 30;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    /// The ID of the first entry it ever had.
    first: Id,
    /// How many names there are.
    names: u32,
    /// Where the names end.
    names_end: u32,
    /// Where the first entry is; before it there may be removed ones.
    start: u32,
    len: u32,
    added: u32,
    run: Vec<u8>,
}

impl Block {
    /// The ID under which it is kept: none of its entries is before that.
    pub(super) fn first(&self) -> Id {
        self.first
    }

    /// How many entries it has.
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// Bytes of memory.
    pub(super) fn heap_bytes(&self) -> usize {
        self.run.capacity()
    }

    /// Whether it takes no entry of this length any more.
    #[inline]
    pub(super) fn is_full(&self, bytes: usize, limits: BlockLimits) -> bool {
        let bytes = self.run.len() + NODE_BYTES + bytes;
        let above = |size, limit| limit > 0 && size >= limit;
        above(bytes, limits.bytes.min(BYTES_MAX))
            || bytes >= BYTES_MAX
            || above(self.added as usize, limits.entries)
    }

    /// Adds an entry, given as names and values by turns. O(its length).
    #[inline]
    pub(super) fn push<'t>(
        &mut self,
        id: Id,
        texts: impl ExactSizeIterator<Item = &'t [u8]> + Clone,
    ) {
        let fields = texts.len() / 2;
        if self.len == 0 {
            self.begin(id, texts.clone().step_by(2));
        }
        let same = self.has_names(fields, texts.clone().step_by(2));
        let run = &mut self.run;
        push_entry(Elem::Int(if same { SAME_NAMES } else { 0 }), run);
        push_entry(Elem::Int(id.ms.wrapping_sub(self.first.ms) as i64), run);
        push_entry(Elem::Int(id.seq.wrapping_sub(self.first.seq) as i64), run);
        let elems = if same {
            let values = texts.skip(1).step_by(2);
            values.for_each(|value| push_entry(Elem::of(value), run));
            3 + fields
        } else {
            push_entry(Elem::Int(fields as i64), run);
            texts.for_each(|text| push_entry(Elem::of(text), run));
            4 + 2 * fields
        };
        push_entry(Elem::Int(elems as i64), run);
        self.len += 1;
        self.added += 1;
    }

    fn begin<'t>(&mut self, id: Id, names: impl Iterator<Item = &'t [u8]>) {
        self.run.clear();
        self.first = id;
        self.names = 0;
        for name in names {
            push_entry(Elem::of(name), &mut self.run);
            self.names += 1;
        }
        self.names_end = self.run.len() as u32;
        (self.start, self.added) = (self.names_end, 0);
    }

    #[inline]
    fn has_names<'t>(&self, fields: usize, names: impl Iterator<Item = &'t [u8]>) -> bool {
        fields == self.names as usize
            && names
                .zip(self.names().iter())
                .all(|(name, elem)| Elem::of(name) == elem)
    }

    fn names(&self) -> Run<'_> {
        Run(&self.run[..self.names_end as usize])
    }

    /// The whole of it.
    pub(super) fn node(&self) -> Node<'_> {
        Node {
            first: self.first,
            len: self.len(),
            fields: self.names as usize,
            names: self.names(),
            entries: Run(&self.run[self.start as usize..]),
        }
    }

    /// Its entries of these IDs, from either end.
    pub(super) fn entries(&self, from: Id, to: Id) -> Entries<'_> {
        Entries {
            block: self,
            front: self.start as usize,
            back: self.run.len(),
            from,
            to,
        }
    }

    /// The entry that begins at an offset, and the offset behind it.
    #[inline]
    fn at(&self, offset: usize) -> (Entry<'_>, usize) {
        let run = Run(&self.run);
        let int = |(elem, next)| match elem {
            Elem::Int(int) => (int, next),
            Elem::Bytes(_) => unreachable!("only values are text"),
        };
        let (flags, next) = int(run.at(offset));
        let (ms, next) = int(run.at(next));
        let (seq, next) = int(run.at(next));
        let (names, fields, start, elems) = if flags & SAME_NAMES != 0 {
            let fields = self.names as usize;
            (Some(self.names()), fields, next, fields)
        } else {
            let (fields, next) = int(run.at(next));
            (None, fields as usize, next, fields as usize * 2)
        };
        let end = run.skip(start, elems);
        let entry = Entry {
            id: Id::new(
                self.first.ms.wrapping_add(ms as u64),
                self.first.seq.wrapping_add(seq as u64),
            ),
            fields,
            names,
            texts: Run(&self.run[start..end]),
        };
        (entry, run.skip(end, 1))
    }

    /// The offset of the entry that ends before one.
    fn before(&self, offset: usize) -> usize {
        let run = Run(&self.run);
        let at = run.before(offset);
        match run.at(at).0 {
            Elem::Int(elems) => (0..elems).fold(at, |at, _| run.before(at)),
            Elem::Bytes(_) => unreachable!("an entry ends with a number"),
        }
    }

    /// Removes the first entry and returns its ID; `keep` may refuse. O(1).
    pub(super) fn pop_front(&mut self, keep: impl FnOnce(Id) -> bool) -> Option<Id> {
        if self.len == 0 {
            return None;
        }
        let (entry, next) = self.at(self.start as usize);
        let id = entry.id;
        if keep(id) {
            return None;
        }
        self.start = next as u32;
        self.len -= 1;
        self.give_back();
        Some(id)
    }

    /// Removes an entry. O(size of the block).
    pub(super) fn remove(&mut self, id: Id) -> bool {
        let mut entries = self.entries(id, id);
        if entries.next().is_none() {
            return false;
        }
        let end = entries.front;
        let start = self.before(end);
        if start == self.start as usize {
            self.start = end as u32;
        } else {
            self.run.drain(start..end);
        }
        self.len -= 1;
        self.give_back();
        true
    }

    /// Gives memory back when most of it lies idle.
    fn give_back(&mut self) {
        let idle = (self.start - self.names_end) as usize + self.run.capacity() - self.run.len();
        if idle * 2 > self.run.capacity() && self.run.capacity() > 256 {
            self.run.drain(self.names_end as usize..self.start as usize);
            self.start = self.names_end;
            self.run.shrink_to(self.run.len() + self.run.len() / 2);
        }
    }

    /// Removes all entries; the memory stays.
    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.start = self.names_end;
        self.run.truncate(self.names_end as usize);
    }

    /// No entry will be added: gives back the memory that it had in reserve.
    pub(super) fn seal(&mut self) {
        self.run.shrink_to_fit();
    }
}

/// A block as it lies in memory, in the encoding of Redis's stream nodes; see the module.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// The ID that those of the entries are distances from.
    pub first: Id,
    /// How many entries there are.
    pub len: usize,
    /// How many names there are.
    pub fields: usize,
    /// The names.
    pub names: Run<'a>,
    /// The entries.
    pub entries: Run<'a>,
}

/// An entry.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its ID.
    pub id: Id,
    /// How many fields it has.
    pub fields: usize,
    names: Option<Run<'a>>,
    texts: Run<'a>,
}

impl<'a> Entry<'a> {
    /// Its fields: names and values.
    pub fn pairs(&self) -> Fields<'a> {
        Fields {
            names: self.names.map(Run::iter),
            texts: self.texts.iter(),
        }
    }
}

/// See [`Entry::pairs`].
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    names: Option<packed::Iter<'a>>,
    texts: packed::Iter<'a>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Elem<'a>, Elem<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let name = self.names.as_mut().unwrap_or(&mut self.texts).next()?;
        Some((name, self.texts.next()?))
    }
}

/// See [`Block::entries`].
#[derive(Clone, Debug)]
pub(super) struct Entries<'a> {
    block: &'a Block,
    front: usize,
    back: usize,
    from: Id,
    to: Id,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        while self.front < self.back {
            let (entry, next) = self.block.at(self.front);
            if entry.id > self.to {
                self.front = self.back;
                return None;
            }
            self.front = next;
            if entry.id >= self.from {
                return Some(entry);
            }
        }
        None
    }
}

impl DoubleEndedIterator for Entries<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        while self.front < self.back {
            let at = self.block.before(self.back);
            let (entry, _) = self.block.at(at);
            if entry.id < self.from {
                self.back = self.front;
                return None;
            }
            self.back = at;
            if entry.id <= self.to {
                return Some(entry);
            }
        }
        None
    }
}
