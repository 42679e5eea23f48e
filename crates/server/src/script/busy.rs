//! Scripts that run longer than `busy-reply-threshold`: what all threads must know to tell their
//! clients so, and to end one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use commands::{Args, CommandError, OwnedArgs};
use protocol::Reply;
use scripting::Callee;

use crate::shared::Shared;
use crate::slow_path::Reason;

/// What a client hears while a script takes long.
const BUSY: &str =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
/// The same for a function.
const BUSY_FUNCTION: &str =
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";

/// One such script.
#[derive(Debug)]
pub(crate) struct SlowRun {
    name: String,
    is_function: bool,
    command: OwnedArgs,
    noticed: Instant,
    /// It is to end.
    is_killed: AtomicBool,
    /// It can't be ended: half of what it does would stay.
    has_written: AtomicBool,
}

impl SlowRun {
    /// A run that the command with these arguments has begun.
    pub(super) fn new(callee: &Callee, args: Args<'_>, has_written: bool) -> Self {
        Self {
            name: callee.name().to_owned(),
            is_function: callee.is_function(),
            command: OwnedArgs::new(args.iter()),
            noticed: Instant::now(),
            is_killed: AtomicBool::new(false),
            has_written: AtomicBool::new(has_written),
        }
    }

    /// Whether it is to end.
    pub(super) fn is_killed(&self) -> bool {
        self.is_killed.load(Ordering::Relaxed)
    }

    /// It has written something.
    pub(super) fn note_write(&self) {
        self.has_written.store(true, Ordering::Relaxed);
    }
}

/// All of them: one per thread at most.
#[derive(Debug, Default)]
pub(crate) struct SlowRuns(Mutex<Vec<Arc<SlowRun>>>);

impl SlowRuns {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<SlowRun>>> {
        self.0.lock().expect("never held across a panic")
    }
}

impl Shared {
    /// A run has become slow.
    pub(super) fn add_slow_run(&self, run: SlowRun) -> Arc<SlowRun> {
        let run = Arc::new(run);
        let mut runs = self.slow_runs.lock();
        runs.push(Arc::clone(&run));
        self.slow_path.set(Reason::SlowScript, true);
        drop(runs);
        // They can be told that the server is busy.
        self.store.wake_parked_at_gate();
        run
    }

    /// A slow run has ended.
    pub(super) fn remove_slow_run(&self, run: &Arc<SlowRun>) {
        let mut runs = self.slow_runs.lock();
        runs.retain(|other| !Arc::ptr_eq(other, run));
        self.slow_path.set(Reason::SlowScript, !runs.is_empty());
    }

    /// What a client hears that wants something else now.
    pub(crate) fn busy_text(&self) -> &'static str {
        let runs = self.slow_runs.lock();
        match runs.first() {
            Some(run) if run.is_function => BUSY_FUNCTION,
            _ => BUSY,
        }
    }

    /// Tells of a slow run, or that there is none (FUNCTION STATS).
    pub(super) fn describe_slow_run(&self, reply: &mut Reply<'_>) {
        let runs = self.slow_runs.lock();
        let Some(run) = runs.first() else {
            return reply.null();
        };
        reply.map(3);
        reply.bulk(b"name");
        reply.bulk(run.name.as_bytes());
        reply.bulk(b"command");
        let command = run.command.borrow();
        reply.array(command.len());
        for arg in command.iter() {
            reply.bulk(arg);
        }
        reply.bulk(b"duration_ms");
        let limit_ms = self.config().scripting.busy_reply_threshold;
        reply.int(limit_ms.saturating_add(run.noticed.elapsed().as_millis() as u64) as i64);
    }

    /// Ends the slow functions, or the slow scripts, that have written nothing.
    pub(super) fn kill_slow_runs(&self, functions: bool) -> Result<(), CommandError> {
        let runs = self.slow_runs.lock();
        if runs.is_empty() {
            return Err(CommandError::Text(
                "NOTBUSY No scripts in execution right now.",
            ));
        }
        if runs.iter().all(|run| run.is_function != functions) {
            let text = if functions { BUSY } else { BUSY_FUNCTION };
            return Err(CommandError::Text(text));
        }
        let mut killed = false;
        for run in runs.iter().filter(|run| run.is_function == functions) {
            if !run.has_written.load(Ordering::Relaxed) {
                run.is_killed.store(true, Ordering::Relaxed);
                killed = true;
            }
        }
        if killed {
            return Ok(());
        }
        Err(CommandError::Text(
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You \
             can either wait the script termination or kill the server in a hard way using the \
             SHUTDOWN NOSAVE command.",
        ))
    }
}
