//! The order of a sorted set: the handles of its entries in a B+tree that counts, so that an
//! element is found by its rank as fast as by what it is.
//!
//! ```text
//! inner  [ first element, node, number of elements ] × up to 63
//! leaf   [ prefix of the score (4), handle (4) ] × up to 127          1 KiB
//! ```
//!
//! A full node first evens out with a neighbour that has room, so leaves are four fifths full on
//! average; one at the end that is full is left so, which suits scores that only grow. The tree
//! knows nothing of scores: [`Tree::partition_point`] finds the rank that a question asks for, all
//! else goes by rank. Every step is O(log n) and touches one node of each level and its neighbour.

use super::node::{Child, Fill, Item, Level, Nodes, Slot};

const LEAF_SLOTS: usize = 127;
const INNER_SLOTS: usize = 63;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    leaves: Nodes<Item, LEAF_SLOTS>,
    inners: Nodes<Child, INNER_SLOTS>,
    root: u32,
    /// Levels above the leaves.
    height: u32,
    len: usize,
}

impl Default for Tree {
    fn default() -> Self {
        let mut leaves = Nodes::default();
        Self {
            root: leaves.add(&[]),
            leaves,
            inners: Nodes::default(),
            height: 0,
            len: 0,
        }
    }
}

impl Tree {
    /// How many elements there are. O(1).
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The number of elements with a lower prefix, and of those with this one that are `before`
    /// something, which all are that stand before one that is. O(log n).
    #[inline]
    pub(super) fn partition_point(
        &self,
        prefix: u32,
        mut before: impl FnMut(Item) -> bool,
    ) -> usize {
        let (mut node, mut rank) = (self.root, 0);
        for _ in 0..self.height {
            let children = self.inners[node].slots();
            let at = lower(&children[1..], prefix, &mut before);
            rank += count(&children[..at]);
            node = children[at].node;
        }
        rank + lower(self.leaves[node].slots(), prefix, &mut before)
    }

    /// The elements whose ranks are in `range`, from either end. O(log n + their number).
    pub(super) fn range(&self, range: std::ops::Range<usize>) -> Range<'_> {
        debug_assert!(range.end <= self.len);
        Range {
            tree: self,
            start: range.start,
            end: range.end,
            front: &[],
            back: &[],
        }
    }

    /// Adds an element that gets this rank. O(log n).
    pub(super) fn insert(&mut self, rank: usize, item: Item) {
        if self.level(self.height).fill(self.root) == Fill::Full {
            let child = self.level(self.height).summary(self.root);
            self.root = self.inners.add(&[child]);
            self.height += 1;
        }
        let at_end = rank == self.len;
        let (mut node, mut rank) = (self.root, rank);
        for height in (0..self.height).rev() {
            let (mut at, mut below) = place(self.inners[node].slots(), rank, true);
            let child = self.inners[node].slots()[at].node;
            if self.level(height).fill(child) == Fill::Full {
                self.make_room(height, node, at, at_end);
                (at, below) = place(self.inners[node].slots(), rank, true);
            }
            let child = &mut self.inners[node].slots_mut()[at];
            child.count += 1;
            if below == 0 {
                child.first = item;
            }
            (node, rank) = (child.node, below);
        }
        self.leaves[node].insert(rank, item);
        self.len += 1;
    }

    /// Removes the element of this rank. O(log n).
    pub(super) fn remove(&mut self, rank: usize) -> Item {
        let removed = self.remove_below(self.height, self.root, rank);
        self.len -= 1;
        while self.height > 0
            && let [only] = *self.inners[self.root].slots()
        {
            self.inners.remove(self.root);
            self.root = only.node;
            self.height -= 1;
        }
        removed
    }

    /// Bytes of memory behind it. O(1).
    pub(super) fn heap_bytes(&self) -> usize {
        self.leaves.heap_bytes() + self.inners.heap_bytes()
    }

    /// How many nodes there are. O(1).
    pub(super) fn nodes(&self) -> usize {
        self.leaves.len() + self.inners.len()
    }

    fn remove_below(&mut self, height: u32, node: u32, rank: usize) -> Item {
        let Some(below) = height.checked_sub(1) else {
            return self.leaves[node].remove(rank);
        };
        let (mut at, mut rank_below) = place(self.inners[node].slots(), rank, false);
        let child = self.inners[node].slots()[at].node;
        if self.level(below).fill(child) == Fill::Sparse {
            self.fill_up(below, node, at);
            (at, rank_below) = place(self.inners[node].slots(), rank, false);
        }
        let child = self.inners[node].slots()[at].node;
        let removed = self.remove_below(below, child, rank_below);
        let first = match below {
            0 => self.leaves[child].slots()[0],
            _ => self.inners[child].slots()[0].first,
        };
        let slot = &mut self.inners[node].slots_mut()[at];
        slot.count -= 1;
        slot.first = first;
        removed
    }

    /// Makes room in the full child `at` of a node that isn't full, for an element of the last rank
    /// if `at_end`.
    fn make_room(&mut self, height: u32, parent: u32, at: usize, at_end: bool) {
        let children = self.inners[parent].slots();
        let child = children[at].node;
        let has_room = |&at: &usize| {
            let sibling = children.get(at).map(|sibling| sibling.node);
            sibling.is_some_and(|node| {
                matches!(self.level(height).fill(node), Fill::Sparse | Fill::Usual)
            })
        };
        // Below the first child there is none: the index is out of range then.
        if let Some(sibling) = [at.wrapping_sub(1), at + 1].into_iter().find(has_room) {
            self.even_out(height, parent, at.min(sibling));
        } else {
            let node = self.level_mut(height).split(child, at_end);
            let new = self.level(height).summary(node);
            self.inners[parent].insert(at + 1, new);
            self.refresh(height, parent, at);
        }
    }

    /// Has a neighbour take over the sparse child `at`, or give to it.
    fn fill_up(&mut self, height: u32, parent: u32, at: usize) {
        let left = at.saturating_sub(1);
        let [a, b] = [left, left + 1].map(|at| self.inners[parent].slots()[at].node);
        if self.level_mut(height).merge(a, b) {
            self.inners[parent].remove(left + 1);
            self.refresh(height, parent, left);
        } else {
            self.even_out(height, parent, left);
        }
    }

    fn even_out(&mut self, height: u32, parent: u32, left: usize) {
        let [a, b] = [left, left + 1].map(|at| self.inners[parent].slots()[at].node);
        self.level_mut(height).even_out(a, b);
        self.refresh(height, parent, left);
        self.refresh(height, parent, left + 1);
    }

    fn refresh(&mut self, height: u32, parent: u32, at: usize) {
        let node = self.inners[parent].slots()[at].node;
        let summary = self.level(height).summary(node);
        self.inners[parent].slots_mut()[at] = summary;
    }

    fn level(&self, height: u32) -> &dyn Level {
        match height {
            0 => &self.leaves,
            _ => &self.inners,
        }
    }

    fn level_mut(&mut self, height: u32) -> &mut dyn Level {
        match height {
            0 => &mut self.leaves,
            _ => &mut self.inners,
        }
    }

    /// The leaf with the element of this rank, and where it stands there.
    fn leaf_at(&self, mut rank: usize) -> (&[Item], usize) {
        let mut node = self.root;
        for _ in 0..self.height {
            let children = self.inners[node].slots();
            let (at, below) = place(children, rank, false);
            (node, rank) = (children[at].node, below);
        }
        (self.leaves[node].slots(), rank)
    }
}

/// How many slots come before, see [`Tree::partition_point`]. Entries are looked at only where
/// prefixes are equal, so that the search among prefixes has no branch to foresee.
#[inline]
fn lower(slots: &[impl Slot], prefix: u32, before: &mut impl FnMut(Item) -> bool) -> usize {
    let start = slots.partition_point(|slot| slot.first().prefix < prefix);
    let rest = &slots[start..];
    if rest
        .first()
        .is_none_or(|slot| slot.first().prefix != prefix)
    {
        return start;
    }
    let equal = rest.partition_point(|slot| slot.first().prefix == prefix);
    start + rest[..equal].partition_point(|slot| before(slot.first()))
}

/// How many elements there are below these nodes.
fn count(children: &[Child]) -> usize {
    children.iter().map(|child| child.count as usize).sum()
}

/// The child in which an element of this rank stands, and its rank there. With `behind` also the
/// place behind the last one of a child belongs to that child.
fn place(children: &[Child], mut rank: usize, behind: bool) -> (usize, usize) {
    let mut at = 0;
    while rank >= children[at].count as usize + usize::from(behind) {
        rank -= children[at].count as usize;
        at += 1;
    }
    (at, rank)
}

/// See [`Tree::range`].
#[derive(Clone, Debug)]
pub struct Range<'a> {
    tree: &'a Tree,
    start: usize,
    end: usize,
    /// What is left of the leaf at either end.
    front: &'a [Item],
    back: &'a [Item],
}

impl Range<'_> {
    /// The element that comes `n` behind the next one, if it is known already.
    pub(super) fn ahead(&self, n: usize) -> Option<Item> {
        self.front.get(n).copied()
    }
}

impl Iterator for Range<'_> {
    type Item = Item;

    #[inline]
    fn next(&mut self) -> Option<Item> {
        if self.start == self.end {
            return None;
        }
        if self.front.is_empty() {
            let (leaf, at) = self.tree.leaf_at(self.start);
            self.front = &leaf[at..];
        }
        let (&first, rest) = self.front.split_first()?;
        self.front = rest;
        self.start += 1;
        Some(first)
    }
}

impl DoubleEndedIterator for Range<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Item> {
        if self.start == self.end {
            return None;
        }
        if self.back.is_empty() {
            let (leaf, at) = self.tree.leaf_at(self.end - 1);
            self.back = &leaf[..=at];
        }
        let (&last, rest) = self.back.split_last()?;
        self.back = rest;
        self.end -= 1;
        Some(last)
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
