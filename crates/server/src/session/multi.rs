//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use std::sync::Arc;

use commands::keys::{self, access};
use commands::spec::{Group, Scope, flags};
use commands::{Args, Command, CommandError, OwnedArgs, Spec};
use protocol::Reply;
use store::{Parked, Store, Txn, WatchFlag};

use crate::blocking;
use crate::conn::Conn;
use crate::dispatch;
use crate::session::{Call, Outcome, Session, SessionCommand};
use crate::shared::Shared;
use crate::table::{Entry, Place};

/// What a command that may need memory answers when there is no more.
pub(crate) const OUT_OF_MEMORY: &str = "OOM command not allowed when used memory > 'maxmemory'.";

/// Commands between MULTI and EXEC.
#[derive(Debug, Default)]
pub struct Multi {
    queue: Vec<(Place, OwnedArgs)>,
    /// The [`flags`] that any of them has.
    pub(crate) flags: u32,
    bytes: usize,
    /// One was refused: EXEC must fail.
    pub(crate) failed: bool,
}

impl Multi {
    /// How many commands are queued.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// True when none is queued.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes of memory.
    pub fn heap_bytes(&self) -> usize {
        self.bytes
    }
}

/// A client's watched keys.
#[derive(Debug, Default)]
pub struct Watch {
    pub(crate) flag: Arc<WatchFlag>,
    keys: Vec<(usize, Vec<u8>)>,
    bytes: usize,
}

/// What a watched key takes beside its name: here, and in the register of its shard.
const WATCH_BYTES: usize = 2 * size_of::<(usize, Vec<u8>)>();

impl Watch {
    /// How many keys it watches.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True when it watches nothing.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Bytes of memory, about.
    pub fn heap_bytes(&self) -> usize {
        self.bytes
    }
}

/// All commands of this family.
pub(super) const COMMANDS: &[SessionCommand] = &[
    Command {
        spec: Spec {
            flags: flags::NOSCRIPT
                | flags::LOADING
                | flags::STALE
                | flags::FAST
                | flags::ALLOW_BUSY,
            group: Group::Transactions,
            since: "1.2.0",
            summary: "Starts a transaction.",
            ..Spec::new("multi")
        },
        run: multi,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            flags: flags::NOSCRIPT | flags::LOADING | flags::STALE | flags::SKIP_SLOWLOG,
            group: Group::Transactions,
            since: "1.2.0",
            complexity: "Depends on commands in the transaction",
            summary: "Executes all commands in a transaction.",
            ..Spec::new("exec")
        },
        run: exec,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            flags: flags::NOSCRIPT
                | flags::LOADING
                | flags::STALE
                | flags::FAST
                | flags::ALLOW_BUSY,
            group: Group::Transactions,
            since: "2.0.0",
            complexity: "O(N), when N is the number of queued commands",
            summary: "Discards a transaction.",
            ..Spec::new("discard")
        },
        run: discard,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            arity: -2,
            flags: flags::NOSCRIPT
                | flags::LOADING
                | flags::STALE
                | flags::FAST
                | flags::ALLOW_BUSY,
            keys: &[keys::all(access::RO)],
            group: Group::Transactions,
            since: "2.2.0",
            complexity: "O(1) for every key.",
            summary: "Monitors changes to keys to determine the execution of a transaction.",
            syntax: "key [key ...]",
            ..Spec::new("watch")
        },
        run: watch,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            flags: flags::NOSCRIPT
                | flags::LOADING
                | flags::STALE
                | flags::FAST
                | flags::ALLOW_BUSY,
            group: Group::Transactions,
            since: "2.2.0",
            summary: "Forgets about watched keys of a transaction.",
            ..Spec::new("unwatch")
        },
        run: unwatch,
        subcommands: &[],
    },
];

fn multi(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let multi = &mut call.conn.session.multi;
    if multi.is_some() {
        return Err(CommandError::Text("ERR MULTI calls can not be nested"));
    }
    *multi = Some(Box::default());
    reply.ok();
    Ok(Outcome::Done)
}

fn discard(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    if call.conn.session.multi.take().is_none() {
        return Err(CommandError::Text("ERR DISCARD without MULTI"));
    }
    forget_watches(call);
    reply.ok();
    Ok(Outcome::Done)
}

fn watch(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    if call.conn.session.multi.is_some() {
        return Err(CommandError::Text("ERR WATCH inside MULTI is not allowed"));
    }
    let flag = call.conn.session.watch_flag();
    let watched = call.conn.session.watch.as_mut().expect("just made");
    for key in call.args.from(1) {
        let entry = (call.txn.db, key.to_vec());
        if !watched.keys.contains(&entry) {
            call.txn.watch(key, &flag);
            watched.bytes += WATCH_BYTES + key.len();
            watched.keys.push(entry);
        }
    }
    reply.ok();
    Ok(Outcome::Done)
}

fn unwatch(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    // EXEC forgets them at its end anyway; until then it needs its locks.
    if !call.conn.session.in_exec {
        forget_watches(call);
    }
    reply.ok();
    Ok(Outcome::Done)
}

fn exec(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let Some(multi) = call.conn.session.multi.take() else {
        return Err(CommandError::Text("ERR EXEC without MULTI"));
    };
    let changed = has_watched_change(call.conn, call.txn);
    if multi.failed || changed {
        forget_watches(call);
        if multi.failed {
            return Err(CommandError::Text(
                "EXECABORT Transaction discarded because of previous errors.",
            ));
        }
        reply.null_array();
        return Ok(Outcome::Done);
    }
    if multi.flags & flags::DENYOOM != 0 && call.thread.is_full && call.thread.look_at_memory() {
        forget_watches(call);
        return Err(CommandError::Made(format!(
            "EXECABORT Transaction discarded because of: {OUT_OF_MEMORY}"
        )));
    }
    reply.array(multi.len());
    call.txn.begin_group();
    let mut outcome = Outcome::Done;
    call.conn.session.in_exec = true;
    call.txn.may_wait = false;
    for (place, args) in &multi.queue {
        let entry = call.shared.table.at(*place);
        let one = dispatch::run_locked(call, entry, args.borrow(), reply);
        if one == Outcome::Close {
            outcome = Outcome::Close;
        }
        if call.shared.slow_path.is_on() {
            let now = call.thread.now;
            call.shared
                .feed_monitors(now, call.conn, entry, args.borrow());
        }
    }
    call.conn.session.in_exec = false;
    call.txn.may_wait = true;
    call.txn.end_group();
    forget_watches(call);
    Ok(outcome)
}

/// Takes the locks that EXEC needs: those of all queued commands and watched keys, or everything
/// when one of the commands needs that.
pub(crate) fn lock_for_exec(shared: &Shared, conn: &Conn, txn: &mut Txn<'_>) -> Result<(), Parked> {
    let session = &conn.session;
    let Some(multi) = &session.multi else {
        return Ok(());
    };
    let entries = || {
        multi
            .queue
            .iter()
            .map(|(place, args)| (shared.table.at(*place), args.borrow()))
    };
    let needs_all = |(entry, _): (&Entry, Args<'_>)| {
        entry.spec.scope != Scope::Keys || entry.spec.name == "select"
    };
    if entries().any(needs_all) {
        return txn.lock_all(conn.waiter());
    }
    let watched = session.watch.iter().flat_map(|watch| &watch.keys);
    let mut all_keys: Vec<&[u8]> = watched.map(|(_, key)| &key[..]).collect();
    for (entry, args) in entries() {
        all_keys.extend(
            keys::positions(&entry.spec, args)
                .iter()
                .map(|&at| args.at(at)),
        );
    }
    if all_keys.is_empty() {
        txn.release();
        return Ok(());
    }
    txn.lock_keys(all_keys.into_iter(), conn.waiter())
}

/// Puts a command off until EXEC.
pub(crate) fn queue(session: &mut Session, (entry, args): (&Entry, Args<'_>), flags: u32) {
    if let Some(multi) = &mut session.multi {
        let args = OwnedArgs::new(args.iter());
        multi.flags |= flags;
        multi.bytes += size_of::<(Place, OwnedArgs)>() + args.heap_bytes();
        multi.queue.push((entry.place, args));
    }
}

/// Ends all watches of a client that is done or gone.
pub(crate) fn drop_watches(store: &Store, session: &mut Session) {
    if let Some(watch) = session.watch.take() {
        for (db, key) in watch.keys {
            Txn::unwatch(store, db, &key, &watch.flag);
        }
    }
}

/// Forgets what was queued and watched.
pub(super) fn abandon(call: &mut Call<'_, '_>) {
    call.conn.session.multi = None;
    forget_watches(call);
}

fn forget_watches(call: &mut Call<'_, '_>) {
    if call.conn.session.watch.is_some() {
        blocking::release(call);
        drop_watches(&call.shared.store, &mut call.conn.session);
    }
}

fn has_watched_change(conn: &Conn, txn: &mut Txn<'_>) -> bool {
    let Some(watch) = &conn.session.watch else {
        return false;
    };
    // A key that has expired unnoticed counts as changed: looking at it makes it so.
    let selected = txn.db;
    for (db, key) in &watch.keys {
        txn.db = *db;
        txn.peek(key);
    }
    txn.db = selected;
    watch.flag.is_dirty()
}
