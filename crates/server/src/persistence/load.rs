//! Loading a snapshot: in slices, by the first thread, while clients are told to wait.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use commands::load;
use rdb::Rules;
use rdb::file::{Item, Key, Reader};
use store::{Txn, Waiter};

use crate::log::say;
use crate::thread::Thread;

/// How long a slice is.
const SLICE: Duration = Duration::from_millis(5);
/// Keys between two looks at the clock.
const KEYS_PER_LOOK: usize = 64;
/// Between two lines of the log.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// How far it is; INFO tells.
#[derive(Debug)]
pub(crate) struct LoadingProgress {
    pub(crate) began: Instant,
    pub(crate) began_s: u64,
    pub(crate) total_bytes: u64,
    pub(crate) bytes: AtomicU64,
    pub(crate) keys: AtomicU64,
    /// Keys left out, since they had expired.
    pub(crate) expired: AtomicU64,
    pub(crate) has_ended: AtomicBool,
}

/// A file that is being loaded.
#[derive(Debug)]
pub(crate) struct Loading {
    path: PathBuf,
    reader: Reader<Counted>,
    db: usize,
    told: Instant,
    pub(crate) progress: Arc<LoadingProgress>,
}

/// A file, and how much of it was read.
#[derive(Debug)]
struct Counted {
    file: File,
    progress: Arc<LoadingProgress>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read(buffer)?;
        self.progress.bytes.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }
}

impl Loading {
    /// Begins to read a file. `rules` say in which forms values are kept.
    pub(crate) fn open(path: &Path, rules: Rules) -> io::Result<Self> {
        let about = |error: &dyn std::fmt::Display| {
            io::Error::other(format!("can't load {}: {error}", path.display()))
        };
        let file = File::open(path).map_err(|error| about(&error))?;
        let progress = Arc::new(LoadingProgress {
            began: Instant::now(),
            began_s: super::unix_seconds(),
            total_bytes: file.metadata()?.len(),
            bytes: AtomicU64::new(0),
            keys: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
        });
        let source = Counted {
            file,
            progress: Arc::clone(&progress),
        };
        say(&format!("loading {}", path.display()));
        Ok(Self {
            path: path.to_owned(),
            reader: Reader::open(source, rules).map_err(|error| about(&error))?,
            db: 0,
            told: Instant::now(),
            progress,
        })
    }

    /// Loads a slice. False at the end.
    pub(crate) fn slice(&mut self, thread: &mut Thread) -> io::Result<bool> {
        let start = Instant::now();
        while start.elapsed() < SLICE {
            for _ in 0..KEYS_PER_LOOK {
                let item = self.reader.next().map_err(|error| {
                    io::Error::other(format!(
                        "{} is broken or not whole ({error}). Nothing of it was kept. Give another \
                         file, or move it away to start empty",
                        self.path.display()
                    ))
                })?;
                let Some(item) = item else {
                    self.end();
                    return Ok(false);
                };
                self.take(thread, item)?;
            }
        }
        if self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            let (bytes, total) = (&self.progress.bytes, self.progress.total_bytes);
            let percent = bytes.load(Ordering::Relaxed) * 100 / total.max(1);
            say(&format!("loading: {percent} %"));
        }
        Ok(true)
    }

    fn take(&mut self, thread: &mut Thread, item: Item) -> io::Result<()> {
        match item {
            Item::Fact { .. } | Item::Sizes { .. } => {}
            Item::Database(number) if number < thread.shared.store.dbnum() as u64 => {
                self.db = number as usize;
            }
            Item::Database(number) => {
                return Err(io::Error::other(format!(
                    "{} has a database {number}: start with a larger dbnum",
                    self.path.display()
                )));
            }
            Item::Function(code) => thread.load_functions(&code).map_err(|error| {
                let text = error.text();
                io::Error::other(format!("{}: {text}", self.path.display()))
            })?,
            Item::Key(key) => self.add(thread, key),
        }
        Ok(())
    }

    fn add(&self, thread: &mut Thread, key: Key) {
        let now_ms = thread.now_ms();
        if key.expiry.is_some_and(|at| at <= now_ms) {
            self.progress.expired.fetch_add(1, Ordering::Relaxed);
            return;
        }
        thread.enter_gate();
        let store = &thread.shared.store;
        let mut txn = Txn::new(store, thread.number, self.db, now_ms);
        let waiter = Waiter {
            thread: thread.number as u16,
            token: 0,
        };
        // No one else touches the keyspace but for moments.
        while txn.lock_key(&key.name, waiter).is_err() {
            std::thread::yield_now();
        }
        let found = txn.peek(&key.name);
        load::put(&mut txn, &key.name, found, key.value, key.expiry);
        if let (Some(seconds), Some(found)) = (key.idle_seconds, txn.peek(&key.name)) {
            txn.set_idle_seconds(found, seconds);
        }
        drop(txn);
        store.leave(thread.number);
        self.progress.keys.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self) {
        let progress = &self.progress;
        progress.has_ended.store(true, Ordering::Relaxed);
        say(&format!(
            "DB loaded from disk: {}, {} keys, {} left out as they had expired, {:.3} s",
            self.path.display(),
            progress.keys.load(Ordering::Relaxed),
            progress.expired.load(Ordering::Relaxed),
            progress.began.elapsed().as_secs_f64()
        ));
    }
}
