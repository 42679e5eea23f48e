//! Waiting for keys and serving those who wait, see [`crate::blocked`].

use std::sync::Arc;

use super::{Held, Txn};
use crate::blocked::{AtEnd, Blocked, Served, Wait};
use crate::store::Store;

/// A key of a database with news for those who wait, and the one that has to be locked as well.
pub type Unserved = (usize, Box<[u8]>, Box<[u8]>);

impl Txn<'_> {
    /// Has the client wait for news of any of these keys. False when it may not wait: then the
    /// command answers as it would at the end of its time.
    pub fn wait_for<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]>,
        timeout_ms: Option<u64>,
        answer: AtEnd,
    ) -> bool {
        if self.may_wait {
            self.wait = Some(Wait {
                keys: keys.map(Box::from).collect(),
                timeout_ms,
                at_end: answer,
                even_if_gone: false,
                args: None,
            });
        }
        self.may_wait
    }

    /// As [`Txn::wait_for`], and it is served as well when a key is removed.
    pub fn wait_for_existing<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]>,
        timeout_ms: Option<u64>,
        answer: AtEnd,
    ) -> bool {
        let waits = self.wait_for(keys, timeout_ms, answer);
        if let Some(wait) = &mut self.wait {
            wait.even_if_gone = true;
        }
        waits
    }

    /// Has the command repeated with these arguments when there is news, rather than with its own:
    /// follows [`Txn::wait_for`].
    pub fn repeat_as(&mut self, args: Vec<Vec<u8>>) {
        if let Some(wait) = &mut self.wait {
            wait.args = Some(args);
        }
    }

    /// Whether the shard of `key` is locked: one who serves a waiting client holds only that of the
    /// key with news, see [`Served::Needs`].
    pub fn can_touch(&self, key: &[u8]) -> bool {
        self.holds(self.store.shard_of(key, self.store.hash(key)))
    }

    /// What the command that has just run wants to wait for.
    #[inline(always)]
    pub fn take_wait(&mut self) -> Option<Wait> {
        self.wait.take()
    }

    /// Puts a client into the queues of its keys, which are locked.
    pub fn block(&mut self, blocked: &Arc<Blocked>) {
        self.in_db(blocked.db(), |txn| {
            for key in blocked.keys() {
                let shard = txn.store.shard_of(key, txn.store.hash(key));
                txn.store.observers().watch();
                txn.part(shard).wait_for(key, blocked);
            }
        });
    }

    /// Takes a client whose wait has ended out of the queues of its keys. The caller's transaction
    /// holds no lock.
    pub fn unblock(store: &Store, blocked: &Arc<Blocked>) {
        for key in blocked.keys() {
            let shard = store.shard_of(key, store.hash(key));
            store.visit(shard, |data| data.db(blocked.db()).end_wait(key, blocked));
            store.observers().unwatch();
        }
    }

    /// Whether there is news of keys that someone waits for.
    #[inline(always)]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Notes that there is news of a locked key: a second attempt after [`Txn::serve_ready`].
    pub fn note_ready(&mut self, db: usize, key: &[u8]) {
        self.ready.push((db, key.into()));
    }

    /// Serves those who wait for keys of which there is news, as far as it goes. Serving one may
    /// bring news for others. Returns what couldn't be done because a lock was taken: the caller
    /// tries again with both keys locked.
    pub fn serve_ready(&mut self) -> Vec<Unserved> {
        let mut unserved = Vec::new();
        let may_wait = std::mem::replace(&mut self.may_wait, false);
        while !self.ready.is_empty() {
            for (db, key) in std::mem::take(&mut self.ready) {
                let needs = self.in_db(db, |txn| txn.serve_key(&key));
                unserved.extend(needs.map(|other| (db, key, other)));
            }
        }
        self.may_wait = may_wait;
        unserved
    }

    /// Serves the queue of one key; returns the key that it needs to go on.
    fn serve_key(&mut self, key: &[u8]) -> Option<Box<[u8]>> {
        let shard = self.store.shard_of(key, self.store.hash(key));
        if self.is_family() {
            self.latch_patiently(shard);
        }
        let mut place = 0;
        loop {
            let exists = self.peek(key).is_some();
            // Who was served stays in the queue until its own thread takes it out.
            let (at, blocked) = self.part(shard).next_waiting(key, place, exists)?;
            match blocked.serve(self, key) {
                Served::Yes | Served::No => place = at + 1,
                Served::Needs(other) if self.try_hold(&other) => place = at,
                Served::Needs(other) => return Some(other),
            }
        }
    }

    /// Locks a key's shard beside what is held, if it is free: waiting for it could be a deadlock.
    pub fn try_hold(&mut self, key: &[u8]) -> bool {
        let shard = self.store.shard_of(key, self.store.hash(key));
        if self.holds(shard) {
            return true;
        }
        // A script's locks are taken otherwise.
        if self.is_family() || !self.store.shards[shard].lock.try_lock(self.holder) {
            return false;
        }
        self.held = match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Nothing => Held::One(shard),
            Held::One(one) => Held::Many(
                [one.min(shard) as u16, one.max(shard) as u16]
                    .into_iter()
                    .collect(),
            ),
            Held::Many(mut shards) => {
                let at = shards.partition_point(|&other| usize::from(other) < shard);
                shards.insert(at, shard as u16);
                Held::Many(shards)
            }
            Held::All | Held::Family(_) => unreachable!("it is held, or the answer was no"),
        };
        true
    }

    /// Locks two keys, waiting by yielding: for work that no connection is parked for. The caller
    /// holds nothing and is inside the gate.
    pub fn lock_both(&mut self, a: &[u8], b: &[u8]) {
        self.release();
        loop {
            if self.try_hold(a) && self.try_hold(b) {
                return;
            }
            self.release();
            crate::sync::yield_now();
        }
    }
}
