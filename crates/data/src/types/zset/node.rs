//! The nodes of a sorted set's tree: short arrays in order, and where they live under dense
//! numbers. What is done to whole nodes (evening out, splitting, merging) is the same on all
//! levels.

use std::ops::{Index, IndexMut};

/// An element: the upper half of the score's sortable form, and the handle of its entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Orders most elements without a look at their entries.
    pub prefix: u32,
    /// The entry.
    pub handle: u32,
}

/// A node below another, with its first element and the number of its elements.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Child {
    pub(super) first: Item,
    pub(super) node: u32,
    pub(super) count: u32,
}

/// What stands in a node.
pub(super) trait Slot: Copy + Default {
    /// The first element in it.
    fn first(&self) -> Item;
    /// How many elements there are in it.
    fn count(&self) -> u32;
}

impl Slot for Item {
    fn first(&self) -> Item {
        *self
    }

    fn count(&self) -> u32 {
        1
    }
}

impl Slot for Child {
    fn first(&self) -> Item {
        self.first
    }

    fn count(&self) -> u32 {
        self.count
    }
}

/// Up to `N` slots in order.
#[derive(Clone, Debug)]
pub(super) struct Node<T, const N: usize> {
    len: u32,
    slots: [T; N],
}

impl<T: Slot, const N: usize> Node<T, N> {
    fn new(slots: &[T]) -> Self {
        let mut node = Self {
            len: slots.len() as u32,
            slots: [T::default(); N],
        };
        node.slots[..slots.len()].copy_from_slice(slots);
        node
    }

    #[inline]
    pub(super) fn slots(&self) -> &[T] {
        &self.slots[..self.len as usize]
    }

    #[inline]
    pub(super) fn slots_mut(&mut self) -> &mut [T] {
        &mut self.slots[..self.len as usize]
    }

    /// Adds a slot to a node that isn't full.
    pub(super) fn insert(&mut self, at: usize, slot: T) {
        let len = self.len as usize;
        self.slots.copy_within(at..len, at + 1);
        self.slots[at] = slot;
        self.len += 1;
    }

    pub(super) fn remove(&mut self, at: usize) -> T {
        let removed = self.slots[at];
        let len = self.len as usize;
        self.slots.copy_within(at + 1..len, at);
        self.len -= 1;
        removed
    }

    /// Moves slots over the border to the node behind this one, until it has `len` of them.
    fn share(&mut self, behind: &mut Self, len: usize) {
        let (own, other) = (self.len as usize, behind.len as usize);
        if own > len {
            let moved = own - len;
            behind.slots.copy_within(..other, moved);
            behind.slots[..moved].copy_from_slice(&self.slots[len..own]);
        } else {
            let moved = len - own;
            self.slots[own..len].copy_from_slice(&behind.slots[..moved]);
            behind.slots.copy_within(moved..other, 0);
        }
        self.len = len as u32;
        behind.len = (own + other - len) as u32;
    }
}

/// The nodes of a kind, under dense numbers.
#[derive(Clone, Debug)]
pub(super) struct Nodes<T, const N: usize> {
    nodes: Vec<Option<Box<Node<T, N>>>>,
    free: Vec<u32>,
}

impl<T, const N: usize> Default for Nodes<T, N> {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            free: Vec::new(),
        }
    }
}

const LIVE: &str = "a number in the tree names a node";

impl<T, const N: usize> Index<u32> for Nodes<T, N> {
    type Output = Node<T, N>;

    #[inline]
    fn index(&self, node: u32) -> &Node<T, N> {
        self.nodes[node as usize].as_ref().expect(LIVE)
    }
}

impl<T, const N: usize> IndexMut<u32> for Nodes<T, N> {
    #[inline]
    fn index_mut(&mut self, node: u32) -> &mut Node<T, N> {
        self.nodes[node as usize].as_mut().expect(LIVE)
    }
}

impl<T: Slot, const N: usize> Nodes<T, N> {
    /// Keeps a node of these slots and returns its number.
    pub(super) fn add(&mut self, slots: &[T]) -> u32 {
        let node = Some(Box::new(Node::new(slots)));
        if let Some(number) = self.free.pop() {
            self.nodes[number as usize] = node;
            return number;
        }
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    pub(super) fn remove(&mut self, node: u32) {
        self.nodes[node as usize] = None;
        self.free.push(node);
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.len() * size_of::<Node<T, N>>() + self.nodes.capacity() * size_of::<usize>()
    }

    fn pair(&mut self, a: u32, b: u32) -> (&mut Node<T, N>, &mut Node<T, N>) {
        let both = self.nodes.get_disjoint_mut([a as usize, b as usize]);
        let [a, b] = both.expect("neighbours are two");
        (a.as_mut().expect(LIVE), b.as_mut().expect(LIVE))
    }
}

/// What the tree does to a level of itself, be it of leaves or above.
pub(super) trait Level {
    /// How full a node is.
    fn fill(&self, node: u32) -> Fill;
    /// A node as its parent sees it.
    fn summary(&self, node: u32) -> Child;
    /// Evens out two neighbours.
    fn even_out(&mut self, left: u32, right: u32);
    /// Moves the upper half of a node, or only its last slot, to a new one; returns that.
    fn split(&mut self, node: u32, last_only: bool) -> u32;
    /// Moves all of the right one to its left neighbour if it fits there with room to grow.
    fn merge(&mut self, left: u32, right: u32) -> bool;
}

/// How full a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// So empty that a neighbour should take it over.
    Sparse,
    /// Nothing to do about it.
    Usual,
    /// A neighbour gets few of its slots: it isn't worth the moving.
    Dense,
    /// No slot is free.
    Full,
}

impl<T: Slot, const N: usize> Level for Nodes<T, N> {
    #[inline]
    fn fill(&self, node: u32) -> Fill {
        let len = self[node].slots().len();
        if len == N {
            Fill::Full
        } else if len > N - N / 8 {
            Fill::Dense
        } else if len < N / 4 {
            Fill::Sparse
        } else {
            Fill::Usual
        }
    }

    fn summary(&self, node: u32) -> Child {
        let slots = self[node].slots();
        Child {
            first: slots[0].first(),
            node,
            count: slots.iter().map(Slot::count).sum(),
        }
    }

    fn even_out(&mut self, left: u32, right: u32) {
        let (left, right) = self.pair(left, right);
        let half = (left.len + right.len) as usize / 2;
        left.share(right, half);
    }

    fn split(&mut self, node: u32, last_only: bool) -> u32 {
        let new = self.add(&[]);
        let (left, right) = self.pair(node, new);
        left.share(right, if last_only { N - 1 } else { N / 2 });
        new
    }

    fn merge(&mut self, left: u32, right: u32) -> bool {
        let (l, r) = self.pair(left, right);
        let together = (l.len + r.len) as usize;
        let fits = together <= N - N / 4;
        if fits {
            l.share(r, together);
            self.remove(right);
        }
        fits
    }
}
