//! Which locks a script takes.
//!
//! A script says which keys it touches, but nothing makes it tell the truth, and much software
//! doesn't (`BullMQ` makes names of keys as it goes). So:
//!
//! - A script of which nothing is known runs alone, under the closed gate, while what it touches
//!   is observed. If that was only what it had declared, it takes just those locks from then on.
//! - A script that then touches something else is stopped before the touch and started again under
//!   the gate, while it has written nothing. It stays there: one exception makes others likely.
//! - If it has written already it can't be started again. The missing lock is taken if it is free:
//!   waiting for it with others in hand could be a deadlock. If it isn't, the script fails.
//!
//! The last case takes a script whose first run didn't show what it does. What would do away with
//! it: locks that are taken as keys are touched, in order, with an undo log for those out of order.

use std::sync::atomic::Ordering;

use commands::spec::Scope;
use commands::{Args, keys};
use scripting::Callee;
use store::{Parked, Txn};

use super::eval;
use crate::conn::Conn;
use crate::shared::Shared;
use crate::table::Entry;
use crate::thread::Thread;

/// In [`Callee::notes`]: its runs have touched only what they had declared.
const KEEPS_TO_ITS_KEYS: u8 = 1;
/// In [`Callee::notes`]: a run has touched something else.
const TOUCHES_OTHERS: u8 = 2;

/// Whether a command of a script may touch what it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touch {
    /// Its locks are held.
    Free,
    /// The script has to start again under the gate.
    StartAgain,
    /// It can neither go on nor start again.
    Stuck,
}

/// Takes the locks for a command that runs a script.
pub(crate) fn lock(
    shared: &Shared,
    thread: &mut Thread,
    conn: &Conn,
    txn: &mut Txn<'_>,
    (entry, args): (&Entry, Args<'_>),
) -> Result<(), Parked> {
    // Its own run finds out again why there is none.
    let callee = eval::find(shared, thread, (entry, args)).ok();
    let notes = callee
        .as_ref()
        .map(|callee| callee.notes().load(Ordering::Relaxed));
    thread.scripts.next = callee;
    match notes {
        Some(KEEPS_TO_ITS_KEYS) if shared.store.shard_count() == 1 => {
            txn.lock_key(b"", conn.waiter())
        }
        Some(KEEPS_TO_ITS_KEYS) => {
            let positions = keys::positions(&entry.spec, args);
            txn.lock_keys(positions.iter().map(|&at| args.at(at)), conn.waiter())
        }
        Some(_) => txn.lock_all(conn.waiter()),
        None => {
            txn.release();
            Ok(())
        }
    }
}

/// What a run touches, beside what it has declared.
#[derive(Debug)]
pub(super) struct Touches {
    /// Shards of the declared keys; only kept while nothing is known of the script.
    declared: Option<Vec<usize>>,
    others: bool,
}

impl Touches {
    /// For a run of this script with these declared keys.
    pub(super) fn new<'k>(
        txn: &Txn<'_>,
        callee: &Callee,
        declared: impl Iterator<Item = &'k [u8]>,
    ) -> Self {
        let is_unknown = callee.notes().load(Ordering::Relaxed) == 0;
        Self {
            declared: is_unknown.then(|| declared.map(|key| txn.shard_of(key)).collect()),
            others: false,
        }
    }

    /// Whether a command may run now; takes another lock for it if need be and possible.
    pub(super) fn touch(
        &mut self,
        txn: &mut Txn<'_>,
        (entry, args): (&Entry, Args<'_>),
        has_written: bool,
    ) -> Touch {
        if entry.spec.scope.of(args) != Scope::Keys {
            self.others = true;
            return match txn.holds_all() {
                true => Touch::Free,
                false if has_written => Touch::Stuck,
                false => Touch::StartAgain,
            };
        }
        if txn.store().shard_count() == 1 {
            return Touch::Free;
        }
        for at in keys::positions(&entry.spec, args) {
            let key = args.at(at);
            if let Some(declared) = &self.declared {
                self.others |= !declared.contains(&txn.shard_of(key));
            }
            if txn.holds_key(key) {
                continue;
            }
            self.others = true;
            if !has_written {
                return Touch::StartAgain;
            }
            if !txn.try_hold(key) {
                return Touch::Stuck;
            }
        }
        Touch::Free
    }

    /// Notes what the run has shown of its script.
    pub(super) fn learn(self, callee: &Callee) {
        let shown = if self.others {
            TOUCHES_OTHERS
        } else {
            KEEPS_TO_ITS_KEYS
        };
        callee.notes().fetch_max(shown, Ordering::Relaxed);
    }
}
