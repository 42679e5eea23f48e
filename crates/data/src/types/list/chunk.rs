//! A part of a long list: entries one after the other, with room for more at either end, so that a
//! push moves nothing.

use std::ops::Range;

use super::{End, NodeLimit};
use crate::packed::{Elem, Run, entry_bytes, resize_gap, write_entry};

/// A chunk that begins another one gets this part of the size it may have: it doubles until then.
const FIRST_ROOM: usize = 8;
/// Less than this isn't given back.
const SHRINK_MIN: usize = 512;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunk {
    /// Room for more at the front, then the entries.
    bytes: Vec<u8>,
    /// Where the entries begin.
    start: u32,
    /// How many there are.
    len: u32,
}

impl Chunk {
    /// A chunk of these `len` entries.
    pub(super) fn of(run: Run<'_>, len: usize) -> Self {
        Self {
            bytes: run.0.to_vec(),
            start: 0,
            len: len as u32,
        }
    }

    /// An empty chunk that is to grow at `end`.
    pub(super) fn with_room(end: End, limit: NodeLimit) -> Self {
        let room = limit.bytes / FIRST_ROOM;
        match end {
            End::Front => Self {
                bytes: vec![0; room],
                start: room as u32,
                len: 0,
            },
            End::Back => Self {
                bytes: Vec::with_capacity(room),
                ..Self::default()
            },
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// Its entries.
    #[inline]
    pub(super) fn run(&self) -> Run<'_> {
        Run(&self.bytes[self.start as usize..])
    }

    /// Bytes of its entries.
    fn size(&self) -> usize {
        self.bytes.len() - self.start as usize
    }

    /// Bytes of memory.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether an entry of so many bytes may be added.
    #[inline]
    pub(super) fn fits(&self, bytes: usize, limit: NodeLimit) -> bool {
        self.len() < limit.entries && self.size() + bytes <= limit.bytes
    }

    /// Whether both together are small enough that they don't have to be divided again soon.
    pub(super) fn may_join(&self, next: &Self, limit: NodeLimit) -> bool {
        self.size() + next.size() <= limit.bytes / 2 && self.len() + next.len() <= limit.entries / 2
    }

    /// Adds an element at an end. O(1) amortised; up to `most` bytes its memory doubles.
    #[inline]
    pub(super) fn push(&mut self, end: End, elem: Elem<'_>, most: usize) {
        let bytes = entry_bytes(elem);
        let at = match end {
            End::Front => {
                if (self.start as usize) < bytes {
                    self.grow_front(bytes, most);
                }
                self.start -= bytes as u32;
                self.start as usize
            }
            End::Back => {
                let len = self.bytes.len();
                if self.bytes.capacity() - len < bytes {
                    let grown = grown(self.size() + bytes, most);
                    self.bytes.reserve_exact(grown - self.size());
                }
                self.bytes.resize(len + bytes, 0);
                len
            }
        };
        write_entry(elem, &mut self.bytes[at..at + bytes]);
        self.len += 1;
    }

    #[cold]
    fn grow_front(&mut self, bytes: usize, most: usize) {
        let size = self.size();
        let mut grown = vec![0; grown(size + bytes, most)];
        let start = grown.len() - size;
        grown[start..].copy_from_slice(self.run().0);
        self.bytes = grown;
        self.start = start as u32;
    }

    /// Removes `n` elements from an end. O(n).
    pub(super) fn remove_at(&mut self, end: End, n: usize) {
        match end {
            End::Front => self.start += self.run().skip(0, n) as u32,
            End::Back => {
                let run = self.run();
                let kept = (0..n).fold(run.0.len(), |at, _| run.before(at));
                self.bytes.truncate(self.start as usize + kept);
            }
        }
        self.len -= n as u32;
        let (size, capacity) = (self.size(), self.capacity());
        if capacity > SHRINK_MIN && size < capacity / 4 {
            self.rebuild(size * 2);
        }
    }

    /// Gives back the room for more: the chunk is no longer at an end of the list.
    pub(super) fn close(&mut self) {
        let size = self.size();
        if self.capacity() - size > size / 8 {
            self.rebuild(size);
        }
    }

    /// Moves the entries into memory of `capacity` bytes.
    fn rebuild(&mut self, capacity: usize) {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend_from_slice(self.run().0);
        self.bytes = bytes;
        self.start = 0;
    }

    /// Where element `index` begins in its run. O(distance to the nearer end).
    pub(super) fn offset_of(&self, index: usize) -> usize {
        self.run().offset_of(index, self.len())
    }

    /// Adds an element before element `index`. O(size).
    pub(super) fn insert(&mut self, index: usize, elem: Elem<'_>) {
        self.put(self.offset_of(index), 0, elem);
        self.len += 1;
    }

    /// Puts an element in the place of element `index`, if the chunk then still is within the
    /// limit, or has no other. O(size).
    pub(super) fn replace(&mut self, index: usize, elem: Elem<'_>, limit: NodeLimit) -> bool {
        let offset = self.offset_of(index);
        let old = self.run().skip(offset, 1) - offset;
        let fits = self.len == 1 || self.size() - old + entry_bytes(elem) <= limit.bytes;
        if fits {
            self.put(offset, old, elem);
        }
        fits
    }

    fn put(&mut self, offset: usize, old: usize, elem: Elem<'_>) {
        let (at, bytes) = (self.start as usize + offset, entry_bytes(elem));
        resize_gap(&mut self.bytes, at, old, bytes);
        write_entry(elem, &mut self.bytes[at..at + bytes]);
    }

    /// Removes element `index`. O(size).
    pub(super) fn remove(&mut self, index: usize) {
        let offset = self.offset_of(index);
        let end = self.run().skip(offset, 1);
        let at = self.start as usize + offset;
        resize_gap(&mut self.bytes, at, end - offset, 0);
        self.len -= 1;
    }

    /// Removes up to `max` elements that equal `elem`, those nearest to `from`; returns how many.
    pub(super) fn remove_equal(&mut self, elem: Elem<'_>, max: usize, from: End) -> usize {
        let equal = equal_entries(self.run(), elem, max, from);
        if equal.is_empty() {
            return 0;
        }
        let run = self.run().0;
        let (mut kept, mut at) = (Vec::with_capacity(run.len()), 0);
        for entry in &equal {
            kept.extend_from_slice(&run[at..entry.start]);
            at = entry.end;
        }
        kept.extend_from_slice(&run[at..]);
        self.bytes = kept;
        self.start = 0;
        self.len -= equal.len() as u32;
        equal.len()
    }

    /// Takes the elements from `index` on. O(size).
    pub(super) fn split_off(&mut self, index: usize) -> Self {
        let offset = self.offset_of(index);
        let tail = Self::of(Run(&self.run().0[offset..]), self.len() - index);
        self.bytes.truncate(self.start as usize + offset);
        self.len = index as u32;
        self.close();
        tail
    }

    /// Adds the elements of the next chunk. O(its size).
    pub(super) fn join(&mut self, next: &Self) {
        self.bytes.extend_from_slice(next.run().0);
        self.len += next.len;
    }
}

/// How much memory a chunk gets that needs `size` bytes.
fn grown(size: usize, most: usize) -> usize {
    (size * 2).min(most).max(size)
}

/// Where up to `max` entries lie that equal `elem`, those nearest to `from`, in their order.
pub(super) fn equal_entries(
    run: Run<'_>,
    elem: Elem<'_>,
    max: usize,
    from: End,
) -> Vec<Range<usize>> {
    let mut equal = Vec::new();
    let mut look_at = |start, (other, end)| {
        if other == elem {
            equal.push(start..end);
        }
        (equal.len() < max).then_some(end)
    };
    match from {
        End::Front => {
            let mut at = 0;
            while at < run.0.len() {
                match look_at(at, run.at(at)) {
                    Some(next) => at = next,
                    None => break,
                }
            }
        }
        End::Back => {
            let mut at = run.0.len();
            while at > 0 {
                at = run.before(at);
                if look_at(at, run.at(at)).is_none() {
                    break;
                }
            }
            equal.reverse();
        }
    }
    equal
}
