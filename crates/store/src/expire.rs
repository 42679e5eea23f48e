//! The expiry cycle: finds keys whose time has come, so that their memory returns without a reader.
//!
//! Tables know for each segment the earliest expiry in it, so a segment where nothing is due costs
//! one comparison. The cycle goes on where the last one stopped and ends with its budget.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::events::{Author, Event};
use crate::log::Effects;
use crate::shard::{Db, ShardData};
use crate::store::Store;

/// What one cycle did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cycle {
    /// Keys removed.
    pub expired: usize,
    /// The budget ended before all was looked at.
    pub hit_limit: bool,
}

/// How often the clock is read: after this much work.
const WORK_PER_LOOK: usize = 512;

impl Store {
    /// Removes due keys from the shards that `thread` looks after, for at most `budget`. The caller
    /// is inside the gate. Skips a shard whose lock is taken: its turn comes again.
    pub fn expire_cycle(&self, thread: usize, now_ms: u64, budget: Duration) -> Cycle {
        let mut cycle = Cycle::default();
        if !self.active_expire.load(Ordering::Relaxed) {
            return cycle;
        }
        let start = Instant::now();
        let threads = self.all_stats().len();
        for shard in (thread..self.shard_count()).step_by(threads) {
            let mut left = true;
            while left && !cycle.hit_limit {
                // The lock is given back between slices, so that no command waits for long.
                let slice = |data: &mut ShardData| self.expire_slice(thread, data, now_ms);
                let Some((expired, more)) = self.try_visit(shard, slice) else {
                    break;
                };
                cycle.expired += expired;
                left = more;
                cycle.hit_limit = start.elapsed() >= budget;
            }
        }
        let stats = self.stats(thread);
        stats.expired.add(cycle.expired as u64);
        stats
            .expire_cycle_us
            .add(start.elapsed().as_micros() as u64);
        stats.expire_cycle_limits.add(u64::from(cycle.hit_limit));
        cycle
    }

    /// A slice of work in one shard: how many keys went, and whether the round isn't done.
    fn expire_slice(&self, thread: usize, data: &mut ShardData, now_ms: u64) -> (usize, bool) {
        let (mut work, mut expired) = (0, 0);
        for db_number in 0..self.dbnum() {
            let (removed, keys) = self.expire_members(thread, data, db_number, now_ms);
            self.stats(thread).expired_members.add(removed as u64);
            work += removed;
            expired += keys;
            if work >= WORK_PER_LOOK {
                return (expired, true);
            }
        }
        while data.expire_at.0 < self.dbnum() {
            let (db_number, part) = data.expire_at;
            let has_work = |db: &Db| db.dict.expiring() > 0 && part < db.dict.parts();
            if !data.used_db(db_number).is_some_and(has_work) {
                data.expire_at = (db_number + 1, 0);
                continue;
            }
            let db = data.db(db_number);
            let mut gone = Vec::new();
            let (looked_at, removed) = db.dict.remove_expired(part, now_ms, |key, value| {
                self.dispose(value);
                gone.push(key.to_vec());
            });
            for key in &gone {
                self.tell_gone(thread, (db_number, db), key, "expired");
            }
            if self.log().is_read() {
                let mut effects = Effects::default();
                for key in &gone {
                    effects.push(db_number, [b"DEL", &key[..]].into_iter());
                }
                self.log().append(&mut effects);
            }
            expired += removed;
            work += 1 + looked_at;
            if removed < data::table::EXPIRED_MAX {
                data.expire_at.1 += 1;
            }
            if work >= WORK_PER_LOOK {
                return (expired, true);
            }
        }
        data.expire_at = (0, 0);
        (expired, false)
    }

    /// Tells of a key that went by itself.
    pub(crate) fn tell_gone(
        &self,
        thread: usize,
        (number, db): (usize, &Db),
        key: &[u8],
        event: Event,
    ) {
        db.touch_watchers(key);
        if db.is_awaited(key) {
            self.observers().awaited_gone(thread, number, key);
        }
        self.tell(thread, number, key, event);
    }

    /// Tells of what happened to a key by itself.
    fn tell(&self, thread: usize, db: usize, key: &[u8], event: Event) {
        let interest = self.observers().interest();
        if !interest.is_none() {
            let author = Author { thread, client: 0 };
            self.observers().invalidated(interest, author, key);
            self.observers().event(interest, db, event, key);
        }
    }

    /// Removes due fields of hashes and members of sets: how many, and how many keys went with
    /// them.
    fn expire_members(
        &self,
        thread: usize,
        data: &mut ShardData,
        db_number: usize,
        now_ms: u64,
    ) -> (usize, usize) {
        let (mut members, mut keys) = (0, 0);
        if data.used_db(db_number).is_none() {
            return (members, keys);
        }
        let db = data.db(db_number);
        while members < WORK_PER_LOOK
            && let Some(gone) = db.dict.remove_expired_members(now_ms)
        {
            members += gone.members.len();
            if !gone.is_set {
                self.tell(thread, db_number, &gone.key, "hexpired");
            }
            if gone.emptied.is_some() {
                self.tell_gone(thread, (db_number, db), &gone.key, "del");
            } else {
                db.touch_watchers(&gone.key);
            }
            if self.log().is_read() && !gone.members.is_empty() {
                let command: &[u8] = if gone.is_set { b"SREM" } else { b"HDEL" };
                let members = gone.members.iter().map(|member| &member[..]);
                let args: Vec<&[u8]> = [command, &gone.key].into_iter().chain(members).collect();
                let mut effects = Effects::default();
                effects.push(db_number, args.into_iter());
                self.log().append(&mut effects);
            }
            if let Some(value) = gone.emptied {
                keys += 1;
                self.dispose(value);
            }
        }
        (members, keys)
    }
}
