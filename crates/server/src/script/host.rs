//! One run of a script: which of its commands may run, and how they do.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use commands::spec::flags;
use commands::{Args, CommandError, OwnedArgs};
use protocol::Reply;
use scripting::{Called, Callee, Given, Host, LogLevel, Tick as Verdict, flags as script_flags};

use super::busy::SlowRun;
use super::eval::OUT_OF_MEMORY_IN_SCRIPT;
use super::locks::{Touch, Touches};
use crate::dispatch;
use crate::log;
use crate::session::Call;
use crate::slow_path::Reason;
use crate::table::Entry;
use crate::ticks::{Tick, Ticks};

/// Slices of a slow script.
const SLICE_NS: u64 = 1_000_000;
const NS_PER_MS: u64 = 1_000_000;

const KILLED: &str = "Script killed by user with SCRIPT KILL...";
const STARTS_AGAIN: &str = "ERR the script starts again";
const UNDECLARED: &str = "ERR script tried accessing undeclared key";
const ALL_TOO_LATE: &str = "ERR This script had not used commands on the whole keyspace before and \
    can't do so after it has written; the next time it can";

/// When a command of a script may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Permit {
    Now,
    /// When a script that takes long has ended.
    Later,
}

/// See the module.
pub(super) struct Run<'c, 'a, 's> {
    call: &'c mut Call<'a, 's>,
    callee: &'c Callee,
    state: RunState,
}

/// What a run is apart from its surroundings.
#[derive(Debug)]
pub(super) struct RunState {
    read_only: bool,
    touches: Touches,
    key_count: usize,
    has_written: bool,
    /// It has to run again with everything locked.
    starts_again: bool,
    /// The run is inside an EXEC, whose effects are one group already.
    in_exec: bool,
    db: usize,
    began: Tick,
    slice_began: Tick,
    slow: Option<Arc<SlowRun>>,
}

impl<'c, 'a, 's> Run<'c, 'a, 's> {
    /// A run of a script whose first arguments are keys.
    pub(super) fn begin(
        call: &'c mut Call<'a, 's>,
        callee: &'c Callee,
        key_count: usize,
        read_only: bool,
    ) -> Self {
        let in_exec = std::mem::replace(&mut call.conn.session.in_exec, true);
        call.conn.session.in_script = true;
        call.conn.session.script_reads = false;
        if !in_exec {
            call.txn.begin_group();
        }
        (call.txn.may_wait, call.txn.in_script) = (false, true);
        let state = RunState {
            read_only: read_only || callee.has(script_flags::NO_WRITES),
            touches: Touches::new(call.thread, call.txn, callee),
            key_count,
            has_written: false,
            starts_again: false,
            in_exec,
            db: call.txn.db,
            began: call.thread.last_tick,
            slice_began: call.thread.last_tick,
            slow: None,
        };
        Self {
            call,
            callee,
            state,
        }
    }

    /// A run that was put aside goes on.
    pub(super) fn resume(call: &'c mut Call<'a, 's>, callee: &'c Callee, state: RunState) -> Self {
        call.conn.session.in_exec = true;
        call.conn.session.in_script = true;
        let slice_began = Ticks::now();
        Self {
            call,
            callee,
            state: RunState {
                slice_began,
                ..state
            },
        }
    }

    /// Puts the run aside.
    pub(super) fn pause(self) -> RunState {
        let session = &mut self.call.conn.session;
        session.in_exec = self.state.in_exec;
        session.in_script = false;
        self.state
    }

    /// Ends the run; whether the script has to start again.
    pub(super) fn end(self) -> bool {
        let Call {
            shared,
            thread,
            txn,
            conn,
            ..
        } = self.call;
        let state = self.state;
        thread.last_tick = state.began;
        txn.db = state.db;
        txn.in_script = false;
        conn.session.db = state.db;
        conn.session.in_exec = state.in_exec;
        conn.session.in_script = false;
        if !state.in_exec {
            txn.may_wait = true;
            txn.end_group();
        }
        if let Some(slow) = &state.slow {
            shared.remove_slow_run(slow);
        }
        if !state.starts_again {
            let given = Given::new(self.call.args, state.key_count);
            state.touches.learn(self.callee, given);
        }
        state.starts_again
    }

    /// Whether the script may call a command; may take another lock for it.
    fn permit(&mut self, entry: &Entry, args: Args<'_>) -> Result<Permit, CommandError> {
        if self.state.starts_again {
            return Err(CommandError::Text(STARTS_AGAIN));
        }
        if !entry.spec.accepts(args.len()) {
            return Err(CommandError::Text(
                "ERR Wrong number of args calling Redis command from script",
            ));
        }
        let may_all = &self.call.shared.admin.scripts_may_all;
        if entry.spec.has(flags::NOSCRIPT) && !may_all.load(Ordering::Relaxed) {
            return Err(CommandError::Text(
                "ERR This Redis command is not allowed from script",
            ));
        }
        let may_write = entry.spec.flags & (flags::WRITE | flags::MAY_REPLICATE) != 0;
        if may_write && self.state.read_only {
            return Err(CommandError::Text(
                "ERR Write commands are not allowed from read-only scripts.",
            ));
        }
        if entry.is_write() && self.call.shared.slow_path.is_on() && !self.state.has_written {
            dispatch::check_disk(self.call.shared, self.call.thread)?;
        }
        if entry.spec.has(flags::DENYOOM) && !self.may_take_memory() {
            return Err(OUT_OF_MEMORY_IN_SCRIPT);
        }
        self.permit_keys(entry, args)
    }

    /// Whether the command may touch its keys. Waits for another script, unless that takes long.
    fn permit_keys(&mut self, entry: &Entry, args: Args<'_>) -> Result<Permit, CommandError> {
        let (call, state) = (&mut *self.call, &mut self.state);
        let of_run = (self.callee, Given::new(call.args, state.key_count));
        let has_written = state.has_written;
        loop {
            if state.slow.as_ref().is_some_and(|slow| slow.is_killed()) {
                return Err(CommandError::Text(KILLED));
            }
            let touch = state
                .touches
                .touch(call.txn, (entry, args), of_run, has_written);
            return match touch {
                Touch::Free => Ok(Permit::Now),
                Touch::Later if call.shared.slow_path.has(Reason::SlowScript) => {
                    self.is_slow();
                    Ok(Permit::Later)
                }
                Touch::Later => {
                    std::thread::yield_now();
                    continue;
                }
                Touch::StartAgain if state.slow.is_none() => {
                    state.starts_again = true;
                    Err(CommandError::Text(STARTS_AGAIN))
                }
                Touch::StartAgain | Touch::Stuck => Err(CommandError::Text(ALL_TOO_LATE)),
                Touch::Undeclared => Err(CommandError::Text(UNDECLARED)),
            };
        }
    }

    fn run(&mut self, entry: &'s Entry, args: Args<'_>, reply: &mut Reply<'_>) {
        if entry.is_write() {
            self.state.has_written = true;
            if let Some(slow) = &self.state.slow {
                slow.note_write();
            }
        }
        let call = &mut *self.call;
        call.thread.last_tick = Ticks::now();
        dispatch::run_locked(call, entry, args, reply);
        if call.shared.slow_path.is_on() {
            let (now, db) = (call.thread.now, call.txn.db);
            call.shared
                .feed_monitors_from_script(now, db, (entry, args));
        }
    }

    /// From now on other clients hear that the script takes long.
    fn is_slow(&mut self) {
        let state = &mut self.state;
        if state.slow.is_none() {
            let run = SlowRun::new(self.callee, self.call.args, state.has_written);
            state.slow = Some(self.call.shared.add_slow_run(run));
        }
    }

    /// Once it has written a script may end what it began, short of memory or not.
    fn may_take_memory(&mut self) -> bool {
        let thread = &mut *self.call.thread;
        self.state.has_written
            || self.callee.has(script_flags::ALLOW_OOM)
            || !thread.is_full
            || !thread.look_at_memory()
    }
}

impl Host for Run<'_, '_, '_> {
    fn call(&mut self, args: &OwnedArgs, resp3: bool, out: &mut Vec<u8>) -> Called {
        let (args, mut reply) = (args.borrow(), Reply::new(out, resp3));
        let refused = match find(self.call, args) {
            Ok(entry) => match self.permit(entry, args) {
                Ok(Permit::Now) => {
                    self.run(entry, args, &mut reply);
                    return Called::Replied;
                }
                Ok(Permit::Later) => return Called::Later,
                Err(error) => {
                    let stats = self.call.thread.stats(self.call.shared);
                    stats.by_command[entry.id].rejected.add(1);
                    error
                }
            },
            Err(error) => error,
        };
        let text = refused.text();
        self.call.thread.stats(self.call.shared).count_error(&text);
        reply.error(&text);
        Called::Replied
    }

    fn may_run(&mut self, args: Args<'_>) -> Option<bool> {
        find(self.call, args).ok().map(|_| true)
    }

    fn log(&mut self, level: LogLevel, message: &[u8]) {
        let message = String::from_utf8_lossy(message);
        match level {
            LogLevel::Debug | LogLevel::Verbose => {}
            LogLevel::Notice => log::say(&message),
            LogLevel::Warning => log::warn(&message),
        }
    }

    fn tick(&mut self) -> Verdict {
        let state = &mut self.state;
        if state.starts_again {
            return Verdict::End(STARTS_AGAIN);
        }
        let thread = &self.call.thread;
        let took_ns = thread.ticks.ns_between(state.slice_began, Ticks::now());
        let limit_ms = thread.config.scripting.busy_reply_threshold;
        let is_over = match &state.slow {
            Some(slow) if slow.is_killed() => return Verdict::End(KILLED),
            Some(_) => took_ns >= SLICE_NS,
            None => limit_ms > 0 && took_ns >= limit_ms.saturating_mul(NS_PER_MS),
        };
        if is_over {
            self.is_slow();
        }
        // The commands of an EXEC that follow can't be put aside.
        if is_over && !self.state.in_exec {
            return Verdict::Suspend;
        }
        Verdict::GoOn
    }
}

#[inline]
fn find<'s>(call: &Call<'_, 's>, args: Args<'_>) -> Result<&'s Entry, CommandError> {
    const UNKNOWN: CommandError =
        CommandError::Text("ERR Unknown Redis command called from script");
    let mut entry = call.shared.table.find(args.at(0)).ok_or(UNKNOWN)?;
    if let (false, Some(name)) = (entry.subcommands.is_empty(), args.get(1)) {
        entry = entry.subcommand(name).ok_or(UNKNOWN)?;
    }
    Ok(entry)
}
