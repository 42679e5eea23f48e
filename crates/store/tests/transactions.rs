//! Random transactions over several shards, on several threads: the effects in the log, replayed in
//! its order, give what each transaction saw and what is there in the end.

#![allow(clippy::unwrap_used)] // Integration tests are not #[cfg(test)] to clippy.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use data::NewValue;
use proptest::collection::vec;
use proptest::prelude::*;
use store::{LogReader, Store, StoreOptions, Str, Txn, Waiter};

use testkit::log::{Effect, LogParser};

const NOW_MS: u64 = 1_700_000_000_000;
const DBS: usize = 2;

type Data = BTreeMap<(usize, String), i64>;

/// What a transaction does with one of its keys.
#[derive(Clone, Copy, Debug)]
enum Act {
    Set(i64),
    Add(i64),
    Remove,
}

/// The keys are locked together.
#[derive(Clone, Debug)]
struct Step {
    db: usize,
    acts: Vec<(usize, Act)>,
    /// Everything is locked instead.
    is_whole: bool,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..100i64).prop_map(Act::Set),
        (1..10i64).prop_map(Act::Add),
        Just(Act::Remove),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let acts = vec((0..12usize, act()), 1..6);
    (0..DBS, acts, prop::bool::weighted(0.05)).prop_map(|(db, acts, is_whole)| Step {
        db,
        acts,
        is_whole,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_store_is_a_map(steps in vec(step(), 1..60), threads in 1..4usize) {
        let store = new_store(threads);
        let mut model = Data::new();
        for step in &steps {
            run(&store, 0, step, None);
            for &(key, act) in &step.acts {
                apply(&mut model, step.db, &name(key), act);
            }
            prop_assert_eq!(contents(&store), model.clone());
        }
    }

    #[test]
    fn the_log_is_the_order_in_which_threads_did_it(plans in vec(vec(step(), 1..60), 2..5)) {
        let store = new_store(plans.len());
        let log = Arc::new(Mutex::new(Data::new()));
        let replay = Replay(Arc::clone(&log), LogParser::default());
        store.log().attach(1, Box::new(replay));
        let conflicts = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for (thread, plan) in plans.iter().enumerate() {
                let (store, conflicts) = (&store, &conflicts);
                scope.spawn(move || {
                    for step in plan {
                        run(store, thread, step, Some(conflicts));
                    }
                });
            }
        });
        prop_assert_eq!(contents(&store), log.lock().unwrap().clone());
    }
}

fn new_store(threads: usize) -> Store {
    Store::new(&StoreOptions {
        threads,
        dbnum: DBS,
        seed: 3,
    })
}

/// Runs a step; parked, it just tries again.
fn run(store: &Store, thread: usize, step: &Step, conflicts: Option<&AtomicU64>) {
    let waiter = Waiter {
        thread: thread as u16,
        token: 0,
    };
    let names: Vec<_> = step.acts.iter().map(|&(key, _)| name(key)).collect();
    loop {
        if !store.enter(thread) {
            std::thread::yield_now();
            continue;
        }
        let mut txn = Txn::new(store, thread, step.db, NOW_MS);
        let locked = if step.is_whole {
            txn.lock_all(waiter)
        } else {
            txn.lock_keys(names.iter().map(String::as_bytes), waiter)
        };
        if locked.is_ok() {
            txn.begin_group();
            for (name, &(_, act)) in names.iter().zip(&step.acts) {
                act_on(&mut txn, name.as_bytes(), act);
            }
        }
        drop(txn);
        store.leave(thread);
        if locked.is_ok() {
            return;
        }
        let conflicts = conflicts.expect("one thread never waits");
        conflicts.fetch_add(1, Ordering::Relaxed);
        std::thread::yield_now();
    }
}

/// The effect recorded is the value that came out, so that a wrong order shows.
fn act_on(txn: &mut Txn<'_>, key: &[u8], act: Act) {
    let found = txn.find(key);
    let old = found.map_or(0, |found| match txn.str(found).unwrap() {
        Str::Int(value) => value,
        Str::Bytes(bytes) => panic!("not an integer: {bytes:?}"),
    });
    let new = match act {
        Act::Set(value) => value,
        Act::Add(value) => old + value,
        Act::Remove => {
            if let Some(found) = found {
                txn.remove(found);
                txn.changed(key, "del");
                txn.commit([&b"DEL"[..], key, old.to_string().as_bytes()].into_iter());
            }
            return;
        }
    };
    txn.set(key, found, NewValue::Int(new), None);
    txn.changed(key, "set");
    let (old, new) = (old.to_string(), new.to_string());
    txn.commit([&b"SET"[..], key, old.as_bytes(), new.as_bytes()].into_iter());
}

/// Applies effects as they come, and compares what each transaction saw.
struct Replay(Arc<Mutex<Data>>, LogParser);

impl LogReader for Replay {
    fn take(&mut self, bytes: &[u8]) {
        let mut data = self.0.lock().unwrap();
        for Effect { db, args } in self.1.read(bytes).iter().flatten() {
            let args: Vec<_> = args
                .iter()
                .map(|arg| String::from_utf8_lossy(arg))
                .collect();
            let key = (*db, args[1].to_string());
            let saw: i64 = args[2].parse().unwrap();
            let had = if args[0] == "DEL" {
                data.remove(&key)
            } else {
                data.insert(key, args[3].parse().unwrap())
            };
            assert_eq!(had.unwrap_or(0), saw, "the log has another order");
        }
    }
}

fn apply(model: &mut Data, db: usize, key: &str, act: Act) {
    let key = (db, key.to_owned());
    match act {
        Act::Set(value) => drop(model.insert(key, value)),
        Act::Add(value) => *model.entry(key).or_insert(0) += value,
        Act::Remove => drop(model.remove(&key)),
    }
}

fn contents(store: &Store) -> Data {
    let mut data = Data::new();
    for shard in 0..store.shard_count() {
        store.visit(shard, |part| {
            for db in 0..DBS {
                let Some(dict) = part.used_db(db).map(|db| &db.dict) else {
                    continue;
                };
                let mut position = Some(0);
                while let Some(at) = position {
                    position = dict.scan(at, |record| {
                        let key = String::from_utf8(record.key().to_vec()).unwrap();
                        let data::ValueRef::Int(value) = dict.value_of(record) else {
                            panic!("{key} isn't an integer");
                        };
                        data.insert((db, key), value);
                    });
                }
            }
        });
    }
    data
}

/// Some share a shard by their hashtag.
fn name(key: usize) -> String {
    match key % 3 {
        0 => format!("{{tag}}:{key}"),
        _ => format!("key:{key}"),
    }
}
