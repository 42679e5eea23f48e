//! What is on its way into the append-only file: data threads put it here, the writer takes it.

use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use store::LogReader;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    state: Mutex<State>,
    /// There is something to do for the writer.
    work: Condvar,
    /// The writer has done something.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// Where in `bytes` the next file begins.
    next: Option<(usize, File)>,
    /// Bytes that were ever put in, written, and made to last.
    taken: u64,
    written: u64,
    synced: u64,
    /// The writer waits for anything at all.
    is_idle: bool,
    /// Somebody waits for what was taken to last.
    is_awaited: bool,
    is_closing: bool,
    /// Why the last attempt to write failed.
    error: Option<String>,
}

/// What the writer is to do.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) bytes: Vec<u8>,
    pub(super) next: Option<(usize, File)>,
    /// Somebody waits for all this to last.
    pub(super) is_awaited: bool,
    /// Nothing more is to come.
    pub(super) is_last: bool,
}

/// With more than this the writer is called at once.
const MUCH: usize = 1 << 20;
/// With more than this, data threads wait for the writer.
const TOO_MUCH: u64 = 64 << 20;
/// How long the writer collects what nobody waits for.
const COLLECT: Duration = Duration::from_millis(2);
const NO_PANIC: &str = "never held across a panic";

/// Puts the log into the feed.
pub(super) struct Taker(pub(super) Arc<Feed>);

impl LogReader for Taker {
    fn take(&mut self, bytes: &[u8]) {
        let mut state = self.0.lock();
        let before = state.bytes.len();
        state.bytes.extend_from_slice(bytes);
        state.taken += bytes.len() as u64;
        let is_much = before < MUCH && state.bytes.len() >= MUCH;
        if std::mem::take(&mut state.is_idle) || is_much {
            self.0.work.notify_one();
        }
    }
}

/// For data threads.
impl Feed {
    /// From here on goes into another file.
    pub(super) fn switch(&self, file: File) {
        let mut state = self.lock();
        let at = state.bytes.len();
        // If the writer hasn't begun the one before, that stays empty.
        state.next = Some((at, file));
        state.is_idle = false;
        self.work.notify_one();
    }

    /// Returns when all that was taken lasts, or can't be written.
    pub(crate) fn wait_until_it_lasts(&self) {
        let mut state = self.lock();
        let target = state.taken;
        while state.synced < target && state.error.is_none() {
            state.is_awaited = true;
            self.work.notify_one();
            state = self.done.wait(state).expect(NO_PANIC);
        }
    }

    /// Returns when not too much waits to be written.
    pub(crate) fn wait_if_behind(&self) {
        let mut state = self.lock();
        while state.taken - state.written > TOO_MUCH && state.error.is_none() {
            state = self.done.wait(state).expect(NO_PANIC);
        }
    }

    /// Whether all that was taken lasts.
    pub(crate) fn lasts(&self) -> bool {
        let state = self.lock();
        state.synced >= state.taken
    }

    /// Why nothing can be written, if so.
    pub(crate) fn error(&self) -> Option<String> {
        self.lock().error.clone()
    }

    /// Bytes that wait to be written.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.lock().bytes.len()
    }

    /// Has the writer end when it has written everything.
    pub(super) fn close(&self) {
        self.lock().is_closing = true;
        self.work.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(NO_PANIC)
    }
}

/// For the writer.
impl Feed {
    /// A writer begins, with an empty feed.
    pub(super) fn open(&self) {
        let mut state = self.lock();
        *state = State {
            taken: state.taken,
            written: state.taken,
            synced: state.taken,
            ..State::default()
        };
    }

    /// Waits for something to do, if need be until `sync_at`. `is_prompt` if everything is to be
    /// written at once.
    pub(super) fn work(&self, is_prompt: bool, sync_at: Option<Instant>) -> Work {
        let mut state = self.lock();
        let mut collect_until = None;
        loop {
            let is_urgent = is_prompt || state.bytes.len() >= MUCH || state.next.is_some();
            let has_some = !state.bytes.is_empty();
            let now = Instant::now();
            if state.is_closing
                || state.is_awaited
                || is_urgent && (has_some || state.next.is_some())
            {
                return state.hand_over();
            }
            let until = if has_some {
                Some(*collect_until.get_or_insert(now + COLLECT))
            } else {
                sync_at
            };
            let Some(until) = until else {
                state.is_idle = true;
                state = self.work.wait(state).expect(NO_PANIC);
                continue;
            };
            if until <= now {
                return state.hand_over();
            }
            // Nobody need call: it looks again soon enough, unless there is nothing to write.
            state.is_idle = !has_some;
            state = self
                .work
                .wait_timeout(state, until - now)
                .expect(NO_PANIC)
                .0;
        }
    }

    /// So many bytes were written, and everything that ever was if `is_synced` lasts.
    pub(super) fn wrote(&self, bytes: usize, is_synced: bool) {
        let mut state = self.lock();
        state.written += bytes as u64;
        if is_synced {
            state.synced = state.written;
        }
        state.error = None;
        self.done.notify_all();
    }

    /// Nothing can be written at the moment. Returns after a while, or when the writer is to end.
    pub(super) fn failed(&self, error: String, pause: Duration) -> bool {
        let mut state = self.lock();
        state.error = Some(error);
        self.done.notify_all();
        let until = Instant::now() + pause;
        while !state.is_closing {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                break;
            };
            state = self.work.wait_timeout(state, left).expect(NO_PANIC).0;
        }
        !state.is_closing
    }
}

impl State {
    fn hand_over(&mut self) -> Work {
        self.is_idle = false;
        Work {
            bytes: std::mem::take(&mut self.bytes),
            next: self.next.take(),
            is_awaited: std::mem::take(&mut self.is_awaited),
            is_last: self.is_closing,
        }
    }
}
