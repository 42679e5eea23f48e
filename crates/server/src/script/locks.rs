//! Which locks a script takes.
//!
//! A script says which keys it touches, but nothing makes it tell the truth, and much software
//! doesn't (`BullMQ` makes names of keys as it goes). So its runs are watched:
//!
//! - A script of which nothing is known runs alone, under the closed gate. What it touches there
//!   makes a [`KeyPattern`].
//! - If it keeps to the keys that it declares, it locks these, as any command does.
//! - If its other keys begin alike, in a way that the call tells beforehand, it takes the *family*
//!   of such keys and locks shards as it goes, beside scripts of other families; see
//!   [`store::families`].
//! - Everything else stays under the gate, and so does all while one of
//!   several threads has all the work.
//!
//! A run that goes beyond what was known starts again under the gate, while it has written nothing.
//! If it has written it can't: then it takes another family, and waits for the script that has it.
//! If that one waits for this one, neither can be undone, so this one goes on regardless and sees
//! what the other has done so far. From then on such a script runs alone: it happens once at most.
//!
//! Without `allow-undeclared-keys` among `--default_lua_flags`, which is there by default, a script
//! may only touch what it declares, as in Dragonfly.

use commands::Args;
use commands::spec::Scope;
use scripting::{Beginning, Callee, Given, KeyPattern, KeyWatch, flags, up_to_colon};
use store::families::{Extended, Name, Names, cover};
use store::store::hashtag;
use store::{Parked, Txn};

use super::eval;
use crate::conn::Conn;
use crate::flags::special::ALLOW_UNDECLARED_KEYS;
use crate::flags::values::ClusterMode;
use crate::log::warn;
use crate::shared::Shared;
use crate::table::Entry;
use crate::thread::Thread;

/// Whether a command of a script may touch what it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touch {
    /// Its locks are held.
    Free,
    /// Soon: another script has to end first.
    Later,
    /// The script has to start again under the gate.
    StartAgain,
    /// It can neither go on nor start again.
    Stuck,
    /// The key isn't declared, and has to be.
    Undeclared,
}

/// Takes the locks for a command that runs a script.
pub(crate) fn lock(
    shared: &Shared,
    thread: &mut Thread,
    conn: &Conn,
    txn: &mut Txn<'_>,
    (entry, args): (&Entry, Args<'_>),
) -> Result<(), Parked> {
    // Its own run finds out again why there is none, or too few keys.
    let callee = eval::find(shared, thread, (entry, args)).ok();
    let locked = if let (Some(callee), Ok(given)) = (&callee, eval::given(entry, args)) {
        lock_for(thread, conn, txn, (callee, given))
    } else {
        txn.release();
        Ok(())
    };
    thread.scripts.next = callee;
    locked
}

fn lock_for(
    thread: &Thread,
    conn: &Conn,
    txn: &mut Txn<'_>,
    (callee, given): (&Callee, Given<'_>),
) -> Result<(), Parked> {
    let waiter = conn.waiter();
    let has_one_shard = txn.store().shard_count() == 1;
    if !has_one_shard && thread.shared.balance.is_one_alone() && txn.lock_all_at_once() {
        return Ok(());
    }
    let pattern = callee.notes().pattern();
    let is_declared = pattern == Some(&KeyPattern::Declared) || is_strict(thread, callee);
    if is_declared {
        let mut keys = given.keys();
        return match (keys.next(), keys.next()) {
            (Some(key), None) => txn.lock_key(key, waiter),
            _ if has_one_shard => txn.lock_key(b"", waiter),
            _ => txn.lock_keys(given.keys(), waiter),
        };
    }
    if let (Some(KeyPattern::Alike(beginning)), false) = (pattern, has_one_shard)
        && let Some(names) = families(beginning, given)
    {
        return txn.begin_family(names, waiter);
    }
    txn.lock_all(waiter)
}

/// Whether a script may only touch the keys that it declares.
fn is_strict(thread: &Thread, callee: &Callee) -> bool {
    let config = &thread.config.scripting;
    !(config
        .default_lua_flags
        .iter()
        .any(|flag| flag == ALLOW_UNDECLARED_KEYS)
        || config.lua_allow_undeclared_auto_correct
        || callee.has(flags::ALLOW_UNDECLARED_KEYS)
        || config
            .lua_undeclared_keys_shas
            .iter()
            .any(|sha| sha.eq_ignore_ascii_case(callee.name())))
}

/// The families of a run: how its keys begin, and its declared keys.
fn families(beginning: &Beginning, given: Given<'_>) -> Option<Names> {
    let mut names = vec![Name::from_slice(&beginning.of(given)?)];
    add_declared(&mut names, given);
    Some(names.into())
}

fn add_declared(names: &mut Vec<Name>, given: Given<'_>) {
    for key in given.keys() {
        if !cover(names, key) {
            names.push(Name::from_slice(key));
        }
    }
}

/// Has a run that has locked its declared keys lock others as it goes.
fn go_as_family(txn: &mut Txn<'_>, given: Given<'_>) {
    if !txn.is_family() {
        let mut names = Vec::new();
        add_declared(&mut names, given);
        txn.become_family(names.into());
    }
}

/// What a run touches.
#[derive(Debug)]
pub(super) struct Touches {
    /// What of that hadn't been known of the script.
    watch: KeyWatch,
    /// It runs alone and is watched to the end, since nothing else is known of the script than
    /// that it may touch more than it declares.
    is_watched: bool,
    is_strict: bool,
    by_tags: bool,
}

impl Touches {
    /// For a run of this script.
    pub(super) fn new(thread: &Thread, txn: &Txn<'_>, callee: &Callee) -> Self {
        let cluster = &thread.config.cluster;
        Self {
            watch: KeyWatch::default(),
            is_watched: txn.holds_all()
                && match callee.notes().pattern() {
                    None => true,
                    Some(KeyPattern::Declared) => !thread.shared.balance.is_one_alone(),
                    Some(_) => false,
                },
            is_strict: is_strict(thread, callee),
            by_tags: cluster.lock_on_hashtags || cluster.cluster_mode == ClusterMode::Emulated,
        }
    }

    /// Whether a command may run now; takes another lock for it if need be and possible.
    pub(super) fn touch(
        &mut self,
        txn: &mut Txn<'_>,
        (entry, args): (&Entry, Args<'_>),
        (callee, given): (&Callee, Given<'_>),
        has_written: bool,
    ) -> Touch {
        let scope = entry.spec.scope.of(args);
        if scope != Scope::Keys {
            return self.touch_all(txn, scope, given, has_written);
        }
        let is_alone = txn.store().shard_count() == 1 || txn.holds_all() && !self.is_watched;
        if is_alone && !self.is_strict {
            return Touch::Free;
        }
        let keys = entry.keys(args);
        if self.is_strict && keys.iter().any(|key| !self.may_touch(given, key)) {
            return Touch::Undeclared;
        }
        if txn.holds_all() {
            if self.is_watched {
                let others = keys.iter().filter(|key| !given.declares(key));
                others.for_each(|key| self.watch.touched(key));
            }
            return Touch::Free;
        }
        for key in &keys {
            match self.touch_key(txn, key, (callee, given), has_written) {
                Touch::Free => {}
                other => return other,
            }
        }
        if txn.is_family() && !txn.latch(keys.into_iter()) {
            return Touch::Later;
        }
        Touch::Free
    }

    /// For a command that looks at the whole keyspace.
    fn touch_all(
        &mut self,
        txn: &mut Txn<'_>,
        scope: Scope,
        given: Given<'_>,
        has_written: bool,
    ) -> Touch {
        self.watch.touched_all();
        if txn.holds_all() {
            return Touch::Free;
        }
        if !has_written {
            return Touch::StartAgain;
        }
        if scope != Scope::EachShard {
            return Touch::Stuck;
        }
        go_as_family(txn, given);
        Touch::Free
    }

    fn touch_key(
        &mut self,
        txn: &mut Txn<'_>,
        key: &[u8],
        (callee, given): (&Callee, Given<'_>),
        has_written: bool,
    ) -> Touch {
        if !txn.is_family() {
            if txn.holds_key(key) {
                return Touch::Free;
            }
            self.watch.touched(key);
            if !has_written {
                return Touch::StartAgain;
            }
            go_as_family(txn, given);
        }
        if txn.covers(key) {
            return Touch::Free;
        }
        self.watch.touched(key);
        match txn.extend_family(up_to_colon(key).unwrap_or(key)) {
            Extended::Done(_) => Touch::Free,
            _ if !has_written => Touch::StartAgain,
            Extended::Later => Touch::Later,
            Extended::Circle => {
                isolation_is_lost(callee);
                Touch::Free
            }
        }
    }

    /// Whether a script that has to declare its keys may touch this one.
    fn may_touch(&self, given: Given<'_>, key: &[u8]) -> bool {
        let tag = hashtag(key).filter(|_| self.by_tags);
        let has_tag = |declared: &[u8]| tag.is_some() && hashtag(declared) == tag;
        given.declares(key) || given.keys().any(has_tag)
    }

    /// Notes what the run has shown of its script.
    pub(super) fn learn(mut self, callee: &Callee, given: Given<'_>) {
        let notes = callee.notes();
        if self.is_watched {
            return notes.learn(self.watch.pattern(given));
        }
        if !self.watch.has_seen() {
            return;
        }
        if let Some(KeyPattern::Alike(known)) = notes.pattern()
            && let Some(name) = known.of(given)
        {
            self.watch.touched(&name);
        }
        // What can't be told beforehand was an exception.
        if let wider @ KeyPattern::Alike(_) = self.watch.pattern(given) {
            notes.learn(wider);
        }
    }
}

/// See the module.
#[cold]
fn isolation_is_lost(callee: &Callee) {
    if callee.notes().pattern() != Some(&KeyPattern::Any) {
        callee.notes().give_up();
        warn(&format!(
            "two scripts wanted keys of each other that they had not declared; one of them, {}, \
             has seen what the other had done so far, and runs alone from now on",
            callee.name()
        ));
    }
}
