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
    /// There is no key left that may go.
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
            let slice = |data: &mut ShardData| self.evict_slice(thread, data, now_ms, how);
            let evicted = self.try_visit(shard, slice);
            is_taken |= evicted.is_none();
            match evicted {
                None | Some(0) => without += 1,
                Some(_) => (without, is_taken) = (0, false),
            }
            shard = (shard + 1) % shards;
        }
        Room::Made
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
        let mut best: Option<(u64, usize, Vec<u8>)> = None;
        for (number, db) in data.used_dbs() {
            let mut consider = |record: Record<'_>| {
                let rank = match how.order {
                    Order::LeastRecent => {
                        u64::from(clock.wrapping_sub(record.clock()) & CLOCK_MASK)
                    }
                    Order::LeastFrequent => {
                        u64::MAX - u64::from(self.uses.count(record.clock(), now_ms))
                    }
                    Order::Random => random.next(),
                    Order::SoonestExpiry => u64::MAX - record.expiry().unwrap_or(u64::MAX),
                };
                if best.as_ref().is_none_or(|(other, ..)| rank > *other) {
                    best = Some((rank, number, record.key().to_vec()));
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
        best.map(|(_, number, key)| (number, key))
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
        // Not in the background: its memory is wanted now.
        drop(db.dict.remove(entry));
        db.touch_watchers(key);
        self.tell(thread, db_number, key, "evicted");
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
