//! What commands over the whole keyspace see: one shard after the other, or everything at once.

use data::record::Record;
use data::{Dict, ValueRef};

use super::{Held, Parked, Txn};
use crate::log::Mark;
use crate::reaper::Garbage;
use crate::shard::Db;
use crate::snapshot::Output;
use crate::sync::{Waiter, yield_now};

/// What the databases hold.
#[derive(Clone, Debug)]
pub struct Totals {
    /// By number.
    pub dbs: Vec<DbTotals>,
    /// Whether fields of hashes or members of sets expire somewhere.
    pub has_expiring_members: bool,
}

/// What one database holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct DbTotals {
    /// Keys.
    pub keys: usize,
    /// Those of them that expire.
    pub expiring: usize,
}

/// Times that [`Txn::sample`] draws again when it meets a key that has expired.
const DRAWS: usize = 32;

/// Everything at once.
impl Txn<'_> {
    /// Gets the whole keyspace: closes the gate. On `Parked` the thread must leave the gate soon.
    pub fn lock_all(&mut self, waiter: Waiter) -> Result<(), Parked> {
        if matches!(self.held, Held::All) {
            return Ok(());
        }
        self.release();
        while !self.store.gate.close(self.thread) {
            if self.store.gate.park(waiter) {
                return Err(Parked);
            }
        }
        self.held = Held::All;
        Ok(())
    }

    /// As [`Txn::lock_all`], but false if another thread closes the gate: then leave it and try
    /// again.
    pub fn try_lock_all(&mut self) -> bool {
        self.release();
        if self.store.gate.close(self.thread) {
            self.held = Held::All;
        }
        self.holds_all()
    }

    /// As [`Txn::lock_all`], if that needs no wait: if no other thread is inside the gate.
    pub fn lock_all_at_once(&mut self) -> bool {
        if matches!(self.held, Held::All) {
            return true;
        }
        self.release();
        match self.store.gate.try_close(self.thread) {
            Ok(()) => self.held = Held::All,
            Err(waiters) => self.store.wake(waiters),
        }
        self.holds_all()
    }
}

/// One shard after the other, each locked for a moment.
impl Txn<'_> {
    /// Runs `work` with a shard locked: for commands that hold nothing meanwhile. Waits for the
    /// lock by yielding, so `work` is to be short. What it changes, recorded with
    /// [`Txn::replay_as`], is in the log before the shard is given back. With everything locked
    /// already this just runs `work`.
    pub fn in_shard<T>(&mut self, shard: usize, work: impl FnOnce(&mut Self) -> T) -> T {
        if self.is_family() {
            self.latch_patiently(shard);
        }
        if matches!(self.held, Held::All | Held::Family(_)) {
            return work(self);
        }
        assert!(
            matches!(self.held, Held::Nothing),
            "a shard may only be waited for with nothing in hand"
        );
        while !self.store.shards[shard].lock.spin_lock(self.holder) {
            yield_now();
        }
        self.held = Held::One(shard);
        let result = work(self);
        if self.dirty > 0 {
            // `commit` needn't tell of it again.
            self.told.get_or_insert(Mark::default());
        }
        self.release();
        result
    }

    /// How many keys the selected database has in a shard, expired ones that nobody has noticed
    /// included.
    pub fn keys_in(&mut self, shard: usize) -> usize {
        self.used_part(shard).map_or(0, |db| db.dict.len())
    }

    /// Visits the keys in one bucket of a shard: what is there and hasn't expired. Returns the
    /// position at which to go on, or `None` at the end. See [`Dict::scan`] for what a whole scan
    /// guarantees.
    pub fn scan(
        &mut self,
        shard: usize,
        position: u64,
        mut visit: impl FnMut(&Dict, Record<'_>),
    ) -> Option<u64> {
        let now_ms = self.now_ms;
        let dict = &self.used_part(shard)?.dict;
        if dict.is_empty() {
            return None;
        }
        dict.scan(position, |record| {
            if !record.is_expired(now_ms) {
                visit(dict, record);
            }
        })
    }

    /// A random key of a shard; `None` when it has none, or when all that were drawn have expired.
    pub fn sample(&mut self, shard: usize) -> Option<Record<'_>> {
        let (now_ms, random) = (self.now_ms, self.random());
        let dict = &self.used_part(shard)?.dict;
        (0..DRAWS)
            .map_while(|_| dict.sample(|| random.next()))
            .find(|record| !record.is_expired(now_ms))
    }
}

/// The whole keyspace; these need [`Txn::lock_all`].
impl Txn<'_> {
    /// Removes all keys of the selected database and returns how many there were. They are freed in
    /// the background, or at once when `sync`.
    pub fn flush(&mut self, sync: bool) -> usize {
        let mut removed = 0;
        self.tell_all_waiting();
        for shard in 0..self.store.shard_count() {
            if self.used_part(shard).is_none() {
                continue;
            }
            let now_ms = self.now_ms;
            let store = self.store;
            let hasher = store.hasher();
            let db = self.part(shard);
            for key in db.watched_keys() {
                let found = db.dict.find(store.hash(key), key);
                if found.is_some_and(|entry| !db.dict.record(entry).is_expired(now_ms)) {
                    db.touch_watchers(key);
                }
            }
            removed += db.dict.len();
            let dict = std::mem::replace(&mut db.dict, data::Dict::new(hasher));
            if dict.is_empty() {
                continue;
            }
            let (walk, dict) = (db.walk.take(), Box::new(dict));
            match self.shard_data(shard).save_flushed(walk, dict) {
                Some(dict) if !sync => store.reaper().dispose(Garbage::Dict(dict)),
                _ => {}
            }
        }
        self.dirty += 1;
        self.flushed = true;
        removed
    }

    /// The instant of a snapshot; no other is under way.
    pub fn begin_snapshot(&mut self, output: Output) {
        assert!(self.holds_all(), "a snapshot begins with everything locked");
        self.store.begin_snapshot(output);
    }

    /// What all databases hold. Everything is locked.
    pub fn totals(&mut self) -> Totals {
        let mut totals = Totals {
            dbs: vec![DbTotals::default(); self.store.dbnum()],
            has_expiring_members: false,
        };
        for shard in 0..self.store.shard_count() {
            for (number, db) in self.shard_data(shard).used_dbs() {
                totals.dbs[number].keys += db.dict.len();
                totals.dbs[number].expiring += db.dict.expiring();
                totals.has_expiring_members |= db.dict.expiring_members() > 0;
            }
        }
        totals
    }

    /// Makes room for so many keys in the selected database if there are none yet. Everything is
    /// locked.
    pub fn reserve(&mut self, keys: usize) {
        let shards = self.store.shard_count();
        for shard in 0..shards {
            self.part(shard).dict.reserve(keys / shards);
        }
    }

    /// Saves what is left of a snapshot, with everybody else waiting.
    pub fn finish_snapshot(&mut self) {
        assert!(self.holds_all(), "everything is locked");
        self.store.save_all();
    }

    /// Exchanges the keys of two databases.
    pub fn swap_dbs(&mut self, a: usize, b: usize) {
        for shard in 0..self.store.shard_count() {
            assert!(
                self.holds(shard),
                "databases are swapped with everything locked"
            );
            // SAFETY: as in `part`.
            let data = unsafe { self.store.shards[shard].data() };
            if [a, b].iter().all(|&db| data.used_db(db).is_none()) {
                continue;
            }
            if let Some((a, b)) = data.two_dbs(a, b) {
                for (db, other) in [(&*a, &*b), (b, a)] {
                    for key in db.watched_keys() {
                        let hash = self.store.hash(key);
                        // What has expired since it is watched has changed by that; what comes in
                        // its place and has expired isn't there.
                        let exists = db.dict.find(hash, key).is_some();
                        let comes = other
                            .dict
                            .find(hash, key)
                            .is_some_and(|entry| !other.dict.record(entry).is_expired(self.now_ms));
                        if exists || comes {
                            db.touch_watchers(key);
                        }
                    }
                }
                a.swap_dict(b);
            }
        }
        for db in [a, b] {
            self.in_db(db, Self::tell_all_waiting);
        }
        self.dirty += 1;
        // Clients' caches don't know databases.
        self.flushed = true;
    }

    /// Every key of the selected database that someone waits for may be news.
    fn tell_all_waiting(&mut self) {
        for shard in 0..self.store.shard_count() {
            let awaited = self.used_part(shard).map(Db::awaited_keys);
            let awaited: Vec<Box<[u8]>> = awaited.into_iter().flatten().map(Box::from).collect();
            let db = self.db;
            self.ready.extend(awaited.into_iter().map(|key| (db, key)));
        }
    }

    /// Visits every key that exists, in no order: key and value.
    pub fn for_each(&mut self, mut visit: impl FnMut(&[u8], ValueRef<'_>)) {
        for shard in 0..self.store.shard_count() {
            let mut position = Some(0);
            while let Some(at) = position {
                position = self.scan(shard, at, |dict, record| {
                    visit(record.key(), dict.value_of(record));
                });
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::{Arc, Mutex};

    use data::NewValue;

    use super::*;
    use testkit::log::{Effect, LogParser};

    use crate::{LogReader, Store, StoreOptions, Waiter};

    const WAITER: Waiter = Waiter {
        thread: 0,
        token: 0,
    };

    #[derive(Clone, Default)]
    struct Transactions(Arc<Mutex<Vec<Vec<Effect>>>>, LogParser);

    impl LogReader for Transactions {
        fn take(&mut self, bytes: &[u8]) {
            let transactions = self.1.read(bytes);
            self.0.lock().expect("no panic").extend(transactions);
        }
    }

    fn store() -> Store {
        Store::new(&StoreOptions {
            threads: 2,
            dbnum: 2,
            seed: 3,
        })
    }

    fn txn(store: &Store) -> Txn<'_> {
        assert!(store.enter(0));
        Txn::new(store, 0, 0, 1_000)
    }

    fn set(txn: &mut Txn<'_>, key: &[u8], expiry: Option<u64>) {
        txn.lock_key(key, WAITER).expect("alone");
        txn.set(key, None, NewValue::Int(1), expiry);
        txn.release();
    }

    #[test]
    fn changes_of_each_shard_are_logged_once_and_before_it_is_given_back() {
        let store = store();
        let log = Transactions::default();
        store.log().attach(1, Box::new(log.clone()));
        let mut txn = txn(&store);
        for shard in [4, 7] {
            txn.in_shard(shard, |txn| {
                txn.changed_silently(b"k");
                txn.replay_as(&[b"DEL", &[shard as u8]]);
            });
            assert_eq!(log.0.lock().unwrap().len(), shard / 3);
        }
        txn.in_shard(9, |_| ());
        assert_eq!(txn.commit([&b"RM"[..]].into_iter()), 2);
        assert_eq!(log.0.lock().unwrap().len(), 2);
        txn.lock_key(b"k", WAITER).expect("alone");
        txn.changed_silently(b"k");
        txn.commit([&b"SET"[..]].into_iter());
        txn.release();
        let last = log.0.lock().unwrap()[2].clone();
        assert_eq!(last[0].args, [b"SET"]);
    }

    #[test]
    fn only_what_exists_is_scanned_and_sampled() {
        let store = store();
        let mut txn = txn(&store);
        let shards = store.shard_count();
        for i in 0..100u8 {
            set(&mut txn, &[i], (i >= 10).then_some(1_000));
        }
        let (mut scanned, mut sampled, mut counted) = (Vec::new(), 0, 0);
        for shard in 0..shards {
            txn.in_shard(shard, |txn| {
                counted += txn.keys_in(shard);
                let mut at = Some(0);
                while let Some(position) = at {
                    at = txn.scan(shard, position, |_, record| {
                        scanned.push(record.key().to_vec());
                    });
                }
                if let Some(record) = txn.sample(shard) {
                    assert!(record.key()[0] < 10);
                    sampled += 1;
                }
            });
        }
        scanned.sort();
        assert_eq!(scanned, (0..10).map(|i| vec![i]).collect::<Vec<_>>());
        assert_eq!(counted, 100);
        assert!(sampled > 0);
    }

    #[test]
    fn flushing_and_swapping_leave_unused_databases_alone() {
        let store = store();
        let mut txn = txn(&store);
        set(&mut txn, b"a", None);
        txn.lock_all(WAITER).unwrap();
        let used = |txn: &mut Txn<'_>| {
            (0..store.shard_count())
                .filter(|&shard| txn.used_part(shard).is_some())
                .count()
        };
        assert_eq!((used(&mut txn), txn.in_db(1, used)), (1, 0));
        txn.swap_dbs(0, 1);
        assert_eq!((used(&mut txn), txn.in_db(1, used)), (1, 1));
        assert!(txn.peek(b"a").is_none());
        assert!(txn.in_db(1, |txn| txn.peek(b"a").is_some()));
        assert_eq!(txn.flush(true), 0);
        assert_eq!(txn.in_db(1, |txn| txn.flush(false)), 1);
        assert_eq!((used(&mut txn), txn.in_db(1, used)), (1, 1));
    }
}
