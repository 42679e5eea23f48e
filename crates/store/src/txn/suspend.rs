//! Putting a transaction aside with its locks, and going on with it: for a script that runs so long
//! that its thread looks after other clients meanwhile, who are all told to come back later.

use super::{Held, Txn};
use crate::lock::Holder;
use crate::log::{Effects, Mark};
use crate::store::Store;

/// A transaction that was put aside. Its thread stays inside the gate until it goes on; dropped, it
/// would leave its locks locked.
#[derive(Debug)]
#[must_use = "its locks are held until it goes on"]
pub struct Suspended {
    thread: usize,
    holder: Holder,
    held: Held,
    db: usize,
    now_ms: u64,
    touches: bool,
    max_string: u64,
    client: u64,
    effects: Effects,
    group: Option<Mark>,
    may_wait: bool,
    ready: Vec<(usize, Box<[u8]>)>,
}

impl<'s> Txn<'s> {
    /// Puts this transaction aside, between two commands; what is left of it holds nothing.
    pub fn suspend(&mut self) -> Suspended {
        debug_assert_eq!(self.dirty, 0, "suspended in the middle of a command");
        Suspended {
            thread: self.thread,
            holder: self.holder,
            held: std::mem::replace(&mut self.held, Held::Nothing),
            db: self.db,
            now_ms: self.now_ms,
            touches: self.touches,
            max_string: self.max_string,
            client: self.client,
            effects: std::mem::take(&mut self.effects),
            group: self.group.take(),
            may_wait: self.may_wait,
            ready: std::mem::take(&mut self.ready),
        }
    }

    /// Goes on with a transaction of this store, on the thread that had put it aside.
    pub fn resume(store: &'s Store, suspended: Suspended) -> Self {
        let mut txn = Self::new(store, suspended.thread, suspended.db, suspended.now_ms);
        txn.holder = suspended.holder;
        txn.held = suspended.held;
        txn.touches = suspended.touches;
        txn.max_string = suspended.max_string;
        txn.client = suspended.client;
        txn.effects = suspended.effects;
        txn.group = suspended.group;
        txn.may_wait = suspended.may_wait;
        txn.in_script = true;
        txn.ready = suspended.ready;
        txn
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use data::NewValue;

    use super::*;
    use crate::{StoreOptions, Waiter};

    const WAITER: Waiter = Waiter {
        thread: 0,
        token: 0,
    };

    #[test]
    fn locks_stay_locked_until_the_transaction_has_gone_on() {
        let store = Store::new(&StoreOptions {
            threads: 2,
            dbnum: 1,
            seed: 3,
        });
        assert!(store.enter(0));
        let mut txn = Txn::new(&store, 0, 0, 1_000);
        txn.lock_key(b"a", WAITER).expect("alone");
        let suspended = txn.suspend();
        drop(txn);
        let mut other = Txn::new(&store, 0, 0, 1_000);
        assert!(other.lock_key(b"a", WAITER).is_err());
        drop(other);
        let mut txn = Txn::resume(&store, suspended);
        assert!(txn.holds_key(b"a"));
        txn.set(b"a", None, NewValue::Int(1), None);
        drop(txn);
        let mut other = Txn::new(&store, 0, 0, 1_000);
        assert!(other.lock_key(b"a", WAITER).is_ok());
        assert!(other.peek(b"a").is_some());
    }
}
