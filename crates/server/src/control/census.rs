//! What the keyspace is made of: keys by database, memory by type, keys that stand out.
//!
//! Keys are counted. A walk through all of them, of which each census takes some steps, adds up
//! memory by type and looks for keys that stand out; until its first round is complete, memory is
//! estimated from a sample. Keys that are known to stand out are looked up again. One shard after
//! the other is locked, for a moment and only if nobody has it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use data::record::{CLOCK_MASK, Record};
use data::{Collection, Dict, Hash, List, Set, Value, ValueRef, Zset};
use store::shard::ShardData;

use crate::shared::Shared;

/// A census holds for so long.
const LASTS: Duration = Duration::from_millis(500);
/// Records that one looks at, about.
const SAMPLES: usize = 1024;
/// How often a shard is asked for that someone has.
const TRIES: usize = 64;
/// Steps of the walk that are taken at a time, and buckets that one looks at under one lock: about
/// 150 keys in 20 microseconds.
const STEPS: usize = 256;
const BUCKETS: usize = 16;
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
    /// What may be a queue and has the most elements.
    pub(super) longest: Top,
    /// The keys that were used last.
    pub(super) latest: Top,
    walk: Walk,
    /// What the walk has seen since its beginning, and in its last round.
    walk_types: BTreeMap<&'static str, TypeUse>,
    walked: Option<BTreeMap<&'static str, TypeUse>>,
    random: u64,
}

/// Where the walk goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Walk {
    shard: usize,
    db: usize,
    position: u64,
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

impl TypeUse {
    fn add(&mut self, bytes: usize, weight: f64) {
        self.keys += weight;
        self.bytes += weight * bytes as f64;
    }
}

/// A key that stands out.
#[derive(Clone, Debug)]
pub(super) struct KeyUse {
    pub(super) db: usize,
    pub(super) key: Vec<u8>,
    pub(super) type_name: &'static str,
    pub(super) bytes: usize,
    pub(super) elements: usize,
    pub(super) idle_s: u32,
}

impl KeyUse {
    /// The key for people: its beginning, and other characters for what is none.
    pub(super) fn shown(&self) -> String {
        shown(&self.key)
    }
}

/// As [`KeyUse::shown`], for any key.
pub(super) fn shown(key: &[u8]) -> String {
    let start = &key[..key.len().min(SHOWN_BYTES)];
    let rest = if start.len() < key.len() { "…" } else { "" };
    format!("{}{rest}", String::from_utf8_lossy(start))
}

/// The keys with the highest scores.
#[derive(Clone, Debug, Default)]
pub(super) struct Top(Vec<(u64, KeyUse)>);

impl Top {
    pub(super) fn iter(&self) -> impl Iterator<Item = &KeyUse> {
        self.0.iter().map(|(_, key)| key)
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
    /// Whether it was taken.
    pub(super) fn refresh(&mut self, shared: &Shared) -> bool {
        let now = Instant::now();
        if self.taken.is_some_and(|taken| now - taken < LASTS) {
            return false;
        }
        if self.random == 0 {
            self.random = RandomState::new().hash_one(0);
        }
        let mut next = Self {
            taken: Some(now),
            dbs: vec![DbUse::default(); shared.store.dbnum()],
            types: BTreeMap::new(),
            largest: Top::default(),
            longest: Top::default(),
            latest: Top::default(),
            walk: self.walk,
            walk_types: self.walk_types.clone(),
            walked: self.walked.clone(),
            random: self.random,
        };
        let known = [&self.largest, &self.longest, &self.latest];
        let known: Vec<KeyUse> = known.iter().flat_map(|top| top.iter().cloned()).collect();
        let look = || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now_s = now.unwrap_or_default().as_secs() as u32;
            next.visit_all(shared, now_s);
            next.look_again(shared, known, now_s);
            next.walk_on(shared, now_s);
            if let Some(walked) = &next.walked {
                next.types.clone_from(walked);
            }
        };
        let was_taken = shared.store.observe(look).is_some();
        if was_taken {
            *self = next;
        }
        was_taken
    }

    /// Looks up what stood out before; what is gone is forgotten.
    fn look_again(&mut self, shared: &Shared, known: Vec<KeyUse>, now_s: u32) {
        for key in known {
            let hash = shared.store.hash(&key.key);
            let shard = shared.store.shard_of(&key.key, hash);
            let visit = |data: &mut ShardData| {
                let Some(db) = data.used_db(key.db) else {
                    return;
                };
                if let Some(entry) = db.dict.find(hash, &key.key) {
                    self.offer(key.db, &db.dict, db.dict.record(entry), now_s);
                }
            };
            shared.store.try_visit(shard, visit);
        }
    }

    /// Goes on with the walk through all keys.
    fn walk_on(&mut self, shared: &Shared, now_s: u32) {
        for _ in 0..STEPS {
            let mut walk = self.walk;
            let shard = walk.shard;
            let step = |data: &mut ShardData| {
                let db = data.used_db(walk.db);
                let next = db.and_then(|db| self.step(walk, &db.dict, now_s));
                if let Some(position) = next {
                    walk.position = position;
                    return;
                }
                walk.position = 0;
                let used = (walk.db + 1..self.dbs.len()).find(|&db| data.used_db(db).is_some());
                walk.db = used.unwrap_or(0);
                if used.is_none() {
                    walk.shard = (walk.shard + 1) % shared.store.shard_count();
                }
            };
            if shared.store.try_visit(shard, step).is_none() {
                return;
            }
            self.walk = walk;
            if shard > walk.shard || walk == Walk::default() {
                self.walked = Some(std::mem::take(&mut self.walk_types));
                return;
            }
        }
    }

    /// Looks at some buckets; where to go on, or `None` at the end.
    fn step(&mut self, walk: Walk, dict: &Dict, now_s: u32) -> Option<u64> {
        let mut position = walk.position;
        for _ in 0..BUCKETS {
            position = dict.scan(position, |record| {
                let used = self.walk_types.entry(dict.value_of(record).type_name());
                used.or_default().add(dict.record_bytes(record), 1.0);
                self.offer(walk.db, dict, record, now_s);
            })?;
        }
        Some(position)
    }

    fn visit_all(&mut self, shared: &Shared, now_s: u32) {
        let shards = shared.store.shard_count();
        let mut visited = 0;
        for shard in 0..shards {
            let visit = || {
                let data = |data: &mut ShardData| {
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
        let used = self.types.entry(dict.value_of(record).type_name());
        used.or_default().add(dict.record_bytes(record), weight);
        self.offer(db, dict, record, now_s);
    }

    /// Whether this key stands out.
    fn offer(&mut self, db: usize, dict: &Dict, record: Record<'_>, now_s: u32) {
        let value = dict.value_of(record);
        let (bytes, elements) = (dict.record_bytes(record), elements(value));
        let idle_s = now_s.wrapping_sub(record.clock()) & CLOCK_MASK;
        let describe = || KeyUse {
            db,
            key: record.key().to_vec(),
            type_name: value.type_name(),
            bytes,
            elements,
            idle_s,
        };
        self.largest.offer(bytes as u64, describe);
        self.latest.offer(u64::MAX - u64::from(idle_s), describe);
        if matches!(value.type_name(), "list" | "zset" | "stream") {
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

    #[test]
    fn the_highest_scores_stay_and_keys_are_there_once() {
        let mut top = Top::default();
        for score in 0..100u64 {
            top.offer(score, || KeyUse {
                db: 0,
                key: format!("k{}", score % 50).into_bytes(),
                type_name: "string",
                bytes: 0,
                elements: 0,
                idle_s: 0,
            });
        }
        let names: Vec<String> = top.iter().map(KeyUse::shown).collect();
        assert_eq!(names.len(), SHOWN);
        assert_eq!(names[..2], ["k49", "k48"]);
    }
}
