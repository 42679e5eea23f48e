//! What the keyspace is made of: keys by database, memory by type, keys that stand out.
//!
//! Keys are counted; what needs a look at values is estimated from a sample when there are many.
//! One shard after the other is locked, for a moment and only if nobody has it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use data::record::{CLOCK_MASK, Record};
use data::{Collection, Dict, Hash, List, Set, Value, ValueRef, Zset};

use crate::shared::Shared;

/// A census holds for so long.
const LASTS: Duration = Duration::from_millis(500);
/// Records that one looks at, about.
const SAMPLES: usize = 1024;
/// How often a shard is asked for that someone has.
const TRIES: usize = 64;
/// Keys that stand out are remembered for so long, for the next sample may miss them.
const REMEMBERED: Duration = Duration::from_mins(1);
/// How many of them are shown.
const SHOWN: usize = 10;
/// Bytes shown of a key.
const SHOWN_BYTES: usize = 200;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Census {
    taken: Option<Instant>,
    /// By number.
    pub(super) dbs: Vec<DbUse>,
    /// By name.
    pub(super) types: BTreeMap<&'static str, TypeUse>,
    /// The largest keys.
    pub(super) largest: Top,
    /// The collections with the most elements.
    pub(super) longest: Top,
    /// The keys that were used last.
    pub(super) latest: Top,
    random: u64,
}

/// Counts of one database.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DbUse {
    pub(super) keys: usize,
    pub(super) expiring: usize,
    pub(super) capacity: usize,
}

/// Keys of one type.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TypeUse {
    pub(super) keys: f64,
    pub(super) bytes: f64,
}

/// A key that stands out.
#[derive(Clone, Debug)]
pub(super) struct KeyUse {
    pub(super) db: usize,
    pub(super) key: String,
    pub(super) type_name: &'static str,
    pub(super) bytes: usize,
    pub(super) elements: usize,
    pub(super) idle_s: u32,
    seen: Instant,
}

/// The keys with the highest scores.
#[derive(Clone, Debug, Default)]
pub(super) struct Top(Vec<(u64, KeyUse)>);

impl Top {
    pub(super) fn iter(&self) -> impl Iterator<Item = &KeyUse> {
        self.0.iter().map(|(_, key)| key)
    }

    fn forget(&mut self, now: Instant, after: Duration) {
        self.0.retain(|(_, key)| now - key.seen < after);
    }

    fn offer(&mut self, score: u64, describe: impl FnOnce() -> KeyUse) {
        let is_full = self.0.len() == SHOWN;
        if is_full && self.0.last().is_some_and(|(least, _)| score < *least) {
            return;
        }
        let key = describe();
        self.0
            .retain(|(_, other)| (other.db, &other.key) != (key.db, &key.key));
        let at = self.0.partition_point(|(other, _)| *other >= score);
        self.0.insert(at, (score, key));
        self.0.truncate(SHOWN);
    }
}

impl Census {
    /// Takes it again, unless it is fresh or a script has the keyspace for itself.
    pub(super) fn refresh(&mut self, shared: &Shared) {
        let now = Instant::now();
        if self.taken.is_some_and(|taken| now - taken < LASTS) {
            return;
        }
        if self.random == 0 {
            self.random = RandomState::new().hash_one(0);
        }
        let mut next = Self {
            taken: Some(now),
            dbs: vec![DbUse::default(); shared.store.dbnum()],
            types: BTreeMap::new(),
            largest: self.largest.clone(),
            longest: self.longest.clone(),
            latest: Top::default(),
            random: self.random,
        };
        next.largest.forget(now, REMEMBERED);
        next.longest.forget(now, REMEMBERED);
        if shared.store.observe(|| next.visit_all(shared)).is_some() {
            *self = next;
        }
    }

    fn visit_all(&mut self, shared: &Shared) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_s = now.unwrap_or_default().as_secs() as u32;
        let shards = shared.store.shard_count();
        let mut visited = 0;
        for shard in 0..shards {
            let visit = || {
                let data = |data: &mut store::shard::ShardData| {
                    for number in 0..self.dbs.len() {
                        if let Some(db) = data.used_db(number) {
                            self.add(number, &db.dict, (SAMPLES / shards).max(2), now_s);
                        }
                    }
                };
                shared.store.try_visit(shard, data)
            };
            visited += usize::from(insist(visit));
        }
        self.scale(shards as f64 / visited.max(1) as f64);
    }

    /// Counts in what could not be visited.
    fn scale(&mut self, by: f64) {
        for db in &mut self.dbs {
            for count in [&mut db.keys, &mut db.expiring, &mut db.capacity] {
                *count = (*count as f64 * by) as usize;
            }
        }
        for used in self.types.values_mut() {
            used.keys *= by;
            used.bytes *= by;
        }
    }

    fn add(&mut self, number: usize, dict: &Dict, samples: usize, now_s: u32) {
        let db = &mut self.dbs[number];
        db.keys += dict.len();
        db.expiring += dict.expiring();
        db.capacity += dict.capacity();
        if dict.len() <= samples {
            let mut position = Some(0);
            while let Some(at) = position {
                position = dict.scan(at, |record| self.look(number, dict, record, 1.0, now_s));
            }
            return;
        }
        let weight = dict.len() as f64 / samples as f64;
        let mut random = self.random;
        for _ in 0..samples {
            if let Some(record) = dict.sample(|| next_random(&mut random)) {
                self.look(number, dict, record, weight, now_s);
            }
        }
        self.random = random;
    }

    fn look(&mut self, db: usize, dict: &Dict, record: Record<'_>, weight: f64, now_s: u32) {
        let value = dict.value_of(record);
        let (type_name, bytes) = (value.type_name(), dict.record_bytes(record));
        let used = self.types.entry(type_name).or_default();
        used.keys += weight;
        used.bytes += weight * bytes as f64;
        let elements = elements(value);
        let idle_s = now_s.wrapping_sub(record.clock()) & CLOCK_MASK;
        let describe = || KeyUse {
            db,
            key: shown(record.key()),
            type_name,
            bytes,
            elements,
            idle_s,
            seen: Instant::now(),
        };
        self.largest.offer(bytes as u64, describe);
        self.latest.offer(u64::MAX - u64::from(idle_s), describe);
        if elements > 0 {
            self.longest.offer(elements as u64, describe);
        }
    }
}

/// Asks for a shard some times; whether it was had.
fn insist(mut visit: impl FnMut() -> Option<()>) -> bool {
    for _ in 0..TRIES {
        if visit().is_some() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

/// How many elements a collection has; 0 for a string.
fn elements(value: ValueRef<'_>) -> usize {
    use data::record::Kind;
    match value {
        ValueRef::Packed(Kind::List, bytes) => List::view_packed(bytes).len(),
        ValueRef::Packed(Kind::Hash, bytes) => Hash::view_packed(bytes).len(),
        ValueRef::Packed(Kind::Set, bytes) => Set::view_packed(bytes).len(),
        ValueRef::Packed(Kind::Zset, bytes) => Zset::view_packed(bytes).len(),
        ValueRef::External(Value::List(list)) => list.len(),
        ValueRef::External(Value::Hash(hash)) => hash.view().len(),
        ValueRef::External(Value::Set(set)) => set.view().len(),
        ValueRef::External(Value::Zset(zset)) => zset.view().len(),
        ValueRef::External(Value::Stream(stream)) => stream.len(),
        _ => 0,
    }
}

fn shown(key: &[u8]) -> String {
    let text = String::from_utf8_lossy(&key[..key.len().min(SHOWN_BYTES)]);
    let rest = if key.len() > SHOWN_BYTES { "…" } else { "" };
    format!("{text}{rest}")
}

/// A step of `SplitMix64`.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, seen: Instant) -> KeyUse {
        KeyUse {
            db: 0,
            key: name.to_owned(),
            type_name: "string",
            bytes: 0,
            elements: 0,
            idle_s: 0,
            seen,
        }
    }

    #[test]
    fn the_highest_scores_stay_and_keys_are_there_once() {
        let now = Instant::now();
        let mut top = Top::default();
        for score in 0..100u64 {
            top.offer(score, || key(&format!("k{}", score % 50), now));
        }
        let names: Vec<&str> = top.iter().map(|key| key.key.as_str()).collect();
        assert_eq!(names.len(), SHOWN);
        assert_eq!(names[..2], ["k49", "k48"]);
        top.forget(now + REMEMBERED, REMEMBERED);
        assert_eq!(top.iter().count(), 0);
    }
}
