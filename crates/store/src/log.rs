//! The one ordered log of effects: what replicas and the append-only file read.
//!
//! A transaction hands over its effects while it still holds its locks, so the order of the log is
//! an order in which the transactions could have run one after the other. With no reader attached a
//! write only looks at a flag.
//!
//! Effects are commands that repeat a change exactly, with relative times and random choices
//! resolved, in the wire form in which clients send them. MULTI and EXEC stand around several of
//! them that belong together, SELECT before those of another database.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use smallvec::SmallVec;

/// Takes the log piece by piece, in order. Called with shard locks held: it must be quick and must
/// not wait.
pub trait LogReader: Send {
    /// The next bytes. A piece ends where a command does, but not always where a transaction does.
    fn take(&mut self, bytes: &[u8]);
}

/// Effects of transactions on their way to the log.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    bytes: Vec<u8>,
    /// Where those of another database begin than those before.
    runs: SmallVec<[Run; 1]>,
    count: usize,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    db: usize,
    start: usize,
}

/// A place between two effects.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    start: usize,
    count: usize,
}

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";
/// What a group of usual commands has.
const USUAL_BYTES: usize = 2 << 10;
/// Enough digits for any length.
const DIGITS: usize = 20;

impl Effects {
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds an effect.
    pub(crate) fn push<'k>(&mut self, db: usize, args: impl ExactSizeIterator<Item = &'k [u8]>) {
        if self.bytes.is_empty() {
            self.bytes.reserve(USUAL_BYTES);
        }
        if self.runs.last().is_none_or(|run| run.db != db) {
            let start = self.bytes.len();
            self.runs.push(Run { db, start });
        }
        self.header(b'*', args.len());
        for arg in args {
            self.header(b'$', arg.len());
            self.bytes.extend_from_slice(arg);
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.count += 1;
    }

    fn header(&mut self, kind: u8, len: usize) {
        let mut digits = [0; DIGITS];
        let mut at = DIGITS;
        let mut left = len;
        loop {
            at -= 1;
            digits[at] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&digits[at..]);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// The place behind the last effect.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            start: self.bytes.len(),
            count: self.count,
        }
    }

    /// Makes one transaction of what has come since `mark`, if that is more than one effect.
    pub(crate) fn join(&mut self, mark: Mark) {
        if self.count - mark.count < 2 {
            return;
        }
        let start = mark.start;
        self.bytes.splice(start..start, MULTI.iter().copied());
        // The database of the first effect is selected before.
        for run in &mut self.runs {
            if run.start > start {
                run.start += MULTI.len();
            }
        }
        self.bytes.extend_from_slice(EXEC);
    }

    /// Forgets what has come since `mark`.
    pub(crate) fn truncate(&mut self, mark: Mark) {
        self.bytes.truncate(mark.start);
        self.runs.retain(|run| run.start < mark.start);
        self.count = mark.count;
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.runs.clear();
        self.count = 0;
    }
}

/// See the module.
#[derive(Default)]
pub struct Log {
    is_read: AtomicBool,
    end: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The database that was selected last.
    db: Option<usize>,
    readers: Vec<(u32, Box<dyn LogReader>)>,
}

const NO_PANIC: &str = "log readers don't panic";

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("is_read", &self.is_read)
            .finish_non_exhaustive()
    }
}

impl Log {
    /// True when a reader is attached: effects must be recorded.
    #[inline(always)]
    pub fn is_read(&self) -> bool {
        self.is_read.load(Ordering::Relaxed)
    }

    /// How many bytes it has had so far.
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Adds a reader under a number of its own, which gets everything from here on. Everything is
    /// locked.
    pub fn attach(&self, number: u32, reader: Box<dyn LogReader>) {
        let mut inner = self.inner.lock().expect(NO_PANIC);
        // It doesn't know what was selected.
        inner.db = None;
        inner.readers.push((number, reader));
        self.is_read.store(true, Ordering::Relaxed);
    }

    /// Removes a reader. Everything is locked.
    pub fn detach(&self, number: u32) {
        let mut inner = self.inner.lock().expect(NO_PANIC);
        inner.readers.retain(|&(other, _)| other != number);
        self.is_read
            .store(!inner.readers.is_empty(), Ordering::Relaxed);
    }

    /// Has the next effect begin with SELECT: a reader begins anew there. Everything is locked.
    pub fn forget_db(&self) {
        self.inner.lock().expect(NO_PANIC).db = None;
    }

    /// Appends the effects of transactions that still hold their locks, which are gone then.
    pub(crate) fn append(&self, effects: &mut Effects) {
        let mut inner = self.inner.lock().expect(NO_PANIC);
        let ends = effects.runs.iter().skip(1).map(|run| run.start);
        let ends = ends.chain([effects.bytes.len()]);
        for (run, end) in effects.runs.iter().zip(ends) {
            if inner.db != Some(run.db) {
                inner.db = Some(run.db);
                self.give(&mut inner, &select(run.db));
            }
            self.give(&mut inner, &effects.bytes[run.start..end]);
        }
        effects.clear();
    }

    fn give(&self, inner: &mut Inner, bytes: &[u8]) {
        self.end.fetch_add(bytes.len() as u64, Ordering::Release);
        for (_, reader) in &mut inner.readers {
            reader.take(bytes);
        }
    }
}

fn select(db: usize) -> Vec<u8> {
    let number = db.to_string();
    let mut bytes = Vec::new();
    write!(
        bytes,
        "*2\r\n$6\r\nSELECT\r\n${}\r\n{number}\r\n",
        number.len()
    )
    .expect("memory doesn't fail");
    bytes
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Bytes(Arc<Mutex<Vec<u8>>>);

    impl LogReader for Bytes {
        fn take(&mut self, bytes: &[u8]) {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
        }
    }

    impl Bytes {
        fn text(&self) -> String {
            let bytes = std::mem::take(&mut *self.0.lock().expect("no panic"));
            let text = String::from_utf8(bytes).expect("plain");
            let lines = text.split("\r\n").filter(|line| !line.starts_with('$'));
            lines.collect::<Vec<_>>().join(" ")
        }
    }

    fn push(effects: &mut Effects, db: usize, line: &str) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        effects.push(db, words.into_iter());
    }

    #[test]
    fn databases_are_selected_and_transactions_enclosed() {
        let (log, bytes) = (Log::default(), Bytes::default());
        log.attach(1, Box::new(bytes.clone()));
        assert!(log.is_read());
        let mut effects = Effects::default();
        push(&mut effects, 3, "SET a 1");
        log.append(&mut effects);
        assert!(effects.is_empty());
        assert_eq!(bytes.text(), "*2 SELECT 3 *3 SET a 1 ");
        push(&mut effects, 3, "SET b 1");
        let mark = effects.mark();
        push(&mut effects, 0, "DEL c");
        push(&mut effects, 1, "DEL d");
        effects.join(mark);
        let mark = effects.mark();
        push(&mut effects, 1, "DEL e");
        effects.join(mark);
        log.append(&mut effects);
        assert_eq!(
            bytes.text(),
            "*3 SET b 1 *2 SELECT 0 *1 MULTI *2 DEL c *2 SELECT 1 *2 DEL d *1 EXEC *2 DEL e "
        );
        log.forget_db();
        push(&mut effects, 1, "DEL f");
        let end = log.end();
        log.append(&mut effects);
        assert_eq!(bytes.text(), "*2 SELECT 1 *2 DEL f ");
        assert_eq!(log.end() - end, 23 + 20);
        log.detach(1);
        assert!(!log.is_read());
    }

    #[test]
    fn lengths_are_decimal() {
        let mut effects = Effects::default();
        effects.push(0, [&[b'x'; 1234][..], b""].into_iter());
        assert!(effects.bytes.starts_with(b"*2\r\n$1234\r\nxxx"));
        assert!(effects.bytes.ends_with(b"x\r\n$0\r\n\r\n"));
    }
}
