//! Whether commands take the slow path: while clients are paused or watched by MONITOR, a script
//! takes long, a snapshot is being loaded or could not be saved. The usual command looks at one
//! word that is zero.

use std::sync::atomic::{AtomicU32, Ordering};

/// See the module.
#[derive(Debug, Default)]
pub struct SlowPath(AtomicU32);

/// Why commands take the slow path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reason {
    /// CLIENT PAUSE.
    Pause = 1,
    /// MONITOR.
    Monitors = 2,
    /// A script takes long.
    SlowScript = 4,
    /// A snapshot is being loaded.
    Loading = 8,
    /// The last snapshot could not be saved.
    SaveFailed = 16,
    /// The append-only file can't be written.
    AppendFailed = 32,
    /// The console wants to know which keys are used.
    Sampling = 64,
}

impl SlowPath {
    /// Whether there is any reason.
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Whether there is this reason.
    pub(crate) fn has(&self, reason: Reason) -> bool {
        self.0.load(Ordering::Relaxed) & reason as u32 != 0
    }

    /// Adds or removes a reason; each has a lock of its own under which this is called.
    pub(crate) fn set(&self, reason: Reason, on: bool) {
        let bit = reason as u32;
        if on {
            self.0.fetch_or(bit, Ordering::Release);
        } else {
            self.0.fetch_and(!bit, Ordering::Release);
        }
    }
}
