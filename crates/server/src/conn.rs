//! One connection: what it sent and we haven't understood, what we answered and haven't sent.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::{Parser, Skip};
use reactor::ConnId;
use store::Waiter;

use crate::blocking::Waiting;
use crate::clients::{ClientInfo, flag};
use crate::pubsub::Kind;
use crate::session::Session;
use crate::spare::output_memory;

/// A connection's name between threads: the driver's id and a part of the client's id, so that a
/// message to a connection that is gone doesn't reach its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u64);

impl Token {
    /// Of a connection that no thread has at the moment.
    pub(crate) const NONE: Self = Self(u64::MAX);

    /// The token of a client's connection.
    pub fn new(conn: ConnId, client_id: u64) -> Self {
        Self(client_id << 32 | u64::from(conn.0))
    }

    /// The driver's id.
    pub fn conn(self) -> ConnId {
        ConnId(self.0 as u32)
    }
}

/// Why a connection's commands don't run at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They do.
    Ready,
    /// It waits for a shard's lock or the gate.
    Parked,
    /// CLIENT PAUSE.
    Paused,
    /// It waits for a key.
    Blocked,
    /// It runs a script that takes long.
    Running,
    /// It has sent an HTTP request, which the admin plane answers.
    Http,
    /// It doesn't read its replies.
    Throttled,
    /// It will be closed.
    Closing,
}

/// See the module.
#[derive(Debug)]
pub struct Conn {
    /// The driver's id.
    pub id: ConnId,
    /// What other threads see.
    pub info: Arc<ClientInfo>,
    /// What the client has told about itself.
    pub session: Session,
    pub(crate) state: State,
    pub(crate) parser: Parser,
    /// Input that isn't understood yet: empty unless a command came in parts.
    pub(crate) pending: Vec<u8>,
    /// What is left of a command that was refused before it was whole; `pending` then holds no more
    /// than the beginning of a line of it.
    pub(crate) skip: Option<Skip>,
    /// It isn't worth parsing `pending` before it is this long.
    pub(crate) wanted: usize,
    /// What it waits for.
    pub(crate) waiting: Option<Box<Waiting>>,
    /// Bytes of the input that is being worked through.
    pub(crate) input_len: usize,
    /// Replies to be sent at the end of the tick.
    pub(crate) out: Vec<u8>,
    /// Bytes that the driver was given and has not sent, those of half-sent buffers included.
    pub(crate) unsent: usize,
    /// In so many buffers.
    pub(crate) unsent_buffers: usize,
    /// Bytes of memory for these.
    pub(crate) unsent_memory: usize,
    /// Bytes of memory that its thread's sum holds for it.
    pub(crate) charged: u64,
    /// [`crate::table::Entry::id`] of the last command, plus one.
    pub(crate) last_command: u32,
    /// It is on the list of those who have something to send.
    pub(crate) is_dirty: bool,
    /// It is on the list of those who are told what was published.
    pub(crate) is_told: bool,
    /// The driver was told not to receive.
    pub(crate) recv_paused: bool,
    /// Since when the soft output limit is exceeded, monotonic microseconds.
    pub(crate) over_soft_limit_since: Option<u64>,
    /// The thread that it is on its way to.
    pub(crate) moves_to: Option<usize>,
    /// When it was last answered, as a number of [`crate::balance::Share`].
    pub(crate) answered_in: u32,
}

impl Conn {
    /// A connection that has just been taken over.
    pub fn new(id: ConnId, info: Arc<ClientInfo>, session: Session) -> Self {
        Self {
            id,
            info,
            session,
            state: State::Ready,
            parser: Parser::default(),
            pending: Vec::new(),
            skip: None,
            wanted: 0,
            waiting: None,
            input_len: 0,
            out: Vec::new(),
            unsent: 0,
            unsent_buffers: 0,
            unsent_memory: 0,
            charged: 0,
            last_command: 0,
            is_dirty: false,
            is_told: false,
            recv_paused: false,
            over_soft_limit_since: None,
            moves_to: None,
            answered_in: 0,
        }
    }

    /// Whether it was told, by whatever thread, to be gone.
    #[inline(always)]
    pub(crate) fn is_killed(&self) -> bool {
        self.info.killed.load(Ordering::Relaxed)
    }

    /// Lets other threads see what the client has been doing; `rest` bytes of its input wait.
    #[inline]
    pub(crate) fn publish(&self, rest: usize) {
        let (info, session) = (&self.info, &self.session);
        info.db.store(session.db as u32, Ordering::Relaxed);
        self.publish_input(rest);
        info.last_command
            .store(self.last_command, Ordering::Relaxed);
        let mut flags = session.flags;
        if info.socket.is_unix {
            flags |= flag::UNIX;
        }
        if session.resp3 {
            flags |= flag::RESP3;
        }
        match self.state {
            State::Ready | State::Parked | State::Running | State::Http => {}
            State::Paused | State::Blocked => flags |= flag::BLOCKED,
            State::Throttled => flags |= flag::UNREAD,
            State::Closing => flags |= flag::CLOSING,
        }
        let (mut multi, mut multi_bytes) = (-1, 0);
        if let Some(queue) = &session.multi {
            (multi, multi_bytes) = (queue.len() as i64, queue.heap_bytes() as u64);
        }
        let mut watching = 0;
        if let Some(watch) = &session.watch {
            watching = watch.len() as u32;
            if watch.flag.is_dirty() {
                flags |= flag::DIRTY_EXEC;
            }
        }
        for kind in Kind::ALL {
            let subscribed = session.subscriptions.len(kind) as u32;
            info.subscribed[kind as usize].store(subscribed, Ordering::Relaxed);
        }
        info.redirect.store(session.redirect(), Ordering::Relaxed);
        info.multi.store(multi, Ordering::Relaxed);
        info.multi_bytes.store(multi_bytes, Ordering::Relaxed);
        info.watching.store(watching, Ordering::Relaxed);
        let heap_bytes = session.heap_bytes() as u64;
        info.session_bytes.store(heap_bytes, Ordering::Relaxed);
        info.flags.store(flags, Ordering::Relaxed);
    }

    /// Lets other threads see how much input waits. As in Redis, what is understood of a command
    /// that isn't whole counts as arguments.
    #[inline]
    pub(crate) fn publish_input(&self, rest: usize) {
        let argv = self.parser.understood().min(rest);
        let rest = (rest - argv) as u64;
        self.info.query_bytes.store(rest, Ordering::Relaxed);
        self.info.argv_bytes.store(argv as u64, Ordering::Relaxed);
    }

    /// Counts a buffer that the driver has taken to send, and its [`output_memory`].
    pub(crate) fn queued(&mut self, len: usize, memory: usize) {
        self.unsent += len;
        self.unsent_buffers += 1;
        self.unsent_memory += memory;
        self.publish_output();
    }

    /// Counts a buffer that has left the driver.
    pub(crate) fn sent(&mut self, len: usize, memory: usize) {
        self.unsent = self.unsent.saturating_sub(len);
        self.unsent_buffers = self.unsent_buffers.saturating_sub(1);
        self.unsent_memory = self.unsent_memory.saturating_sub(memory);
        self.publish_output();
    }

    /// Lets other threads see how much output waits.
    pub(crate) fn publish_output(&self) {
        let own = output_memory(&self.out);
        for (shown, count) in [
            (&self.info.output_bytes, self.unsent),
            (&self.info.output_buffers, self.unsent_buffers),
            (&self.info.output_memory, self.unsent_memory + own),
        ] {
            shown.store(count as u64, Ordering::Relaxed);
        }
    }

    /// Whom to wake when this connection may go on.
    pub fn waiter(&self) -> Waiter {
        Waiter {
            thread: self.info.thread() as u16,
            token: self.info.token(),
        }
    }
}
