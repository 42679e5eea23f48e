//! The large form: entries `[slack (1)][score (8)][member]` in a table by the hash of the member,
//! and the tree that keeps their order.

use super::node::Item;
use super::score::{self, is_before};
use super::tree::Tree;
use crate::arena::{Arena, Handle, block_bytes};
use crate::hash::{KeyHash, KeyHasher};
use crate::packed::Elem;
use crate::prefetch::prefetch;
use crate::table::{Place, Records, Table};

const SCORE: usize = 1;
const MEMBER: usize = SCORE + 8;

/// See the module.
#[derive(Debug)]
pub struct Large {
    table: Table,
    entries: Entries,
    pub(super) tree: Tree,
}

/// The entries, and what the table has to know of them.
#[derive(Debug)]
struct Entries {
    arena: Arena,
    hasher: KeyHasher,
    bytes: usize,
}

impl Entries {
    #[inline]
    fn score(&self, handle: u32) -> f64 {
        let bytes = &self.arena.bytes(Handle(handle))[SCORE..MEMBER];
        f64::from_le_bytes(bytes.try_into().expect("eight bytes"))
    }

    #[inline]
    fn member(&self, handle: u32) -> &[u8] {
        let bytes = self.arena.bytes(Handle(handle));
        &bytes[MEMBER..bytes.len() - usize::from(bytes[0])]
    }

    fn set_score(&mut self, handle: u32, score: f64) {
        let bytes = &mut self.arena.bytes_mut(Handle(handle))[SCORE..MEMBER];
        bytes.copy_from_slice(&score.to_le_bytes());
    }

    fn add(&mut self, member: &[u8], score: f64) -> u32 {
        let handle = self.arena.alloc(MEMBER + member.len());
        let bytes = self.arena.bytes_mut(handle);
        let end = MEMBER + member.len();
        bytes[0] = (bytes.len() - end) as u8;
        bytes[MEMBER..end].copy_from_slice(member);
        self.bytes += block_bytes(end);
        self.set_score(handle.0, score);
        handle.0
    }

    fn remove(&mut self, handle: u32) {
        self.bytes -= self.arena.bytes(Handle(handle)).len();
        self.arena.free(Handle(handle));
    }
}

impl Records for Entries {
    fn hash(&self, handle: Handle) -> KeyHash {
        self.hasher.hash(self.member(handle.0))
    }

    fn prefetch(&self, handle: Handle) {
        prefetch(self.arena.address(handle));
    }
}

impl Large {
    pub(super) fn new(hasher: KeyHasher) -> Self {
        Self {
            table: Table::default(),
            entries: Entries {
                arena: Arena::default(),
                hasher,
                bytes: 0,
            },
            tree: Tree::default(),
        }
    }

    /// The element of a handle from the tree.
    #[inline]
    pub(super) fn element(&self, handle: u32) -> (Elem<'_>, f64) {
        (
            Elem::Bytes(self.entries.member(handle)),
            self.entries.score(handle),
        )
    }

    /// Starts loading an entry.
    #[inline]
    pub(super) fn prefetch(&self, item: Item) {
        self.entries.prefetch(Handle(item.handle));
    }

    /// The score of a member. O(1).
    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        let place = self.place(self.entries.hasher.hash(member), member)?;
        Some(self.entries.score(place.handle.0))
    }

    /// The rank that a member and score have or would get. O(log n).
    pub(super) fn rank_of(&self, member: &[u8], score: f64) -> usize {
        let prefix = score::prefix(score);
        self.tree.partition_point(|item| {
            item.prefix < prefix
                || item.prefix == prefix && is_before(self.element(item.handle), member, score)
        })
    }

    /// How many elements have a score below this one, or not above it. O(log n).
    pub(super) fn rank_of_score(&self, score: f64, equal_too: bool) -> usize {
        let prefix = score::prefix(score);
        self.tree.partition_point(|item| {
            let at = || self.entries.score(item.handle);
            item.prefix < prefix
                || item.prefix == prefix && (at() < score || equal_too && at() == score)
        })
    }

    /// Sets the score of a member to what `decide` makes of its present one. O(log n).
    pub(super) fn update(
        &mut self,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) {
        let hash = self.entries.hasher.hash(member);
        let place = self.place(hash, member);
        let old = place.map(|place| self.entries.score(place.handle.0));
        let Some(score) = decide(old) else {
            return;
        };
        let handle = if let (Some(place), Some(old)) = (place, old) {
            if old == score {
                return;
            }
            self.tree.remove(self.rank_of(member, old));
            self.entries.set_score(place.handle.0, score);
            place.handle.0
        } else {
            let handle = self.entries.add(member, score);
            self.table.insert(hash, Handle(handle), None, &self.entries);
            handle
        };
        let prefix = score::prefix(score);
        self.tree
            .insert(self.rank_of(member, score), Item { prefix, handle });
    }

    /// Removes a member. O(log n).
    pub(super) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let hash = self.entries.hasher.hash(member);
        let place = self.place(hash, member)?;
        let score = self.entries.score(place.handle.0);
        self.tree.remove(self.rank_of(member, score));
        self.forget(hash, place);
        Some(score)
    }

    /// Removes the element of a rank. O(log n).
    pub(super) fn remove_rank(&mut self, rank: usize) {
        let handle = Handle(self.tree.remove(rank).handle);
        let hash = self.entries.hash(handle);
        let place = self.table.find(hash, |other| other == handle);
        self.forget(hash, place.expect("what is in the tree is in the table"));
    }

    fn forget(&mut self, hash: KeyHash, place: Place) {
        self.table.remove(hash, place, &self.entries);
        self.entries.remove(place.handle.0);
    }

    #[inline]
    fn place(&self, hash: KeyHash, member: &[u8]) -> Option<Place> {
        self.table
            .find(hash, |handle| self.entries.member(handle.0) == member)
    }

    /// Visits the elements of one bucket of the table, see [`Table::scan`].
    pub(super) fn scan<'a>(
        &'a self,
        position: u64,
        mut visit: impl FnMut(Elem<'a>, f64),
    ) -> Option<u64> {
        self.table.scan(position, &self.entries, |handle| {
            let (member, score) = self.element(handle.0);
            visit(member, score);
        })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.tree.heap_bytes() + self.entries.bytes + self.table.len() * 7
    }

    pub(super) fn drop_cost(&self) -> usize {
        self.tree.nodes() + self.entries.bytes / 4096
    }
}

impl Clone for Large {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.entries.hasher.clone());
        for item in self.tree.range(0..self.tree.len()) {
            let (member, score) = (
                self.entries.member(item.handle),
                self.entries.score(item.handle),
            );
            copy.update(member, |_| Some(score));
        }
        copy
    }
}
