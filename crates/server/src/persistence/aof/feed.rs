//! What is on its way into the append-only file: data threads put it here, the writer takes it.

use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use store::{Blocked, LogReader};

use crate::clients::ClientInfo;
use crate::persistence::unix_seconds;

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
    /// Memory for the next ones, once the writer has taken these.
    spare: Vec<u8>,
    /// Where in `bytes` the next file begins.
    next: Option<(usize, File)>,
    /// The writer hasn't begun that file yet.
    is_switching: bool,
    /// Bytes that were ever put in, written, and made to last.
    taken: u64,
    written: u64,
    synced: u64,
    /// The writer waits for anything at all.
    is_idle: bool,
    /// Somebody waits for what was taken to last.
    is_awaited: bool,
    /// Outdated files are to be removed.
    is_untidy: bool,
    is_closing: bool,
    /// There is a writer, which may still be at work.
    has_writer: bool,
    /// Clients that wait for what they have written to last.
    waits: Vec<LogWait>,
    /// Why the last attempt to write failed.
    error: Option<String>,
    /// The second that was noted last, where the time is noted.
    stamp: Option<u64>,
}

/// A client of WAITAOF.
#[derive(Debug)]
pub(super) struct LogWait {
    /// It waits for so many bytes that were ever put in.
    target: u64,
    pub(super) client: Arc<ClientInfo>,
    pub(super) blocked: Arc<Blocked>,
}

/// What the writer is to do.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) bytes: Vec<u8>,
    pub(super) next: Option<(usize, File)>,
    /// Somebody waits for all this to last.
    pub(super) is_awaited: bool,
    /// Outdated files are to be removed.
    pub(super) is_untidy: bool,
    /// Nothing more is to come.
    pub(super) is_last: bool,
}

/// With more than this the writer is called at once.
const MUCH: usize = 1 << 20;
/// With more than this, data threads wait for the writer.
const TOO_MUCH: u64 = 64 << 20;
/// How long the writer collects what nobody waits for, and so what a process that is killed may
/// lose of it. Without that each tick wakes the writer: 1.07 us of CPU instead of 0.69 for a SET
/// (depth 16, server on one core, `bench/aof`).
const COLLECT: Duration = Duration::from_millis(2);
/// A buffer with more memory isn't used again.
const KEPT: usize = 4 << 20;
const NO_PANIC: &str = "never held across a panic";

/// Puts the log into the feed.
pub(super) struct Taker(pub(super) Arc<Feed>);

impl LogReader for Taker {
    fn take(&mut self, bytes: &[u8]) {
        let mut state = self.0.lock();
        let before = state.bytes.len();
        if state.stamp.is_some() {
            state.note_time(unix_seconds());
        }
        state.put(bytes);
        let is_much = before < MUCH && state.bytes.len() >= MUCH;
        if std::mem::take(&mut state.is_idle) || is_much {
            self.0.work.notify_one();
        }
    }
}

/// For data threads.
impl Feed {
    /// From here on goes into another file. The writer has begun the one before.
    pub(super) fn switch(&self, file: File) {
        let mut state = self.lock();
        assert!(!state.is_switching, "what goes between them would be lost");
        let at = state.bytes.len();
        state.next = Some((at, file));
        state.stamp = state.stamp.map(|_| 0);
        state.is_switching = true;
        state.is_idle = false;
        self.work.notify_one();
    }

    /// Whether the time is noted between commands, once a second at most.
    pub(super) fn note_stamps(&self, are_wanted: bool) {
        let mut state = self.lock();
        if state.stamp.is_some() != are_wanted {
            state.stamp = are_wanted.then_some(0);
        }
    }

    /// Whether the writer has yet to begin another file.
    pub(crate) fn is_switching(&self) -> bool {
        self.lock().is_switching
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

    /// Adds a client that waits for all that was taken to last.
    pub(super) fn add_wait(&self, client: Arc<ClientInfo>, blocked: Arc<Blocked>) {
        let mut state = self.lock();
        // Others may be out of time meanwhile.
        state.waits.retain(|wait| wait.blocked.is_waiting());
        let target = state.taken;
        state.waits.push(LogWait {
            target,
            client,
            blocked,
        });
        state.is_awaited = true;
        self.work.notify_one();
    }

    /// Has the writer remove outdated files.
    pub(super) fn call_to_tidy(&self) {
        let mut state = self.lock();
        state.is_untidy = true;
        self.work.notify_one();
    }

    /// Whether any client waits.
    pub(super) fn has_waits(&self) -> bool {
        !self.lock().waits.is_empty()
    }

    /// The clients that need wait no longer; all of them if there is nothing to wait for.
    pub(super) fn take_waits(&self, all: bool) -> Vec<LogWait> {
        let mut state = self.lock();
        let synced = state.synced;
        let is_over = |wait: &mut LogWait| all || wait.target <= synced;
        state.waits.extract_if(.., is_over).collect()
    }

    /// Why nothing can be written, if so.
    pub(crate) fn error(&self) -> Option<String> {
        self.lock().error.clone()
    }

    /// Bytes that wait to be written.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.lock().bytes.len()
    }

    /// Has the writer end when it has written everything, or can't. Returns when it has.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closing = true;
        self.work.notify_one();
        while state.has_writer {
            state = self.done.wait(state).expect(NO_PANIC);
        }
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
            has_writer: true,
            waits: std::mem::take(&mut state.waits),
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
                || state.is_untidy
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

    /// Gives back the memory of bytes that were written.
    pub(super) fn give_back(&self, mut bytes: Vec<u8>) {
        if bytes.capacity() <= KEPT {
            bytes.clear();
            self.lock().spare = bytes;
        }
    }

    /// Another file was begun.
    pub(super) fn switched(&self) {
        self.lock().is_switching = false;
    }

    /// The writer ends.
    pub(super) fn ended(&self) {
        let mut state = self.lock();
        state.has_writer = false;
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
    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.taken += bytes.len() as u64;
    }

    /// Notes the time as Redis does, so that its tool can cut a log at a time.
    fn note_time(&mut self, now_s: u64) {
        if self.stamp.is_some_and(|last| last < now_s) {
            self.stamp = Some(now_s);
            self.put(format!("#TS:{now_s}\r\n").as_bytes());
        }
    }

    fn hand_over(&mut self) -> Work {
        self.is_idle = false;
        Work {
            bytes: std::mem::replace(&mut self.bytes, std::mem::take(&mut self.spare)),
            next: self.next.take(),
            is_awaited: std::mem::take(&mut self.is_awaited),
            is_untidy: std::mem::take(&mut self.is_untidy),
            is_last: self.is_closing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(feed: &Arc<Feed>, bytes: &[u8]) {
        Taker(Arc::clone(feed)).take(bytes);
    }

    #[test]
    fn what_was_put_in_comes_out_once_and_lasts_when_synced() {
        let feed = Arc::new(Feed::default());
        feed.open();
        put(&feed, b"abc");
        put(&feed, b"de");
        assert!(!feed.lasts());
        let work = feed.work(true, None);
        assert_eq!((&work.bytes[..], work.is_last), (&b"abcde"[..], false));
        feed.wrote(5, false);
        assert!(!feed.lasts() && feed.waiting_bytes() == 0);
        feed.wrote(0, true);
        assert!(feed.lasts());
    }

    #[test]
    fn a_switch_stands_between_what_came_before_and_after() {
        let feed = Arc::new(Feed::default());
        feed.open();
        put(&feed, b"before");
        feed.switch(File::open("/dev/null").expect("there"));
        put(&feed, b"after");
        let work = feed.work(false, None);
        assert_eq!(work.bytes, b"beforeafter");
        assert_eq!(work.next.map(|(at, _)| at), Some(6));
        assert!(feed.is_switching());
        feed.switched();
        assert!(!feed.is_switching());
    }

    #[test]
    fn the_time_is_noted_once_a_second_and_in_each_file() {
        let mut state = State::default();
        let text = |state: &mut State| {
            String::from_utf8(std::mem::take(&mut state.bytes)).expect("a note")
        };
        state.note_time(7);
        assert_eq!(text(&mut state), "");
        state.stamp = Some(0);
        for now_s in [7, 7, 6, 8] {
            state.note_time(now_s);
        }
        assert_eq!(text(&mut state), "#TS:7\r\n#TS:8\r\n");
        let feed = Arc::new(Feed::default());
        feed.open();
        feed.note_stamps(true);
        put(&feed, b"a");
        feed.switch(File::open("/dev/null").expect("there"));
        put(&feed, b"b");
        let bytes = feed.work(true, None).bytes;
        assert_eq!(bytes.windows(4).filter(|it| it == b"#TS:").count(), 2);
    }

    #[test]
    fn closing_waits_for_the_writer() {
        let feed = Arc::new(Feed::default());
        feed.open();
        put(&feed, b"last");
        let writer = {
            let feed = Arc::clone(&feed);
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                loop {
                    let work = feed.work(false, None);
                    bytes.extend(work.bytes);
                    if work.is_last {
                        feed.wrote(bytes.len(), true);
                        feed.ended();
                        return bytes;
                    }
                }
            })
        };
        feed.close();
        assert!(feed.lasts());
        assert_eq!(writer.join().expect("no panic"), b"last");
    }
}
