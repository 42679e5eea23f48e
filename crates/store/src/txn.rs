//! What a command sees of the keyspace: the keys it has locked, as one plain map.
//!
//! A `Txn` serves a batch of commands of one connection. For each, the dispatcher takes the locks
//! ([`Txn::lock_key`], [`Txn::lock_keys`], [`Txn::lock_all`]), the command works through
//! [`Txn::find`] and its relatives, and [`Txn::commit`] hands its effects to the log. Locks are
//! kept from one command to the next while these need the same; [`Txn::release`] gives them up.

use std::sync::Arc;

use data::record::CLOCK_MASK;
use data::{Entry, KeyHash, Kind, NewValue, Value, ValueRef};

use smallvec::SmallVec;

use crate::blocked::Wait;
use crate::events::{Author, Event, EventClasses, Interest};
use crate::lock::Holder;
use crate::log::{Effects, Mark};
use crate::random::Random;
use crate::shard::{Db, ShardData, WatchFlag};
use crate::store::Store;
use crate::sync::Waiter;

mod collections;
mod effects;
mod family;
mod suspend;
mod waiting;
mod whole;

pub use suspend::Suspended;
pub use waiting::Unserved;
pub use whole::{DbTotals, Totals};

/// The connection was put on a wait list: the command did not run and is to be tried again when the
/// connection is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parked;

/// The key holds a value of another type than the command works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

/// A key that was found; valid until the transaction next changes the keyspace.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    shard: usize,
    entry: Entry,
}

/// A string value.
#[derive(Clone, Copy, Debug)]
pub enum Str<'a> {
    /// Its bytes.
    Bytes(&'a [u8]),
    /// The integer of which it is the decimal form.
    Int(i64),
}

/// A value that was taken out of the keyspace.
#[derive(Clone, Debug)]
pub enum Owned {
    /// A string; `raw` when a command had changed it in place.
    Str {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Whether its encoding is `raw`.
        raw: bool,
    },
    /// An integer.
    Int(i64),
    /// A packed collection.
    Packed(Kind, Vec<u8>),
    /// A large value.
    External(Value),
}

/// The default of [`Txn::max_string`].
const MAX_STRING: u64 = 512 << 20;

/// Shard numbers; there are at most 4096. As many as a group of pipelined commands has keys need no
/// allocation.
pub type Shards = SmallVec<[u16; 64]>;

#[derive(Debug)]
enum Held {
    Nothing,
    One(usize),
    /// Ascending.
    Many(Shards),
    All,
    /// A script's keys as it goes.
    Family(Box<family::Family>),
}

/// See the module.
#[derive(Debug)]
pub struct Txn<'s> {
    store: &'s Store,
    thread: usize,
    holder: Holder,
    held: Held,
    /// The selected database.
    pub db: usize,
    /// Unix time in milliseconds; stands still during a command.
    pub now_ms: u64,
    clock: u32,
    /// Whether reading a key counts as use of it (CLIENT NO-TOUCH).
    pub touches: bool,
    /// Whether keys whose time has come are left where they are and only not found (CLIENT PAUSE).
    /// Not for commands that write: they would add such a key a second time.
    pub keeps_expired: bool,
    /// Longest string that a command may make (`proto-max-bulk-len`); `u64::MAX` for a master's
    /// link, which has to be obeyed.
    pub max_string: u64,
    /// The client that this is done for, see [`Author`].
    pub client: u64,
    dirty: u64,
    flushed: bool,
    /// For the log. Given to it before any lock is given back.
    effects: Effects,
    /// Where those of the current command begin.
    command: Mark,
    /// Where those effects begin that stand for the current command, if there are some.
    told: Option<Mark>,
    /// Where a group begins, see [`Txn::begin_group`].
    group: Option<Mark>,
    /// Memory for the packed collections that are being changed.
    scratch: Vec<u8>,
    /// Whether a command may wait for keys: not inside EXEC.
    pub may_wait: bool,
    /// Whether a script runs the commands.
    pub in_script: bool,
    wait: Option<Wait>,
    ready: Vec<(usize, Box<[u8]>)>,
}

impl<'s> Txn<'s> {
    /// A transaction without locks, for `thread`, which is inside the gate.
    #[inline(always)]
    pub fn new(store: &'s Store, thread: usize, db: usize, now_ms: u64) -> Self {
        Self {
            store,
            thread,
            holder: store.next_holder(thread),
            held: Held::Nothing,
            db,
            now_ms,
            clock: (now_ms / 1000) as u32 & CLOCK_MASK,
            touches: true,
            keeps_expired: false,
            max_string: MAX_STRING,
            client: 0,
            dirty: 0,
            flushed: false,
            effects: Effects::default(),
            command: Mark::default(),
            told: None,
            group: None,
            scratch: Vec::new(),
            may_wait: true,
            in_script: false,
            wait: None,
            ready: Vec::new(),
        }
    }

    /// The store it works on.
    pub fn store(&self) -> &'s Store {
        self.store
    }

    /// The thread it runs on.
    pub fn thread(&self) -> usize {
        self.thread
    }

    /// Random numbers, the same again in a store of the same seed.
    #[inline(always)]
    pub fn random(&self) -> &'s Random {
        self.store.random(self.thread)
    }

    /// Runs `work` with another database selected.
    pub fn in_db<T>(&mut self, db: usize, work: impl FnOnce(&mut Self) -> T) -> T {
        let selected = std::mem::replace(&mut self.db, db);
        let result = work(self);
        self.db = selected;
        result
    }

    /// The access clock: seconds, 23 bits.
    #[inline(always)]
    pub fn clock(&self) -> u32 {
        self.clock
    }
}

/// Locks.
impl Txn<'_> {
    /// Locks the shard of one key.
    #[inline(always)]
    pub fn lock_key(&mut self, key: &[u8], waiter: Waiter) -> Result<(), Parked> {
        let shard = self.store.shard_of(key, self.hash_for_shard(key));
        if self.has_locked(shard) {
            return Ok(());
        }
        self.release();
        self.lock_shard(shard, waiter)?;
        self.held = Held::One(shard);
        Ok(())
    }

    /// Locks the shards of several keys, all or none.
    pub fn lock_keys<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]>,
        waiter: Waiter,
    ) -> Result<(), Parked> {
        if self.store.shard_count() == 1 {
            return self.lock_key(b"", waiter);
        }
        self.lock_shards(
            keys.map(|key| self.store.shard_of(key, self.store.hash(key)) as u16)
                .collect(),
            waiter,
        )
    }

    /// Locks these shards, all or none; they may come in any order and several times.
    pub fn lock_shards(&mut self, mut shards: Shards, waiter: Waiter) -> Result<(), Parked> {
        shards.sort_unstable();
        shards.dedup();
        if shards
            .iter()
            .all(|&shard| self.has_locked(usize::from(shard)))
        {
            return Ok(());
        }
        self.release();
        if shards.len() > 1 {
            // Another core may have had them last: the lines travel together, not one by one.
            for &shard in &shards {
                self.store.shards[usize::from(shard)].prefetch();
            }
        }
        for (i, &shard) in shards.iter().enumerate() {
            if let Err(parked) = self.lock_shard(usize::from(shard), waiter) {
                for &held in &shards[..i] {
                    self.store
                        .wake(self.store.shards[usize::from(held)].lock.unlock());
                }
                return Err(parked);
            }
        }
        self.held = if let [one] = shards[..] {
            Held::One(usize::from(one))
        } else {
            Held::Many(shards)
        };
        Ok(())
    }

    /// Gives all locks back and wakes who waited for them.
    #[inline(always)]
    pub fn release(&mut self) {
        self.hand_over_effects();
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Nothing => {}
            Held::One(shard) => self.store.wake(self.store.shards[shard].lock.unlock()),
            Held::Many(shards) => {
                for shard in shards {
                    let lock = &self.store.shards[usize::from(shard)].lock;
                    self.store.wake(lock.unlock());
                }
            }
            Held::All => self.store.wake(self.store.gate.open()),
            Held::Family(family) => self.end_family(&family),
        }
    }

    /// Starts loading the table bucket of a key whose shard is locked; then
    /// [`Txn::prefetch_record`] may follow.
    #[inline(always)]
    pub fn prefetch_bucket(&mut self, shard: usize, hash: KeyHash) {
        self.part(shard).dict.prefetch_bucket(hash);
    }

    /// Starts loading the record of a key whose shard is locked.
    #[inline(always)]
    pub fn prefetch_record(&mut self, shard: usize, hash: KeyHash) {
        self.part(shard).dict.prefetch_record(hash);
    }

    /// The large value that a key whose shard is locked most likely has, once its record is there:
    /// for prefetching only.
    #[inline]
    pub fn likely_large(&mut self, shard: usize, hash: KeyHash) -> Option<&Value> {
        self.part(shard).dict.likely_large(hash)
    }

    /// The shard of a key.
    pub fn shard_of(&self, key: &[u8]) -> usize {
        self.store.shard_of(key, self.hash_for_shard(key))
    }

    /// Whether the shard of a key is locked.
    #[inline]
    pub fn holds_key(&self, key: &[u8]) -> bool {
        self.holds(self.shard_of(key))
    }

    /// Whether everything is locked.
    pub fn holds_all(&self) -> bool {
        matches!(self.held, Held::All)
    }

    /// With one shard the hash isn't needed to find it.
    #[inline(always)]
    fn hash_for_shard(&self, key: &[u8]) -> KeyHash {
        if self.store.shard_count() == 1 {
            KeyHash(0)
        } else {
            self.store.hash(key)
        }
    }

    #[inline(always)]
    fn holds(&self, shard: usize) -> bool {
        match &self.held {
            Held::Nothing => false,
            Held::One(one) => *one == shard,
            Held::Many(_) | Held::Family(_) => {
                self.store.shards[shard].lock.is_held_by(self.holder)
            }
            Held::All => true,
        }
    }

    /// As [`Txn::holds`], but not for the time of one command only.
    #[inline(always)]
    fn has_locked(&self, shard: usize) -> bool {
        !self.is_family() && self.holds(shard)
    }

    #[inline(always)]
    fn lock_shard(&self, shard: usize, waiter: Waiter) -> Result<(), Parked> {
        let lock = &self.store.shards[shard].lock;
        loop {
            if lock.spin_lock(self.holder) {
                return Ok(());
            }
            if lock.park(waiter) {
                return Err(Parked);
            }
        }
    }

    /// The selected database's part in a shard that this transaction holds.
    #[inline(always)]
    fn part(&mut self, shard: usize) -> &mut Db {
        let db = self.db;
        self.shard_data(shard).db(db)
    }

    /// A shard that this transaction holds.
    #[inline(always)]
    fn shard_data(&mut self, shard: usize) -> &mut ShardData {
        assert!(
            self.holds(shard),
            "a command touched a key that it had not declared"
        );
        // SAFETY: the lock (or the gate) is held by this transaction until `release`, which takes
        // `&mut self`, as does this; so the reference is the only one and ends before that.
        unsafe { self.store.shards[shard].data() }
    }

    /// As [`Txn::part`], to change or remove an entry: a snapshot may have to save it first.
    #[inline(always)]
    fn part_to_change(&mut self, found: Found) -> &mut Db {
        let db = self.db;
        let data = self.shard_data(found.shard);
        if data.saving.is_some() {
            data.save_first(db, found.entry);
        }
        data.db(db)
    }

    /// The selected database's part in a shard that this transaction holds, to be read; `None` if
    /// it was never used.
    fn used_part(&self, shard: usize) -> Option<&Db> {
        assert!(
            self.holds(shard),
            "a command looked at a shard that it had not locked"
        );
        // SAFETY: the lock (or the gate) is held by this transaction until `release`. All that
        // changes the data takes `&mut self`, so until this reference ends it is only read.
        let data = unsafe { self.store.shards[shard].shared() };
        data.used_db(self.db)
    }
}

/// Keys.
impl Txn<'_> {
    /// Finds a key that exists now. One whose time has come is removed on the way. O(1).
    #[inline(always)]
    pub fn find(&mut self, key: &[u8]) -> Option<Found> {
        let found = self.peek(key)?;
        if self.touches {
            let field = self.access_field(Some(found));
            self.part(found.shard).dict.touch(found.entry, field);
        }
        Some(found)
    }

    /// As [`Txn::find`], for a command that only reads: counts hits and misses.
    #[inline(always)]
    pub fn read(&mut self, key: &[u8]) -> Option<Found> {
        let found = self.find(key);
        let stats = self.store.stats(self.thread);
        if found.is_some() {
            stats.hits.add(1);
        } else {
            stats.misses.add(1);
            self.notify_of(EventClasses::MISS, key, "keymiss");
        }
        found
    }

    /// As [`Txn::read`], but doesn't count as use of the key: for commands that ask about a key
    /// rather than for its value.
    #[inline(always)]
    pub fn inspect(&mut self, key: &[u8]) -> Option<Found> {
        let touches = std::mem::replace(&mut self.touches, false);
        let found = self.read(key);
        self.touches = touches;
        found
    }

    /// As [`Txn::find`], but doesn't count as use of the key.
    #[inline(always)]
    pub fn peek(&mut self, key: &[u8]) -> Option<Found> {
        let hash = self.store.hash(key);
        let shard = self.store.shard_of(key, hash);
        let now_ms = self.now_ms;
        let db = self.part(shard);
        let entry = db.dict.find(hash, key)?;
        if db.dict.record(entry).is_expired(now_ms) {
            self.remove_expired(key, Found { shard, entry });
            return None;
        }
        if db.dict.members_expire(entry).is_some_and(|at| at <= now_ms) {
            return self.let_members_expire(key, Found { shard, entry });
        }
        Some(Found { shard, entry })
    }

    /// The value of a key.
    #[inline(always)]
    pub fn value(&mut self, found: Found) -> ValueRef<'_> {
        self.part(found.shard).dict.value(found.entry)
    }

    /// The string at `key`, or that there is none.
    #[inline(always)]
    pub fn read_str(&mut self, key: &[u8]) -> Result<Option<Str<'_>>, WrongType> {
        match self.read(key) {
            Some(found) => self.str(found).map(Some),
            None => Ok(None),
        }
    }

    /// The string that a key holds.
    #[inline(always)]
    pub fn str(&mut self, found: Found) -> Result<Str<'_>, WrongType> {
        match self.value(found) {
            ValueRef::Str(bytes) | ValueRef::Raw(bytes) => Ok(Str::Bytes(bytes)),
            ValueRef::Int(value) => Ok(Str::Int(value)),
            ValueRef::External(Value::Str(bytes)) => Ok(Str::Bytes(bytes)),
            ValueRef::External(_) | ValueRef::Packed(..) => Err(WrongType),
        }
    }

    /// Unix time in milliseconds at which a key ceases to exist.
    #[inline(always)]
    pub fn expiry(&mut self, found: Found) -> Option<u64> {
        self.part(found.shard).dict.record(found.entry).expiry()
    }

    /// Seconds since a key was last used.
    pub fn idle_seconds(&mut self, found: Found) -> u64 {
        let now = self.clock();
        let then = self.part(found.shard).dict.record(found.entry).clock();
        u64::from(now.wrapping_sub(then) & CLOCK_MASK)
    }

    /// Has a key look as if it was last used so many seconds ago.
    pub fn set_idle_seconds(&mut self, found: Found, seconds: u64) {
        if self.store.uses.are_counted() {
            return;
        }
        let then = (self.now_ms / 1000).saturating_sub(seconds) as u32 & CLOCK_MASK;
        self.part(found.shard).dict.touch(found.entry, then);
    }

    /// How often a key was used lately, up to 255; `None` if that isn't counted.
    pub fn frequency(&mut self, found: Found) -> Option<u32> {
        let uses = &self.store.uses;
        let field = self.part(found.shard).dict.record(found.entry).clock();
        uses.are_counted().then(|| uses.count(field, self.now_ms))
    }

    /// Has a key look as if it was used so often.
    pub fn set_frequency(&mut self, found: Found, frequency: u8) {
        if self.store.uses.are_counted() {
            let field = self.store.uses.field_of(frequency.into(), self.now_ms);
            self.part(found.shard).dict.touch(found.entry, field);
        }
    }

    /// The access field of a key that is used now, which was `found` or is new.
    #[inline(always)]
    fn access_field(&mut self, found: Option<Found>) -> u32 {
        if self.store.uses.are_counted() {
            self.count_use(found)
        } else {
            self.clock()
        }
    }

    #[cold]
    fn count_use(&mut self, found: Option<Found>) -> u32 {
        let Some(found) = found else {
            return self.store.uses.of_new(self.now_ms);
        };
        let field = self.part(found.shard).dict.record(found.entry).clock();
        let random = self.random().next();
        self.store.uses.after_use(field, self.now_ms, random)
    }

    /// Bytes that a key takes in memory, its share of the table included.
    pub fn memory_of(&mut self, found: Found) -> usize {
        self.part(found.shard).dict.entry_bytes(found.entry)
    }

    /// Sets value and expiry of `key`, which was `found` or isn't there. O(1) for a small value.
    #[inline(always)]
    pub fn set(
        &mut self,
        key: &[u8],
        found: Option<Found>,
        value: NewValue<'_>,
        expiry: Option<u64>,
    ) -> Found {
        let clock = self.access_field(found);
        if let Some(found @ Found { shard, entry }) = found {
            let dict = &mut self.part_to_change(found).dict;
            let (entry, disposed) = dict.replace(entry, key, value, expiry, clock);
            self.store.dispose(disposed);
            return Found { shard, entry };
        }
        let hash = self.store.hash(key);
        let shard = self.store.shard_of(key, hash);
        let entry = self
            .part(shard)
            .dict
            .insert(hash, key, value, expiry, clock);
        self.notify_of(EventClasses::NEW, key, "new");
        Found { shard, entry }
    }

    /// Overwrites an integer with another.
    #[inline(always)]
    pub fn set_int(&mut self, found: Found, value: i64) {
        self.part_to_change(found).dict.set_int(found.entry, value);
    }

    /// The bytes of a string in its record, to be changed in place; `None` for any other value.
    pub fn inline_mut(&mut self, found: Found) -> Option<&mut [u8]> {
        self.part_to_change(found).dict.inline_mut(found.entry)
    }

    /// A large value, to be changed in place; `None` for a small one.
    pub fn value_mut(&mut self, found: Found) -> Option<&mut Value> {
        self.part_to_change(found).dict.value_mut(found.entry)
    }

    /// Sets or removes the expiry.
    pub fn set_expiry(&mut self, found: Found, expiry: Option<u64>) -> Found {
        let entry = self
            .part_to_change(found)
            .dict
            .set_expiry(found.entry, expiry);
        Found { entry, ..found }
    }

    /// Removes a key. A value that takes long to free is freed in the background.
    pub fn remove(&mut self, found: Found) {
        let disposed = self.part_to_change(found).dict.remove(found.entry);
        self.store.dispose(disposed);
    }

    /// Removes a key and returns its value.
    pub fn take(&mut self, found: Found) -> Owned {
        let owned = match self.value(found) {
            ValueRef::External(_) => None,
            small => Some(to_owned(small)),
        };
        let large = self.part_to_change(found).dict.remove(found.entry);
        owned
            .or(large.map(Owned::External))
            .expect("a value is small or large")
    }

    /// A copy of a value. O(size).
    pub fn clone_value(&mut self, found: Found) -> Owned {
        to_owned(self.value(found))
    }

    /// Stores a value that came from [`Txn::take`] or [`Txn::clone_value`].
    pub fn put(
        &mut self,
        key: &[u8],
        found: Option<Found>,
        value: Owned,
        expiry: Option<u64>,
    ) -> Found {
        let value = match &value {
            Owned::Str { bytes, raw: true } => NewValue::Raw(bytes),
            Owned::Str { bytes, raw: false } => NewValue::Str(bytes),
            Owned::Int(value) => NewValue::Int(*value),
            Owned::Packed(kind, bytes) => NewValue::Packed(*kind, bytes),
            Owned::External(_) => {
                let Owned::External(value) = value else {
                    unreachable!("just matched")
                };
                return self.set(key, found, NewValue::External(value), expiry);
            }
        };
        self.set(key, found, value, expiry)
    }

    #[cold]
    fn remove_expired(&mut self, key: &[u8], found: Found) {
        if self.keeps_expired {
            return;
        }
        self.remove(found);
        let (store, thread, db) = (self.store, self.thread, self.db);
        store.stats(thread).expired.add(1);
        if !store.observers().interest().is_none() {
            store.tell_gone(thread, (db, self.part(found.shard)), key, "expired");
        }
        self.record(&[b"DEL", key]);
    }
}

/// Who is told of changes.
impl Txn<'_> {
    /// Notes that a command has changed `key`: for watchers, the log and notifications.
    #[inline(always)]
    pub fn changed(&mut self, key: &[u8], event: Event) {
        self.dirty += 1;
        let interest = self.store.observers().interest();
        if !interest.is_none() {
            self.tell(interest, key, event);
        }
    }

    /// Notes that a command has changed something beside the keyspace that is kept with it.
    pub fn changed_beside(&mut self) {
        self.dirty += 1;
    }

    /// As [`Txn::changed`], for a change of which no notification tells.
    pub fn changed_silently(&mut self, key: &[u8]) {
        self.changed(key, "");
    }

    /// Tells of an event that comes with a change and isn't one of its own.
    pub fn notify(&mut self, key: &[u8], event: Event) {
        let observers = self.store.observers();
        observers.event(observers.interest(), self.db, event, key);
    }

    /// As [`Txn::notify`], where the class of the event is known.
    #[inline(always)]
    fn notify_of(&mut self, class: EventClasses, key: &[u8], event: Event) {
        if self.store.observers().interest().wants(class) {
            self.notify(key, event);
        }
    }

    /// Tells all who want to know that `key` has changed.
    #[cold]
    fn tell(&mut self, interest: Interest, key: &[u8], event: Event) {
        if interest.has_watched_keys() {
            let shard = self.store.shard_of(key, self.store.hash(key));
            let part = self.part(shard);
            part.touch_watchers(key);
            if part.is_awaited(key) {
                self.ready.push((self.db, key.into()));
            }
        }
        let observers = self.store.observers();
        observers.invalidated(interest, self.author(), key);
        observers.event(interest, self.db, event, key);
    }

    fn author(&self) -> Author {
        Author {
            thread: self.thread,
            client: self.client,
        }
    }
}

/// Watching.
impl Txn<'_> {
    /// Has `flag` told when `key` changes from now on.
    pub fn watch(&mut self, key: &[u8], flag: &Arc<WatchFlag>) {
        // What has expired already must not count as a change later.
        self.peek(key);
        let shard = self.store.shard_of(key, self.store.hash(key));
        self.store.observers().watch();
        self.part(shard).watch(key, flag);
    }

    /// Ends a watch. The caller's transaction holds no lock.
    pub fn unwatch(store: &Store, db: usize, key: &[u8], flag: &Arc<WatchFlag>) {
        let shard = store.shard_of(key, store.hash(key));
        store.visit(shard, |data| data.db(db).unwatch(key, flag));
        store.observers().unwatch();
    }
}

fn to_owned(value: ValueRef<'_>) -> Owned {
    match value {
        ValueRef::Str(bytes) => Owned::Str {
            bytes: bytes.to_vec(),
            raw: false,
        },
        ValueRef::Raw(bytes) => Owned::Str {
            bytes: bytes.to_vec(),
            raw: true,
        },
        ValueRef::Int(value) => Owned::Int(value),
        ValueRef::Packed(kind, bytes) => Owned::Packed(kind, bytes.to_vec()),
        ValueRef::External(value) => Owned::External(value.clone()),
    }
}

impl Drop for Txn<'_> {
    fn drop(&mut self) {
        self.end_group();
        self.release();
    }
}
