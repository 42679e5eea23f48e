//! Loading a snapshot: in slices, by the first thread, while clients are told to wait.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use commands::load;
use rdb::Rules;
use rdb::file::{FrameReader, Item, Key, Reader};
use smallvec::{SmallVec, smallvec};
use store::Txn;

use super::aof::{Files, Replay};
use super::target::{Location, Opened};
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
/// How long is waited at once for what comes from elsewhere.
const WAIT: Duration = Duration::from_millis(1);
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
    files: VecDeque<(Location, bool)>,
    rules: Rules,
    location: Location,
    current: Current,
    db: usize,
    told: Instant,
    pub(crate) progress: Arc<LoadingProgress>,
}

/// The file that is being read.
#[derive(Debug)]
enum Current {
    Snapshot(Box<Reader<FrameReader<Counted>>>),
    Log(Box<Replay>),
}

/// A file, and how much of it was read.
#[derive(Debug)]
struct Counted {
    opened: Opened,
    progress: Arc<LoadingProgress>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.opened.read(buffer)?;
        self.progress.bytes.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }
}

impl Loading {
    /// Begins to read files, of which there is at least one. `rules` say in which forms values are
    /// kept.
    pub(crate) fn open(files: Files, rules: Rules) -> io::Result<Self> {
        let mut files = VecDeque::from(files.locations);
        let mut total_bytes = 0;
        for (location, _) in &files {
            total_bytes += location.bytes().map_err(|error| about(location, &error))?;
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
        let (location, may_be_torn) = files.pop_front().expect("there is one");
        Ok(Self {
            current: Current::open(&location, may_be_torn, rules.clone(), &progress)?,
            files,
            rules,
            location,
            db: 0,
            told: Instant::now(),
            progress,
        })
    }

    /// Loads a slice. False at the end.
    pub(crate) fn slice(&mut self, thread: &mut Thread) -> io::Result<bool> {
        if !self.current.wait() {
            return Ok(true);
        }
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

    /// Goes on with the next file. False if there is none.
    fn next_file(&mut self) -> io::Result<bool> {
        let Some((location, may_be_torn)) = self.files.pop_front() else {
            return Ok(false);
        };
        let (rules, progress) = (self.rules.clone(), &self.progress);
        self.current = Current::open(&location, may_be_torn, rules, progress)?;
        self.location = location;
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
                let group = next_group(reader);
                let (keys, other) = group.map_err(|error| about_broken(&self.location, &error))?;
                txn.in_db(self.db, |txn| self.add(txn, keys));
                match other {
                    Other::End => return self.go_on_as_log(),
                    Other::Item(item) => self.take(thread, txn, item)?,
                    Other::None => {}
                }
            }
            Current::Log(replay) => {
                // What has expired since was still there for the commands that follow.
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
        let (rest, frame) = reader.rest();
        let FrameReader::Plain(peeked) = frame else {
            let ended = end_frame(rest, frame);
            return ended.map_err(|error| about_broken(&self.location, &error));
        };
        let opened = &peeked.get_ref().opened;
        let (Opened::File(file), Location::File(path)) = (opened, &self.location) else {
            return Ok(false);
        };
        if !rest.first().is_some_and(|first| LOG_BEGINS.contains(first)) {
            return Ok(false);
        }
        let (rest, file) = (rest.to_vec(), file.try_clone()?);
        let replay = Replay::go_on(path, file, rest)?;
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
                    self.location
                )));
            }
            Item::Function(code) => thread.load_functions(&code).map_err(|error| {
                let text = error.text();
                io::Error::other(format!("{}: {text}", self.location))
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
            load::set_use(txn, &key.name, key.idle_seconds, key.frequency);
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
            self.location,
            progress.keys.load(Ordering::Relaxed),
            progress.expired.load(Ordering::Relaxed),
            progress.began.elapsed().as_secs_f64()
        ));
    }
}

impl Current {
    fn open(
        location: &Location,
        may_be_torn: bool,
        rules: Rules,
        progress: &Arc<LoadingProgress>,
    ) -> io::Result<Self> {
        let mut opened = location.open().map_err(|error| about(location, &error))?;
        say(&format!("loading {location}"));
        if let (Opened::File(file), Location::File(path)) = (&mut opened, location) {
            if is_log(path, file).map_err(|error| about(location, &error))? {
                return Ok(Self::Log(Box::new(Replay::open(path, may_be_torn)?)));
            }
            file.rewind()?;
        }
        let source = Counted {
            opened,
            progress: Arc::clone(progress),
        };
        let frame = FrameReader::open(source).map_err(|error| about(location, &error))?;
        let reader = Reader::open(frame, rules).map_err(|error| about_broken(location, &error))?;
        Ok(Self::Snapshot(Box::new(reader)))
    }

    /// Waits a little for what is to be read next. Returns whether it is there.
    fn wait(&mut self) -> bool {
        match self {
            Self::Snapshot(reader) => reader.rest().1.get_mut().opened.wait(WAIT),
            Self::Log(_) => true,
        }
    }
}

/// Whether this is a log, not a snapshot.
fn is_log(path: &Path, file: &mut File) -> io::Result<bool> {
    let mut first = [0];
    let len = file.read(&mut first)?;
    let is_named_log = path.extension().is_some_and(|ending| ending == "aof");
    Ok(len == 0 && is_named_log || len == 1 && LOG_BEGINS.contains(&first[0]))
}

/// What ends a group of keys.
enum Other {
    None,
    Item(Item),
    End,
}

/// The next keys of a snapshot, and what follows them.
fn next_group(
    reader: &mut Reader<FrameReader<Counted>>,
) -> Result<(SmallVec<[Key; GROUP]>, Other), rdb::Error> {
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

/// The frame around a snapshot ends where that does, and its checksum is right.
fn end_frame(rest: &[u8], frame: &mut impl Read) -> Result<bool, rdb::Error> {
    if rest.is_empty() && frame.read(&mut [0])? == 0 {
        return Ok(false);
    }
    Err(rdb::Error::Corrupt("something follows in the same frame"))
}

fn about(location: &Location, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("can't load {location}: {error}"))
}

fn about_broken(location: &Location, error: &rdb::Error) -> io::Error {
    io::Error::other(format!(
        "{location} is broken or not whole ({error}). Nothing of it was kept. Give another file, \
         or move it away to start empty"
    ))
}
