//! A list above the size of a record: chunks in a row. A change touches only the chunks it has to.

use std::collections::VecDeque;
use std::ops::Range;

use super::chunk::Chunk;
use super::{End, NodeLimit};
use crate::packed::{Elem, PackedRef, Run, entry_bytes};

/// See the module. No chunk is empty.
#[derive(Clone, Debug, Default)]
pub struct Large {
    chunks: VecDeque<Chunk>,
    len: usize,
    /// Bytes of memory of all chunks.
    chunk_bytes: usize,
    /// Whether it was ever above the size of one node: what Redis calls a quicklist.
    is_quicklist: bool,
}

impl Large {
    /// The list of these elements.
    pub(super) fn of(packed: PackedRef<'_>) -> Self {
        let mut list = Self::default();
        if !packed.is_empty() {
            list.len = packed.len();
            list.insert_chunk(0, Chunk::of(packed.run(), packed.len()));
        }
        list
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_quicklist(&self) -> bool {
        self.is_quicklist
    }

    pub(super) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.chunk_bytes + self.chunks.capacity() * size_of::<Chunk>()
    }

    /// Adds an element at an end. O(1) amortised.
    #[inline]
    pub(super) fn push(&mut self, end: End, elem: Elem<'_>, limit: NodeLimit) {
        let bytes = entry_bytes(elem);
        let last = match end {
            End::Front => self.chunks.front(),
            End::Back => self.chunks.back(),
        };
        if !last.is_some_and(|chunk| chunk.fits(bytes, limit)) {
            self.begin_chunk(end, bytes, limit);
        }
        self.change(self.number_at(end), |chunk| {
            chunk.push(end, elem, limit.bytes);
        });
        self.len += 1;
    }

    #[cold]
    fn begin_chunk(&mut self, end: End, bytes: usize, limit: NodeLimit) {
        self.is_quicklist |= bytes > limit.bytes;
        if self.chunks.is_empty() {
            self.insert_chunk(0, Chunk::default());
            return;
        }
        // What was at the end is in the middle from now on, unless it was alone.
        if self.chunks.len() > 1 {
            self.change(self.number_at(end), Chunk::close);
        }
        let at = match end {
            End::Front => 0,
            End::Back => self.chunks.len(),
        };
        self.insert_chunk(at, Chunk::with_room(end, limit));
    }

    /// Removes `n` elements from an end. O(chunks that go, and elements of the last one).
    pub(super) fn remove_at(&mut self, end: End, mut n: usize) {
        debug_assert!(n <= self.len);
        self.len -= n;
        while n > 0 {
            let at = self.number_at(end);
            let len = self.chunks[at].len();
            if n < len {
                return self.change(at, |chunk| chunk.remove_at(end, n));
            }
            n -= len;
            self.remove_chunk(at);
        }
    }

    /// The elements of each chunk, and their number.
    pub(super) fn runs(&self) -> impl Iterator<Item = (Run<'_>, usize)> {
        self.chunks.iter().map(|chunk| (chunk.run(), chunk.len()))
    }

    /// Element `index`, which is there.
    pub(super) fn get(&self, index: usize) -> Elem<'_> {
        let (at, inner) = self.locate(index);
        let chunk = &self.chunks[at];
        chunk.run().at(chunk.offset_of(inner)).0
    }

    /// What is left of the chunk and which chunks follow for a walk from an end that leaves the
    /// first `skipped` elements out. `None` when that is all.
    pub(super) fn walk(&self, from: End, skipped: usize) -> Option<(Run<'_>, Chunks<'_>)> {
        if skipped >= self.len {
            return None;
        }
        Some(match from {
            End::Front => {
                let (at, inner) = self.locate(skipped);
                let chunk = &self.chunks[at];
                let run = &chunk.run().0[chunk.offset_of(inner)..];
                (Run(run), Chunks(self.chunks.range(at + 1..)))
            }
            End::Back => {
                let (at, inner) = self.locate(self.len - skipped - 1);
                let chunk = &self.chunks[at];
                let run = &chunk.run().0[..chunk.offset_of(inner + 1)];
                (Run(run), Chunks(self.chunks.range(..at)))
            }
        })
    }

    /// Adds an element before element `index`, or at the end. O(chunks + size of a chunk).
    pub(super) fn insert(&mut self, index: usize, elem: Elem<'_>, limit: NodeLimit) {
        if index == self.len {
            return self.push(End::Back, elem, limit);
        }
        let bytes = entry_bytes(elem);
        let (mut at, inner) = self.locate(index);
        self.len += 1;
        if inner > 0 {
            if self.chunks[at].fits(bytes, limit) {
                return self.change(at, |chunk| chunk.insert(inner, elem));
            }
            self.split(at, inner);
            at += 1;
        }
        // Between two chunks.
        if at > 0 && self.chunks[at - 1].fits(bytes, limit) {
            self.change(at - 1, |chunk| chunk.push(End::Back, elem, limit.bytes));
            return;
        }
        if !self.chunks[at].fits(bytes, limit) {
            self.is_quicklist |= bytes > limit.bytes;
            self.insert_chunk(at, Chunk::default());
        }
        self.change(at, |chunk| chunk.push(End::Front, elem, limit.bytes));
    }

    /// Puts an element in the place of element `index`. O(chunks + size of a chunk).
    pub(super) fn set(&mut self, index: usize, elem: Elem<'_>, limit: NodeLimit) {
        let (at, inner) = self.locate(index);
        let was_replaced = self.change(at, |chunk| chunk.replace(inner, elem, limit));
        if was_replaced {
            self.is_quicklist |= entry_bytes(elem) > limit.bytes;
            return;
        }
        // It isn't the chunk's only element: that would have been replaced.
        self.change(at, |chunk| chunk.remove(inner));
        self.len -= 1;
        self.insert(index, elem, limit);
    }

    /// Removes up to `max` elements that equal `elem`, those nearest to `from`; returns how many.
    pub(super) fn remove_equal(
        &mut self,
        elem: Elem<'_>,
        max: usize,
        from: End,
        limit: NodeLimit,
    ) -> usize {
        let (mut removed, mut touched) = (0, 0..0);
        for i in 0..self.chunks.len() {
            let at = match from {
                End::Front => i,
                End::Back => self.chunks.len() - 1 - i,
            };
            let here = self.change(at, |chunk| chunk.remove_equal(elem, max - removed, from));
            if here > 0 {
                touched = if touched.is_empty() {
                    at..at + 1
                } else {
                    touched.start.min(at)..touched.end.max(at + 1)
                };
            }
            removed += here;
            if removed == max {
                break;
            }
        }
        self.len -= removed;
        if !touched.is_empty() {
            self.join_small(touched, limit);
        }
        removed
    }

    /// Joins these chunks and their neighbours where they have become small; drops empty ones.
    fn join_small(&mut self, touched: Range<usize>, limit: NodeLimit) {
        let (first, last) = (
            touched.start.saturating_sub(1),
            (touched.end + 1).min(self.chunks.len()),
        );
        let mut behind = self.chunks.split_off(last);
        let changed = self.chunks.split_off(first);
        for chunk in changed {
            let before = self.chunks.len().checked_sub(1).filter(|&at| at >= first);
            match before {
                _ if chunk.len() == 0 => self.chunk_bytes -= chunk.capacity(),
                Some(at) if self.chunks[at].may_join(&chunk, limit) => {
                    self.chunk_bytes -= chunk.capacity();
                    self.change(at, |before| before.join(&chunk));
                }
                _ => self.chunks.push_back(chunk),
            }
        }
        self.chunks.append(&mut behind);
    }

    fn split(&mut self, at: usize, inner: usize) {
        let tail = self.change(at, |chunk| chunk.split_off(inner));
        self.insert_chunk(at + 1, tail);
    }

    fn insert_chunk(&mut self, at: usize, chunk: Chunk) {
        self.chunk_bytes += chunk.capacity();
        self.chunks.insert(at, chunk);
        self.is_quicklist |= self.chunks.len() > 1;
    }

    fn remove_chunk(&mut self, at: usize) {
        let removed = self.chunks.remove(at);
        self.chunk_bytes -= removed.map_or(0, |chunk| chunk.capacity());
    }

    /// Changes a chunk and keeps account of its memory.
    #[inline]
    fn change<R>(&mut self, at: usize, change: impl FnOnce(&mut Chunk) -> R) -> R {
        let chunk = &mut self.chunks[at];
        let before = chunk.capacity();
        let result = change(chunk);
        self.chunk_bytes = self.chunk_bytes - before + chunk.capacity();
        result
    }

    fn number_at(&self, end: End) -> usize {
        match end {
            End::Front => 0,
            End::Back => self.chunks.len() - 1,
        }
    }

    /// The chunk of element `index`, and its index there. Walks from the nearer end.
    fn locate(&self, index: usize) -> (usize, usize) {
        debug_assert!(index < self.len);
        if index < self.len / 2 {
            let mut inner = index;
            for (at, chunk) in self.chunks.iter().enumerate() {
                if inner < chunk.len() {
                    return (at, inner);
                }
                inner -= chunk.len();
            }
        }
        let mut start = self.len;
        for (at, chunk) in self.chunks.iter().enumerate().rev() {
            start -= chunk.len();
            if start <= index {
                return (at, index - start);
            }
        }
        unreachable!("the chunks have as many elements as the list")
    }
}

#[cfg(test)]
impl Large {
    /// What must always be true.
    pub(super) fn check(&self, limit: NodeLimit) {
        let len: usize = self.chunks.iter().map(Chunk::len).sum();
        assert_eq!(len, self.len);
        let bytes: usize = self.chunks.iter().map(Chunk::capacity).sum();
        assert_eq!(bytes, self.chunk_bytes);
        for chunk in &self.chunks {
            assert_eq!(chunk.run().iter().count(), chunk.len());
            assert!(chunk.len() == 1 || chunk.run().0.len() <= limit.bytes);
            assert!((1..=limit.entries).contains(&chunk.len()));
        }
    }
}

/// The chunks that a walk still has before it.
#[derive(Clone, Debug)]
pub(super) struct Chunks<'a>(std::collections::vec_deque::Iter<'a, Chunk>);

impl<'a> Chunks<'a> {
    /// The elements of the next chunk on the way from this end.
    #[inline]
    pub(super) fn next(&mut self, from: End) -> Option<Run<'a>> {
        let chunk = match from {
            End::Front => self.0.next(),
            End::Back => self.0.next_back(),
        };
        chunk.map(Chunk::run)
    }
}
