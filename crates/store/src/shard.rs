//! What one lock guards: a shard's part of every database.

use std::cell::UnsafeCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use data::prefetch::prefetch_write;
use data::{Dict, KeyHasher};

use crate::blocked::Blocked;
use crate::lock::ShardLock;
use crate::snapshot::{Saving, Walk};

/// Says whether a key that a client watches has changed. Shared by the client and its keys' shards.
#[derive(Debug, Default)]
pub struct WatchFlag(AtomicBool);

impl WatchFlag {
    /// True when a watched key has changed: EXEC must fail.
    pub fn is_dirty(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Notes a change.
    pub fn touch(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A shard's part of one database.
#[derive(Debug)]
pub struct Db {
    /// Its keys.
    pub dict: Dict,
    watched: HashMap<Box<[u8]>, Vec<Arc<WatchFlag>>>,
    /// What a snapshot has yet to do here.
    pub(crate) walk: Option<Walk>,
    /// Who waits for keys, first come first.
    awaited: HashMap<Box<[u8]>, VecDeque<Arc<Blocked>>>,
}

impl Db {
    fn new(hasher: KeyHasher) -> Self {
        Self {
            dict: Dict::new(hasher),
            watched: HashMap::new(),
            walk: None,
            awaited: HashMap::new(),
        }
    }

    /// Has `flag` told when `key` changes.
    pub(crate) fn watch(&mut self, key: &[u8], flag: &Arc<WatchFlag>) {
        let flags = self.watched.entry(key.into()).or_default();
        if !flags.iter().any(|other| Arc::ptr_eq(other, flag)) {
            flags.push(Arc::clone(flag));
        }
    }

    pub(crate) fn unwatch(&mut self, key: &[u8], flag: &Arc<WatchFlag>) {
        if let Some(flags) = self.watched.get_mut(key) {
            flags.retain(|other| !Arc::ptr_eq(other, flag));
            if flags.is_empty() {
                self.watched.remove(key);
            }
        }
    }

    /// Tells those who watch `key` that it changed.
    pub(crate) fn touch_watchers(&self, key: &[u8]) {
        for flag in self.watched.get(key).into_iter().flatten() {
            flag.touch();
        }
    }

    /// Keys that someone watches.
    pub(crate) fn watched_keys(&self) -> impl Iterator<Item = &[u8]> {
        self.watched.keys().map(|key| &key[..])
    }

    /// Has `blocked` wait for `key`, behind those who do already.
    pub(crate) fn wait_for(&mut self, key: &[u8], blocked: &Arc<Blocked>) {
        let queue = self.awaited.entry(key.into()).or_default();
        queue.push_back(Arc::clone(blocked));
    }

    /// Ends a wait.
    pub(crate) fn end_wait(&mut self, key: &[u8], blocked: &Arc<Blocked>) {
        if let Some(queue) = self.awaited.get_mut(key) {
            queue.retain(|other| !Arc::ptr_eq(other, blocked));
            if queue.is_empty() {
                self.awaited.remove(key);
            }
        }
    }

    /// Whether someone waits for `key`.
    pub(crate) fn is_awaited(&self, key: &[u8]) -> bool {
        self.awaited.contains_key(key)
    }

    /// Who is next to be served with `key`, from this place of its queue on: whoever waits for it
    /// or, if it doesn't exist, whoever wants to know that.
    pub(crate) fn next_waiting(
        &self,
        key: &[u8],
        from: usize,
        exists: bool,
    ) -> Option<(usize, Arc<Blocked>)> {
        let queue = self.awaited.get(key)?.iter().enumerate().skip(from);
        let mut wanted = queue.filter(|(_, blocked)| exists || blocked.even_if_gone());
        wanted.next().map(|(at, blocked)| (at, Arc::clone(blocked)))
    }

    /// Keys that someone waits for.
    pub(crate) fn awaited_keys(&self) -> impl Iterator<Item = &[u8]> {
        self.awaited.keys().map(|key| &key[..])
    }

    /// Exchanges the keys of two databases, but not who watches them or waits for them.
    pub(crate) fn swap_dict(&mut self, other: &mut Db) {
        std::mem::swap(&mut self.dict, &mut other.dict);
        std::mem::swap(&mut self.walk, &mut other.walk);
    }
}

/// All that a shard's lock guards.
#[derive(Debug)]
pub struct ShardData {
    /// One for each database number, made when first used.
    dbs: Box<[Option<Box<Db>>]>,
    hasher: KeyHasher,
    /// Where the expiry cycle goes on: database and part of its dictionary.
    pub(crate) expire_at: (usize, usize),
    /// There while a snapshot isn't done with this shard.
    pub(crate) saving: Option<Box<Saving>>,
}

impl ShardData {
    /// This shard's part of database `number`.
    #[inline(always)]
    pub fn db(&mut self, number: usize) -> &mut Db {
        let Self { dbs, hasher, .. } = self;
        dbs[number].get_or_insert_with(|| Box::new(Db::new(hasher.clone())))
    }

    /// This shard's part of database `number`, if it was ever used.
    pub fn used_db(&self, number: usize) -> Option<&Db> {
        self.dbs[number].as_deref()
    }

    /// The databases that were ever used, by number.
    pub(crate) fn used_dbs(&mut self) -> impl Iterator<Item = (usize, &mut Db)> {
        let dbs = self.dbs.iter_mut().enumerate();
        dbs.filter_map(|(number, db)| db.as_deref_mut().map(|db| (number, db)))
    }

    /// Whether so much of the records' memory is unused that moving some is worth its time.
    pub(crate) fn is_sparse(&mut self) -> bool {
        self.used_dbs().any(|(_, db)| db.dict.is_sparse())
    }

    /// Moves the records of one slab into the room of others, see [`Dict::compact`]. Returns how
    /// many there were; `None` if that can't be done in any database.
    pub(crate) fn compact(&mut self) -> Option<usize> {
        self.used_dbs().find_map(|(_, db)| db.dict.compact())
    }

    /// Two different databases.
    pub(crate) fn two_dbs(&mut self, a: usize, b: usize) -> Option<(&mut Db, &mut Db)> {
        self.db(a);
        self.db(b);
        match self.dbs.get_disjoint_mut([a, b]) {
            Ok([Some(a), Some(b)]) => Some((a, b)),
            _ => None,
        }
    }
}

/// A shard: its lock and what that guards.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Shard {
    pub(crate) lock: ShardLock,
    data: UnsafeCell<ShardData>,
}

// SAFETY: `data` is only reached through `data()`, whose callers hold the lock or the closed gate;
// everything inside is `Send`.
unsafe impl Sync for Shard {}

impl Shard {
    pub(crate) fn new(dbnum: usize, hasher: &KeyHasher) -> Self {
        let dbs = (0..dbnum).map(|_| None).collect();
        let data = ShardData {
            dbs,
            hasher: hasher.clone(),
            expire_at: (0, 0),
            saving: None,
        };
        Self {
            lock: ShardLock::default(),
            data: UnsafeCell::new(data),
        }
    }

    /// Starts loading what taking the lock will touch.
    #[inline(always)]
    pub(crate) fn prefetch(&self) {
        prefetch_write(std::ptr::from_ref(&self.lock));
    }

    /// What the lock guards.
    ///
    /// # Safety
    /// The caller's thread holds the lock (or has closed the gate) for as long as the reference
    /// lives, and has no other reference to the same data meanwhile.
    #[allow(clippy::mut_from_ref)]
    #[inline(always)]
    pub(crate) unsafe fn data(&self) -> &mut ShardData {
        // SAFETY: exclusive by the caller's promise.
        unsafe { &mut *self.data.get() }
    }
    /// What the lock guards, to be read.
    ///
    /// # Safety
    /// As for [`Shard::data`], but other references of this kind may live at the same time.
    #[inline(always)]
    pub(crate) unsafe fn shared(&self) -> &ShardData {
        // SAFETY: nobody changes it meanwhile by the caller's promise.
        unsafe { &*self.data.get() }
    }
}
