//! Streams: entries of fields under ascending IDs, in blocks, with consumer groups that note who
//! has read what.
//!
//! The last block, which grows, is kept at hand; the others are in a tree by the ID of the first
//! entry they ever had. So adding is O(1), and nothing is ever copied but within a block.

mod block;
mod group;
mod id;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use block::{BlockLimits, Entry, Fields, Node};
pub use group::{Consumer, ConsumerKey, Group, Pending};
pub use id::Id;

use super::Collection;
use crate::record::Kind;
use crate::value::Value;
use block::{BYTES_MAX, Block};

/// Which entries are too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// All but the last so many.
    MaxLen(u64),
    /// Those before an ID.
    MinId(Id),
}

/// What a tree's node, an allocation and the like take beside a pending entry. An estimate.
const PENDING_BYTES: usize = 80;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    sealed: BTreeMap<Id, Block>,
    last: Block,
    len: usize,
    sealed_bytes: usize,
    /// The highest ID that an entry ever had, or that XSETID set.
    pub last_id: Id,
    /// The highest ID that was deleted.
    pub max_deleted_id: Id,
    /// How many entries were ever added.
    pub entries_added: u64,
    /// The consumer groups, by name.
    pub groups: BTreeMap<Box<[u8]>, Group>,
}

/// Entries.
impl Stream {
    /// How many entries it has. O(1).
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether an entry of this size, its texts together, is more than a block takes.
    pub fn is_too_large(bytes: usize) -> bool {
        bytes > BYTES_MAX
    }

    /// Adds an entry behind all others, given as names and values by turns. O(its length).
    ///
    /// # Panics
    /// In debug builds, when the ID isn't above [`Stream::last_id`].
    #[inline]
    pub fn push<'t>(
        &mut self,
        id: Id,
        texts: impl ExactSizeIterator<Item = &'t [u8]> + Clone,
        limits: BlockLimits,
    ) {
        debug_assert!(id > self.last_id, "IDs ascend");
        if self.last.len() > 0 {
            let bytes = texts.clone().map(<[u8]>::len).sum();
            if self.last.is_full(bytes, limits) {
                self.seal();
            }
        }
        self.last.push(id, texts);
        self.last_id = id;
        self.len += 1;
        self.entries_added += 1;
    }

    #[cold]
    fn seal(&mut self) {
        let mut full = std::mem::take(&mut self.last);
        full.seal();
        self.sealed_bytes += full.heap_bytes();
        self.sealed.insert(full.first(), full);
    }

    /// The entries of these IDs, both included, from either end. O(log n) for the first.
    pub fn range(
        &self,
        from: Id,
        to: Id,
    ) -> impl DoubleEndedIterator<Item = Entry<'_>> + Clone + use<'_> {
        let before = self.sealed.range(..=from).next_back();
        let first = before.map_or(from, |(first, _)| *first);
        let sealed = self.sealed.range(first..=to.max(first));
        let blocks = sealed.map(|(_, block)| block).chain([&self.last]);
        blocks.flat_map(move |block| block.entries(from, to))
    }

    /// The entry of an ID. O(log n).
    pub fn get(&self, id: Id) -> Option<Entry<'_>> {
        self.range(id, id).next()
    }

    /// The first entry. O(log n).
    pub fn first(&self) -> Option<Entry<'_>> {
        self.range(Id::MIN, Id::MAX).next()
    }

    /// The last entry. O(log n).
    pub fn last(&self) -> Option<Entry<'_>> {
        self.range(Id::MIN, Id::MAX).next_back()
    }

    /// The ID of the first entry, or 0-0. O(log n).
    pub fn first_id(&self) -> Id {
        self.first().map_or(Id::MIN, |entry| entry.id)
    }

    /// Its blocks as they lie in memory.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        let last = Some(&self.last).filter(|last| last.len() > 0);
        self.sealed.values().chain(last).map(Block::node)
    }

    /// How many blocks there are. O(1).
    pub fn blocks(&self) -> usize {
        self.sealed.len() + usize::from(self.last.len() > 0)
    }

    /// Deletes an entry; whether there was one. Groups aren't told. O(log n).
    pub fn delete(&mut self, id: Id) -> bool {
        let deleted = if self.last.len() > 0 && id >= self.last.first() {
            self.last.remove(id)
        } else {
            self.delete_sealed(id)
        };
        if deleted {
            self.len -= 1;
            self.max_deleted_id = self.max_deleted_id.max(id);
        }
        deleted
    }

    fn delete_sealed(&mut self, id: Id) -> bool {
        let Some((&first, block)) = self.sealed.range_mut(..=id).next_back() else {
            return false;
        };
        self.sealed_bytes -= block.heap_bytes();
        let deleted = block.remove(id);
        if block.len() == 0 {
            self.sealed.remove(&first);
        } else {
            self.sealed_bytes += block.heap_bytes();
        }
        deleted
    }

    /// Removes entries that are too old; how many. With a limit only whole blocks go, and no more
    /// entries than it says (0: as many as it takes). O(entries removed).
    pub fn trim(&mut self, trim: Trim, limit: Option<usize>) -> usize {
        let before = self.len;
        while self.trim_block(trim, before, limit) {}
        before - self.len
    }

    /// Removes the first block if it is too old as a whole, else what is too old of it unless there
    /// is a limit. Whether to go on with the next.
    fn trim_block(&mut self, trim: Trim, before: usize, limit: Option<usize>) -> bool {
        let block = self.sealed.first_entry();
        let len = block.as_ref().map_or(&self.last, |block| block.get()).len();
        if len == 0 || !self.is_past(trim, len) {
            return len > 0 && limit.is_none() && self.trim_entries(trim);
        }
        if limit.is_some_and(|limit| limit > 0 && before - self.len + len > limit) {
            return false;
        }
        if let Some((_, block)) = self.sealed.pop_first() {
            self.sealed_bytes -= block.heap_bytes();
        } else {
            self.last.clear();
        }
        self.len -= len;
        true
    }

    /// Whether the first block, of so many entries, is too old as a whole.
    fn is_past(&self, trim: Trim, len: usize) -> bool {
        match trim {
            Trim::MaxLen(max) => (self.len - len) as u64 >= max && self.len as u64 > max,
            Trim::MinId(min) => {
                let block = self.sealed.values().next().unwrap_or(&self.last);
                let last = block.entries(Id::MIN, Id::MAX).next_back();
                last.is_some_and(|entry| entry.id < min)
            }
        }
    }

    /// Removes what is too old at the beginning of the first block, some of which stays.
    fn trim_entries(&mut self, trim: Trim) -> bool {
        let mut sealed = self.sealed.first_entry();
        let block = sealed
            .as_mut()
            .map_or(&mut self.last, |block| block.get_mut());
        let bytes = block.heap_bytes();
        while block
            .pop_front(|id| match trim {
                Trim::MaxLen(max) => self.len as u64 <= max,
                Trim::MinId(min) => id >= min,
            })
            .is_some()
        {
            self.len -= 1;
        }
        let freed = bytes - block.heap_bytes();
        if sealed.is_some() {
            self.sealed_bytes -= freed;
        }
        false
    }
}

/// How far groups have read.
impl Stream {
    /// Whether entries may have been deleted behind an ID, so that counting doesn't tell how many
    /// there are. O(log n).
    fn has_gaps_from(&self, id: Id) -> bool {
        !self.is_empty() && self.max_deleted_id >= self.first_id() && self.max_deleted_id >= id
    }

    /// How many entries were added up to an ID, where that can be told. O(log n).
    pub fn entries_up_to(&self, id: Id) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.is_empty() && id <= self.last_id {
            return Some(self.entries_added);
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(self.entries_added);
        }
        let first = self.first_id();
        if self.max_deleted_id >= first || id > first {
            return None;
        }
        let before = self.entries_added - self.len as u64;
        Some(before + u64::from(id == first))
    }

    /// How many entries a group hasn't read, where that can be told. O(log n).
    pub fn lag(&self, group: &Group) -> Option<u64> {
        let read = match group.entries_read {
            _ if self.entries_added == 0 => return Some(0),
            Some(read) if !self.has_gaps_from(group.last_id) => read,
            _ => self.entries_up_to(group.last_id)?,
        };
        // As Redis, which counts what a client has set as it is.
        Some(self.entries_added.wrapping_sub(read))
    }

    /// How many entries a group has read when an entry behind its last one is delivered.
    pub fn entries_read_with(&self, group: &Group, id: Id) -> Option<u64> {
        match group.entries_read {
            Some(read)
                if group.last_id >= self.first_id() && !self.has_gaps_from(group.last_id) =>
            {
                Some(read + 1)
            }
            read if self.entries_added == 0 => read,
            _ => self.entries_up_to(id),
        }
    }

    /// Whether a group has still to read an entry or to acknowledge it. O(groups · log n).
    pub fn is_referenced(&self, id: Id) -> bool {
        let mut groups = self.groups.values();
        groups.any(|group| id > group.last_id || group.pending().contains_key(&id))
    }

    /// Has all groups forget that they delivered an entry. O(groups · log n).
    pub fn forget(&mut self, id: Id) {
        for group in self.groups.values_mut() {
            group.acknowledge(id);
        }
    }
}

/// Groups.
impl Stream {
    /// Changes a group with regard to the entries. O(log n) beside the change.
    pub fn edit_group<R>(
        &mut self,
        name: &[u8],
        edit: impl FnOnce(&Self, &mut Group) -> R,
    ) -> Option<R> {
        let mut group = std::mem::take(self.groups.get_mut(name)?);
        let result = edit(self, &mut group);
        *self.groups.get_mut(name).expect("just found") = group;
        Some(result)
    }
}

/// Memory.
impl Stream {
    /// Bytes of memory behind it, without its own size. O(groups).
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + self.sealed_bytes
            + self.sealed.len() * size_of::<(Id, Block)>()
            + self.last.heap_bytes()
            + self.pending() * PENDING_BYTES
            + self.groups.len() * size_of::<(Box<[u8]>, Group)>()
    }

    /// How many steps dropping it takes. O(groups).
    pub fn drop_cost(&self) -> usize {
        1 + self.sealed.len() + self.pending() / 4
    }

    fn pending(&self) -> usize {
        self.groups
            .values()
            .map(|group| group.pending().len())
            .sum()
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
