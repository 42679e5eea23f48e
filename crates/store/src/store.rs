//! All shards, and what surrounds them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use data::{KeyHash, KeyHasher, Value};

use crate::events::Observers;
use crate::families::Families;
use crate::gate::Gate;
use crate::lock::Holder;
use crate::log::Log;
use crate::random::Random;
use crate::reaper::{Garbage, Reaper};
use crate::shard::{Shard, ShardData};
use crate::stats::Stats;
use crate::sync::{Padded, Waiter, yield_now};
use crate::thresholds::Thresholds;
use crate::uses::Uses;

/// How a store is made.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Threads that will use it.
    pub threads: usize,
    /// Number of databases.
    pub dbnum: usize,
    /// Seed of the key hash: random for a server, fixed for a simulation.
    pub seed: u64,
}

/// Shards for each thread when there are several: enough that groups of 16 commands on two threads
/// seldom want the same shard at the same time.
const SHARDS_PER_THREAD: usize = 128;

/// The keyspace of the whole process.
pub struct Store {
    pub(crate) shards: Box<[Shard]>,
    pub(crate) gate: Gate,
    pub(crate) families: Families,
    hasher: KeyHasher,
    dbnum: usize,
    wakers: Box<[OnceLock<Wake>]>,
    stats: Box<[Stats]>,
    randoms: Box<[Random]>,
    /// Transactions that each thread has begun.
    begun: Box<[Padded<AtomicU32>]>,
    reaper: Reaper,
    /// Shards that a snapshot has yet to save.
    pub(crate) saving_shards: AtomicUsize,
    log: Log,
    observers: Observers,
    /// False when DEBUG SET-ACTIVE-EXPIRE 0 was given.
    pub active_expire: AtomicBool,
    /// Whether payloads are taken whatever their checksum is: to test what broken ones do.
    pub skips_checksums: AtomicBool,
    /// Up to which sizes values keep their compact forms.
    pub thresholds: Thresholds,
    /// How often keys are used.
    pub uses: Uses,
}

type Wake = Box<dyn Fn(u64) + Send + Sync>;

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// An empty store.
    pub fn new(options: &StoreOptions) -> Self {
        let hasher = KeyHasher::with_seed(options.seed);
        let shards = match options.threads {
            0 | 1 => 1,
            threads => (threads * SHARDS_PER_THREAD).next_power_of_two().min(4096),
        };
        // The numbers that clients see must not give the seed of the key hash away, so theirs is a
        // hash.
        let random = |thread: usize| Random::new(hasher.hash(&thread.to_le_bytes()).0);
        Self {
            shards: (0..shards)
                .map(|_| Shard::new(options.dbnum, &hasher))
                .collect(),
            // One more than there are threads, see `Store::observe`.
            gate: Gate::new(options.threads + 1),
            families: Families::default(),
            randoms: (0..options.threads.max(1)).map(random).collect(),
            begun: (0..options.threads).map(|_| Padded::default()).collect(),
            hasher,
            dbnum: options.dbnum,
            wakers: (0..options.threads).map(|_| OnceLock::new()).collect(),
            stats: (0..options.threads).map(|_| Stats::default()).collect(),
            reaper: Reaper::default(),
            saving_shards: AtomicUsize::new(0),
            log: Log::default(),
            observers: Observers::default(),
            active_expire: AtomicBool::new(true),
            skips_checksums: AtomicBool::new(false),
            thresholds: Thresholds::default(),
            uses: Uses::default(),
        }
    }

    /// Tells the store how to wake connections of `thread`: `wake` gets the token they parked with.
    pub fn set_waker(&self, thread: usize, wake: impl Fn(u64) + Send + Sync + 'static) {
        let set = self.wakers[thread].set(Box::new(wake));
        assert!(set.is_ok(), "a thread sets its waker once");
    }

    /// Number of shards, a power of two.
    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// Number of databases.
    pub fn dbnum(&self) -> usize {
        self.dbnum
    }

    /// What tells a new transaction of a thread from all others.
    #[inline(always)]
    pub(crate) fn next_holder(&self, thread: usize) -> Holder {
        Holder::new(thread, self.begun[thread].0.fetch_add(1, Ordering::Relaxed))
    }

    /// The log of effects.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Who wants to know of changes of keys.
    #[inline(always)]
    pub fn observers(&self) -> &Observers {
        &self.observers
    }

    /// What a thread counts.
    pub fn stats(&self, thread: usize) -> &Stats {
        &self.stats[thread]
    }

    /// What all threads count.
    pub fn all_stats(&self) -> &[Stats] {
        &self.stats
    }

    /// Random numbers for a thread.
    #[inline(always)]
    pub fn random(&self, thread: usize) -> &Random {
        &self.randoms[thread]
    }

    /// What frees large values.
    pub fn reaper(&self) -> &Reaper {
        &self.reaper
    }

    /// Enters the gate: needed before any transaction of a batch. False when it is closed.
    #[inline(always)]
    pub fn enter(&self, thread: usize) -> bool {
        self.gate.enter(thread)
    }

    /// As [`Self::enter`], but tries again for a moment: for work whose end nobody waits for.
    pub fn enter_patiently(&self, thread: usize) -> bool {
        self.gate.enter_patiently(thread)
    }

    /// Leaves the gate after a batch.
    #[inline(always)]
    pub fn leave(&self, thread: usize) {
        self.gate.leave(thread);
    }

    /// Lets one thread that isn't of the store's, and no other beside it, look at shards with
    /// [`Store::try_visit`]. `None` when the gate is closed.
    pub fn observe<T>(&self, look: impl FnOnce() -> T) -> Option<T> {
        let number = self.wakers.len();
        if !self.gate.enter_patiently(number) {
            return None;
        }
        let result = look();
        self.gate.leave(number);
        Some(result)
    }

    /// Parks a connection that found the gate closed. False: it is open by now, try again.
    pub fn park_at_gate(&self, waiter: Waiter) -> bool {
        self.gate.park(waiter)
    }

    /// Wakes the connections that are parked at the gate, though it is still closed.
    pub fn wake_parked_at_gate(&self) {
        self.wake(self.gate.parked());
    }

    pub(crate) fn hasher(&self) -> KeyHasher {
        self.hasher.clone()
    }

    /// The hash of a key.
    #[inline(always)]
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        self.hasher.hash(key)
    }

    /// The shard of a key: by its `{hashtag}` where it has one, so that keys of one tag share a
    /// shard.
    #[inline(always)]
    pub fn shard_of(&self, key: &[u8], hash: KeyHash) -> usize {
        let mask = self.shards.len() - 1;
        if mask == 0 {
            return 0;
        }
        match hashtag(key) {
            Some(tag) => self.hasher.hash(tag).shard_bits() & mask,
            None => hash.shard_bits() & mask,
        }
    }

    /// Runs `visit` on one shard under its lock. For background work and whole-keyspace reads: the
    /// caller holds no lock, is inside the gate, and waits by yielding.
    pub fn visit<T>(&self, shard: usize, visit: impl FnOnce(&mut ShardData) -> T) -> T {
        let shard = &self.shards[shard];
        while !shard.lock.spin_lock(Holder::ANYONE) {
            yield_now();
        }
        // SAFETY: the lock is held until `visit` has returned.
        let result = visit(unsafe { shard.data() });
        self.wake(shard.lock.unlock());
        result
    }

    /// Runs `visit` on one shard if its lock is free.
    pub fn try_visit<T>(&self, shard: usize, visit: impl FnOnce(&mut ShardData) -> T) -> Option<T> {
        let shard = &self.shards[shard];
        if !shard.lock.try_lock(Holder::ANYONE) {
            return None;
        }
        // SAFETY: the lock is held until `visit` has returned.
        let result = visit(unsafe { shard.data() });
        self.wake(shard.lock.unlock());
        Some(result)
    }

    /// Wakes connections that were parked.
    #[inline(always)]
    pub(crate) fn wake(&self, waiters: Vec<Waiter>) {
        for waiter in waiters {
            if let Some(wake) = self.wakers[waiter.thread as usize].get() {
                wake(waiter.token);
            }
        }
    }

    /// Frees a value, in the background where that takes time.
    pub(crate) fn dispose(&self, value: Option<Value>) {
        const CHEAP: usize = 64;
        match value {
            Some(value) if value.drop_cost() > CHEAP => self.reaper.dispose(Garbage::Value(value)),
            _ => {}
        }
    }
}

/// What stands between the first `{` and the next `}`, if it isn't empty.
#[inline]
pub fn hashtag(key: &[u8]) -> Option<&[u8]> {
    let start = key.iter().position(|&b| b == b'{')? + 1;
    let len = key[start..].iter().position(|&b| b == b'}')?;
    (len > 0).then(|| &key[start..start + len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashtags_are_redis_clusters() {
        assert_eq!(hashtag(b"{user1000}.following"), Some(&b"user1000"[..]));
        assert_eq!(hashtag(b"foo{}{bar}"), None);
        assert_eq!(hashtag(b"foo{{bar}}zap"), Some(&b"{bar"[..]));
        assert_eq!(hashtag(b"foo{bar}{zap}"), Some(&b"bar"[..]));
        assert_eq!(hashtag(b"foo{bar"), None);
        assert_eq!(hashtag(b"foo"), None);
    }
}
