//! The locks of a script that takes them as it goes, see [`crate::families`].

use std::sync::Arc;

use super::{Held, Parked, Shards, Txn};
use crate::families::{Extended, Names, cover};
use crate::sync::{Waiter, yield_now};

/// Turns of waiting for a latch before the caller hears of it: a command is over sooner, unless
/// its thread has to wait for a processor.
const TURNS: usize = 100;

/// What a script has for itself.
#[derive(Debug)]
pub(super) struct Family {
    names: Names,
    /// Ascending.
    reserved: Shards,
    latched: Shards,
}

impl Family {
    fn new(names: Names) -> Box<Self> {
        Box::new(Self {
            names,
            reserved: Shards::new(),
            latched: Shards::new(),
        })
    }
}

impl Txn<'_> {
    /// Takes families of keys for a script that is about to begin, all or none. The keys that it
    /// touches are locked as it goes, with [`Txn::latch`].
    pub fn begin_family(&mut self, names: Names, waiter: Waiter) -> Result<(), Parked> {
        self.release();
        if !self.store.families.begin(self.holder, &names, waiter) {
            return Err(Parked);
        }
        self.held = Held::Family(Family::new(names));
        Ok(())
    }

    /// Goes on in this way with a script that has locked its keys before it began. Returns whether
    /// another script has keys of these families: what it does between two commands of this one may
    /// be seen by this one.
    pub fn become_family(&mut self, names: Names) -> bool {
        let mut family = Family::new(names.clone());
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Nothing => {}
            Held::One(shard) => family.reserved.push(shard as u16),
            Held::Many(shards) => family.reserved = shards,
            held @ (Held::All | Held::Family(_)) => {
                self.held = held;
                return false;
            }
        }
        for &shard in &family.reserved {
            self.store.shards[usize::from(shard)].lock.share();
        }
        self.held = Held::Family(family);
        self.store.families.begin_late(self.holder, names)
    }

    /// Whether this script locks keys as it goes.
    pub fn is_family(&self) -> bool {
        matches!(self.held, Held::Family(_))
    }

    /// Whether a key is in one of the script's families.
    pub fn covers(&self, key: &[u8]) -> bool {
        match &self.held {
            Held::Family(family) => cover(&family.names, key),
            _ => false,
        }
    }

    /// Takes one family more.
    pub fn extend_family(&mut self, name: &[u8]) -> Extended {
        let extended = self.store.families.extend(self.holder, name);
        if let (Held::Family(family), Extended::Done(names)) = (&mut self.held, &extended) {
            family.names = Arc::clone(names);
        }
        extended
    }

    /// Latches the shards of these keys for the script's next command, instead of those of the
    /// last, and waits a little if need be. False if one is held for long; then none is latched.
    pub fn latch<'k>(&mut self, keys: impl Iterator<Item = &'k [u8]>) -> bool {
        let mut shards: Shards = keys.map(|key| self.shard_of(key) as u16).collect();
        shards.sort_unstable();
        shards.dedup();
        self.latch_shards(&shards)
    }

    pub(super) fn latch_shards(&mut self, shards: &[u16]) -> bool {
        if shards.iter().all(|&shard| self.holds(usize::from(shard))) {
            return true;
        }
        self.unlatch();
        for &shard in shards {
            if !self.latch_one(shard) {
                self.unlatch();
                return false;
            }
        }
        true
    }

    fn latch_one(&mut self, shard: u16) -> bool {
        let lock = &self.store.shards[usize::from(shard)].lock;
        let Held::Family(family) = &mut self.held else {
            unreachable!("only a script latches");
        };
        let place = family.reserved.binary_search(&shard);
        for _ in 0..TURNS {
            if lock.latch(self.holder, place.is_err()) {
                if let Err(at) = place {
                    family.reserved.insert(at, shard);
                }
                family.latched.push(shard);
                return true;
            }
            yield_now();
        }
        false
    }

    /// Ends the latches of the script's last command.
    pub fn unlatch(&mut self) {
        if let Held::Family(family) = &mut self.held {
            for shard in family.latched.drain(..) {
                self.store.shards[usize::from(shard)].lock.unlatch();
            }
        }
    }

    /// Latches a shard, however long that takes: not long if this script has reserved it, as then
    /// only other scripts' commands hold it.
    pub(super) fn latch_patiently(&mut self, shard: usize) {
        while !self.latch_shards(&[shard as u16]) {}
    }

    pub(super) fn end_family(&mut self, family: &Family) {
        for &shard in &family.reserved {
            let lock = &self.store.shards[usize::from(shard)].lock;
            self.store.wake(lock.unreserve(self.holder));
        }
        self.store.wake(self.store.families.end(self.holder));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use data::NewValue;

    use super::*;
    use crate::families::Name;
    use crate::{Store, StoreOptions};

    const WAITER: Waiter = Waiter {
        thread: 0,
        token: 0,
    };

    fn store() -> Store {
        Store::new(&StoreOptions {
            threads: 2,
            dbnum: 1,
            seed: 3,
        })
    }

    fn txn(store: &Store, thread: usize) -> Txn<'_> {
        assert!(store.enter(thread));
        Txn::new(store, thread, 0, 1_000)
    }

    fn names(name: &str) -> Names {
        Names::from_iter([Name::from_slice(name.as_bytes())])
    }

    fn command(txn: &mut Txn<'_>, key: &[u8]) {
        assert!(txn.latch([key].into_iter()));
        let found = txn.peek(key);
        txn.set(key, found, NewValue::Int(1), None);
    }

    #[test]
    fn what_a_script_has_touched_is_closed_to_others_until_it_ends() {
        let store = store();
        let (mut script, mut other) = (txn(&store, 0), txn(&store, 1));
        script.begin_family(names("q:"), WAITER).unwrap();
        for key in [&b"q:1"[..], b"q:2", b"q:1"] {
            command(&mut script, key);
        }
        assert!(script.covers(b"q:17") && !script.covers(b"p:17"));
        for key in [b"q:1", b"q:2"] {
            assert!(other.lock_key(key, WAITER).is_err());
        }
        let both = [&b"q:1"[..], b"z"].into_iter();
        assert!(other.lock_keys(both, WAITER).is_err());
        script.release();
        assert!(other.lock_key(b"q:2", WAITER).is_ok() && other.peek(b"q:2").is_some());
    }

    #[test]
    fn scripts_of_different_families_share_shards() {
        let store = store();
        let (mut one, mut other) = (txn(&store, 0), txn(&store, 1));
        one.begin_family(names("q:"), WAITER).unwrap();
        other.begin_family(names("p:"), WAITER).unwrap();
        let names_of = |prefix: u8| (0..200u8).map(move |i| [prefix, b':', i]);
        for (own, others) in names_of(b'q').zip(names_of(b'p')) {
            command(&mut one, &own);
            one.unlatch();
            command(&mut other, &others);
            other.unlatch();
        }
        one.release();
        other.release();
        let mut all = txn(&store, 0);
        store.leave(1);
        all.lock_all(WAITER).unwrap();
        assert!(
            names_of(b'q')
                .chain(names_of(b'p'))
                .all(|key| all.peek(&key).is_some())
        );
    }

    #[test]
    fn a_script_that_began_with_locks_goes_on_with_reservations() {
        let store = store();
        let (mut script, mut other) = (txn(&store, 0), txn(&store, 1));
        script
            .lock_keys([&b"a"[..], b"b"].into_iter(), WAITER)
            .unwrap();
        assert!(!script.become_family(names("a")));
        command(&mut script, b"a");
        assert!(matches!(script.extend_family(b"c"), Extended::Done(_)));
        command(&mut script, b"c");
        for key in [b"a", b"b", b"c"] {
            assert!(other.lock_key(key, WAITER).is_err());
        }
        assert!(other.begin_family(names("c:"), WAITER).is_err());
        script.release();
        for key in [b"a", b"b", b"c"] {
            assert!(other.lock_key(key, WAITER).is_ok());
        }
    }
}
