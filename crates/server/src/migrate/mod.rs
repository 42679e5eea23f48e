//! MIGRATE: keys move to another server.
//!
//! The command copies the values under their locks, watches the keys and gives the locks back: a
//! thread of its own talks to the target while others are served, and only the client waits. A key
//! that the target has taken is removed in a transaction that finds it unchanged. If it was changed
//! meanwhile, it stays, as at the target, and the client is told: no write is lost. (Redis makes
//! everybody wait instead.)

mod request;
mod target;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use commands::spec::{Group, flags};
use commands::{CommandError, Spec};
use commands::{keys, keys::access};
use protocol::Reply;
use store::{Txn, WatchFlag};

use self::request::Request;
use crate::blocking;
use crate::conn::{State, Token};
use crate::message::Message;
use crate::session::{Call, Outcome, ReplyMode, SessionCommand};
use crate::shared::Shared;
use crate::thread::Thread;

/// Each has a thread.
const AT_ONCE_MAX: usize = 64;
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

pub(crate) const COMMANDS: &[SessionCommand] = &[MIGRATE];

/// MIGRATE host port key | "" db timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password]
/// [KEYS key ...]
const MIGRATE: SessionCommand = SessionCommand {
    spec: Spec {
        arity: -6,
        flags: flags::WRITE | flags::MOVABLEKEYS,
        keys: &[
            keys::range(3, 0, 1, access::RW | access::ACCESS | access::DELETE),
            keys::KeySpec {
                access: access::RW | access::ACCESS | access::DELETE | access::INCOMPLETE,
                // From the front, so that no key is missed if one is called so.
                begin: keys::Begin::Keyword("KEYS", 6),
                find: keys::Find::Range {
                    last: -1,
                    step: 1,
                    limit: 0,
                },
            },
        ],
        group: Group::Generic,
        categories: &["@dangerous"],
        since: "2.6.0",
        complexity: "This command actually executes a DUMP+DEL in the source instance, and a \
                     RESTORE in the target instance. See the pages of these commands for time \
                     complexity. Also an O(N) data transfer between the two instances is \
                     performed.",
        summary: "Moves keys to another server, each of them at once.",
        syntax: "host port <key | \"\"> destination-db timeout [COPY] [REPLACE] \
                 [AUTH password | AUTH2 username password] [KEYS key [key ...]]",
        tips: &["nondeterministic_output"],
        ..Spec::new("migrate")
    },
    run: migrate,
    subcommands: &[],
};

/// A key on its way.
#[derive(Debug)]
struct Parcel {
    key: Box<[u8]>,
    payload: Vec<u8>,
    /// Unix time in milliseconds.
    expiry: Option<u64>,
    /// Told when the key changes.
    flag: Arc<WatchFlag>,
    /// The target has it.
    is_taken: bool,
}

/// A migration whose part at the target is over.
#[derive(Debug)]
pub struct Migration {
    token: u64,
    client: u64,
    db: usize,
    removes: bool,
    parcels: Vec<Parcel>,
    /// What went wrong, as the error that the client gets.
    error: Option<String>,
}

fn migrate(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let request = Request::parse(call.args)?;
    if call.conn.session.in_exec || call.txn.in_script {
        return Err(CommandError::Text(
            "ERR MIGRATE isn't possible inside a transaction or a script: others are served while \
             it waits for the target",
        ));
    }
    let mut parcels = Vec::new();
    for key in request.keys.iter() {
        let Some(found) = call.txn.read(key) else {
            continue;
        };
        let expiry = call.txn.expiry(found);
        let payload = rdb::payload::dump(call.txn.value(found), true);
        let flag = Arc::new(WatchFlag::default());
        call.txn.watch(key, &flag);
        parcels.push(Parcel {
            key: key.into(),
            payload,
            expiry,
            flag,
            is_taken: false,
        });
    }
    if parcels.is_empty() {
        reply.simple("NOKEY");
        return Ok(Outcome::Done);
    }
    let migration = Migration {
        token: call.conn.info.token(),
        client: call.conn.info.id,
        db: call.txn.db,
        removes: !request.copies,
        parcels,
        error: None,
    };
    let Some(sender) = start(call, request) else {
        blocking::release(call);
        migration.unwatch(call.shared);
        return Err(CommandError::Text("IOERR too many migrations at once"));
    };
    sender.send(migration).expect("the thread waits for it");
    Ok(Outcome::Aside)
}

/// Begins a thread that talks to the target and posts what has become of what it is given. `None`
/// if there are too many already.
fn start(call: &Call<'_, '_>, request: Request) -> Option<mpsc::Sender<Migration>> {
    let (shared, number) = (Arc::clone(&call.thread.shared), call.thread.number);
    let (sender, receiver) = mpsc::channel::<Migration>();
    let work = move || {
        if let Ok(mut migration) = receiver.recv() {
            migration.error = target::send(&request, &mut migration.parcels).err();
            UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
            shared.post(number, Message::Migrated(Box::new(migration)));
        }
    };
    let thread = || {
        let named = std::thread::Builder::new().name("darner-migrate".into());
        named.spawn(work).ok()
    };
    let is_allowed = UNDER_WAY.fetch_add(1, Ordering::Relaxed) < AT_ONCE_MAX;
    if is_allowed && thread().is_some() {
        return Some(sender);
    }
    UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
    None
}

impl Migration {
    /// Ends the watches. The caller is inside the gate and holds no lock.
    fn unwatch(&self, shared: &Shared) {
        for Parcel { key, flag, .. } in &self.parcels {
            Txn::unwatch(&shared.store, self.db, key, flag);
        }
    }
}

impl Thread {
    /// Removes the keys that the target has taken, and answers the client, if it is still there.
    pub(crate) fn migrated(&mut self, migration: &Migration) {
        let shared = Arc::clone(&self.shared);
        self.enter_gate();
        let mut txn = Txn::new(&shared.store, self.number, migration.db, self.now_ms());
        txn.client = migration.client;
        let mut changed = 0;
        if migration.removes {
            for parcel in migration.parcels.iter().filter(|parcel| parcel.is_taken) {
                let shard = txn.shard_of(&parcel.key);
                txn.in_shard(shard, |txn| {
                    changed += usize::from(!remove(txn, parcel));
                    let changes = txn.commit(std::iter::empty());
                    self.stats(&shared).changes.add(changes);
                    if txn.has_ready() {
                        blocking::serve(&shared, self.number, txn);
                    }
                });
            }
        }
        drop(txn);
        migration.unwatch(&shared);
        shared.store.leave(self.number);
        self.answer_migration(migration, changed);
    }

    fn answer_migration(&mut self, migration: &Migration, changed: usize) {
        let Some(mut conn) = self.take(Token(migration.token)) else {
            return;
        };
        if conn.state != State::Running {
            self.put_back(conn);
            return;
        }
        let error = migration.error.clone().or_else(|| {
            (changed > 0).then(|| {
                format!(
                    "ERR {changed} of the keys were changed while they were being migrated: they \
                     are here as they are now, and at the target as they were"
                )
            })
        });
        let stats = self.stats(&self.shared);
        if let Some(entry) = self.shared.table.find(b"migrate") {
            stats.commands.add(1);
            stats.by_command[entry.id].ran(0);
            if let Some(error) = &error {
                stats.count_failure(entry.id, error);
            }
        }
        if conn.session.reply_mode == ReplyMode::On {
            let mut reply = Reply::new(&mut conn.out, conn.session.resp3);
            match &error {
                Some(error) => reply.error(error),
                None => reply.ok(),
            }
        }
        self.go_on(conn);
    }
}

/// Removes a key that the target has, unless it has changed; whether it is gone. Its shard is
/// locked.
fn remove(txn: &mut Txn<'_>, parcel: &Parcel) -> bool {
    let Some(found) = txn.peek(&parcel.key) else {
        // At the target it expires as well. Removed by another client it was changed.
        let is_due = parcel.expiry.is_some_and(|at| at <= txn.now_ms);
        return is_due || !parcel.flag.is_dirty();
    };
    if parcel.flag.is_dirty() {
        return false;
    }
    txn.remove(found);
    txn.changed(&parcel.key, "del");
    txn.replay_as(&[b"DEL", &parcel.key]);
    true
}
