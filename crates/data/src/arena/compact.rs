//! Moving blocks out of sparse slabs, so that the memory of these returns.
//!
//! When the size of values changes, or most of them are deleted at random, every slab keeps some
//! blocks and none returns. So the emptiest slab of the class with the most room is put out of use
//! and its blocks are moved into the room of the others, one slab at a time.

use super::{ALONE, Arena, Handle, SLAB_BYTES_MAX, SlabState};

/// One part in so many of an arena may be room before it is worth moving blocks.
const ROOM_SHARE: usize = 10;

/// A slab that is being emptied, and its blocks.
#[derive(Debug)]
pub struct Emptying {
    slab: usize,
    blocks: Vec<Handle>,
}

impl Emptying {
    /// The blocks that are to be moved.
    pub fn blocks(&self) -> &[Handle] {
        &self.blocks
    }
}

impl SlabState {
    fn room(&self) -> usize {
        usize::from(self.slots - self.live)
    }
}

impl Arena {
    /// Whether so much of the arena is room that moving blocks is worth its time. O(classes).
    pub fn is_sparse(&self) -> bool {
        let room = self.spare_bytes();
        let all: usize = self.classes.iter().map(|class| class.bytes).sum();
        room > all / ROOM_SHARE && room > SLAB_BYTES_MAX
    }

    /// Puts a slab out of use whose blocks fit into the room of others, if there is one; each of
    /// them is to be given to [`Arena::relocate`], and then [`Arena::emptied`] to be called.
    /// O(slabs).
    pub fn empty_one(&mut self) -> Option<Emptying> {
        let slab = self.emptiest()?;
        self.unlist(slab);
        let blocks = self.blocks_of(slab);
        Some(Emptying { slab, blocks })
    }

    /// Copies a block into another slab and gives its old place back.
    pub fn relocate(&mut self, from: Handle) -> Handle {
        let number = from.slab();
        let class = self.states[number].class;
        debug_assert_ne!(class, ALONE);
        let bytes = self.slabs[number].slot_bytes as usize;
        let to = self.alloc(bytes);
        debug_assert_ne!(to.slab(), number);
        let (from_at, to_at) = (from.slot() * bytes, to.slot() * bytes);
        if let Ok([from_slab, to_slab]) = self.slabs.get_disjoint_mut([number, to.slab()]) {
            to_slab.bytes[to_at..][..bytes].copy_from_slice(&from_slab.bytes[from_at..][..bytes]);
        }
        self.give_slot(from);
        to
    }

    /// Ends what [`Arena::empty_one`] has begun: the slab goes back to the system allocator.
    pub fn emptied(&mut self, emptying: &Emptying) {
        if self.states[emptying.slab].live == 0 {
            self.release(emptying.slab);
        } else {
            self.list_with_room(emptying.slab);
        }
    }

    /// The slab with the smallest share of its slots in use, in the class with the most room.
    fn emptiest(&self) -> Option<usize> {
        let lists = self.classes.iter().map(|class| &class.with_room[..]);
        let candidates = lists.filter(|list| list.len() > 1);
        let candidates = candidates.filter_map(|list| self.emptiest_of(list));
        let (_, slab) = candidates.max_by_key(|(room_bytes, _)| *room_bytes)?;
        Some(slab)
    }

    /// The bytes of room in slabs of one class, and the emptiest of them if others can take all
    /// its blocks.
    fn emptiest_of(&self, slabs: &[u32]) -> Option<(usize, usize)> {
        let state = |slab: u32| &self.states[slab as usize];
        let room: usize = slabs.iter().map(|&slab| state(slab).room()).sum();
        let share = |slab: u32| u32::from(state(slab).live) * 4096 / u32::from(state(slab).slots);
        let emptiest = slabs.iter().copied().min_by_key(|&slab| share(slab))?;
        let in_others = room - state(emptiest).room();
        let slot_bytes = self.slabs[emptiest as usize].slot_bytes as usize;
        (in_others >= usize::from(state(emptiest).live))
            .then_some((room * slot_bytes, emptiest as usize))
    }

    /// All blocks of a slab. O(slots).
    fn blocks_of(&self, slab: usize) -> Vec<Handle> {
        let state = &self.states[slab];
        let mut is_live = vec![true; usize::from(state.fresh)];
        let mut free = state.free;
        while let Some(is_live) = is_live.get_mut(usize::from(free)) {
            *is_live = false;
            free = self.next_free(Handle::new(slab, usize::from(free)));
        }
        let slots = is_live.iter().enumerate().filter(|(_, is_live)| **is_live);
        slots.map(|(slot, _)| Handle::new(slab, slot)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn empty_one(arena: &mut Arena, live: &mut [(Handle, u8)]) -> bool {
        let Some(emptying) = arena.empty_one() else {
            return false;
        };
        for &from in emptying.blocks() {
            let it = live.iter_mut().find(|(handle, _)| *handle == from);
            it.expect("only what is live is moved").0 = arena.relocate(from);
        }
        arena.emptied(&emptying);
        true
    }

    const BLOCKS: usize = if cfg!(miri) { 100 } else { 400 };
    const STEPS: usize = if cfg!(miri) { 40 } else { 600 };

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 64 }))]
        /// Whatever is freed and in whatever order slabs are emptied, blocks keep their bytes.
        #[test]
        fn blocks_are_moved_with_their_bytes(
            sizes in prop::collection::vec(20usize..60, 1..BLOCKS),
            steps in prop::collection::vec((any::<usize>(), 0u8..8), 0..STEPS),
        ) {
            let mut arena = Arena::default();
            let mut live = Vec::new();
            for (number, len) in sizes.into_iter().enumerate() {
                let handle = arena.alloc(len);
                arena.bytes_mut(handle).fill(number as u8);
                live.push((handle, number as u8));
            }
            for (which, action) in steps {
                if action == 0 {
                    empty_one(&mut arena, &mut live);
                } else if !live.is_empty() {
                    let (handle, _) = live.swap_remove(which % live.len());
                    arena.free(handle);
                }
                for &(handle, mark) in &live {
                    prop_assert!(arena.bytes(handle).iter().all(|&byte| byte == mark));
                }
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "slow")]
    fn what_is_sparse_becomes_dense() {
        let mut arena = Arena::default();
        let mut live: Vec<_> = (0..20_000u32)
            .map(|number| (arena.alloc(60), number as u8))
            .collect();
        for &(handle, mark) in &live {
            arena.bytes_mut(handle).fill(mark);
        }
        let all = arena.slab_bytes();
        assert!(!arena.is_sparse());
        let mut number = 0;
        live.retain(|(handle, _)| {
            number += 1;
            let stays = number % 4 == 0;
            if !stays {
                arena.free(*handle);
            }
            stays
        });
        assert!(arena.is_sparse() && arena.slab_bytes() > all / 10 * 9);
        while arena.is_sparse() && empty_one(&mut arena, &mut live) {}
        assert!(
            arena.slab_bytes() < all / 3,
            "{} of {all}",
            arena.slab_bytes()
        );
        for &(handle, mark) in &live {
            assert!(arena.bytes(handle).iter().all(|&byte| byte == mark));
        }
    }
}
