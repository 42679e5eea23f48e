//! Where records live: slots of one size side by side in slabs, named by a 32-bit handle.
//!
//! ```text
//! handle: [ slab number (20) | slot number (12) ]
//! slab:   [ slot | slot | slot | … ]            up to 64 KiB, all slots of one size class
//! ```
//!
//! Why not the general allocator: its size classes waste 10 to 20 % of a small record (a 34-byte
//! record takes 48 bytes, one of 324 takes 384) and its addresses take eight bytes in the table
//! where a handle takes four. Sizes here go in steps of 4 bytes up to 517, 8 up to 1029 and 16 up
//! to 2053, offset by the 5 bytes of a record's header, so that a record whose payload is a
//! multiple of four wastes nothing. A slab of a class is made as large as an eighth of what the
//! class already holds, so the unused part of the last slab stays below a few per cent.
//!
//! No `unsafe`: a stale handle is a bug that reads another record's bytes, never foreign memory.

use crate::spare::Spare;

mod compact;

pub use compact::Emptying;

const SLOT_BITS: u32 = 12;
const SLOTS_MAX: usize = 1 << SLOT_BITS;
const SLABS_MAX: usize = 1 << (32 - SLOT_BITS);
const SLAB_BYTES_MAX: usize = 64 << 10;
const SLAB_BYTES_MIN: usize = 512;
const PAGE_BYTES: usize = 4096;

const BASE: usize = 5;
const FINE_MAX: usize = BASE + 128 * 4;
const MIDDLE_MAX: usize = FINE_MAX + 64 * 8;
/// The largest block that shares a slab with others; a larger one gets a slab for itself.
pub const SHARED_MAX: usize = MIDDLE_MAX + 64 * 16;
const CLASSES: usize = 1 + 128 + 64 + 64;
const ALONE: u16 = CLASSES as u16;

const NO_SLOT: u16 = u16::MAX;

/// Names a block of an [`Arena`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(pub u32);

impl Handle {
    #[inline(always)]
    fn slab(self) -> usize {
        (self.0 >> SLOT_BITS) as usize
    }

    #[inline(always)]
    fn slot(self) -> usize {
        self.0 as usize & (SLOTS_MAX - 1)
    }

    fn new(slab: usize, slot: usize) -> Self {
        debug_assert!(slab < SLABS_MAX && slot < SLOTS_MAX);
        Self((slab as u32) << SLOT_BITS | slot as u32)
    }
}

/// The part of a slab that every access reads.
#[derive(Clone, Debug)]
struct Slab {
    bytes: Box<[u8]>,
    slot_bytes: u32,
}

/// The part of a slab that only allocation reads.
#[derive(Clone, Debug)]
struct SlabState {
    class: u16,
    slots: u16,
    live: u16,
    /// Slots at and after this one were never used.
    fresh: u16,
    /// First of the chain of freed slots; each holds the number of the next in its first two bytes.
    free: u16,
    /// Where the slab stands in its class's list of slabs with room, if it is there.
    place: u32,
}

impl SlabState {
    fn is_full(&self) -> bool {
        self.live == self.slots
    }
}

#[derive(Clone, Debug, Default)]
struct Class {
    with_room: Vec<u32>,
    bytes: usize,
}

/// A set of blocks of up to 4 GiB, see the module.
#[derive(Clone, Debug, Default)]
pub struct Arena {
    slabs: Vec<Slab>,
    states: Vec<SlabState>,
    unused_numbers: Vec<u32>,
    /// Up to the largest class that was used, so that a small arena costs little.
    classes: Vec<Class>,
    spare: Spare,
}

/// The class of blocks that hold `len` bytes, or `ALONE`.
#[inline]
fn class_of(len: usize) -> u16 {
    let class = if len <= FINE_MAX {
        len.saturating_sub(BASE).div_ceil(4)
    } else if len <= MIDDLE_MAX {
        128 + (len - FINE_MAX).div_ceil(8)
    } else if len <= SHARED_MAX {
        192 + (len - MIDDLE_MAX).div_ceil(16)
    } else {
        CLASSES
    };
    class as u16
}

fn class_bytes(class: u16) -> usize {
    let class = class as usize;
    match class {
        0..=128 => BASE + class * 4,
        129..=192 => FINE_MAX + (class - 128) * 8,
        _ => MIDDLE_MAX + (class - 192) * 16,
    }
}

/// The size of the block that `len` bytes get.
#[inline]
pub fn block_bytes(len: usize) -> usize {
    match class_of(len) {
        ALONE => len,
        class => class_bytes(class),
    }
}

/// How many slots a slab of at most `wanted` bytes, a power of two, is to have: as many as fill one
/// of the four sizes that the system allocator has up to there, that of which least is left over.
/// (64 KiB hold 201 records of 325 bytes and 0.3 % of nothing, 40 KiB hold 126 and next to none.)
/// From a page on only sizes of whole pages: others share pages, and one that stays keeps them all.
fn slots_of_slab(wanted: usize, slot_bytes: usize) -> usize {
    let sizes = [8, 7, 6, 5].map(|eighths| wanted / 8 * eighths);
    let has_pages_alone = |size: &usize| wanted < PAGE_BYTES || size.is_multiple_of(PAGE_BYTES);
    let unused = |size: &usize| (size % slot_bytes) * wanted / size;
    let sizes = sizes.into_iter().filter(has_pages_alone);
    let best = sizes.min_by_key(unused).unwrap_or(wanted);
    (best / slot_bytes).clamp(1, SLOTS_MAX - 1)
}

impl Arena {
    /// A new block of at least `len` bytes (exactly [`block_bytes`]), filled with what was there.
    /// O(1).
    ///
    /// # Panics
    /// When the arena's 2^20 slabs (64 GiB of small records) are used up.
    pub fn alloc(&mut self, len: usize) -> Handle {
        let class = class_of(len);
        if class == ALONE {
            return self.add_slab(ALONE, len, 1);
        }
        let class_state = self.classes.get(class as usize);
        match class_state.and_then(|class| class.with_room.last()) {
            Some(&slab) => self.take_slot(slab as usize),
            None => self.grow(class),
        }
    }

    /// Gives a block back. O(1); a slab that gets empty goes back to the system allocator unless it
    /// is the only one of its class with room.
    pub fn free(&mut self, handle: Handle) {
        let number = handle.slab();
        let state = &mut self.states[number];
        if state.class == ALONE {
            self.release(number);
            return;
        }
        let was_full = state.is_full();
        self.give_slot(handle);
        if was_full {
            self.list_with_room(number);
        }
        let state = &self.states[number];
        let class = state.class as usize;
        if state.live == 0 && self.classes[class].with_room.len() > 1 {
            self.unlist(number);
            self.release(number);
        }
    }

    /// The bytes of a block, the whole of it.
    #[inline(always)]
    pub fn bytes(&self, handle: Handle) -> &[u8] {
        let slab = &self.slabs[handle.slab()];
        let size = slab.slot_bytes as usize;
        &slab.bytes[handle.slot() * size..][..size]
    }

    /// The bytes of a block, to be changed.
    #[inline(always)]
    pub fn bytes_mut(&mut self, handle: Handle) -> &mut [u8] {
        let slab = &mut self.slabs[handle.slab()];
        let size = slab.slot_bytes as usize;
        &mut slab.bytes[handle.slot() * size..][..size]
    }

    /// Where a block begins: for prefetching only.
    #[inline(always)]
    pub fn address(&self, handle: Handle) -> *const u8 {
        let slab = &self.slabs[handle.slab()];
        slab.bytes
            .as_ptr()
            .wrapping_add(handle.slot() * slab.slot_bytes as usize)
    }

    /// Bytes of all slabs together, used or not. O(slabs).
    pub fn slab_bytes(&self) -> usize {
        self.slabs.iter().map(|slab| slab.bytes.len()).sum()
    }

    /// Bytes of slabs that no block uses. O(1).
    pub fn spare_bytes(&self) -> usize {
        self.spare.bytes()
    }

    /// How many allocations its blocks lie in. O(1).
    pub fn slab_count(&self) -> usize {
        self.slabs.len() - self.unused_numbers.len()
    }

    fn take_slot(&mut self, number: usize) -> Handle {
        self.spare.add(-i64::from(self.slabs[number].slot_bytes));
        let state = &mut self.states[number];
        let slot = if state.free == NO_SLOT {
            state.fresh += 1;
            state.fresh - 1
        } else {
            state.free
        };
        state.live += 1;
        let full = state.is_full();
        let handle = Handle::new(number, slot as usize);
        if self.states[number].free != NO_SLOT {
            self.states[number].free = self.next_free(handle);
        }
        if full {
            self.unlist(number);
        }
        handle
    }

    fn give_slot(&mut self, handle: Handle) {
        let number = handle.slab();
        self.spare.add(i64::from(self.slabs[number].slot_bytes));
        let state = &mut self.states[number];
        state.live -= 1;
        let next = std::mem::replace(&mut state.free, handle.slot() as u16);
        self.bytes_mut(handle)[..2].copy_from_slice(&next.to_le_bytes());
    }

    /// The slot that was freed before this free one.
    fn next_free(&self, free: Handle) -> u16 {
        let bytes = self.bytes(free);
        u16::from_le_bytes([bytes[0], bytes[1]])
    }

    #[cold]
    fn grow(&mut self, class: u16) -> Handle {
        let used = class as usize + 1;
        if self.classes.len() < used {
            self.classes.reserve_exact(used - self.classes.len());
            self.classes.resize_with(used, Class::default);
        }
        let slot_bytes = class_bytes(class);
        let wanted = (self.classes[class as usize].bytes / 8)
            .next_power_of_two()
            .clamp(SLAB_BYTES_MIN, SLAB_BYTES_MAX);
        self.add_slab(class, slot_bytes, slots_of_slab(wanted, slot_bytes))
    }

    /// Makes a slab and takes its first slot.
    fn add_slab(&mut self, class: u16, slot_bytes: usize, slots: usize) -> Handle {
        let slab = Slab {
            bytes: vec![0; slot_bytes * slots].into_boxed_slice(),
            slot_bytes: u32::try_from(slot_bytes).expect("a record is below 4 GiB"),
        };
        let state = SlabState {
            class,
            slots: slots as u16,
            live: 1,
            fresh: 1,
            free: NO_SLOT,
            place: u32::MAX,
        };
        let number = if let Some(number) = self.unused_numbers.pop() {
            self.slabs[number as usize] = slab;
            self.states[number as usize] = state;
            number as usize
        } else {
            assert!(self.slabs.len() < SLABS_MAX, "the arena of a shard is full");
            self.slabs.push(slab);
            self.states.push(state);
            self.slabs.len() - 1
        };
        if class != ALONE {
            self.classes[class as usize].bytes += slot_bytes * slots;
            self.spare.add((slot_bytes * (slots - 1)) as i64);
            if slots > 1 {
                self.list_with_room(number);
            }
        }
        Handle::new(number, 0)
    }

    fn release(&mut self, number: usize) {
        let class = self.states[number].class;
        let bytes = std::mem::take(&mut self.slabs[number].bytes);
        if class != ALONE {
            self.classes[class as usize].bytes -= bytes.len();
            self.spare.add(-(bytes.len() as i64));
        }
        self.unused_numbers.push(number as u32);
    }

    fn list_with_room(&mut self, number: usize) {
        let state = &mut self.states[number];
        let list = &mut self.classes[state.class as usize].with_room;
        state.place = list.len() as u32;
        list.push(number as u32);
    }

    fn unlist(&mut self, number: usize) {
        let state = &self.states[number];
        let (class, place) = (state.class as usize, state.place as usize);
        let list = &mut self.classes[class].with_room;
        list.swap_remove(place);
        if let Some(&moved) = list.get(place) {
            self.states[moved as usize].place = place as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn classes_hold_what_they_are_asked_for_with_little_waste() {
        for len in 0..=SHARED_MAX {
            let block = block_bytes(len);
            assert!(block >= len, "{len} got {block}");
            let step = if len <= FINE_MAX {
                4
            } else if len <= MIDDLE_MAX {
                8
            } else {
                16
            };
            assert!(block - len < step.max(6 - len.min(5)), "{len} got {block}");
        }
        assert_eq!(block_bytes(SHARED_MAX + 1), SHARED_MAX + 1);
    }

    #[test]
    fn slabs_from_a_page_on_share_no_page() {
        for slot_bytes in 20..=512 {
            for wanted in [4096, 8192, 16_384] {
                let bytes = slots_of_slab(wanted, slot_bytes) * slot_bytes;
                // What the allocator takes for it: four sizes for each doubling.
                let step = wanted / 8;
                let taken = bytes.div_ceil(step) * step;
                assert_eq!(taken % PAGE_BYTES, 0, "{wanted} of {slot_bytes}: {bytes}");
            }
        }
    }

    proptest! {
        /// Blocks never overlap: each keeps its own pattern through any order of alloc and free.
        #[test]
        fn blocks_keep_their_bytes(
            steps in prop::collection::vec(
                (0usize..3000, any::<bool>(), any::<usize>()),
                1..if cfg!(miri) { 100 } else { 200 },
            )
        ) {
            let mut arena = Arena::default();
            let mut live: Vec<(Handle, usize, u8)> = Vec::new();
            for (i, (len, drop, which)) in steps.into_iter().enumerate() {
                if drop && !live.is_empty() {
                    let (handle, len, mark) = live.swap_remove(which % live.len());
                    prop_assert!(arena.bytes(handle)[..len].iter().all(|&b| b == mark));
                    arena.free(handle);
                } else {
                    let handle = arena.alloc(len);
                    prop_assert!(arena.bytes(handle).len() >= len);
                    arena.bytes_mut(handle).fill(i as u8);
                    live.push((handle, len, i as u8));
                }
            }
            for (handle, len, mark) in live {
                prop_assert!(arena.bytes(handle)[..len].iter().all(|&b| b == mark));
                arena.free(handle);
            }
            // At most one empty slab stays behind for each class that was used.
            prop_assert!(arena.slab_bytes() <= CLASSES * SLAB_BYTES_MAX);
        }
    }
}
