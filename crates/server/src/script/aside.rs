//! A script that was put aside because it takes long. Its thread keeps the locks and stays inside
//! the gate, runs a slice of the script in each tick and meanwhile answers other clients that it is
//! busy. What would touch the keyspace waits: clients that have gone, clients that were served.

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
    others: Waiting,
}

/// What waits for the end of the script.
#[derive(Debug, Default)]
struct Waiting {
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
        token: Token(call.conn.info.token),
        interpreter,
        callee,
        state,
        command: call.entry.place,
        args: OwnedArgs::new(call.args.iter()),
        gone: None,
        others: Waiting::default(),
    }));
}

impl Thread {
    /// Whether a message has to wait for the end of a script: it would touch the keyspace.
    pub(crate) fn put_off(&mut self, message: Message) -> Option<Message> {
        let Some(aside) = &mut self.aside else {
            return Some(message);
        };
        match message {
            Message::Served(..) | Message::Unblock(..) | Message::Serve(_) => {
                aside.others.messages.push(message);
                None
            }
            other => Some(other),
        }
    }

    /// The same for a connection that is gone.
    pub(crate) fn put_off_closing(&mut self, conn: Box<Conn>) -> Option<Box<Conn>> {
        let Some(aside) = &mut self.aside else {
            return Some(conn);
        };
        if aside.token.0 == conn.info.token {
            aside.gone = Some(conn);
        } else {
            aside.others.gone.push(conn);
        }
        None
    }

    /// Runs a slice of the script that was put aside. At its end: the messages that waited.
    pub(crate) fn go_on_with_script(&mut self) -> Vec<Message> {
        let Some(mut aside) = self.aside.take() else {
            return Vec::new();
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
            others,
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
        if !has_ended {
            let aside = self.aside.as_mut().expect("put aside again");
            aside.others = others;
            if is_gone {
                aside.gone = Some(conn);
            } else {
                self.put_back(conn);
            }
            return Vec::new();
        }
        shared.store.leave(self.number);
        for conn in others.gone {
            self.bury(conn);
        }
        if is_gone {
            self.bury(conn);
        } else {
            self.go_on(conn);
        }
        others.messages
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
