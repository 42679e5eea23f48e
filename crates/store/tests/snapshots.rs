//! Snapshots against a model: what they hold is what there was at their instant, whatever clients
//! do meanwhile.

#![allow(clippy::unwrap_used)] // Integration tests are not #[cfg(test)] to clippy.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use data::types::hash::{HashRef, HashRules};
use data::types::list::NodeLimit;
use data::types::set::SetRules;
use data::types::stream::BlockLimits;
use data::types::zset::Growth;
use data::{Collection, Hash, KeyHasher, Limits, NewValue, Value};
use proptest::prelude::*;
use rdb::Rules;
use rdb::file::{Item, Options, Reader, Writer};
use store::snapshot::{Chunk, Output, Progress};
use store::{Store, StoreOptions, Txn, Waiter};

const WAITER: Waiter = Waiter {
    thread: 0,
    token: 0,
};
const DBS: usize = 3;

/// Values as text, by database and key.
type Keys = BTreeMap<(usize, Vec<u8>), (String, Option<u64>)>;

const LIMITS: Limits = Limits {
    entries: 8,
    text_len: 40,
};

fn hash_rules() -> HashRules {
    HashRules {
        packed: LIMITS,
        hasher: KeyHasher::with_seed(7),
        now_ms: 0,
    }
}

fn rules() -> Rules {
    Rules {
        list: NodeLimit {
            entries: 16,
            bytes: 400,
        },
        hash: hash_rules(),
        set: SetRules {
            ints: 12,
            packed: LIMITS,
            hasher: KeyHasher::with_seed(7),
            now_ms: 0,
        },
        zset: Growth {
            limits: LIMITS,
            hasher: KeyHasher::with_seed(7),
        },
        stream: BlockLimits {
            bytes: 300,
            entries: 5,
        },
    }
}

/// What the chunks of a snapshot hold.
fn read(chunks: impl Iterator<Item = Chunk>) -> Keys {
    let options = Options {
        compress: false,
        checksum: true,
        has_member_expiries: false,
    };
    let mut writer = Writer::begin(Vec::new(), options).unwrap();
    for chunk in chunks {
        writer.select(chunk.db as u64).unwrap();
        writer.keys(&chunk.bytes).unwrap();
    }
    let bytes = writer.finish().unwrap();
    let mut reader = Reader::open(&bytes[..], rules()).unwrap();
    let (mut keys, mut db) = (Keys::new(), 0);
    while let Some(item) = reader.next().unwrap() {
        match item {
            Item::Database(number) => db = number as usize,
            Item::Key(key) => {
                let value = (shown(&key.value), key.expiry);
                let before = keys.insert((db, key.name), value);
                assert_eq!(before, None, "saved twice");
            }
            other => panic!("{other:?}"),
        }
    }
    keys
}

fn shown(value: &Value) -> String {
    match value {
        Value::Str(text) => String::from_utf8(text.clone()).unwrap(),
        Value::Hash(hash) => shown_hash(hash.view()),
        other => panic!("{other:?}"),
    }
}

fn shown_hash(hash: HashRef<'_>) -> String {
    let pairs = hash.iter(0);
    let mut pairs: Vec<_> = pairs
        .map(|pair| format!("{:?}={:?};", pair.field, pair.value))
        .collect();
    pairs.sort();
    pairs.concat()
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Set(usize, u8, u32, Option<u64>),
    /// Adds a field to a hash, which makes it large in the end.
    Field(usize, u8, u32),
    Expire(usize, u8, Option<u64>),
    Remove(usize, u8),
    Move(usize, u8, u8),
    Flush(usize),
    Swap(usize, usize),
    Begin,
    Slice(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let db = 0..DBS;
    let expiry = prop::option::of(5_000u64..9_000);
    let step = prop_oneof![
        8 => (db.clone(), any::<u8>(), any::<u32>(), expiry.clone())
            .prop_map(|(db, key, value, at)| Step::Set(db, key, value, at)),
        8 => (db.clone(), 0u8..4, any::<u32>()).prop_map(|(db, key, v)| Step::Field(db, key, v)),
        3 => (db.clone(), any::<u8>(), expiry).prop_map(|(db, k, at)| Step::Expire(db, k, at)),
        3 => (db.clone(), any::<u8>()).prop_map(|(db, key)| Step::Remove(db, key)),
        2 => (db.clone(), any::<u8>(), any::<u8>()).prop_map(|(db, a, b)| Step::Move(db, a, b)),
        1 => db.clone().prop_map(Step::Flush),
        1 => (db.clone(), db).prop_map(|(a, b)| Step::Swap(a, b)),
        2 => Just(Step::Begin),
        4 => (0usize..2).prop_map(Step::Slice),
    ];
    prop::collection::vec(step, 0..800)
}

struct Fixture {
    store: Store,
    /// The chunks of the snapshot under way, and what they must hold in the end.
    snapshot: Option<(mpsc::Receiver<Chunk>, Arc<Progress>, Keys)>,
}

/// The key, which says by its first letter what it holds.
fn name(kind: &str, key: u8) -> Vec<u8> {
    format!("{kind}{key}").into_bytes()
}

impl Fixture {
    fn new(threads: usize) -> Self {
        let store = Store::new(&StoreOptions {
            threads,
            dbnum: DBS,
            seed: 5,
        });
        Self {
            store,
            snapshot: None,
        }
    }

    fn on_key<T>(&self, db: usize, key: &[u8], work: impl FnOnce(&mut Txn<'_>) -> T) -> T {
        assert!(self.store.enter(0));
        let mut txn = Txn::new(&self.store, 0, db, 1_000);
        txn.lock_key(key, WAITER).unwrap();
        let result = work(&mut txn);
        drop(txn);
        self.store.leave(0);
        result
    }

    fn on_all<T>(&self, db: usize, work: impl FnOnce(&mut Txn<'_>) -> T) -> T {
        assert!(self.store.enter(0));
        let mut txn = Txn::new(&self.store, 0, db, 1_000);
        txn.lock_all(WAITER).unwrap();
        let result = work(&mut txn);
        drop(txn);
        self.store.leave(0);
        result
    }

    /// Everything there is now, as a snapshot of its own would have it.
    fn contents(&self) -> Keys {
        let mut keys = Keys::new();
        for db in 0..DBS {
            self.on_all(db, |txn| {
                let mut names = Vec::new();
                txn.for_each(|key, _| names.push(key.to_vec()));
                for name in names {
                    let found = txn.peek(&name).unwrap();
                    let value = if name[0] == b'h' {
                        shown_hash(txn.view::<Hash>(found).unwrap())
                    } else {
                        match txn.str(found).unwrap() {
                            store::Str::Bytes(text) => String::from_utf8(text.to_vec()).unwrap(),
                            store::Str::Int(int) => int.to_string(),
                        }
                    };
                    let expiry = txn.expiry(found);
                    keys.insert((db, name), (value, expiry));
                }
            });
        }
        keys
    }

    fn begin(&mut self) {
        if self.store.is_saving() {
            return;
        }
        self.check();
        let (sender, receiver) = mpsc::channel();
        let progress = Arc::new(Progress::default());
        let output = Output::new(sender, false, Arc::clone(&progress));
        let contents = self.contents();
        self.on_all(0, |txn| txn.begin_snapshot(output));
        self.snapshot = Some((receiver, progress, contents));
    }

    fn slice(&mut self, thread: usize) -> bool {
        let Some((_, progress, _)) = &self.snapshot else {
            return false;
        };
        progress.waiting_bytes.store(0, Ordering::Relaxed);
        self.store.save_slice(thread, progress, Duration::ZERO)
    }

    /// The snapshot that has ended, if one has.
    fn check(&mut self) {
        if let Some((chunks, _, expected)) = self.snapshot.take() {
            assert_eq!(read(chunks.iter()), expected);
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Set(db, key, value, expiry) => {
                let key = name("s", key);
                self.on_key(db, &key, |txn| {
                    let found = txn.find(&key);
                    txn.set(&key, found, NewValue::Int(value.into()), expiry);
                });
            }
            Step::Field(db, key, value) => {
                let key = name("h", key);
                let field = (value % 1000).to_string();
                self.on_key(db, &key, |txn| {
                    let found = txn.find(&key);
                    txn.edit::<Hash, _>(&key, found, |hash| {
                        let value = value.to_string();
                        hash.set(field.as_bytes(), value.as_bytes(), None, &hash_rules());
                    })
                    .unwrap();
                });
            }
            Step::Expire(db, key, expiry) => {
                let key = name("s", key);
                self.on_key(db, &key, |txn| {
                    if let Some(found) = txn.find(&key) {
                        txn.set_expiry(found, expiry);
                    }
                });
            }
            Step::Remove(db, key) => {
                let key = name(if key < 4 { "h" } else { "s" }, key);
                self.on_key(db, &key, |txn| {
                    if let Some(found) = txn.find(&key) {
                        txn.remove(found);
                    }
                });
            }
            Step::Move(db, from, to) => {
                let (from, to) = (name("s", from), name("s", to));
                self.on_all(db, |txn| {
                    let Some(found) = txn.find(&from) else { return };
                    let value = txn.take(found);
                    let target = txn.find(&to);
                    txn.put(&to, target, value, None);
                });
            }
            Step::Flush(db) => self.on_all(db, |txn| {
                txn.flush(false);
            }),
            Step::Swap(a, b) => self.on_all(0, |txn| txn.swap_dbs(a, b)),
            Step::Begin => self.begin(),
            Step::Slice(thread) => {
                self.slice(thread);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn a_snapshot_is_the_keyspace_of_its_instant(threads in 1usize..3, steps in steps()) {
        let mut fixture = Fixture::new(threads);
        for step in steps {
            match step {
                Step::Slice(thread) if thread >= threads => {}
                step => fixture.run(step),
            }
        }
        while fixture.store.is_saving() {
            (0..threads).for_each(|thread| {
                fixture.slice(thread);
            });
        }
        fixture.check();
    }
}

/// Two threads move amounts between keys while a snapshot is taken: it must see none on its way.
#[test]
fn a_snapshot_cuts_through_no_transaction() {
    const ACCOUNTS: u64 = 2_000;
    let fixture = Fixture::new(2);
    let store = &fixture.store;
    let account = |number: u64| format!("s{number}").into_bytes();
    for number in 0..ACCOUNTS {
        fixture.on_key(0, &account(number), |txn| {
            txn.set(&account(number), None, NewValue::Int(0), None);
        });
    }
    let (sender, receiver) = mpsc::channel();
    let progress = Arc::new(Progress::default());
    let output = Output::new(sender, false, Arc::clone(&progress));
    std::thread::scope(|scope| {
        let progress = &progress;
        let work = |thread: usize, mut output: Option<Output>| {
            let waiter = Waiter {
                thread: thread as u16,
                token: 0,
            };
            let mut rounds = 0u64;
            while rounds < 20_000 || store.is_saving() {
                rounds += 1;
                if !store.enter(thread) {
                    std::thread::yield_now();
                    continue;
                }
                let mut txn = Txn::new(store, thread, 0, 1_000);
                if rounds == 5_000 && output.is_some() {
                    while txn.lock_all(waiter).is_err() {}
                    txn.begin_snapshot(output.take().unwrap());
                } else {
                    let seed = rounds.wrapping_mul(0x9e37_79b9_7f4a_7c15) + thread as u64;
                    let pair = [seed >> 33, seed >> 11].map(|n| account(n % ACCOUNTS));
                    let keys = pair.iter().map(|key| &key[..]);
                    if pair[0] != pair[1] && txn.lock_keys(keys, waiter).is_ok() {
                        for (key, change) in pair.iter().zip([1, -1]) {
                            let found = txn.find(key).unwrap();
                            let store::Str::Int(amount) = txn.str(found).unwrap() else {
                                panic!("an amount")
                            };
                            txn.set(key, Some(found), NewValue::Int(amount + change), None);
                        }
                    }
                }
                drop(txn);
                if store.is_saving() {
                    progress.waiting_bytes.store(0, Ordering::Relaxed);
                    store.save_slice(thread, progress, Duration::ZERO);
                }
                store.leave(thread);
            }
        };
        scope.spawn(move || work(0, Some(output)));
        scope.spawn(move || work(1, None));
    });
    let keys = read(receiver.iter());
    assert_eq!(keys.len() as u64, ACCOUNTS);
    let sum: i64 = keys
        .values()
        .map(|(amount, _)| amount.parse::<i64>().unwrap())
        .sum();
    assert_eq!(sum, 0);
    assert!(
        keys.values().any(|(amount, _)| amount != "0"),
        "nothing had moved yet"
    );
}
