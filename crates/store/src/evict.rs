//! Eviction: removes keys to make room, those first that the policy likes least among a few that
//! it looks at.

use std::time::{Duration, Instant};

use data::record::{CLOCK_MASK, Record};

use crate::log::Effects;
use crate::shard::ShardData;
use crate::store::Store;

/// Which of two keys goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The one whose last use is longer ago.
    LeastRecent,
    /// The one that was used less often lately.
    LeastFrequent,
    /// Any.
    Random,
    /// The one that expires sooner.
    SoonestExpiry,
}

/// How keys to evict are chosen.
#[derive(Clone, Copy, Debug)]
pub struct Eviction {
    /// Only among keys that have an expiry.
    pub only_expiring: bool,
    /// Which of them go first.
    pub order: Order,
    /// How many are looked at for each that goes.
    pub samples: usize,
}

/// What eviction has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is room.
    Made,
    /// The budget has ended, or others hold the shards: there is more to evict.
    NotYet,
    /// There is nothing left that may go.
    None,
}

/// Keys evicted between two looks at the memory.
const KEYS_PER_LOOK: usize = 16;

impl Store {
    /// Evicts keys while `is_over` says so, for at most `budget`. The caller is inside the gate.
    /// Skips shards whose lock is taken.
    pub fn evict(
        &self,
        thread: usize,
        now_ms: u64,
        how: Eviction,
        budget: Duration,
        is_over: impl Fn() -> bool,
    ) -> Room {
        let slice = |data: &mut ShardData| self.evict_slice(thread, data, now_ms, how);
        self.make_room(thread, budget, slice, is_over)
    }

    /// Moves records out of sparse slabs while `is_over` says so, whatever it costs, as
    /// [`Store::evict`] does.
    pub fn compact(&self, thread: usize, budget: Duration, is_over: impl Fn() -> bool) -> Room {
        let slice = |data: &mut ShardData| data.compact().unwrap_or(0);
        self.make_room(thread, budget, slice, is_over)
    }

    /// Has `slice` free something of one shard after the other while `is_over` says so; it returns
    /// 0 when there is nothing.
    fn make_room(
        &self,
        thread: usize,
        budget: Duration,
        slice: impl Fn(&mut ShardData) -> usize,
        is_over: impl Fn() -> bool,
    ) -> Room {
        let start = Instant::now();
        let shards = self.shard_count();
        let (mut without, mut is_taken) = (0, false);
        let mut shard = self.random(thread).below(shards as u64) as usize;
        while is_over() {
            if without == shards {
                return if is_taken { Room::NotYet } else { Room::None };
            }
            if start.elapsed() >= budget {
                return Room::NotYet;
            }
            let freed = self.try_visit(shard, &slice);
            is_taken |= freed.is_none();
            match freed {
                None | Some(0) => without += 1,
                Some(_) => (without, is_taken) = (0, false),
            }
            shard = (shard + 1) % shards;
        }
        Room::Made
    }

    /// Moves records out of sparse slabs in the shards that `thread` looks after, for at most
    /// `budget`. The caller is inside the gate. Skips shards whose lock is taken.
    pub fn compact_cycle(&self, thread: usize, budget: Duration) {
        let start = Instant::now();
        let threads = self.all_stats().len();
        for shard in (thread..self.shard_count()).step_by(threads) {
            let mut goes_on = true;
            while goes_on {
                let slice = |data: &mut ShardData| data.is_sparse() && data.compact().is_some();
                goes_on = self.try_visit(shard, slice) == Some(true);
                if start.elapsed() >= budget {
                    return;
                }
            }
        }
    }

    /// Evicts some keys of a shard; returns how many.
    fn evict_slice(
        &self,
        thread: usize,
        data: &mut ShardData,
        now_ms: u64,
        how: Eviction,
    ) -> usize {
        // Few of each shard at a time: the choice is among its keys only.
        let most = if self.shard_count() == 1 {
            KEYS_PER_LOOK
        } else {
            1
        };
        let mut evicted = 0;
        while evicted < most
            && let Some((db, key)) = self.victim(thread, data, now_ms, how)
        {
            self.evict_key(thread, data, db, &key);
            evicted += 1;
        }
        self.stats(thread).evicted.add(evicted as u64);
        evicted
    }

    /// The key of a shard that goes next, and its database.
    fn victim(
        &self,
        thread: usize,
        data: &mut ShardData,
        now_ms: u64,
        how: Eviction,
    ) -> Option<(usize, Vec<u8>)> {
        let random = self.random(thread);
        let clock = (now_ms / 1000) as u32;
        // (rank, database); its key lies in `key`.
        let mut best: Option<(u64, usize)> = None;
        let mut key = Vec::new();
        for (number, db) in data.used_dbs() {
            let mut consider = |record: Record<'_>| {
                let rank = match how.order {
                    Order::LeastRecent => {
                        u64::from(clock.wrapping_sub(record.clock()) & CLOCK_MASK)
                    }
                    Order::LeastFrequent => self.uses.coldness(record.clock(), now_ms),
                    Order::Random => random.next(),
                    Order::SoonestExpiry => u64::MAX - record.expiry().unwrap_or(u64::MAX),
                };
                if best.is_none_or(|(other, _)| rank > other) {
                    best = Some((rank, number));
                    key.clear();
                    key.extend_from_slice(record.key());
                }
            };
            if how.only_expiring {
                if db.dict.expiring() > 0 {
                    let from = random.next();
                    db.dict.sample_expiring(from, how.samples, consider);
                }
            } else {
                for _ in 0..how.samples {
                    if let Some(record) = db.dict.sample(|| random.next()) {
                        consider(record);
                    }
                }
            }
        }
        best.map(|(_, number)| (number, key))
    }

    /// Has the time of cache mode go on. One thread calls it from time to time, inside the gate.
    /// Shards whose lock is taken are thought to have as many keys as the others; if all are taken
    /// this is left for the next time.
    pub fn count_uses(&self) {
        if !self.uses.is_cache() {
            return;
        }
        let all = self.all_stats().iter();
        let uses = all.map(|stats| stats.hits.get() + stats.misses.get());
        let keys_of =
            |data: &mut ShardData| -> usize { data.used_dbs().map(|(_, db)| db.dict.len()).sum() };
        let all = self.shard_count();
        let visited = (0..all).filter_map(|shard| self.try_visit(shard, keys_of));
        let (shards, keys) = visited.fold((0, 0), |(shards, sum), keys| (shards + 1, sum + keys));
        if let Some(keys) = (keys * all).checked_div(shards) {
            self.uses.advance(uses.sum(), keys as u64);
        }
    }

    fn evict_key(&self, thread: usize, data: &mut ShardData, db_number: usize, key: &[u8]) {
        let hash = self.hash(key);
        let Some(entry) = data.db(db_number).dict.find(hash, key) else {
            return;
        };
        if data.saving.is_some() {
            data.save_first(db_number, entry);
        }
        let db = data.db(db_number);
        self.dispose(db.dict.remove(entry));
        self.tell_gone(thread, (db_number, db), key, "evicted");
        if self.log().is_read() {
            let mut effects = Effects::default();
            effects.push(db_number, [b"DEL", key].into_iter());
            self.log().append(&mut effects);
        }
    }
}

#[cfg(test)]
#[path = "evict_tests.rs"]
mod tests;
