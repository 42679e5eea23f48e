//! A map by name that all threads share: in parts, each under a lock of its own that is held for a
//! moment only, so that threads seldom meet.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

/// The name of a channel, a pattern or a key, stored once.
pub(crate) type Name = Arc<[u8]>;
/// A part of the map.
pub(crate) type Part<V> = HashMap<Name, V>;

/// Parts of a map whose names are looked up: many more than threads.
const PARTS: usize = 64;

const NO_PANIC: &str = "never held across a panic";

/// See the module.
#[derive(Debug)]
pub(crate) struct Sharded<V> {
    hasher: RandomState,
    parts: Box<[RwLock<Part<V>>]>,
    len: AtomicUsize,
    /// Where the next eviction begins.
    next_to_evict: AtomicUsize,
}

impl<V> Default for Sharded<V> {
    fn default() -> Self {
        Self::in_parts(PARTS)
    }
}

impl<V> Sharded<V> {
    /// A map in one part: better where all names are visited.
    pub(crate) fn whole() -> Self {
        Self::in_parts(1)
    }

    fn in_parts(parts: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            parts: (0..parts).map(|_| RwLock::default()).collect(),
            len: AtomicUsize::new(0),
            next_to_evict: AtomicUsize::new(0),
        }
    }

    /// How many names there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Shows `look` what stands under a name.
    pub(crate) fn read<T>(&self, name: &[u8], look: impl FnOnce(Option<&V>) -> T) -> T {
        let part = &self.parts[self.part_of(name)];
        look(part.read().expect(NO_PANIC).get(name))
    }

    /// Lets `work` change the part where `name` belongs.
    pub(crate) fn with<T>(&self, name: &[u8], work: impl FnOnce(&mut Part<V>) -> T) -> T {
        self.change(self.part_of(name), work)
    }

    /// Visits all names, in no order.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&Name, &V)) {
        for part in &self.parts {
            for (name, value) in &*part.read().expect(NO_PANIC) {
                visit(name, value);
            }
        }
    }

    /// Removes all names, and hands over what stood under them.
    pub(crate) fn clear(&self, mut removed: impl FnMut(V)) {
        for number in 0..self.parts.len() {
            let part = self.change(number, std::mem::take);
            part.into_values().for_each(&mut removed);
        }
    }

    /// Removes so many names, whichever.
    pub(crate) fn evict(&self, count: usize, mut evicted: impl FnMut(Name, V)) {
        let first = self.next_to_evict.fetch_add(1, Ordering::Relaxed);
        let mut left = count;
        for number in 0..self.parts.len() {
            if left == 0 {
                return;
            }
            let take = |part: &mut Part<V>| -> Vec<(Name, V)> {
                part.extract_if(|_, _| true).take(left).collect()
            };
            let taken = self.change(first.wrapping_add(number) % self.parts.len(), take);
            left -= taken.len();
            for (name, value) in taken {
                evicted(name, value);
            }
        }
    }

    fn change<T>(&self, number: usize, work: impl FnOnce(&mut Part<V>) -> T) -> T {
        let mut part = self.parts[number].write().expect(NO_PANIC);
        let before = part.len();
        let result = work(&mut part);
        // Wraps around where the part has shrunk.
        let change = part.len().wrapping_sub(before);
        if change != 0 {
            self.len.fetch_add(change, Ordering::Relaxed);
        }
        result
    }

    fn part_of(&self, name: &[u8]) -> usize {
        self.hasher.hash_one(name) as usize % self.parts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted() {
        for map in [Sharded::default(), Sharded::whole()] {
            for number in (0..100u8).chain(0..100) {
                map.with(&[number], |part| part.insert(Name::from([number]), number));
            }
            assert_eq!(map.len(), 100);
            assert!(map.read(&[7], |value| value == Some(&7)));
            map.with(&[7], |part| part.remove(&[7][..]));
            assert!(map.read(&[7], |value| value.is_none()));
            let mut sum = 0;
            map.for_each(|_, &value| sum += usize::from(value));
            assert_eq!((map.len(), sum), (99, 99 * 100 / 2 - 7));
        }
    }

    #[test]
    fn names_are_evicted_and_cleared() {
        let map = Sharded::default();
        for number in 0..100u8 {
            map.with(&[number], |part| part.insert(Name::from([number]), number));
        }
        let mut evicted = Vec::new();
        map.evict(30, |name, value| {
            assert_eq!(*name, [value]);
            evicted.push(value);
        });
        assert_eq!((map.len(), evicted.len()), (70, 30));
        map.clear(|value| {
            assert!(!evicted.contains(&value));
            evicted.push(value);
        });
        assert_eq!((map.len(), evicted.len()), (0, 100));
        map.evict(1, |_, _| unreachable!("there is nothing"));
    }
}
