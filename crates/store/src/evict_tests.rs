//! What is evicted, and what stays.

use super::*;
use crate::StoreOptions;
use crate::uses::Counting;
use data::NewValue;

const NOW: u64 = 1_700_000_000_000;

fn store_with(keys: &[(&str, u64, Option<u64>)], threads: usize) -> Store {
    let options = StoreOptions {
        threads,
        dbnum: 2,
        seed: 1,
    };
    let store = Store::new(&options);
    for &(key, used_at, expiry) in keys {
        let hash = store.hash(key.as_bytes());
        let clock = (used_at / 1000) as u32 & CLOCK_MASK;
        store.visit(store.shard_of(key.as_bytes(), hash), |data| {
            let dict = &mut data.db(0).dict;
            dict.insert(hash, key.as_bytes(), NewValue::Int(1), expiry, clock);
        });
    }
    store
}

fn exists(store: &Store, key: &str) -> bool {
    let hash = store.hash(key.as_bytes());
    store.visit(store.shard_of(key.as_bytes(), hash), |data| {
        data.db(0).dict.find(hash, key.as_bytes()).is_some()
    })
}

/// Evicts until as many keys as told are gone.
fn evict(store: &Store, only_expiring: bool, order: Order, keys: u64) -> Room {
    let how = Eviction {
        only_expiring,
        order,
        samples: 64,
    };
    assert!(store.enter(0));
    let is_over = || store.stats(0).evicted.get() < keys;
    let room = store.evict(0, NOW, how, Duration::from_mins(1), is_over);
    store.leave(0);
    room
}

const KEYS: &[(&str, u64, Option<u64>)] = &[
    ("old", NOW - 90_000, None),
    ("older", NOW - 100_000, Some(NOW + 9000)),
    ("new", NOW - 1000, Some(NOW + 5000)),
    ("newest", NOW, Some(NOW + 7000)),
];

#[test]
fn nothing_goes_while_there_is_room() {
    let store = store_with(KEYS, 1);
    assert_eq!(evict(&store, false, Order::LeastRecent, 0), Room::Made);
    assert!(KEYS.iter().all(|(key, ..)| exists(&store, key)));
}

#[test]
fn volatile_keys_go_and_others_stay() {
    for threads in [1, 2] {
        for order in [Order::LeastRecent, Order::Random, Order::SoonestExpiry] {
            let store = store_with(KEYS, threads);
            assert_eq!(evict(&store, true, order, 9), Room::None);
            let left: Vec<_> = KEYS
                .iter()
                .filter(|(key, ..)| exists(&store, key))
                .collect();
            assert_eq!(left, [&KEYS[0]]);
            assert_eq!(store.stats(0).evicted.get(), 3);
        }
    }
}

#[test]
fn the_worst_of_a_shard_goes_first() {
    // With one shard up to 16 keys go at a time: the order shows in who is chosen.
    let store = store_with(KEYS, 1);
    let victim = |only_expiring, order| {
        let how = Eviction {
            only_expiring,
            order,
            samples: 64,
        };
        let (_, key) = store
            .visit(0, |data| store.victim(0, data, NOW, how))
            .unwrap();
        String::from_utf8(key).unwrap()
    };
    assert_eq!(victim(false, Order::LeastRecent), "older");
    assert_eq!(victim(true, Order::LeastRecent), "older");
    assert_eq!(victim(true, Order::SoonestExpiry), "new");
}

#[test]
fn shards_that_are_taken_are_no_reason_to_refuse() {
    let store = store_with(KEYS, 1);
    assert!(store.enter(0));
    let room = store.visit(0, |_| {
        let how = Eviction {
            only_expiring: false,
            order: Order::Random,
            samples: 5,
        };
        store.evict(0, NOW, how, Duration::from_mins(1), || true)
    });
    store.leave(0);
    assert_eq!(room, Room::NotYet);
}

/// Does some work while so many shards are taken.
fn with_taken(store: &Store, shards: usize, work: &mut dyn FnMut()) {
    match shards.checked_sub(1) {
        Some(shard) => store.visit(shard, |_| with_taken(store, shard, work)),
        None => work(),
    }
}

#[test]
fn the_time_of_cache_mode_does_not_leap_while_shards_are_taken() {
    let names: Vec<String> = (0..4000).map(|number| format!("key:{number}")).collect();
    let keys: Vec<_> = names.iter().map(|name| (&**name, NOW, None)).collect();
    let store = store_with(&keys, 2);
    store.uses.set(Counting::Cache, 10, 1);
    let steps_with = |taken: usize| {
        let before = store.uses.field_of(0, NOW) >> 8;
        // Twenty steps of a quarter of the keys.
        store.stats(0).hits.add(20 * 1000);
        with_taken(&store, taken, &mut || store.count_uses());
        (store.uses.field_of(0, NOW) >> 8) - before
    };
    assert_eq!(steps_with(0), 20);
    assert_eq!(steps_with(store.shard_count()), 0);
    assert_eq!(steps_with(0), 40);
    let half = steps_with(store.shard_count() / 2);
    assert!((15..=25).contains(&half), "{half}");
}
