//! What the observer of a store is told: events and invalidations, in order, only when wanted.

#![allow(clippy::unwrap_used)] // Integration tests are not #[cfg(test)] to clippy.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use data::NewValue;
use store::{Author, Event, EventClasses, Observer, Store, StoreOptions, Txn, Waiter};

const WAITER: Waiter = Waiter {
    thread: 0,
    token: 0,
};
const CLIENT: u64 = 7;

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn note(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Told {
    fn event(&self, _: EventClasses, db: usize, event: Event, key: &[u8]) {
        let key = String::from_utf8_lossy(key);
        self.note(format!("{event} {db} {key}"));
    }

    fn invalidated(&self, by: Author, key: &[u8]) {
        let key = String::from_utf8_lossy(key);
        self.note(format!("gone {key} by {}", by.client));
    }

    fn all_invalidated(&self, by: Author) {
        self.note(format!("all gone by {}", by.client));
    }

    fn awaited_gone(&self, thread: usize, db: usize, key: &[u8]) {
        let key = String::from_utf8_lossy(key);
        self.note(format!("awaited {db} {key}, thread {thread}"));
    }
}

fn observed() -> (Store, Told) {
    let store = Store::new(&StoreOptions {
        threads: 1,
        dbnum: 2,
        seed: 1,
    });
    let told = Told::default();
    store.observers().set(Box::new(told.clone()));
    (store, told)
}

/// Runs `work` at a time, as the client, with everything locked.
fn run<T>(store: &Store, now_ms: u64, work: impl FnOnce(&mut Txn<'_>) -> T) -> T {
    assert!(store.enter(0));
    let mut txn = Txn::new(store, 0, 1, now_ms);
    txn.client = CLIENT;
    txn.lock_all(WAITER).unwrap();
    let result = work(&mut txn);
    txn.commit([&b"COMMAND"[..]].into_iter());
    drop(txn);
    store.leave(0);
    result
}

fn set(txn: &mut Txn<'_>, key: &[u8], expiry: Option<u64>) {
    let found = txn.find(key);
    txn.set(key, found, NewValue::Int(1), expiry);
    txn.changed(key, "set");
}

fn all_classes() -> EventClasses {
    [
        EventClasses::NEW,
        EventClasses::MISS,
        EventClasses::KEYSPACE,
    ]
    .into_iter()
    .fold(EventClasses::ALL, EventClasses::and)
}

#[test]
fn events_are_told_as_they_happen() {
    let (store, told) = observed();
    store.observers().publish(all_classes());
    run(&store, 1000, |txn| {
        set(txn, b"a", None);
        set(txn, b"a", Some(1500));
        txn.notify(b"a", "expire");
        txn.changed_silently(b"a");
        assert!(txn.read(b"absent").is_none());
    });
    let expected = [
        "new 1 a",
        "set 1 a",
        "set 1 a",
        "expire 1 a",
        "keymiss 1 absent",
    ];
    assert_eq!(told.take(), expected);
    run(&store, 2000, |txn| assert!(txn.read(b"a").is_none()));
    assert_eq!(told.take(), ["expired 1 a", "keymiss 1 a"]);
    run(&store, 2000, |txn| set(txn, b"b", Some(2500)));
    assert!(store.enter(0));
    store.expire_cycle(0, 3000, Duration::from_secs(1));
    store.leave(0);
    assert_eq!(told.take(), ["new 1 b", "set 1 b", "expired 1 b"]);
}

#[test]
fn only_what_is_wanted_is_told() {
    let (store, told) = observed();
    run(&store, 1000, |txn| set(txn, b"a", None));
    store.observers().publish(EventClasses::ALL);
    run(&store, 1000, |txn| set(txn, b"a", None));
    assert_eq!(told.take(), [""; 0], "no channel, no event");
    let lists = EventClasses::LIST.and(EventClasses::KEYEVENT);
    store.observers().publish(lists);
    run(&store, 1000, |txn| {
        set(txn, b"a", None);
        txn.changed(b"a", "lpush");
    });
    assert_eq!(told.take(), ["lpush 1 a"]);
}

#[test]
fn caches_are_told_of_every_change_and_whose_it_is() {
    let (store, told) = observed();
    store.observers().track(true);
    run(&store, 1000, |txn| {
        set(txn, b"a", Some(1500));
        txn.changed_silently(b"b");
    });
    assert_eq!(told.take(), ["gone a by 7", "gone b by 7"]);
    run(&store, 2000, |txn| assert!(txn.peek(b"a").is_none()));
    assert_eq!(told.take(), ["gone a by 0"]);
    run(&store, 2000, |txn| {
        for db in 0..2 {
            txn.in_db(db, |txn| txn.flush(true));
        }
    });
    assert_eq!(told.take(), ["all gone by 7"], "once for a command");
    run(&store, 2000, |txn| txn.swap_dbs(0, 1));
    assert_eq!(told.take(), ["all gone by 7"]);
    store.observers().track(false);
    run(&store, 2000, |txn| set(txn, b"a", None));
    assert_eq!(told.take(), [""; 0]);
}
