//! Scripts that run longer than `busy-reply-threshold`: what all threads must know to tell their
//! clients so, and to end one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use commands::CommandError;

use crate::shared::Shared;
use crate::slow_path::Reason;

/// What a client hears while a script takes long.
pub(crate) const BUSY: &str =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";

/// One such script.
#[derive(Debug, Default)]
pub(crate) struct SlowRun {
    /// It is to end.
    is_killed: AtomicBool,
    /// It can't be ended: half of what it does would stay.
    has_written: AtomicBool,
}

impl SlowRun {
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
    pub(super) fn add_slow_run(&self, has_written: bool) -> Arc<SlowRun> {
        let run = Arc::new(SlowRun::default());
        run.has_written.store(has_written, Ordering::Relaxed);
        let mut runs = self.slow_runs.lock();
        runs.push(Arc::clone(&run));
        self.slow_path.set(Reason::SlowScript, true);
        run
    }

    /// A slow run has ended.
    pub(super) fn remove_slow_run(&self, run: &Arc<SlowRun>) {
        let mut runs = self.slow_runs.lock();
        runs.retain(|other| !Arc::ptr_eq(other, run));
        self.slow_path.set(Reason::SlowScript, !runs.is_empty());
    }

    /// Ends the slow runs that have written nothing (SCRIPT KILL).
    pub(super) fn kill_slow_runs(&self) -> Result<(), CommandError> {
        let runs = self.slow_runs.lock();
        if runs.is_empty() {
            return Err(CommandError::Text(
                "NOTBUSY No scripts in execution right now.",
            ));
        }
        let mut killed = false;
        for run in &*runs {
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
