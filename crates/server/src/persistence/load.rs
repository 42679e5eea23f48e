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
use smallvec::{SmallVec, smallvec};
use store::Txn;

use crate::log::say;
use crate::thread::Thread;

/// How long a slice is.
const SLICE: Duration = Duration::from_millis(5);
/// Keys whose places in memory are fetched side by side.
const GROUP: usize = 32;
/// Bytes of the shortest key in a file: its kind, its length, that of its value.
const SHORTEST_KEY: u64 = 3;
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
        let is_left = thread.with_everything(|thread, txn| {
            let start = Instant::now();
            while start.elapsed() < SLICE {
                if !self.group(thread, txn)? {
                    return Ok(false);
                }
            }
            io::Result::Ok(true)
        })?;
        if !is_left {
            self.end();
        } else if self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            let (bytes, total) = (&self.progress.bytes, self.progress.total_bytes);
            let percent = bytes.load(Ordering::Relaxed) * 100 / total.max(1);
            say(&format!("loading: {percent} %"));
        }
        Ok(is_left)
    }

    /// Loads some keys, or something else. False at the end.
    fn group(&mut self, thread: &mut Thread, txn: &mut Txn<'_>) -> io::Result<bool> {
        let mut keys = SmallVec::<[Key; GROUP]>::new();
        let mut other = None;
        while keys.len() < GROUP && other.is_none() {
            match self.next()? {
                Some(Item::Key(key)) => keys.push(key),
                item => other = Some(item),
            }
        }
        txn.in_db(self.db, |txn| self.add(txn, keys));
        match other {
            Some(Some(item)) => self.take(thread, txn, item)?,
            Some(None) => return Ok(false),
            None => {}
        }
        Ok(true)
    }

    fn next(&mut self) -> io::Result<Option<Item>> {
        self.reader.next().map_err(|error| {
            io::Error::other(format!(
                "{} is broken or not whole ({error}). Nothing of it was kept. Give another file, \
                 or move it away to start empty",
                self.path.display()
            ))
        })
    }

    fn take(&mut self, thread: &mut Thread, txn: &mut Txn<'_>, item: Item) -> io::Result<()> {
        match item {
            Item::Fact { .. } => {}
            Item::Key(key) => txn.in_db(self.db, |txn| self.add(txn, smallvec![key])),
            Item::Sizes { keys, .. } => {
                // Not more than there can be in the file.
                let keys = keys.min(self.progress.total_bytes / SHORTEST_KEY);
                txn.in_db(self.db, |txn| txn.reserve(keys as usize));
            }
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
        }
        Ok(())
    }

    /// Adds keys of one database.
    fn add(&self, txn: &mut Txn<'_>, keys: SmallVec<[Key; GROUP]>) {
        for key in &keys {
            let hash = txn.store().hash(&key.name);
            txn.prefetch_bucket(txn.store().shard_of(&key.name, hash), hash);
        }
        let (mut added, mut expired) = (0, 0);
        for key in keys {
            if key.expiry.is_some_and(|at| at <= txn.now_ms) {
                expired += 1;
                continue;
            }
            let found = txn.peek(&key.name);
            load::put(txn, &key.name, found, key.value, key.expiry);
            if let (Some(seconds), Some(found)) = (key.idle_seconds, txn.peek(&key.name)) {
                txn.set_idle_seconds(found, seconds);
            }
            added += 1;
        }
        self.progress.keys.fetch_add(added, Ordering::Relaxed);
        self.progress.expired.fetch_add(expired, Ordering::Relaxed);
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
