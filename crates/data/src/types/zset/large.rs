//! The large form: entries `[score (8)][member]` in a table by the hash of the member, and a tree
//! that keeps their order.

use super::node::Item;
use super::score::{self, is_before};
use super::tree::Tree;
use crate::arena::Handle;
use crate::entries::{Entries, Shape, Spot};
use crate::hash::KeyHasher;
use crate::packed::Elem;

const SCORE: usize = 8;

/// See the module.
#[derive(Clone, Debug)]
pub struct Large {
    entries: Entries<Scored>,
    pub(super) tree: Tree,
}

/// What an entry is.
#[derive(Debug)]
struct Scored;

impl Shape for Scored {
    fn name(payload: &[u8]) -> &[u8] {
        &payload[SCORE..]
    }
}

impl Large {
    pub(super) fn new(hasher: KeyHasher) -> Self {
        Self {
            entries: Entries::new(hasher),
            tree: Tree::default(),
        }
    }

    /// The element that an item of the tree stands for.
    #[inline]
    pub(super) fn element(&self, item: Item) -> (Elem<'_>, f64) {
        let payload = self.entries.payload(Handle(item.handle));
        (Elem::Bytes(&payload[SCORE..]), score_in(payload))
    }

    /// Starts loading the bucket of a member.
    pub(super) fn prefetch_bucket(&self, member: &[u8]) {
        self.entries.prefetch_bucket(member);
    }

    /// Starts loading the entry of a member, once its bucket is there.
    pub(super) fn prefetch_entry(&self, member: &[u8]) {
        self.entries.prefetch_entry(member);
    }

    /// Starts loading an entry.
    #[inline]
    pub(super) fn prefetch(&self, item: Item) {
        self.entries.prefetch(Handle(item.handle));
    }

    /// The score of a member. O(1).
    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.entries.find(member).map(|spot| self.score_at(spot))
    }

    /// The rank that a member and score have or would get. O(log n).
    pub(super) fn rank_of(&self, member: &[u8], score: f64) -> usize {
        let before = |item| is_before(self.element(item), member, score);
        self.tree.partition_point(score::prefix(score), before)
    }

    /// How many elements have a score below this one, or not above it. O(log n).
    pub(super) fn rank_of_score(&self, score: f64, equal_too: bool) -> usize {
        self.tree.partition_point(score::prefix(score), |item| {
            let at = self.element(item).1;
            at < score || equal_too && at == score
        })
    }

    /// How many elements come before the first that isn't `before`; all have one score. O(log n).
    pub(super) fn rank_of_member(&self, before: impl Fn(Elem<'_>) -> bool) -> usize {
        let first = self.tree.range(0..self.tree.len()).next();
        first.map_or(0, |first| {
            let before = |item| before(self.element(item).0);
            self.tree.partition_point(first.prefix, before)
        })
    }

    /// Sets the score of a member to what `decide` makes of its present one. O(log n).
    pub(super) fn update(
        &mut self,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) {
        let spot = self.entries.find(member);
        let old = spot.map(|spot| self.score_at(spot));
        let Some(score) = decide(old).filter(|&score| old != Some(score)) else {
            return;
        };
        let bytes = score.to_le_bytes();
        let handle = if let (Some(spot), Some(old)) = (spot, old) {
            self.tree.remove(self.rank_of(member, old));
            self.entries.payload_mut(spot.handle())[..SCORE].copy_from_slice(&bytes);
            spot.handle()
        } else {
            self.entries.insert(member, &[&bytes, member], None)
        };
        let item = Item {
            prefix: score::prefix(score),
            handle: handle.0,
        };
        self.tree.insert(self.rank_of(member, score), item);
    }

    /// Removes a member. O(log n).
    pub(super) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let spot = self.entries.find(member)?;
        let score = self.score_at(spot);
        self.tree.remove(self.rank_of(member, score));
        self.entries.remove(spot);
        Some(score)
    }

    /// Removes the element of a rank. O(log n).
    pub(super) fn remove_rank(&mut self, rank: usize) {
        let handle = Handle(self.tree.remove(rank).handle);
        self.entries.remove(self.entries.spot(handle));
    }

    /// Visits the elements of one bucket of the table, see [`Entries::scan`].
    pub(super) fn scan<'a>(
        &'a self,
        position: u64,
        mut visit: impl FnMut(Elem<'a>, f64),
    ) -> Option<u64> {
        self.entries.scan(position, |handle| {
            let payload = self.entries.payload(handle);
            visit(Elem::Bytes(&payload[SCORE..]), score_in(payload));
        })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.entries.heap_bytes() + self.tree.heap_bytes()
    }

    pub(super) fn drop_cost(&self) -> usize {
        self.entries.drop_cost() + self.tree.nodes()
    }

    fn score_at(&self, spot: Spot) -> f64 {
        score_in(self.entries.payload(spot.handle()))
    }
}

#[inline]
fn score_in(payload: &[u8]) -> f64 {
    f64::from_le_bytes(payload[..SCORE].try_into().expect("eight bytes"))
}
