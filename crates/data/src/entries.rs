//! The large form of sets, hashes and sorted sets: a hash table of compact entries in an arena of
//! its own.
//!
//! ```text
//! entry: [ head ][ payload ][ expiry? (8) ][ slack ]      one block of the arena
//! head:  has expiry (bit 0), payload is elsewhere (bit 1), slack (bits 4-7)
//! ```
//!
//! A payload that no shared slab takes lies in [`Values`] under a number: each would use up a slab,
//! of which an arena has only a million.
//!
//! What a payload means is said by its [`Shape`]. A handle stays valid for as long as its entry
//! lives and [`Entries::replace`] doesn't move it, so another index may hold handles.

use std::collections::HashSet;
use std::marker::PhantomData;

use crate::arena::{Arena, Handle, SHARED_MAX, block_bytes};
use crate::hash::{KeyHash, KeyHasher};
use crate::prefetch::prefetch;
use crate::table::{EXPIRED_MAX, Place, Records, Table};
use crate::value::{Value, Values};

const HEAD: usize = 1;
const EXPIRY: usize = 8;
const HAS_EXPIRY: u8 = 1;
const IS_LONG: u8 = 2;
/// What an entry takes of the table, about.
const TABLE_SHARE: usize = 7;
const NO_EXPIRY: u64 = u64::MAX;

/// What the payload of an entry is.
pub trait Shape {
    /// The part that names the entry: no two of a table have the same.
    fn name(payload: &[u8]) -> &[u8];
}

/// An entry that was found; valid until the table next changes.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    hash: KeyHash,
    place: Place,
}

impl Spot {
    /// The entry's handle.
    #[inline(always)]
    pub fn handle(self) -> Handle {
        self.place.handle
    }
}

/// See the module.
#[derive(Debug)]
pub struct Entries<S> {
    table: Table,
    blocks: Blocks,
    hasher: KeyHasher,
    expiring: usize,
    /// No entry expires before this.
    next_expiry: u64,
    shape: PhantomData<S>,
}

impl<S> Clone for Entries<S> {
    fn clone(&self) -> Self {
        Self {
            table: self.table.clone(),
            blocks: self.blocks.clone(),
            hasher: self.hasher.clone(),
            shape: PhantomData,
            ..*self
        }
    }
}

/// What the table may ask about entries.
struct Reader<'a, S> {
    blocks: &'a Blocks,
    hasher: &'a KeyHasher,
    shape: PhantomData<S>,
}

impl<S: Shape> Records for Reader<'_, S> {
    fn hash(&self, handle: Handle) -> KeyHash {
        self.hasher.hash(S::name(self.blocks.payload(handle)))
    }

    fn prefetch(&self, handle: Handle) {
        prefetch(self.blocks.arena.address(handle));
    }
}

macro_rules! reader {
    ($entries:expr) => {
        &Reader::<S> {
            blocks: &$entries.blocks,
            hasher: &$entries.hasher,
            shape: PhantomData,
        }
    };
}

impl<S: Shape> Entries<S> {
    /// An empty table that hashes names with `hasher`.
    pub fn new(hasher: KeyHasher) -> Self {
        Self {
            table: Table::default(),
            blocks: Blocks::default(),
            hasher,
            expiring: 0,
            next_expiry: NO_EXPIRY,
            shape: PhantomData,
        }
    }

    /// How many entries there are, expired ones that nobody has removed included. O(1).
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many entries have an expiry. O(1).
    #[inline(always)]
    pub fn expiring(&self) -> usize {
        self.expiring
    }

    /// No entry expires before this time; `None` when none has an expiry. O(1).
    pub fn next_expiry(&self) -> Option<u64> {
        (self.expiring > 0).then_some(self.next_expiry)
    }

    /// The entry of this name, expired or not. O(1).
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<Spot> {
        let hash = self.hasher.hash(name);
        let is_it = |handle| S::name(self.payload(handle)) == name;
        let place = self.table.find(hash, is_it)?;
        Some(Spot { hash, place })
    }

    /// The place of an entry of which only the handle is known. O(1).
    pub fn spot(&self, handle: Handle) -> Spot {
        let hash = self.hasher.hash(S::name(self.payload(handle)));
        let place = self.table.find(hash, |other| other == handle);
        let place = place.expect("a handle names a live entry");
        Spot { hash, place }
    }

    /// Starts loading the bucket of a name; [`Entries::prefetch_entry`] may follow.
    #[inline]
    pub fn prefetch_bucket(&self, name: &[u8]) {
        self.table.prefetch_bucket(self.hasher.hash(name));
    }

    /// Starts loading the entry that a name most likely has, once its bucket is there.
    #[inline]
    pub fn prefetch_entry(&self, name: &[u8]) {
        if let Some(handle) = self.table.likely(self.hasher.hash(name)) {
            self.prefetch(handle);
        }
    }

    /// Starts loading an entry.
    #[inline]
    pub fn prefetch(&self, handle: Handle) {
        prefetch(self.blocks.arena.address(handle));
    }

    /// The payload of an entry.
    #[inline(always)]
    pub fn payload(&self, handle: Handle) -> &[u8] {
        self.blocks.payload(handle)
    }

    /// The payload of an entry, to be changed where it isn't the name.
    #[inline]
    pub fn payload_mut(&mut self, handle: Handle) -> &mut [u8] {
        self.blocks.payload_mut(handle)
    }

    /// Unix time in milliseconds at which an entry ceases to exist.
    #[inline]
    pub fn expiry(&self, handle: Handle) -> Option<u64> {
        self.blocks.expiry(handle)
    }

    /// Whether an entry hasn't ceased to exist by `now_ms`.
    #[inline]
    pub fn is_live(&self, handle: Handle, now_ms: u64) -> bool {
        self.expiring == 0 || self.expiry(handle).is_none_or(|at| at > now_ms)
    }

    /// Adds an entry that isn't there; its payload is these parts together. O(1) amortised.
    #[inline]
    pub fn insert(&mut self, name: &[u8], payload: &[&[u8]], expiry: Option<u64>) -> Handle {
        let hash = self.hasher.hash(name);
        let handle = self.blocks.store(payload, expiry);
        self.expiring += usize::from(expiry.is_some());
        self.next_expiry = self.next_expiry.min(expiry.unwrap_or(NO_EXPIRY));
        self.table.insert(hash, handle, expiry, reader!(self));
        debug_assert!(S::name(self.payload(handle)) == name);
        handle
    }

    /// Replaces payload and expiry, but not the name; returns the handle, which may be a new one.
    /// O(length).
    pub fn replace(&mut self, spot: Spot, payload: &[&[u8]], expiry: Option<u64>) -> Handle {
        let old = spot.handle();
        let had_expiry = self.expiry(old).is_some();
        let handle = self.blocks.replace(old, payload, expiry);
        if handle != old || had_expiry || expiry.is_some() {
            self.table.replace(spot.place, handle, expiry);
        }
        self.expiring = self.expiring + usize::from(expiry.is_some()) - usize::from(had_expiry);
        self.next_expiry = self.next_expiry.min(expiry.unwrap_or(NO_EXPIRY));
        handle
    }

    /// Removes an entry. O(1) amortised.
    pub fn remove(&mut self, spot: Spot) {
        self.expiring -= usize::from(self.expiry(spot.handle()).is_some());
        self.table.remove(spot.hash, spot.place, reader!(self));
        self.blocks.free(spot.handle());
    }

    /// Visits the entries of one bucket and returns where to go on, see [`Table::scan`]. O(1).
    pub fn scan(&self, position: u64, visit: impl FnMut(Handle)) -> Option<u64> {
        self.table.scan(position, reader!(self), visit)
    }

    /// All entries. O(1) each.
    pub fn iter(&self) -> impl Iterator<Item = Handle> + '_ {
        self.table.handles()
    }

    /// Entries that live at `now_ms`. O(1) each.
    pub fn live(&self, now_ms: u64) -> impl Iterator<Item = Handle> + '_ {
        self.iter()
            .filter(move |&handle| self.is_live(handle, now_ms))
    }

    /// A random entry that lives; `None` when there is none. `random` gives 64 random bits at each
    /// call. O(1), most likely.
    pub fn sample(&self, now_ms: u64, random: &mut impl FnMut() -> u64) -> Option<Handle> {
        const DRAWS: usize = 256;
        let drawn = (0..DRAWS).find_map(|_| {
            let drawn = self.table.sample(random());
            drawn.filter(|&handle| self.is_live(handle, now_ms))
        });
        drawn.or_else(|| {
            let mut live: Vec<Handle> = self.live(now_ms).collect();
            shuffle_front(&mut live, 1, random);
            live.pop()
        })
    }

    /// `count` different random entries that live, or all of these. O(count), most likely.
    pub fn draw(&self, count: usize, now_ms: u64, random: &mut impl FnMut() -> u64) -> Vec<Handle> {
        if count <= self.len() / 3 {
            let mut seen = HashSet::with_hasher(foldhash::fast::FixedState::default());
            let drawn: Vec<Handle> = (0..64 + 4 * count)
                .map_while(|_| self.sample(now_ms, random))
                .filter(|handle| seen.insert(handle.0))
                .take(count)
                .collect();
            if drawn.len() == count {
                return drawn;
            }
        }
        let mut live = self.live(now_ms).collect();
        shuffle_front(&mut live, count, random);
        live
    }

    /// Removes up to 64 entries that are due by `now_ms`; tells of each before it goes. Returns how
    /// many that were: less than 64 only when no other is due.
    pub fn remove_expired(&mut self, now_ms: u64, mut removed: impl FnMut(&[u8])) -> usize {
        let mut expired = Vec::new();
        let mut part = 0;
        while part < self.table.segment_count() && expired.len() < EXPIRED_MAX {
            let blocks = &self.blocks;
            let expiry_of = |handle| blocks.expiry(handle);
            self.table.expired_in(part, now_ms, expiry_of, &mut expired);
            part += 1;
        }
        for &handle in &expired {
            removed(self.payload(handle));
            self.remove(self.spot(handle));
        }
        self.next_expiry = self.table.next_expiry();
        expired.len()
    }

    /// Bytes of memory behind the entries, spare room left aside. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.blocks.bytes + self.len() * TABLE_SHARE
    }

    /// How many allocations it is made of. O(1).
    pub fn drop_cost(&self) -> usize {
        self.blocks.arena.slab_count() + self.blocks.long.len() + self.table.segment_count()
    }
}

/// Leaves `count` of the items, chosen and ordered at random. O(count).
pub fn shuffle_front<T>(items: &mut Vec<T>, count: usize, random: &mut impl FnMut() -> u64) {
    for i in 0..count.min(items.len()) {
        let other = i + below(items.len() - i, random);
        items.swap(i, other);
    }
    items.truncate(count);
}

/// A random number below `bound`.
#[inline]
pub fn below(bound: usize, random: &mut impl FnMut() -> u64) -> usize {
    ((u128::from(random()) * bound as u128) >> 64) as usize
}

/// The blocks of all entries.
#[derive(Clone, Debug, Default)]
struct Blocks {
    arena: Arena,
    long: Values,
    bytes: usize,
}

impl Blocks {
    #[inline(always)]
    fn payload(&self, handle: Handle) -> &[u8] {
        let block = self.arena.bytes(handle);
        let inner = &block[HEAD..payload_end(block)];
        if block[0] & IS_LONG == 0 {
            inner
        } else {
            long_bytes(self.long.get(number(inner)))
        }
    }

    #[inline]
    fn payload_mut(&mut self, handle: Handle) -> &mut [u8] {
        let block = self.arena.bytes_mut(handle);
        let end = payload_end(block);
        if block[0] & IS_LONG == 0 {
            return &mut block[HEAD..end];
        }
        match self.long.get_mut(number(&block[HEAD..end])) {
            Value::Str(bytes) => bytes,
            _ => unreachable!("only strings are put there"),
        }
    }

    #[inline]
    fn expiry(&self, handle: Handle) -> Option<u64> {
        let block = self.arena.bytes(handle);
        if block[0] & HAS_EXPIRY == 0 {
            return None;
        }
        let bytes = block[payload_end(block)..][..EXPIRY].try_into();
        Some(u64::from_le_bytes(bytes.expect("eight bytes")))
    }

    #[inline]
    fn store(&mut self, payload: &[&[u8]], expiry: Option<u64>) -> Handle {
        let used = used_bytes(payload, expiry);
        if used > SHARED_MAX {
            return self.store_long(payload.concat(), expiry);
        }
        let handle = self.arena.alloc(used);
        let block = self.arena.bytes_mut(handle);
        self.bytes += block.len();
        write(block, 0, payload, expiry);
        handle
    }

    #[cold]
    fn store_long(&mut self, payload: Vec<u8>, expiry: Option<u64>) -> Handle {
        self.bytes += payload.capacity();
        let number = self.long.insert(Value::Str(payload)).to_le_bytes();
        let payload: &[&[u8]] = &[&number];
        let handle = self.arena.alloc(used_bytes(payload, expiry));
        let block = self.arena.bytes_mut(handle);
        self.bytes += block.len();
        write(block, IS_LONG, payload, expiry);
        handle
    }

    /// Writes an entry again: in its block where that has the right size.
    #[inline]
    fn replace(&mut self, handle: Handle, payload: &[&[u8]], expiry: Option<u64>) -> Handle {
        let used = used_bytes(payload, expiry);
        let block = self.arena.bytes_mut(handle);
        if block[0] & IS_LONG == 0 && used <= SHARED_MAX && block_bytes(used) == block.len() {
            write(block, 0, payload, expiry);
            return handle;
        }
        self.free(handle);
        self.store(payload, expiry)
    }

    fn free(&mut self, handle: Handle) {
        let block = self.arena.bytes(handle);
        self.bytes -= block.len();
        if block[0] & IS_LONG != 0 {
            let long = self.long.remove(number(&block[HEAD..]));
            self.bytes -= long.heap_bytes();
        }
        self.arena.free(handle);
    }
}

#[inline(always)]
fn payload_end(block: &[u8]) -> usize {
    let head = block[0];
    block.len() - usize::from(head >> 4) - EXPIRY * usize::from(head & HAS_EXPIRY)
}

/// The number of a long payload.
fn number(inner: &[u8]) -> u32 {
    u32::from_le_bytes(inner[..4].try_into().expect("four bytes"))
}

fn long_bytes(value: &Value) -> &[u8] {
    match value {
        Value::Str(bytes) => bytes,
        _ => unreachable!("only strings are put there"),
    }
}

/// Bytes of an entry without slack.
#[inline]
fn used_bytes(payload: &[&[u8]], expiry: Option<u64>) -> usize {
    let payload: usize = payload.iter().map(|part| part.len()).sum();
    HEAD + payload + EXPIRY * usize::from(expiry.is_some())
}

#[inline]
fn write(block: &mut [u8], flags: u8, payload: &[&[u8]], expiry: Option<u64>) {
    let slack = block.len() - used_bytes(payload, expiry);
    debug_assert!(slack <= 15);
    block[0] = (slack as u8) << 4 | flags | u8::from(expiry.is_some());
    let mut at = HEAD;
    for part in payload {
        block[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    if let Some(expiry) = expiry {
        block[at..at + EXPIRY].copy_from_slice(&expiry.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// `[name length (1)][name][value]`
    #[derive(Debug)]
    struct Pair;

    impl Shape for Pair {
        fn name(payload: &[u8]) -> &[u8] {
            &payload[1..][..payload[0] as usize]
        }
    }

    type Model = HashMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

    fn put(entries: &mut Entries<Pair>, name: &[u8], value: &[u8], expiry: Option<u64>) {
        let payload: [&[u8]; 3] = [&[name.len() as u8], name, value];
        match entries.find(name) {
            Some(spot) => entries.replace(spot, &payload, expiry),
            None => entries.insert(name, &payload, expiry),
        };
    }

    fn pair(entries: &Entries<Pair>, handle: Handle) -> (Vec<u8>, (Vec<u8>, Option<u64>)) {
        let payload = entries.payload(handle);
        let name = Pair::name(payload);
        let value = payload[1 + name.len()..].to_vec();
        (name.to_vec(), (value, entries.expiry(handle)))
    }

    fn check(entries: &Entries<Pair>, model: &Model) -> Result<(), TestCaseError> {
        let found: Model = entries.iter().map(|handle| pair(entries, handle)).collect();
        prop_assert_eq!(&found, model);
        prop_assert_eq!(entries.len(), model.len());
        let expiring = model.values().filter(|(_, expiry)| expiry.is_some());
        prop_assert_eq!(entries.expiring(), expiring.count());
        let (mut scanned, mut at) = (Model::new(), Some(0));
        while let Some(position) = at {
            at = entries.scan(position, |handle| scanned.extend([pair(entries, handle)]));
        }
        prop_assert_eq!(&scanned, model);
        let mut seed = 0u64;
        let mut random = || {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            seed.wrapping_mul(0xbf58_476d_1ce4_e5b9)
        };
        let live: HashSet<u32> = entries.live(50).map(|handle| handle.0).collect();
        let sampled = entries.sample(50, &mut random);
        prop_assert_eq!(sampled.is_some(), !live.is_empty());
        for count in [1, 5, live.len(), live.len() + 1] {
            let drawn = entries.draw(count, 50, &mut random);
            let drawn: HashSet<u32> = drawn.iter().map(|handle| handle.0).collect();
            prop_assert_eq!(drawn.len(), count.min(live.len()));
            prop_assert!(drawn.is_subset(&live));
        }
        Ok(())
    }

    fn step() -> impl Strategy<Value = (u8, u16, usize, Option<u64>)> {
        (
            0u8..10,
            0u16..300,
            0usize..3000,
            prop::option::of(0u64..100),
        )
    }

    proptest! {
        #[test]
        fn does_what_a_map_does(
            steps in prop::collection::vec(step(), 0..if cfg!(miri) { 150 } else { 400 })
        ) {
            let mut entries = Entries::<Pair>::new(KeyHasher::with_seed(7));
            let mut model = Model::new();
            for (what, name, len, at) in steps {
                let name = name.to_string().into_bytes();
                match what {
                    0..7 => {
                        let value = vec![b'v'; if what == 0 { len } else { len % 40 }];
                        put(&mut entries, &name, &value, at);
                        model.insert(name, (value, at));
                    }
                    7..9 => {
                        let spot = entries.find(&name);
                        prop_assert_eq!(spot.is_some(), model.remove(&name).is_some());
                        if let Some(spot) = spot {
                            entries.remove(spot);
                        }
                    }
                    _ => {
                        let now = at.unwrap_or(0);
                        while entries.remove_expired(now, |_| ()) == EXPIRED_MAX {}
                        model.retain(|_, (_, at)| at.is_none_or(|at| at > now));
                        prop_assert!(entries.next_expiry().is_none_or(|at| at > now));
                    }
                }
            }
            check(&entries, &model)?;
            check(&entries.clone(), &model)?;
        }
    }

    #[test]
    #[cfg_attr(miri, ignore)] // Minutes there, and no unsafe code of its own.
    fn a_million_members_of_16_bytes_take_24_bytes_each() {
        const N: usize = 100_000;
        let mut entries = Entries::<Pair>::new(KeyHasher::with_seed(7));
        for i in 0..N {
            put(&mut entries, format!("{i:015}").as_bytes(), b"", None);
        }
        assert!(entries.heap_bytes() <= 24 * N);
        assert!(entries.blocks.arena.slab_bytes() <= 18 * N);
        for i in 0..N {
            let spot = entries.find(format!("{i:015}").as_bytes()).expect("added");
            entries.remove(spot);
        }
        assert_eq!(entries.heap_bytes(), 0);
    }
}
