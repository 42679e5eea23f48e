//! Loading a snapshot: in slices, by the first thread, while clients are told to wait.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use commands::load;
use rdb::Rules;
use rdb::file::{Item, Key, Reader};
use smallvec::{SmallVec, smallvec};
use store::Txn;

use super::aof::{Files, Replay};
use crate::log::say;
use crate::shared::Shared;
use crate::thread::Thread;

/// How long a slice is.
const SLICE: Duration = Duration::from_millis(5);
/// Keys whose places in memory are fetched side by side.
const GROUP: usize = 32;
/// What a log begins with: a command or a note. It may also be empty.
const LOG_BEGINS: &[u8] = b"*#";
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

/// Files that are being loaded, one after the other.
#[derive(Debug)]
pub(crate) struct Loading {
    files: VecDeque<(PathBuf, bool)>,
    /// What has expired since is still needed, for the commands that follow.
    is_aof: bool,
    rules: Rules,
    path: PathBuf,
    current: Current,
    db: usize,
    told: Instant,
    pub(crate) progress: Arc<LoadingProgress>,
}

/// The file that is being read.
#[derive(Debug)]
enum Current {
    Snapshot(Box<Reader<Counted>>),
    Log(Box<Replay>),
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
    /// Begins to read files, of which there is at least one. `rules` say in which forms values are
    /// kept.
    pub(crate) fn open(files: Files, rules: Rules) -> io::Result<Self> {
        let is_aof = files.is_aof;
        let mut files = VecDeque::from(files.paths);
        let mut total_bytes = 0;
        for (path, _) in &files {
            total_bytes += fs::metadata(path)
                .map_err(|error| about(path, &error))?
                .len();
        }
        let progress = Arc::new(LoadingProgress {
            began: Instant::now(),
            began_s: super::unix_seconds(),
            total_bytes,
            bytes: AtomicU64::new(0),
            keys: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
        });
        let (path, may_be_torn) = files.pop_front().expect("there is one");
        Ok(Self {
            current: Current::open(&path, may_be_torn, rules.clone(), &progress)?,
            files,
            is_aof,
            rules,
            path,
            db: 0,
            told: Instant::now(),
            progress,
        })
    }

    /// Loads a slice. False at the end.
    pub(crate) fn slice(&mut self, thread: &mut Thread) -> io::Result<bool> {
        let is_left = thread.with_everything(|thread, shared, txn| {
            let start = Instant::now();
            while start.elapsed() < SLICE {
                if !self.group(thread, shared, txn)? && !self.next_file()? {
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

    /// Loads all that is left at once. Everything is locked.
    pub(crate) fn all<'s>(
        &mut self,
        thread: &mut Thread,
        shared: &'s Shared,
        txn: &mut Txn<'s>,
    ) -> io::Result<()> {
        while self.group(thread, shared, txn)? || self.next_file()? {}
        self.end();
        Ok(())
    }

    /// Goes on with the next file. False if there is none.
    fn next_file(&mut self) -> io::Result<bool> {
        let Some((path, may_be_torn)) = self.files.pop_front() else {
            return Ok(false);
        };
        self.current = Current::open(&path, may_be_torn, self.rules.clone(), &self.progress)?;
        self.path = path;
        Ok(true)
    }

    /// Loads some keys, or something else. False at the end of a file.
    fn group<'s>(
        &mut self,
        thread: &mut Thread,
        shared: &'s Shared,
        txn: &mut Txn<'s>,
    ) -> io::Result<bool> {
        match &mut self.current {
            Current::Snapshot(reader) => {
                let group = next_group(reader).map_err(|error| about_broken(&self.path, &error))?;
                let (keys, other) = group;
                txn.in_db(self.db, |txn| self.add(txn, keys));
                match other {
                    Other::End => return self.go_on_as_log(),
                    Other::Item(item) => self.take(thread, txn, item)?,
                    Other::None => {}
                }
            }
            Current::Log(replay) => {
                let now_ms = std::mem::take(&mut txn.now_ms);
                let run = replay.run(GROUP, thread, shared, txn);
                txn.now_ms = now_ms;
                let (bytes, is_left) = run?;
                self.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
                return Ok(is_left);
            }
        }
        Ok(true)
    }

    /// Before version 7 of Redis a log could follow in the same file. False if there is none.
    fn go_on_as_log(&mut self) -> io::Result<bool> {
        let Current::Snapshot(reader) = &mut self.current else {
            return Ok(false);
        };
        let (rest, Counted { file, .. }) = reader.rest();
        if !rest.first().is_some_and(|first| LOG_BEGINS.contains(first)) {
            return Ok(false);
        }
        let (rest, file) = (rest.to_vec(), file.try_clone()?);
        let replay = Replay::go_on(&self.path, file, rest)?;
        self.current = Current::Log(Box::new(replay));
        Ok(true)
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
            let now_ms = txn.now_ms;
            let is_due = key.expiry.is_some_and(|at| at <= now_ms);
            if is_due && !self.is_aof {
                expired += 1;
                continue;
            }
            txn.now_ms = if self.is_aof { 0 } else { now_ms };
            let found = txn.peek(&key.name);
            load::put(txn, &key.name, found, key.value, key.expiry);
            txn.now_ms = now_ms;
            if !is_due {
                load::set_use(txn, &key.name, key.idle_seconds, key.frequency);
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
            "DB loaded from disk: {} bytes up to {}, {} keys of snapshots, {} left out as they had \
             expired, {:.3} s",
            progress.total_bytes,
            self.path.display(),
            progress.keys.load(Ordering::Relaxed),
            progress.expired.load(Ordering::Relaxed),
            progress.began.elapsed().as_secs_f64()
        ));
    }
}

impl Current {
    fn open(
        path: &Path,
        may_be_torn: bool,
        rules: Rules,
        progress: &Arc<LoadingProgress>,
    ) -> io::Result<Self> {
        let mut file = File::open(path).map_err(|error| about(path, &error))?;
        say(&format!("loading {}", path.display()));
        let mut first = [0];
        let len = file.read(&mut first).map_err(|error| about(path, &error))?;
        let is_named_log = path.extension().is_some_and(|ending| ending == "aof");
        if len == 0 && is_named_log || len == 1 && LOG_BEGINS.contains(&first[0]) {
            return Ok(Self::Log(Box::new(Replay::open(path, may_be_torn)?)));
        }
        file.rewind()?;
        let source = Counted {
            file,
            progress: Arc::clone(progress),
        };
        let reader = Reader::open(source, rules).map_err(|error| about(path, &error))?;
        Ok(Self::Snapshot(Box::new(reader)))
    }
}

/// What ends a group of keys.
enum Other {
    None,
    Item(Item),
    End,
}

/// The next keys of a snapshot, and what follows them.
fn next_group(reader: &mut Reader<Counted>) -> Result<(SmallVec<[Key; GROUP]>, Other), rdb::Error> {
    let mut keys = SmallVec::new();
    while keys.len() < GROUP {
        match reader.next()? {
            Some(Item::Key(key)) => keys.push(key),
            Some(item) => return Ok((keys, Other::Item(item))),
            None => return Ok((keys, Other::End)),
        }
    }
    Ok((keys, Other::None))
}

fn about(path: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("can't load {} ({error})", path.display()))
}

fn about_broken(path: &Path, error: &rdb::Error) -> io::Error {
    io::Error::other(format!(
        "{} is broken or not whole ({error}). Nothing of it was kept. Give another file, or move \
         it away to start empty",
        path.display()
    ))
}
