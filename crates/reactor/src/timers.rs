//! Deadlines of one thread: a binary min-heap that knows where each entry stands, so that a
//! cancelled timer leaves at once instead of waiting for its deadline (most timeouts never fire).
//! Timers with the same deadline fire in the order they were added.

/// Names one timer until it fires or is cancelled. A stale key is recognised and does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    slot: u32,
    generation: u32,
}

/// A set of pending timers carrying a `T` each.
#[derive(Debug)]
pub struct Timers<T> {
    heap: Vec<Entry>,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    added: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    deadline_us: u64,
    order: u64,
    slot: u32,
}

#[derive(Debug)]
struct Slot<T> {
    /// Where in the heap, while pending.
    position: usize,
    generation: u32,
    value: Option<T>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Timers::new()
    }
}

impl<T> Timers<T> {
    /// No timers.
    pub fn new() -> Self {
        Timers {
            heap: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            added: 0,
        }
    }

    /// How many are pending.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none is pending.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Adds a timer for a monotonic time in microseconds.
    pub fn insert(&mut self, deadline_us: u64, value: T) -> TimerKey {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                position: 0,
                generation: 0,
                value: None,
            });
            self.slots.len() as u32 - 1
        });
        let position = self.heap.len();
        let entry = &mut self.slots[slot as usize];
        entry.position = position;
        entry.value = Some(value);
        let key = TimerKey {
            slot,
            generation: entry.generation,
        };
        self.heap.push(Entry {
            deadline_us,
            order: self.added,
            slot,
        });
        self.added += 1;
        self.sift_up(position);
        key
    }

    /// Removes a timer; its value, if it was still pending.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        let slot = self.slots.get(key.slot as usize)?;
        if slot.generation != key.generation || slot.value.is_none() {
            return None;
        }
        let position = slot.position;
        Some(self.remove_at(position))
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<u64> {
        self.heap.first().map(|entry| entry.deadline_us)
    }

    /// Takes one timer whose deadline has come; call until `None`.
    pub fn expired(&mut self, now_us: u64) -> Option<T> {
        if self.next()? > now_us {
            return None;
        }
        Some(self.remove_at(0))
    }

    fn remove_at(&mut self, position: usize) -> T {
        let entry = self.heap.swap_remove(position);
        if position < self.heap.len() {
            self.slots[self.heap[position].slot as usize].position = position;
            self.sift_down(position);
            self.sift_up(position);
        }
        let slot = &mut self.slots[entry.slot as usize];
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(entry.slot);
        slot.value
            .take()
            .expect("a heap entry's slot holds its value")
    }

    fn sift_up(&mut self, mut position: usize) {
        while position > 0 {
            let parent = (position - 1) / 2;
            if self.heap[parent] <= self.heap[position] {
                return;
            }
            self.swap(parent, position);
            position = parent;
        }
    }

    fn sift_down(&mut self, mut position: usize) {
        loop {
            let children = (2 * position + 1)..(2 * position + 3).min(self.heap.len());
            let Some(child) = children.min_by_key(|&child| self.heap[child]) else {
                return;
            };
            if self.heap[position] <= self.heap[child] {
                return;
            }
            self.swap(position, child);
            position = child;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.slots[self.heap[a].slot as usize].position = a;
        self.slots[self.heap[b].slot as usize].position = b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn fires_in_order_and_cancels() {
        let mut timers = Timers::new();
        let a = timers.insert(30, "a");
        timers.insert(10, "b");
        let c = timers.insert(20, "c");
        timers.insert(10, "d");
        assert_eq!(timers.next(), Some(10));
        assert_eq!(timers.expired(9), None);
        assert_eq!(timers.cancel(c), Some("c"));
        assert_eq!(timers.cancel(c), None);
        assert_eq!(timers.expired(30), Some("b"));
        assert_eq!(timers.expired(30), Some("d"));
        assert_eq!(timers.expired(30), Some("a"));
        assert_eq!(timers.expired(30), None);
        assert!(timers.is_empty());
        let reused = timers.insert(5, "e");
        assert_ne!(reused, a);
        assert_eq!(timers.cancel(a), None);
    }

    #[test]
    fn agrees_with_a_sorted_map() {
        let mut timers = Timers::new();
        let mut model = BTreeSet::new();
        let mut keys = Vec::new();
        let mut random = 1u64;
        for step in 0..20_000u64 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let dice = random >> 33;
            if !dice.is_multiple_of(3) {
                let deadline = dice % 1000;
                keys.push((timers.insert(deadline, step), deadline, step));
                model.insert((deadline, step));
            } else if dice.is_multiple_of(2) && !keys.is_empty() {
                let (key, deadline, value) = keys.swap_remove(dice as usize % keys.len());
                let known = model.remove(&(deadline, value));
                assert_eq!(timers.cancel(key).is_some(), known);
            } else {
                let first = model.first().copied();
                assert_eq!(timers.next(), first.map(|(deadline, _)| deadline));
                assert_eq!(timers.expired(u64::MAX), first.map(|(_, value)| value));
                first.map(|key| model.remove(&key));
            }
        }
        assert_eq!(timers.len(), model.len());
    }
}
