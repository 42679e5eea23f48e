//! The tree against a sorted vector, and how full its leaves are.

use super::*;
use proptest::prelude::*;

fn item(key: u32) -> Item {
    Item {
        prefix: key >> 4,
        handle: key,
    }
}

impl Tree {
    fn add(&mut self, key: u32) -> usize {
        let rank = self.partition_point(key >> 4, |item| item.handle < key);
        self.insert(rank, item(key));
        rank
    }

    /// Checks what every parent says of its children; returns the number of elements.
    fn check(&self, height: u32, node: u32) -> usize {
        if height == 0 {
            return self.leaves[node].slots().len();
        }
        let children = self.inners[node].slots();
        for child in children {
            let found = self.level(height - 1).summary(child.node);
            assert_eq!((found.first, found.count), (child.first, child.count));
            assert_eq!(self.check(height - 1, child.node), child.count as usize);
        }
        count(children)
    }

    fn fill(&self) -> f64 {
        self.len as f64 / (self.leaves.len() * LEAF_SLOTS) as f64
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Adds many, ascending from a key.
    Run(u32, u32),
    Add(u32),
    Remove(usize),
    /// Removes many from a rank on.
    Cut(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u32..100_000, 1u32..2000).prop_map(|(from, n)| Step::Run(from, n)),
        (0u32..100_000).prop_map(Step::Add),
        any::<usize>().prop_map(Step::Remove),
        (any::<usize>(), 1usize..3000).prop_map(|(at, n)| Step::Cut(at, n)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 64 }))]
    #[test]
    fn is_a_sorted_vector(steps in prop::collection::vec(step(), 1..40)) {
        let (mut tree, mut model) = (Tree::default(), Vec::<u32>::new());
        for step in steps {
            let (added, cut) = match step {
                Step::Run(from, n) => (from..from + n, 0..0),
                Step::Add(key) => (key..key + 1, 0..0),
                _ if model.is_empty() => continue,
                Step::Remove(at) => (0..0, at % model.len()..at % model.len() + 1),
                Step::Cut(at, n) => {
                    let at = at % model.len();
                    (0..0, at..(at + n).min(model.len()))
                }
            };
            for key in added {
                if let Err(rank) = model.binary_search(&key) {
                    model.insert(rank, key);
                    prop_assert_eq!(tree.add(key), rank);
                }
            }
            for _ in cut.clone() {
                prop_assert_eq!(tree.remove(cut.start), item(model.remove(cut.start)));
            }
            prop_assert_eq!(tree.check(tree.height, tree.root), model.len());
        }
        let range = model.len() / 3..model.len() - model.len() / 4;
        let items: Vec<_> = tree.range(range.clone()).map(|item| item.handle).collect();
        prop_assert_eq!(&items, &model[range.clone()]);
        let mut items: Vec<_> = tree.range(range.clone()).rev().map(|item| item.handle).collect();
        items.reverse();
        prop_assert_eq!(&items, &model[range]);
    }
}

#[test]
fn goes_from_both_ends_at_once() {
    let mut tree = Tree::default();
    (0..1000).for_each(|key| {
        tree.add(key);
    });
    let (mut both, mut seen) = (tree.range(100..900), Vec::new());
    while let Some(front) = both.next() {
        seen.push(front.handle);
        seen.extend(both.next_back().map(|item| item.handle));
    }
    seen.sort_unstable();
    assert_eq!(seen, (100..900).collect::<Vec<_>>());
}

#[test]
#[cfg_attr(miri, ignore)] // Minutes there, and no unsafe code of its own.
fn leaves_are_well_filled() {
    let (mut random, mut ascending) = (Tree::default(), Tree::default());
    for i in 0..200_000u32 {
        random.add(i.wrapping_mul(0x9e37_79b1));
        ascending.add(i);
    }
    assert!(random.fill() > 0.8, "{}", random.fill());
    assert!(ascending.fill() > 0.98, "{}", ascending.fill());
    for _ in 0..190_000 {
        random.remove(random.len() / 2);
    }
    assert!(random.fill() > 0.4, "{}", random.fill());
    for _ in 0..10_000 {
        random.remove(0);
    }
    assert_eq!((random.nodes(), random.height), (1, 0));
}
