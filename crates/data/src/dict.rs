//! A map from key to value with expiry: the table, the arena of records and the large values
//! together.
//!
//! Callers hash a key once ([`Dict::hash`]), find its [`Entry`] and work on that. An entry is valid
//! until the next call that takes `&mut self`, except that such calls return the new one.

use crate::arena::{Arena, Handle, block_bytes};
use crate::hash::{KeyHash, KeyHasher};
use crate::prefetch::prefetch;
use crate::record::{self, Era, Kind, Record};
use crate::table::{Place, Records, Table};
use crate::types::{Collection, Hash, List, Set, Zset};
use crate::value::{Value, Values};

mod members;
mod unsaved;

pub use members::ExpiredMembers;

/// A value to be stored.
#[derive(Debug)]
pub enum NewValue<'a> {
    /// A string as the client gave it.
    Str(&'a [u8]),
    /// A string that a command has changed (encoding `raw`).
    Raw(&'a [u8]),
    /// An integer.
    Int(i64),
    /// A packed collection of this kind.
    Packed(Kind, &'a [u8]),
    /// Anything too large for a record.
    External(Value),
}

/// A stored value.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// A string as the client gave it.
    Str(&'a [u8]),
    /// A string that a command has changed.
    Raw(&'a [u8]),
    /// An integer.
    Int(i64),
    /// A packed collection of this kind.
    Packed(Kind, &'a [u8]),
    /// Anything too large for a record.
    External(&'a Value),
}

impl ValueRef<'_> {
    /// The type, as the TYPE command names it.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Packed(Kind::List, _) => "list",
            Self::Packed(Kind::Hash, _) => "hash",
            Self::Packed(Kind::Set, _) => "set",
            Self::Packed(Kind::Zset, _) => "zset",
            Self::Str(_) | Self::Raw(_) | Self::Int(_) | Self::Packed(..) => "string",
            Self::External(value) => value.type_name(),
        }
    }

    /// How it is kept, as OBJECT ENCODING names it: by what Redis would have done with it.
    pub fn encoding(self) -> &'static str {
        /// The longest string that Redis keeps in one piece with its header.
        const EMBEDDED_MAX: usize = 44;
        match self {
            Self::Int(_) => "int",
            Self::Str(bytes) if bytes.len() <= EMBEDDED_MAX => "embstr",
            Self::Packed(Kind::List, bytes) => List::view_packed(bytes).encoding(),
            Self::Packed(Kind::Hash, bytes) => Hash::view_packed(bytes).encoding(),
            Self::Packed(Kind::Set, bytes) => Set::view_packed(bytes).encoding(),
            Self::Packed(Kind::Zset, bytes) => Zset::view_packed(bytes).encoding(),
            Self::Str(_) | Self::Raw(_) | Self::Packed(..) => "raw",
            Self::External(value) => value.encoding(),
        }
    }
}

/// An entry that was found.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    hash: KeyHash,
    place: Place,
}

/// See the module.
#[derive(Debug)]
pub struct Dict {
    table: Table,
    arena: Arena,
    values: Values,
    hasher: KeyHasher,
    expiring: usize,
    member_expiries: members::Register,
    /// That of records that need no saving, see [`Dict::begin_era`].
    era: Era,
}

/// What the table may ask about records.
struct Reader<'a> {
    arena: &'a Arena,
    hasher: &'a KeyHasher,
}

impl Records for Reader<'_> {
    fn hash(&self, handle: Handle) -> KeyHash {
        self.hasher.hash(Record(self.arena.bytes(handle)).key())
    }

    #[inline(always)]
    fn prefetch(&self, handle: Handle) {
        let start = self.arena.address(handle);
        prefetch(start);
        // A record seldom begins with a cache line: most reach into the next.
        prefetch(start.wrapping_add(63));
    }
}

macro_rules! reader {
    ($dict:expr) => {
        &Reader {
            arena: &$dict.arena,
            hasher: &$dict.hasher,
        }
    };
}

impl Dict {
    /// An empty dictionary that hashes with `hasher`.
    pub fn new(hasher: KeyHasher) -> Self {
        Self {
            table: Table::default(),
            arena: Arena::default(),
            values: Values::default(),
            hasher,
            expiring: 0,
            member_expiries: members::Register::new(),
            era: Era::default(),
        }
    }

    /// How many keys there are, expired ones that nobody has noticed included.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True when there is no key.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// How many keys have an expiry.
    pub fn expiring(&self) -> usize {
        self.expiring
    }

    /// How many keys the table has room for. O(segments).
    pub fn capacity(&self) -> usize {
        self.table.capacity()
    }

    /// How many values live outside their records: what dropping the dictionary takes time for.
    pub fn large_values(&self) -> usize {
        self.values.len()
    }

    /// Bytes of memory that records and large values take, about. O(slabs).
    pub fn heap_bytes(&self) -> usize {
        let records = self.arena.slab_bytes() - self.arena.spare_bytes();
        records + self.values.heap_bytes()
    }

    /// Makes room for so many keys if there are none yet.
    pub fn reserve(&mut self, count: usize) {
        self.table.reserve(count);
    }

    /// Starts loading the bucket of a key.
    #[inline(always)]
    pub fn prefetch_bucket(&self, hash: KeyHash) {
        self.table.prefetch_bucket(hash);
    }

    /// Starts loading the record that a key most likely has, once its bucket is there.
    #[inline(always)]
    pub fn prefetch_record(&self, hash: KeyHash) {
        if let Some(handle) = self.table.likely(hash) {
            reader!(self).prefetch(handle);
        }
    }

    /// The large value that a key most likely has, once its record is there: for prefetching only.
    #[inline]
    pub fn likely_large(&self, hash: KeyHash) -> Option<&Value> {
        let record = Record(self.arena.bytes(self.table.likely(hash)?));
        (record.kind() == Kind::External).then(|| self.values.get(record.external()))
    }

    /// The entry of `key`, whose hash is `hash`. O(1).
    #[inline(always)]
    pub fn find(&self, hash: KeyHash, key: &[u8]) -> Option<Entry> {
        let place = self
            .table
            .find(hash, |handle| Record(self.arena.bytes(handle)).key() == key)?;
        Some(Entry { hash, place })
    }

    /// The entry of the key that has this hash. O(1).
    fn find_hash(&self, hash: KeyHash) -> Option<Entry> {
        let reader = reader!(self);
        let has_hash = |handle| reader.hash(handle) == hash;
        let place = self.table.find(hash, has_hash)?;
        Some(Entry { hash, place })
    }

    /// The record of an entry.
    #[inline(always)]
    pub fn record(&self, entry: Entry) -> Record<'_> {
        Record(self.arena.bytes(entry.place.handle))
    }

    /// The value of an entry.
    #[inline(always)]
    pub fn value(&self, entry: Entry) -> ValueRef<'_> {
        self.value_of(self.record(entry))
    }

    /// The value of a record that this dictionary has shown.
    #[inline(always)]
    pub fn value_of<'a>(&'a self, record: Record<'a>) -> ValueRef<'a> {
        match record.kind() {
            Kind::Str => ValueRef::Str(record.value()),
            Kind::StrRaw => ValueRef::Raw(record.value()),
            Kind::Int => ValueRef::Int(record.int()),
            Kind::External => ValueRef::External(self.values.get(record.external())),
            kind => ValueRef::Packed(kind, record.value()),
        }
    }

    /// The large value of an entry, to be changed in place.
    pub fn value_mut(&mut self, entry: Entry) -> Option<&mut Value> {
        let record = self.record(entry);
        if record.kind() != Kind::External {
            return None;
        }
        let id = record.external();
        Some(self.values.get_mut(id))
    }

    /// The bytes of a string kept in its record, to be changed in place (it becomes `raw`).
    pub fn inline_mut(&mut self, entry: Entry) -> Option<&mut [u8]> {
        let record = self.record(entry);
        let start = record.value_start();
        let end = start + record.value().len();
        if !matches!(record.kind(), Kind::Str | Kind::StrRaw) {
            return None;
        }
        let block = self.arena.bytes_mut(entry.place.handle);
        record::set_kind(block, Kind::StrRaw);
        Some(&mut block[start..end])
    }

    /// Sets the access clock of an entry; writes only when it changes.
    #[inline(always)]
    pub fn touch(&mut self, entry: Entry, clock: u32) {
        if self.record(entry).clock() != clock {
            record::set_clock(self.arena.bytes_mut(entry.place.handle), clock);
        }
    }

    /// Overwrites an integer value in place.
    #[inline(always)]
    pub fn set_int(&mut self, entry: Entry, value: i64) {
        let block = self.arena.bytes_mut(entry.place.handle);
        record::set_value(block, Kind::Int, &value.to_le_bytes());
    }

    /// Adds a key that isn't there. O(1) amortised.
    pub fn insert(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        value: NewValue<'_>,
        expiry: Option<u64>,
        clock: u32,
    ) -> Entry {
        let mut int = [0; 8];
        let (kind, bytes) = to_stored(key, &value, &mut int);
        let handle = match (kind, bytes) {
            (Kind::External, _) => {
                let id = self.values.insert(into_external(value));
                let stamp = (clock, self.era);
                self.store(key, Kind::External, &id.to_le_bytes(), expiry, stamp)
            }
            (kind, bytes) => self.store(key, kind, bytes, expiry, (clock, self.era)),
        };
        self.expiring += usize::from(expiry.is_some());
        let place = self.table.insert(hash, handle, expiry, reader!(self));
        let entry = Entry { hash, place };
        self.register_entry(entry, None);
        entry
    }

    /// Replaces value and expiry of an entry whose key is `key`. Returns the large value that was
    /// there, if the caller should dispose of it. O(length of the record).
    #[inline]
    pub fn replace(
        &mut self,
        entry: Entry,
        key: &[u8],
        value: NewValue<'_>,
        expiry: Option<u64>,
        clock: u32,
    ) -> (Entry, Option<Value>) {
        let mut int = [0; 8];
        let (kind, bytes) = to_stored(key, &value, &mut int);
        let before = self.members_expire(entry);
        let old = self.record(entry);
        let old_kind = old.kind();
        if kind != Kind::External && old_kind != Kind::External {
            let entry = self.rewrite(entry, key, kind, bytes, expiry, clock);
            self.register_entry(entry, before);
            return (entry, None);
        }
        let mut disposed = None;
        let id = match (old_kind, kind) {
            (Kind::External, Kind::External) => {
                let id = old.external();
                disposed = replace_large(self.values.get_mut(id), value);
                Some(id)
            }
            (Kind::External, _) => {
                let id = old.external();
                disposed = Some(self.values.remove(id));
                None
            }
            _ => Some(self.values.insert(into_external(value))),
        };
        let id_bytes;
        let (kind, bytes) = if let Some(id) = id {
            id_bytes = id.to_le_bytes();
            (Kind::External, &id_bytes[..])
        } else {
            (kind, bytes)
        };
        let entry = self.rewrite(entry, key, kind, bytes, expiry, clock);
        self.register_entry(entry, before);
        (entry, disposed)
    }

    /// Sets or removes the expiry of an entry.
    pub fn set_expiry(&mut self, entry: Entry, expiry: Option<u64>) -> Entry {
        let record = self.record(entry);
        if let (Some(_), Some(at)) = (record.expiry(), expiry) {
            record::set_expiry(self.arena.bytes_mut(entry.place.handle), at);
            self.table.replace(entry.place, entry.place.handle, expiry);
            return entry;
        }
        if record.expiry() == expiry {
            return entry;
        }
        let (kind, clock) = (record.kind(), record.clock());
        let (key, value) = (record.key().to_vec(), record.value().to_vec());
        self.rewrite(entry, &key, kind, &value, expiry, clock)
    }

    /// Removes an entry and returns its large value, if it had one, for the caller to dispose of.
    pub fn remove(&mut self, entry: Entry) -> Option<Value> {
        let before = self.members_expire(entry);
        self.register(entry.hash, before, None);
        let record = self.record(entry);
        let external = (record.kind() == Kind::External).then(|| record.external());
        self.expiring -= usize::from(record.expiry().is_some());
        self.table.remove(entry.hash, entry.place, reader!(self));
        self.arena.free(entry.place.handle);
        external.map(|id| self.values.remove(id))
    }

    /// Visits the records of one bucket, see [`Table::scan`].
    pub fn scan(&self, position: u64, mut visit: impl FnMut(Record<'_>)) -> Option<u64> {
        self.table.scan(position, reader!(self), |handle| {
            visit(Record(self.arena.bytes(handle)));
        })
    }

    /// A random record; `None` when there is none. `random` gives 64 random bits at each call.
    pub fn sample(&self, mut random: impl FnMut() -> u64) -> Option<Record<'_>> {
        if self.is_empty() {
            return None;
        }
        let handle = (0..128)
            .find_map(|_| self.table.sample(random()))
            .or_else(|| {
                let from = random() >> (64 - crate::hash::POSITION_BITS);
                self.table
                    .any_from(from, reader!(self))
                    .or_else(|| self.table.any_from(0, reader!(self)))
            })?;
        Some(Record(self.arena.bytes(handle)))
    }

    /// Visits up to `most` records with an expiry, from a place that `random` chooses on.
    pub fn sample_expiring(&self, random: u64, most: usize, mut visit: impl FnMut(Record<'_>)) {
        self.table.sample_expiring(random, most, |handle| {
            visit(Record(self.arena.bytes(handle)));
        });
    }

    /// How many parts [`Dict::remove_expired`] divides the dictionary into.
    pub fn parts(&self) -> usize {
        self.table.segment_count()
    }

    /// Removes up to 64 keys of one part that are due by `now_ms`; tells of each before it goes.
    /// Returns how many records it looked at and how many it removed.
    pub fn remove_expired(
        &mut self,
        part: usize,
        now_ms: u64,
        mut removed: impl FnMut(&[u8], Option<Value>),
    ) -> (usize, usize) {
        let mut expired = Vec::new();
        let arena = &self.arena;
        let expiry_of = |handle| Record(arena.bytes(handle)).expiry();
        let looked_at = self.table.expired_in(part, now_ms, expiry_of, &mut expired);
        for &handle in &expired {
            let key = Record(self.arena.bytes(handle)).key().to_vec();
            let hash = self.hasher.hash(&key);
            let place = self.table.find(hash, |other| other == handle);
            let place = place.expect("a record that was just seen is in the table");
            let value = self.remove(Entry { hash, place });
            removed(&key, value);
        }
        (looked_at, expired.len())
    }

    /// Whether so much of the records' memory is unused that [`Dict::compact`] is worth its time.
    pub fn is_sparse(&self) -> bool {
        self.arena.is_sparse()
    }

    /// Moves the records of one sparse slab into the room of others. Returns how many there were;
    /// `None` if there is no such slab. O(slabs).
    pub fn compact(&mut self) -> Option<usize> {
        let emptying = self.arena.empty_one()?;
        let hashed = |&handle: &Handle| {
            let hash = reader!(self).hash(handle);
            self.table.prefetch_bucket(hash);
            (hash, handle)
        };
        let records: Vec<_> = emptying.blocks().iter().map(hashed).collect();
        for &(hash, handle) in &records {
            if let Some(place) = self.table.find(hash, |other| other == handle) {
                let expiry = Record(self.arena.bytes(handle)).expiry();
                let moved = self.arena.relocate(handle);
                self.table.replace(place, moved, expiry);
            }
        }
        self.arena.emptied(&emptying);
        Some(records.len())
    }

    /// Bytes that one entry takes, its share of the table included. O(1).
    pub fn entry_bytes(&self, entry: Entry) -> usize {
        self.record_bytes(self.record(entry))
    }

    /// As [`Dict::entry_bytes`], for a record that this dictionary has shown.
    pub fn record_bytes(&self, record: Record<'_>) -> usize {
        let large = match self.value_of(record) {
            ValueRef::External(value) => value.heap_bytes() + size_of::<Value>(),
            _ => 0,
        };
        block_bytes(record.0.len()) + large + 8
    }

    /// Writes a new record.
    fn store(
        &mut self,
        key: &[u8],
        kind: Kind,
        value: &[u8],
        expiry: Option<u64>,
        stamp: (u32, Era),
    ) -> Handle {
        let len = record::layout(key.len(), expiry.is_some(), value.len()).len;
        let handle = self.arena.alloc(len);
        record::write(
            self.arena.bytes_mut(handle),
            kind,
            key,
            expiry,
            stamp,
            value,
        );
        handle
    }

    /// Writes an entry's record again: in its block where that fits exactly, else in a new one. It
    /// stays of its era.
    #[inline(always)]
    fn rewrite(
        &mut self,
        entry: Entry,
        key: &[u8],
        kind: Kind,
        value: &[u8],
        expiry: Option<u64>,
        clock: u32,
    ) -> Entry {
        let old = self.record(entry);
        let (had_expiry, era) = (old.expiry().is_some(), old.era());
        let len = record::layout(key.len(), expiry.is_some(), value.len()).len;
        let block = self.arena.bytes_mut(entry.place.handle);
        if had_expiry == expiry.is_some() && block_bytes(len) == block.len() {
            record::set_value(block, kind, value);
            record::set_clock(block, clock);
            if let Some(at) = expiry {
                record::set_expiry(block, at);
                self.table.replace(entry.place, entry.place.handle, expiry);
            }
            return entry;
        }
        let handle = self.store(key, kind, value, expiry, (clock, era));
        self.arena.free(entry.place.handle);
        self.table.replace(entry.place, handle, expiry);
        self.expiring = self.expiring + usize::from(expiry.is_some()) - usize::from(had_expiry);
        Entry {
            hash: entry.hash,
            place: entry.place.with_handle(handle),
        }
    }
}

/// How a value is to be stored, and its bytes (none for [`Kind::External`]).
#[inline(always)]
fn to_stored<'a>(key: &[u8], value: &NewValue<'a>, int: &'a mut [u8; 8]) -> (Kind, &'a [u8]) {
    match value {
        NewValue::Int(value) => {
            *int = value.to_le_bytes();
            (Kind::Int, int)
        }
        NewValue::Str(bytes) if record::fits_inline(key.len(), bytes.len()) => (Kind::Str, bytes),
        NewValue::Raw(bytes) if record::fits_inline(key.len(), bytes.len()) => {
            (Kind::StrRaw, bytes)
        }
        NewValue::Packed(kind, bytes) if record::fits_inline(key.len(), bytes.len()) => {
            (*kind, bytes)
        }
        _ => (Kind::External, &[]),
    }
}

#[cold]
fn into_external(value: NewValue<'_>) -> Value {
    match value {
        NewValue::External(value) => value,
        NewValue::Str(bytes) | NewValue::Raw(bytes) => Value::Str(bytes.to_vec()),
        NewValue::Packed(kind, bytes) => Value::from_packed(kind, bytes.to_vec()),
        NewValue::Int(_) => unreachable!("an integer is kept in its record"),
    }
}

/// Puts `new` in the place of `old`, in the same memory where a string has about that length.
fn replace_large(old: &mut Value, new: NewValue<'_>) -> Option<Value> {
    if let (Value::Str(buffer), NewValue::Str(bytes) | NewValue::Raw(bytes)) = (&mut *old, &new)
        && bytes.len() <= buffer.capacity()
        && bytes.len() >= buffer.capacity() / 4 * 3
    {
        buffer.clear();
        buffer.extend_from_slice(bytes);
        return None;
    }
    Some(std::mem::replace(old, into_external(new)))
}

#[cfg(test)]
#[path = "dict_tests.rs"]
mod tests;
