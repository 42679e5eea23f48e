//! Clients that wait for keys (BLPOP and its like): from the command that finds nothing to the
//! reply, which comes from whoever brings news of a key, from the clock, or from CLIENT UNBLOCK.
//! The queues are the store's, see [`store::blocked`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use commands::spec::ServeRun;
use commands::{Args, OwnedArgs};
use protocol::Reply;
use store::{AtEnd, Blocked, Serve, Served, Txn, Unserved, Wait};

use crate::admin;
use crate::clients::ClientInfo;
use crate::conn::{Conn, State, Token};
use crate::message::Message;
use crate::session::{Call, ReplyMode};
use crate::shared::Shared;
use crate::table::{Entry, Place};
use crate::thread::Thread;
use crate::ticks::Ticks;

/// A connection's wait.
#[derive(Debug)]
pub(crate) struct Waiting {
    blocked: Arc<Blocked>,
    /// Monotonic microseconds.
    deadline_us: Option<u64>,
    at_end: AtEnd,
    /// The number of its command.
    command: usize,
}

/// What others need to serve a client.
struct Client {
    shared: Arc<Shared>,
    info: Arc<ClientInfo>,
    resp3: bool,
    command: Place,
    run: ServeRun,
    args: OwnedArgs,
}

impl Client {
    /// Its command is over, which began to be served at `began`.
    fn count(&self, thread: usize, now_ms: u64, began: Instant) {
        let entry = self.shared.table.at(self.command);
        let ns = began.elapsed().as_nanos() as u64;
        self.shared.stats[thread].by_command[entry.id].ran(ns);
        let config = self.shared.config();
        if ns >= admin::threshold_ns(&config) {
            let command = (entry, self.args.borrow());
            admin::observe(&self.shared, &config, &self.info, command, (now_ms, ns));
        }
    }
}

impl Serve for Client {
    fn serve(&self, txn: &mut Txn<'_>, key: &[u8]) -> Served {
        let began = Instant::now();
        let (mut out, args) = (Vec::new(), self.args.borrow());
        let mut reply = Reply::new(&mut out, self.resp3);
        let stats = &self.shared.stats[txn.thread()];
        let author = std::mem::replace(&mut txn.client, self.info.id);
        let served = (self.run)(txn, args, key, &mut reply);
        txn.client = author;
        match served {
            Ok(Served::Yes) => {}
            Ok(other) => return other,
            Err(error) => {
                let text = error.text();
                reply.truncate(0);
                reply.error(&text);
                stats.count_failure(self.shared.table.at(self.command).id, &text);
            }
        }
        stats.changes.add(txn.commit(args.iter()));
        // What the client is told is in the log before.
        txn.hand_over_effects();
        self.count(txn.thread(), txn.now_ms, began);
        let message = Message::Served(self.info.token(), out);
        self.shared.post(self.info.thread(), message);
        Served::Yes
    }
}

/// Has the client of a command wait, before the locks of its keys are given back.
#[cold]
pub(crate) fn block(call: &mut Call<'_, '_>, entry: &Entry, args: Args<'_>, wait: Wait) {
    let (info, session) = (&call.conn.info, &call.conn.session);
    let args = match &wait.args {
        Some(other) => OwnedArgs::new(other),
        None => OwnedArgs::new(args.iter()),
    };
    let client = Client {
        shared: Arc::clone(&call.thread.shared),
        info: Arc::clone(info),
        resp3: session.resp3,
        command: entry.place,
        run: entry
            .spec
            .serve
            .expect("a command that waits says how it is served"),
        args,
    };
    let timeout_us = wait.timeout_ms.map(|ms| ms.saturating_mul(1000));
    let deadline_us = timeout_us.map(|us| call.thread.now.mono_us.saturating_add(us));
    let at_end = wait.at_end;
    let blocked = Arc::new(Blocked::new(call.txn.db, wait, Box::new(client)));
    call.txn.block(&blocked);
    if blocked.keys().is_empty() {
        call.shared.wait_for_log(info, &blocked);
    }
    info.set_wait(Some(&blocked));
    let clients = &call.shared.shared_stats.blocked_clients;
    clients.fetch_add(1, Ordering::Relaxed);
    if let Some(deadline_us) = deadline_us {
        call.thread.deadlines.insert((deadline_us, info.token()));
    }
    call.thread.last_tick = Ticks::now();
    call.conn.last_command = entry.id as u32 + 1;
    call.conn.state = State::Blocked;
    call.conn.waiting = Some(Box::new(Waiting {
        blocked,
        deadline_us,
        at_end,
        command: entry.id,
    }));
}

/// Serves those who wait for keys that the transaction has changed.
#[cold]
pub(crate) fn serve(shared: &Shared, thread: usize, txn: &mut Txn<'_>) {
    for unserved in txn.serve_ready() {
        shared.post(thread, Message::Serve(unserved));
    }
}

/// Gives the locks back before a command ends. Who waits for what it has changed is served before,
/// as long as that is locked.
pub(crate) fn release(call: &mut Call<'_, '_>) {
    if call.txn.has_ready() {
        serve(call.shared, call.thread.number, call.txn);
    }
    call.txn.release();
}

impl Thread {
    /// Serves those who wait for a key, with both locks that this takes.
    pub(crate) fn serve(&mut self, (db, key, other): &Unserved) {
        let shared = Arc::clone(&self.shared);
        self.enter_gate();
        let mut txn = Txn::new(&shared.store, self.number, *db, self.now_ms());
        txn.lock_both(key, other);
        txn.note_ready(*db, key);
        serve(&shared, self.number, &mut txn);
        drop(txn);
        shared.store.leave(self.number);
    }

    /// A client that waited has been served.
    pub(crate) fn served(&mut self, token: Token, reply: &[u8]) {
        let Some(mut conn) = self.take(token) else {
            return;
        };
        let waiting = self.end_wait(&mut conn);
        if let Some(waiting) = waiting.filter(|waiting| waiting.blocked.keys().is_empty()) {
            // Who waited for a key was counted by who served it.
            let stats = self.stats(&self.shared);
            stats.by_command[waiting.command].ran(0);
        }
        if conn.session.reply_mode == ReplyMode::On {
            conn.out.extend_from_slice(reply);
        }
        self.go_on(conn);
    }

    /// A client waits no more, as CLIENT UNBLOCK wants; it has been told so already.
    pub(crate) fn unblocked(&mut self, token: Token, with_error: bool) {
        let Some(conn) = self.take(token) else {
            return;
        };
        self.answer_in_vain(conn, with_error);
    }

    /// Ends the waits whose time is over.
    pub(crate) fn end_overdue_waits(&mut self) {
        while let Some(&(deadline_us, token)) = self.deadlines.first()
            && deadline_us <= self.now.mono_us
        {
            self.deadlines.pop_first();
            let Some(conn) = self.take(Token(token)) else {
                continue;
            };
            // Who has just been served will be told in a moment.
            if conn.waiting.as_ref().is_some_and(|w| w.blocked.end()) {
                self.answer_in_vain(conn, false);
            } else {
                self.put_back(conn);
            }
        }
    }

    fn answer_in_vain(&mut self, mut conn: Box<Conn>, with_error: bool) {
        let Some(waiting) = self.end_wait(&mut conn) else {
            self.put_back(conn);
            return;
        };
        let stats = self.stats(&self.shared);
        stats.by_command[waiting.command].ran(0);
        if with_error {
            stats.count_failure(waiting.command, UNBLOCKED);
        }
        if conn.session.reply_mode == ReplyMode::On {
            let mut reply = Reply::new(&mut conn.out, conn.session.resp3);
            match waiting.at_end {
                _ if with_error => reply.error(UNBLOCKED),
                AtEnd::Null => reply.null(),
                AtEnd::NullArray => reply.null_array(),
                AtEnd::Zeros => {
                    reply.array(2);
                    reply.int(0);
                    reply.int(0);
                }
            }
        }
        self.go_on(conn);
    }

    /// The connection's wait has ended: nothing of it stays behind.
    pub(crate) fn end_wait(&mut self, conn: &mut Conn) -> Option<Box<Waiting>> {
        let waiting = conn.waiting.take()?;
        waiting.blocked.end();
        conn.info.set_wait(None);
        if let Some(deadline_us) = waiting.deadline_us {
            self.deadlines.remove(&(deadline_us, conn.info.token()));
        }
        let clients = &self.shared.shared_stats.blocked_clients;
        clients.fetch_sub(1, Ordering::Relaxed);
        self.enter_gate();
        Txn::unblock(&self.shared.store, &waiting.blocked);
        self.shared.store.leave(self.number);
        Some(waiting)
    }
}

const UNBLOCKED: &str = "UNBLOCKED client unblocked via CLIENT UNBLOCK";

/// CLIENT UNBLOCK: ends the wait of a client; whether it waited.
pub(crate) fn unblock(shared: &Shared, id: i64, with_error: bool) -> bool {
    let info = u64::try_from(id).ok().and_then(|id| shared.clients.get(id));
    let Some(info) = info else {
        return false;
    };
    let ended = info.wait().is_some_and(|blocked| blocked.end());
    if ended {
        let message = Message::Unblock(info.token(), with_error);
        shared.post(info.thread(), message);
    }
    ended
}
