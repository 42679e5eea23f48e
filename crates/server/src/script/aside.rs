//! A script that was put aside because it takes long. Its thread keeps the locks and stays inside
//! the gate, runs a slice of the script in each tick and meanwhile answers other clients that it is
//! busy; other threads do so outside the gate, which may be closed. What would touch the keyspace
//! is put off on all threads: clients that have gone, clients that were served.

use std::sync::Arc;

use commands::OwnedArgs;
use protocol::Reply;
use scripting::{Callee, Interpreter, Progress};
use store::{Suspended, Txn};

use super::eval;
use super::host::{Run, RunState};
use crate::conn::{Conn, State, Token};
use crate::dispatch;
use crate::message::Message;
use crate::session::Call;
use crate::slow_path::Reason;
use crate::table::Place;
use crate::thread::Thread;

/// See the module.
#[derive(Debug)]
pub(crate) struct Aside {
    txn: Suspended,
    token: Token,
    interpreter: Box<Interpreter>,
    callee: Callee,
    state: RunState,
    command: Place,
    args: OwnedArgs,
    /// The script's client, if it has gone.
    gone: Option<Box<Conn>>,
}

/// What is put off until no script takes long.
#[derive(Debug, Default)]
pub(crate) struct PutOff {
    #[allow(clippy::vec_box)] // They come in boxes.
    gone: Vec<Box<Conn>>,
    messages: Vec<Message>,
}

/// Puts a run aside.
pub(super) fn put(
    call: &mut Call<'_, '_>,
    interpreter: Box<Interpreter>,
    callee: Callee,
    state: RunState,
) {
    call.thread.aside = Some(Box::new(Aside {
        txn: call.txn.suspend(),
        token: Token(call.conn.info.token()),
        interpreter,
        callee,
        state,
        command: call.entry.place,
        args: OwnedArgs::new(call.args.iter()),
        gone: None,
    }));
}

impl Thread {
    /// Whether a script takes long, on any thread.
    pub(crate) fn is_busy(&self) -> bool {
        self.aside.is_some() || self.shared.slow_path.has(Reason::SlowScript)
    }

    /// Puts a message off that would touch the keyspace while a script takes long.
    pub(crate) fn put_off(&mut self, message: Message) -> Option<Message> {
        let touches = matches!(
            message,
            Message::Served(..)
                | Message::Unblock(..)
                | Message::Serve(_)
                | Message::Migrated(_)
                | Message::SaveAndShutdown
        );
        if touches && self.is_busy() {
            self.put_off.messages.push(message);
            return None;
        }
        Some(message)
    }

    /// The same for a connection that is gone.
    pub(crate) fn put_off_closing(&mut self, conn: Box<Conn>) -> Option<Box<Conn>> {
        let touches = conn.session.watch.is_some() || conn.waiting.is_some();
        let is_put_off = touches && self.is_busy();
        match &mut self.aside {
            Some(aside) if aside.token.0 == conn.info.token() => aside.gone = Some(conn),
            _ if is_put_off => self.put_off.gone.push(conn),
            _ => return Some(conn),
        }
        None
    }

    /// Does what was put off, but for the messages, which it returns.
    pub(crate) fn catch_up(&mut self) -> Vec<Message> {
        let PutOff { gone, messages } = std::mem::take(&mut self.put_off);
        for conn in gone {
            self.bury(conn);
        }
        messages
    }

    /// Runs a slice of the script that was put aside.
    pub(crate) fn go_on_with_script(&mut self) {
        let Some(mut aside) = self.aside.take() else {
            return;
        };
        let is_gone = aside.gone.is_some();
        let conn = aside.gone.take().or_else(|| self.take(aside.token));
        let mut conn = conn.expect("a client that has gone is kept");
        let shared = Arc::clone(&self.shared);
        let Aside {
            txn,
            interpreter,
            callee,
            state,
            command,
            args,
            ..
        } = *aside;
        let mut txn = Txn::resume(&shared.store, txn);
        let mut out = std::mem::take(&mut conn.out);
        let mut call = Call {
            shared: &shared,
            thread: self,
            conn: &mut conn,
            txn: &mut txn,
            entry: shared.table.at(command),
            args: args.borrow(),
        };
        let mut reply = Reply::new(&mut out, call.conn.session.resp3);
        let has_ended = run_slice(&mut call, interpreter, callee, state, &mut reply);
        conn.out = out;
        drop(txn);
        if has_ended {
            shared.store.leave(self.number);
        }
        match (&mut self.aside, is_gone) {
            (Some(aside), true) => aside.gone = Some(conn),
            (Some(_), false) => self.put_back(conn),
            (None, true) => self.bury(conn),
            (None, false) => self.go_on(conn),
        }
    }
}

/// Whether the script has come to its end; then its reply is written.
fn run_slice(
    call: &mut Call<'_, '_>,
    mut interpreter: Box<Interpreter>,
    callee: Callee,
    state: RunState,
    reply: &mut Reply<'_>,
) -> bool {
    let start = reply.len();
    let mut run = Run::resume(call, &callee, state);
    match interpreter.resume(&mut run, reply) {
        Progress::Paused => {
            let state = run.pause();
            put(call, interpreter, callee, state);
            false
        }
        Progress::Ended(ended) => {
            run.end();
            call.thread.scripts.put_back(interpreter);
            let result = eval::answer(call, ended, reply);
            dispatch::finish(call, (call.entry, call.args), (reply, start), result);
            call.conn.state = State::Ready;
            true
        }
    }
}
