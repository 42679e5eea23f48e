//! The table: from a hash to record handles, in buckets of one cache line, ordered by hash.
//!
//! ```text
//! directory  [ 0 | 0 | 1 | 2 | … ]        2^depth entries, by the top bits of the position
//! segment    [ bucket | bucket | … ]      1 to 128 buckets, by the next bits times their number
//! bucket     [ 12 tags ][ overflow ][ .. ][ expiry mask ][ 12 handles ]      64 bytes
//! ```
//!
//! A key's *home* bucket follows from its hash alone, so the line can be prefetched. A full bucket
//! passes keys on to the next one of its segment and counts them in `overflow`; a search ends at
//! the first bucket that passed none on (the idea of F14, so no tombstones). A segment grows a
//! quarter at a time up to 128 buckets and then splits in two: no pause is longer than moving some
//! 1,400 handles, memory never doubles, and a key costs 5.33 bytes / 0.78 load = about 7 bytes.
//!
//! Directory, segment and home are all monotone in the position. The table is therefore one row of
//! buckets in the order of the hash, and a scan's cursor is a position: all keys below it have been
//! seen, however the buckets were divided meanwhile.

use crate::arena::Handle;
use crate::hash::{KeyHash, POSITION_BITS};
use crate::prefetch::prefetch;

const SLOTS: usize = 12;
/// Numbers of buckets that a segment goes through as it grows; a full one of the last splits in
/// two.
const SIZES: [u16; 19] = [
    1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 101, 128,
];
const SIZE_MAX: u8 = SIZES.len() as u8 - 1;
/// What [`fitting_size`] puts into a segment at most.
const FITTING_MAX: usize = SIZES[SIZE_MAX as usize] as usize * SLOTS * FITTING_PERCENT / 100;
const FITTING_PERCENT: usize = 72;
/// Two neighbours below this size are made one when they get sparse.
const SIZE_MERGE: u8 = 9;
/// How many due records [`Table::expired_in`] hands out at once: what bounds one slice of work.
pub const EXPIRED_MAX: usize = 64;
const NO_EXPIRY: u64 = u64::MAX;

#[derive(Clone, Debug)]
#[repr(C, align(64))]
struct Bucket {
    tags: [u8; SLOTS],
    /// How many keys whose home is here or before went on to a later bucket; 255 means "many".
    overflow: u8,
    _unused: u8,
    /// Bit i: the record of slot i has an expiry.
    expiring: u16,
    handles: [u32; SLOTS],
}

const EMPTY: Bucket = Bucket {
    tags: [0; SLOTS],
    overflow: 0,
    _unused: 0,
    expiring: 0,
    handles: [0; SLOTS],
};

impl Bucket {
    /// A bit for each slot whose tag is `tag`.
    #[inline(always)]
    fn matches(&self, tag: u8) -> u32 {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::*;
            let low = i64::from_le_bytes(self.tags[..8].try_into().expect("8 of 12"));
            let high = i32::from_le_bytes(self.tags[8..].try_into().expect("4 of 12"));
            // SAFETY: SSE2 is part of the x86-64 baseline; these work on values, not memory.
            #[allow(unused_unsafe)]
            let mask = unsafe {
                let tags = _mm_set_epi64x(i64::from(high), low);
                _mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8(tag as i8)))
            };
            mask as u32 & ((1 << SLOTS) - 1)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let mut mask = 0;
            for (i, &t) in self.tags.iter().enumerate() {
                mask |= u32::from(t == tag) << i;
            }
            mask
        }
    }

    fn occupied(&self) -> u32 {
        !self.matches(0) & ((1 << SLOTS) - 1)
    }

    fn put(&mut self, slot: usize, tag: u8, handle: Handle, expiring: bool) {
        self.tags[slot] = tag;
        self.handles[slot] = handle.0;
        self.expiring = self.expiring & !(1 << slot) | u16::from(expiring) << slot;
    }
}

#[derive(Clone, Debug)]
struct Segment {
    buckets: Box<[Bucket]>,
    len: u32,
    /// How many top bits of the position all its keys share, and these bits.
    depth: u8,
    prefix: u32,
    /// Index into `SIZES`.
    size: u8,
    /// No record here expires before this, in milliseconds.
    next_expiry: u64,
}

impl Segment {
    fn new(size: u8, depth: u8, prefix: u32) -> Self {
        Self {
            buckets: vec![EMPTY; SIZES[size as usize] as usize].into_boxed_slice(),
            len: 0,
            depth,
            prefix,
            size,
            next_expiry: NO_EXPIRY,
        }
    }

    #[inline(always)]
    fn home(&self, position: u64) -> usize {
        let below = POSITION_BITS - u32::from(self.depth);
        let fraction = position & ((1 << below) - 1);
        ((fraction * self.buckets.len() as u64) >> below) as usize
    }

    /// The smallest fraction whose home is `bucket`.
    fn first_fraction(&self, bucket: usize) -> u64 {
        let below = POSITION_BITS - u32::from(self.depth);
        ((bucket as u64) << below).div_ceil(self.buckets.len() as u64)
    }

    #[inline(always)]
    fn after(&self, bucket: usize) -> usize {
        if bucket + 1 == self.buckets.len() {
            0
        } else {
            bucket + 1
        }
    }

    fn is_full(&self) -> bool {
        self.len as usize * 8 >= self.buckets.len() * SLOTS * 7
    }

    fn is_sparse(&self) -> bool {
        self.size > 0 && (self.len as usize) * 10 < self.buckets.len() * SLOTS * 3
    }

    /// Puts an entry that isn't there into the first free slot from its home on.
    fn add(&mut self, hash: KeyHash, handle: Handle, expiring: bool) -> (usize, usize) {
        let mut at = self.home(hash.position());
        loop {
            let free = self.buckets[at].matches(0);
            if free != 0 {
                let slot = free.trailing_zeros() as usize;
                self.buckets[at].put(slot, hash.tag(), handle, expiring);
                self.len += 1;
                return (at, slot);
            }
            self.buckets[at].overflow = self.buckets[at].overflow.saturating_add(1);
            at = self.after(at);
        }
    }

    fn clear(&mut self, hash: KeyHash, bucket: usize, slot: usize) {
        let mut at = self.home(hash.position());
        while at != bucket {
            if self.buckets[at].overflow != u8::MAX {
                self.buckets[at].overflow -= 1;
            }
            at = self.after(at);
        }
        let bucket = &mut self.buckets[bucket];
        bucket.tags[slot] = 0;
        bucket.expiring &= !(1 << slot);
        self.len -= 1;
    }

    fn entries(&self) -> impl Iterator<Item = (Handle, bool)> + '_ {
        self.buckets.iter().flat_map(|bucket| {
            Bits(bucket.occupied()).map(move |slot| {
                (
                    Handle(bucket.handles[slot]),
                    bucket.expiring >> slot & 1 == 1,
                )
            })
        })
    }
}

/// The set bits of a mask, lowest first.
struct Bits(u32);

impl Iterator for Bits {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros();
        self.0 &= self.0 - 1;
        Some(bit as usize)
    }
}

/// Where an entry stands; valid until the table is next changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    segment: u32,
    bucket: u16,
    slot: u16,
    /// The record.
    pub handle: Handle,
}

impl Place {
    /// The same place after [`Table::replace`] put another record there.
    pub(crate) fn with_handle(self, handle: Handle) -> Self {
        Self { handle, ..self }
    }
}

/// What the table asks of the records, which it can't read itself.
pub trait Records {
    /// The hash of a record's key.
    fn hash(&self, handle: Handle) -> KeyHash;
    /// Starts loading the record.
    fn prefetch(&self, handle: Handle);
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Table {
    directory: Vec<u32>,
    depth: u8,
    segments: Vec<Segment>,
    len: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            directory: vec![0],
            depth: 0,
            segments: vec![Segment::new(0, 0, 0)],
            len: 0,
        }
    }
}

impl Table {
    /// How many entries there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many entries there is room for. O(segments).
    pub fn capacity(&self) -> usize {
        self.segments.iter().map(|s| s.buckets.len() * SLOTS).sum()
    }

    /// Makes room for so many records if there are none yet, so that the table needn't grow on the
    /// way there.
    pub fn reserve(&mut self, count: usize) {
        if !self.is_empty() || count == 0 {
            return;
        }
        let parts = count.div_ceil(FITTING_MAX).next_power_of_two();
        let size = fitting_size(count.div_ceil(parts));
        self.depth = parts.ilog2() as u8;
        self.directory = (0..parts as u32).collect();
        let segments = (0..parts as u32).map(|prefix| Segment::new(size, self.depth, prefix));
        self.segments = segments.collect();
    }

    /// Starts loading the home bucket of a key.
    #[inline(always)]
    pub fn prefetch_bucket(&self, hash: KeyHash) {
        let segment = &self.segments[self.segment_of(hash.position())];
        prefetch(&raw const segment.buckets[segment.home(hash.position())]);
    }

    /// The first handle in the home bucket whose tag fits: nearly always the key's record.
    #[inline(always)]
    pub fn likely(&self, hash: KeyHash) -> Option<Handle> {
        let segment = &self.segments[self.segment_of(hash.position())];
        let bucket = &segment.buckets[segment.home(hash.position())];
        let found = bucket.matches(hash.tag());
        if found == 0 {
            return None;
        }
        Some(Handle(bucket.handles[found.trailing_zeros() as usize]))
    }

    /// The entry with this hash that `is_it` accepts. O(1).
    #[inline(always)]
    pub fn find(&self, hash: KeyHash, mut is_it: impl FnMut(Handle) -> bool) -> Option<Place> {
        let segment_id = self.segment_of(hash.position());
        let segment = &self.segments[segment_id];
        let mut at = segment.home(hash.position());
        for _ in 0..segment.buckets.len() {
            let bucket = &segment.buckets[at];
            for slot in Bits(bucket.matches(hash.tag())) {
                let handle = Handle(bucket.handles[slot]);
                if is_it(handle) {
                    return Some(Place {
                        segment: segment_id as u32,
                        bucket: at as u16,
                        slot: slot as u16,
                        handle,
                    });
                }
            }
            if bucket.overflow == 0 {
                break;
            }
            at = segment.after(at);
        }
        None
    }

    /// Adds an entry that isn't there. O(1) amortised; at worst it moves one segment's handles.
    pub fn insert(
        &mut self,
        hash: KeyHash,
        handle: Handle,
        expiry: Option<u64>,
        records: &impl Records,
    ) -> Place {
        let mut id = self.segment_of(hash.position());
        while self.segments[id].is_full() {
            self.grow(id, records);
            id = self.segment_of(hash.position());
        }
        self.len += 1;
        let segment = &mut self.segments[id];
        let (bucket, slot) = segment.add(hash, handle, expiry.is_some());
        segment.next_expiry = segment.next_expiry.min(expiry.unwrap_or(NO_EXPIRY));
        Place {
            segment: id as u32,
            bucket: bucket as u16,
            slot: slot as u16,
            handle,
        }
    }

    /// Puts another record in an entry's place.
    #[inline]
    pub fn replace(&mut self, place: Place, handle: Handle, expiry: Option<u64>) {
        let segment = &mut self.segments[place.segment as usize];
        segment.next_expiry = segment.next_expiry.min(expiry.unwrap_or(NO_EXPIRY));
        let bucket = &mut segment.buckets[place.bucket as usize];
        let tag = bucket.tags[place.slot as usize];
        bucket.put(place.slot as usize, tag, handle, expiry.is_some());
    }

    /// Removes an entry. O(1) amortised: a segment that gets sparse is made smaller.
    pub fn remove(&mut self, hash: KeyHash, place: Place, records: &impl Records) {
        let id = place.segment as usize;
        let segment = &mut self.segments[id];
        segment.clear(hash, place.bucket as usize, place.slot as usize);
        self.len -= 1;
        if segment.is_sparse() {
            self.shrink(id, records);
        }
    }

    /// Visits every entry whose home is the bucket that holds `position` and returns the position
    /// at which to go on, or `None` at the end. O(1).
    pub fn scan(
        &self,
        position: u64,
        records: &impl Records,
        mut visit: impl FnMut(Handle),
    ) -> Option<u64> {
        let segment = &self.segments[self.segment_of(position)];
        let home = segment.home(position);
        let mut at = home;
        for _ in 0..segment.buckets.len() {
            let bucket = &segment.buckets[at];
            for slot in Bits(bucket.occupied()) {
                let handle = Handle(bucket.handles[slot]);
                if segment.home(records.hash(handle).position()) == home {
                    visit(handle);
                }
            }
            if bucket.overflow == 0 {
                break;
            }
            at = segment.after(at);
        }
        let below = POSITION_BITS - u32::from(segment.depth);
        let base = position >> below << below;
        let next = base + segment.first_fraction(home + 1);
        (next >> POSITION_BITS == 0).then_some(next)
    }

    /// Starts loading the records of the bucket at a position of [`Table::scan`].
    pub fn prefetch_at(&self, position: u64, records: &impl Records) {
        let segment = &self.segments[self.segment_of(position)];
        let bucket = &segment.buckets[segment.home(position)];
        for slot in Bits(bucket.occupied()) {
            records.prefetch(Handle(bucket.handles[slot]));
        }
    }

    /// Some entry of a bucket chosen by `random`, all bits of which must be random; `None` when
    /// that place is empty: the caller draws again.
    pub fn sample(&self, random: u64) -> Option<Handle> {
        let segment = &self.segments[self.segment_of(random >> (64 - POSITION_BITS))];
        let low = random & 0xff_ffff;
        let slot = (low % (segment.buckets.len() * SLOTS) as u64) as usize;
        let bucket = &segment.buckets[slot / SLOTS];
        (bucket.tags[slot % SLOTS] != 0).then(|| Handle(bucket.handles[slot % SLOTS]))
    }

    /// Visits up to `most` entries with an expiry, from a place that `random` chooses on.
    pub fn sample_expiring(&self, random: u64, most: usize, mut visit: impl FnMut(Handle)) {
        let (high, low) = ((random >> 32) as usize, random as u32 as usize);
        let count = self.segments.len();
        let segments = (0..count).map(|number| &self.segments[(high % count + number) % count]);
        let mut left = most;
        for segment in segments.filter(|segment| segment.next_expiry != NO_EXPIRY) {
            let count = segment.buckets.len();
            for number in 0..count {
                let bucket = &segment.buckets[(low % count + number) % count];
                for slot in Bits(u32::from(bucket.expiring)).take(left) {
                    visit(Handle(bucket.handles[slot]));
                    left -= 1;
                }
                if left == 0 {
                    return;
                }
            }
        }
    }

    /// The next entry in table order from `position` on, for when sampling keeps missing.
    pub fn any_from(&self, position: u64, records: &impl Records) -> Option<Handle> {
        let mut found = None;
        let mut at = Some(position);
        while let (None, Some(position)) = (found, at) {
            at = self.scan(position, records, |handle| found = Some(handle));
        }
        found
    }

    /// All entries, in no order that means anything.
    pub fn handles(&self) -> impl Iterator<Item = Handle> + '_ {
        let entries = self.segments.iter().flat_map(Segment::entries);
        entries.map(|(handle, _)| handle)
    }

    /// No entry expires before this. O(segments).
    pub fn next_expiry(&self) -> u64 {
        let each = self.segments.iter().map(|segment| segment.next_expiry);
        each.min().unwrap_or(NO_EXPIRY)
    }

    /// How many segments there are: the bound of [`Table::expired_in`]'s number.
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Collects into `expired` up to [`EXPIRED_MAX`] records of one segment that are due by
    /// `now_ms`; returns how many records it had to look at. Costs one comparison where nothing is
    /// due.
    pub fn expired_in(
        &mut self,
        segment: usize,
        now_ms: u64,
        expiry_of: impl Fn(Handle) -> Option<u64>,
        expired: &mut Vec<Handle>,
    ) -> usize {
        let segment = &mut self.segments[segment];
        if segment.next_expiry > now_ms {
            return 0;
        }
        let mut next = NO_EXPIRY;
        let mut looked_at = 0;
        for bucket in &segment.buckets {
            for slot in Bits(u32::from(bucket.expiring)) {
                let handle = Handle(bucket.handles[slot]);
                looked_at += 1;
                match expiry_of(handle) {
                    Some(at) if at <= now_ms && expired.len() < EXPIRED_MAX => {
                        expired.push(handle);
                    }
                    Some(at) => next = next.min(at),
                    None => {}
                }
            }
        }
        segment.next_expiry = next;
        looked_at
    }

    #[inline(always)]
    fn segment_of(&self, position: u64) -> usize {
        self.directory[(position >> (POSITION_BITS - u32::from(self.depth))) as usize] as usize
    }

    /// Makes a full segment larger, or two of it.
    #[cold]
    fn grow(&mut self, id: usize, records: &impl Records) {
        if self.segments[id].size < SIZE_MAX {
            self.rebuild(id, self.segments[id].size + 1, records);
        } else {
            self.split(id, records);
        }
    }

    fn split(&mut self, id: usize, records: &impl Records) {
        let old = &self.segments[id];
        let (depth, prefix, next_expiry) = (old.depth, old.prefix, old.next_expiry);
        let bit = POSITION_BITS - 1 - u32::from(depth);
        let mut halves: [Vec<_>; 2] = Default::default();
        for_each_hashed(old, records, |hash, handle, expiring| {
            halves[(hash.position() >> bit & 1) as usize].push((hash, handle, expiring));
        });
        if depth == self.depth {
            self.directory = self.directory.iter().flat_map(|&id| [id, id]).collect();
            self.depth += 1;
        }
        let new_ids = [id, self.segments.len()];
        for (half, entries) in halves.into_iter().enumerate() {
            let size = fitting_size(entries.len());
            let mut segment = Segment::new(size, depth + 1, prefix << 1 | half as u32);
            segment.next_expiry = next_expiry;
            for (hash, handle, expiring) in entries {
                segment.add(hash, handle, expiring);
            }
            if half == 0 {
                self.segments[id] = segment;
            } else {
                self.segments.push(segment);
            }
            self.enter_in_directory(new_ids[half]);
        }
    }

    /// Makes a sparse segment smaller, and one with its neighbour when both are.
    #[cold]
    fn shrink(&mut self, id: usize, records: &impl Records) {
        let size = fitting_size(self.segments[id].len as usize);
        self.rebuild(id, size.min(self.segments[id].size), records);
        self.merge(id, records);
    }

    /// Moves the entries of `id`'s buddy into it when both together are small.
    fn merge(&mut self, id: usize, records: &impl Records) {
        let Segment {
            depth,
            prefix,
            size,
            ..
        } = self.segments[id];
        if depth == 0 || size >= SIZE_MERGE {
            return;
        }
        let buddy = self.directory[((prefix ^ 1) as usize) << (self.depth - depth)] as usize;
        if self.segments[buddy].depth != depth || self.segments[buddy].size >= SIZE_MERGE {
            return;
        }
        let together = self.segments[id].len + self.segments[buddy].len;
        let mut merged = Segment::new(fitting_size(together as usize), depth - 1, prefix >> 1);
        for part in [id, buddy] {
            let part = &self.segments[part];
            merged.next_expiry = merged.next_expiry.min(part.next_expiry);
            for_each_hashed(part, records, |hash, handle, expiring| {
                merged.add(hash, handle, expiring);
            });
        }
        self.segments[id] = merged;
        self.enter_in_directory(id);
        self.segments.swap_remove(buddy);
        if buddy < self.segments.len() {
            self.enter_in_directory(buddy);
        }
    }

    fn rebuild(&mut self, id: usize, size: u8, records: &impl Records) {
        let old = &self.segments[id];
        let mut new = Segment::new(size, old.depth, old.prefix);
        new.next_expiry = old.next_expiry;
        for_each_hashed(old, records, |hash, handle, expiring| {
            new.add(hash, handle, expiring);
        });
        self.segments[id] = new;
    }

    fn enter_in_directory(&mut self, id: usize) {
        let Segment { depth, prefix, .. } = self.segments[id];
        let span = 1 << (self.depth - depth);
        let first = (prefix as usize) * span;
        self.directory[first..first + span].fill(id as u32);
    }
}

/// The smallest size in which `len` entries leave room to grow.
fn fitting_size(len: usize) -> u8 {
    let fits = |&buckets: &u16| len * 100 < buckets as usize * SLOTS * FITTING_PERCENT;
    SIZES.iter().position(fits).unwrap_or(SIZE_MAX as usize) as u8
}

/// Calls `each` with all entries and their hashes; reads ahead, for every record is a cache miss.
fn for_each_hashed(
    segment: &Segment,
    records: &impl Records,
    mut each: impl FnMut(KeyHash, Handle, bool),
) {
    const AHEAD: usize = 16;
    let mut ahead = segment.entries();
    for (handle, _) in ahead.by_ref().take(AHEAD) {
        records.prefetch(handle);
    }
    for (handle, expiring) in segment.entries() {
        if let Some((later, _)) = ahead.next() {
            records.prefetch(later);
        }
        each(records.hash(handle), handle, expiring);
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
