//! What a client has told about itself, and the commands on connection and server.

mod auth;
mod client;
mod connection;
mod help;
mod monitor;
mod multi;
mod pubsub;

use std::sync::Arc;

use commands::{Args, Command, CommandError};
use protocol::Reply;
use store::{Txn, WatchFlag};

use crate::admin;
use crate::clients::flag;
use crate::conn::Conn;
use crate::migrate;
use crate::pubsub::Subscriptions;
use crate::script;
use crate::shared::Shared;
use crate::table::Entry;
use crate::thread::Thread;
use crate::tracking::ClientTracking;

pub(crate) use auth::{DEFAULT_USER, is_same};
pub(crate) use help::help;
pub use multi::{Multi, Watch};
pub(crate) use multi::{OUT_OF_MEMORY, drop_watches, lock_for_exec, queue};

/// Everything that a session command may use.
pub struct Call<'a, 's> {
    /// The server.
    pub shared: &'s Shared,
    /// The thread that runs it.
    pub thread: &'a mut Thread,
    /// The connection it came from.
    pub conn: &'a mut Conn,
    /// The keyspace: locked as the declaration asks.
    pub txn: &'a mut Txn<'s>,
    /// The command.
    pub entry: &'s Entry,
    /// Its arguments.
    pub args: Args<'a>,
}

/// What becomes of the connection after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// On to the next.
    Done,
    /// It did not run after all: try again when the connection is woken.
    Again,
    /// It goes on in the ticks that follow: it has no reply yet.
    Aside,
    /// It waits for a key: on to the next when it has its reply.
    Block,
    /// Close it once the replies are sent.
    Close,
}

/// What runs a session command.
pub type SessionRun = fn(&mut Call<'_, '_>, &mut Reply<'_>) -> Result<Outcome, CommandError>;

/// A command on the connection or the server.
pub type SessionCommand = Command<SessionRun>;

/// All session commands, by family.
pub const FAMILIES: &[&[SessionCommand]] = &[
    connection::COMMANDS,
    auth::COMMANDS,
    client::COMMANDS,
    monitor::COMMANDS,
    multi::COMMANDS,
    pubsub::COMMANDS,
    script::COMMANDS,
    migrate::COMMANDS,
    admin::COMMANDS,
];

/// Which replies a client wants (CLIENT REPLY).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// All.
    #[default]
    On,
    /// None.
    Off,
    /// Not the one to this command: SKIP was just given.
    SkipThis,
    /// Not the next.
    SkipNext,
}

/// What a client has told about itself.
#[derive(Debug, Default)]
pub struct Session {
    /// Selected database.
    pub db: usize,
    /// It speaks RESP3.
    pub resp3: bool,
    /// It may run commands.
    pub authenticated: bool,
    /// What it has switched on, bits of [`crate::clients::flag`].
    pub flags: u32,
    /// Which replies it wants.
    pub reply_mode: ReplyMode,
    /// Between MULTI and EXEC.
    pub multi: Option<Box<Multi>>,
    /// Its watched keys.
    pub watch: Option<Watch>,
    /// What it listens to.
    pub(crate) subscriptions: Subscriptions,
    /// What it wants to be told of keys that it caches.
    pub(crate) tracking: Option<Box<ClientTracking>>,
    /// Its EXEC is at work: nothing may make it wait.
    pub in_exec: bool,
    /// The commands that run are those of a script.
    pub in_script: bool,
    /// One of the script's commands has read something.
    pub script_reads: bool,
}

impl Session {
    /// A new client's session.
    pub fn new(authenticated: bool) -> Self {
        Self {
            authenticated,
            ..Self::default()
        }
    }

    /// Whether all of these flags are set.
    #[inline(always)]
    pub fn has(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }

    /// Sets or clears flags.
    pub fn set(&mut self, flags: u32, on: bool) {
        if on {
            self.flags |= flags;
        } else {
            self.flags &= !flags;
        }
    }

    /// Nothing about it needs a check before a command runs: the usual case.
    #[inline(always)]
    pub fn is_plain(&self) -> bool {
        self.authenticated
            && self.multi.is_none()
            && self.reply_mode == ReplyMode::On
            && !self.only_listens()
    }

    /// It has subscribed to something and its protocol can't tell messages from replies: it may run
    /// few commands.
    #[inline(always)]
    pub fn only_listens(&self) -> bool {
        self.has(flag::PUBSUB) && !self.resp3
    }

    /// The client that reads its tracking messages, 0 for itself, -1 when there are none.
    pub(crate) fn redirect(&self) -> i64 {
        let tracking = self.tracking.as_ref();
        tracking.map_or(-1, |tracking| tracking.redirect as i64)
    }

    /// Bytes of memory that what it watches and listens to takes.
    #[inline]
    pub(crate) fn heap_bytes(&self) -> usize {
        let watch = self.watch.as_ref().map_or(0, Watch::heap_bytes);
        let tracking = self.tracking.as_ref().map_or(0, |it| it.heap_bytes());
        watch + tracking + self.subscriptions.heap_bytes()
    }

    /// Adds a key to those that make EXEC fail when they change.
    pub(crate) fn watch_flag(&mut self) -> Arc<WatchFlag> {
        Arc::clone(&self.watch.get_or_insert_default().flag)
    }
}

/// A client that is no monitor any more, or gone.
pub(crate) fn end_monitor(shared: &Shared, conn: &mut Conn) {
    if conn.session.has(flag::MONITOR) {
        conn.session.set(flag::MONITOR, false);
        shared.remove_monitor(&conn.info);
    }
}
