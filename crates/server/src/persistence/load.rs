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
use super::{names, set};
use crate::log::{say, warn};
use crate::memory;
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
/// The fact that only files of Dragonfly have.
const DRAGONFLY: &[u8] = b"df-ver";
/// The fact by which it knows the files of a set.
const SET_ID: &[u8] = b"snapshot-id";
const STRANGER: rdb::Error = rdb::Error::Corrupt("it is of another snapshot than its summary");
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
    /// What is loaded is an append-only file, in which time stands still. The commands that follow
    /// count on finding all keys: none may be evicted.
    pub(crate) is_aof: bool,
}

/// Files that are being loaded, one after the other.
#[derive(Debug)]
pub(crate) struct Loading {
    files: VecDeque<FileToLoad>,
    rules: Rules,
    location: Location,
    /// The checksum that the file has to have, 0 for any.
    checksum: u64,
    /// Snapshots that may be loaded instead, the newest first.
    older: Vec<Location>,
    current: Current,
    db: usize,
    /// Dragonfly has written it.
    is_of_dragonfly: bool,
    /// What all files of a set have in common.
    set_id: Option<Vec<u8>>,
    told: Instant,
    pub(crate) progress: Arc<LoadingProgress>,
}

#[derive(Debug)]
struct FileToLoad {
    location: Location,
    may_be_torn: bool,
    checksum: u64,
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
        let is_aof = files.is_aof;
        let offer = |error| offer(error, &files.older, &rules);
        let mut queue = queue(&files.locations, &rules).map_err(offer)?;
        let mut total_bytes = 0;
        for file in &queue {
            let bytes = file.location.bytes();
            total_bytes += bytes.map_err(|error| about(&file.location, &error))?;
        }
        let progress = Arc::new(LoadingProgress {
            began: Instant::now(),
            began_s: super::unix_seconds(),
            total_bytes,
            bytes: AtomicU64::new(0),
            keys: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
            is_aof,
        });
        let first = queue.pop_front().expect("there is one");
        let current = Current::open(&first, rules.clone(), &progress).map_err(offer)?;
        Ok(Self {
            current,
            files: queue,
            location: first.location,
            checksum: first.checksum,
            older: files.older,
            rules,
            db: 0,
            is_of_dragonfly: false,
            set_id: None,
            told: Instant::now(),
            progress,
        })
    }

    /// Loads a slice. False at the end.
    pub(crate) fn slice(&mut self, thread: &mut Thread) -> io::Result<bool> {
        if !self.current.wait() {
            return Ok(true);
        }
        let loaded = thread.with_everything(|thread, shared, txn| {
            let start = Instant::now();
            while start.elapsed() < SLICE {
                if !self.group(thread, shared, txn)? && !self.next_file()? {
                    return Ok(false);
                }
            }
            io::Result::Ok(true)
        });
        let is_left = loaded.map_err(|error| offer(error, &self.older, &self.rules))?;
        thread.keep_to_limit();
        if !is_left {
            self.end(thread);
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
        self.end(thread);
        Ok(())
    }

    /// Goes on with the next file. False if there is none.
    fn next_file(&mut self) -> io::Result<bool> {
        let Some(file) = self.files.pop_front() else {
            return Ok(false);
        };
        self.current = Current::open(&file, self.rules.clone(), &self.progress)?;
        (self.location, self.checksum) = (file.location, file.checksum);
        self.db = 0;
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
                    Other::End => return self.end_of_snapshot(),
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

    /// Looks at what follows a snapshot in the same file: before version 7 of Redis that could be a
    /// log. False if there is none.
    fn end_of_snapshot(&mut self) -> io::Result<bool> {
        let Current::Snapshot(reader) = &mut self.current else {
            return Ok(false);
        };
        if self.checksum != 0 && reader.checksum() != self.checksum {
            return Err(about_broken(&self.location, &STRANGER));
        }
        let (rest, frame) = reader.rest();
        let FrameReader::Plain(peeked) = frame else {
            let ended = end_frame(rest, frame);
            return ended.map_err(|error| about_broken(&self.location, &error));
        };
        let opened = &peeked.get_ref().opened;
        let (Opened::File(file), Location::File(path)) = (opened, &self.location) else {
            return Ok(false);
        };
        // Dragonfly fills its files up with whatever is there.
        let may_follow = !self.is_of_dragonfly;
        if !may_follow || !rest.first().is_some_and(|first| LOG_BEGINS.contains(first)) {
            return Ok(false);
        }
        let (rest, file) = (rest.to_vec(), file.try_clone()?);
        let replay = Replay::go_on(path, file, rest)?;
        self.current = Current::Log(Box::new(replay));
        Ok(true)
    }

    fn take(&mut self, thread: &mut Thread, txn: &mut Txn<'_>, item: Item) -> io::Result<()> {
        match item {
            Item::Fact { name, value } => self.note_fact(&name, &value)?,
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

    fn note_fact(&mut self, name: &[u8], value: &[u8]) -> io::Result<()> {
        self.is_of_dragonfly |= name == DRAGONFLY;
        if name == SET_ID && self.set_id.get_or_insert_with(|| value.to_vec()) != value {
            return Err(about_broken(&self.location, &STRANGER));
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
            if is_due && !self.progress.is_aof {
                expired += 1;
                continue;
            }
            txn.now_ms = if self.progress.is_aof { 0 } else { now_ms };
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

    fn end(&self, thread: &mut Thread) {
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
        self.tell_of_limit(thread);
    }

    /// What there was may have been too much.
    fn tell_of_limit(&self, thread: &mut Thread) {
        let stats = thread.shared.store.all_stats();
        let evicted: u64 = stats.iter().map(|stats| stats.evicted.get()).sum();
        let limit = thread.config.memory.maxmemory;
        if evicted > 0 {
            warn(&format!(
                "{} holds more than maxmemory ({limit} bytes): {evicted} keys were evicted while \
                 it was loaded",
                self.location
            ));
        }
        if thread.look_at_memory() {
            warn(&format!(
                "{} bytes are used, more than maxmemory ({limit}): until it is raised or keys are \
                 removed, keys are evicted or commands that need memory are refused, as \
                 maxmemory_policy says",
                memory::used()
            ));
        }
    }
}

impl Current {
    fn open(file: &FileToLoad, rules: Rules, progress: &Arc<LoadingProgress>) -> io::Result<Self> {
        let (location, may_be_torn) = (&file.location, file.may_be_torn);
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

/// The files to be read. A snapshot in several files is named by its summary.
fn queue(locations: &[(Location, bool)], rules: &Rules) -> io::Result<VecDeque<FileToLoad>> {
    let mut queue = VecDeque::new();
    for (location, may_be_torn) in locations {
        let is_summary = names::stem_of(location.name()).is_some();
        let parts = if is_summary {
            set::parts(location, rules.clone())?
        } else {
            Vec::new()
        };
        queue.push_back(FileToLoad {
            location: location.clone(),
            may_be_torn: *may_be_torn,
            checksum: 0,
        });
        queue.extend(parts.into_iter().map(|part| FileToLoad {
            location: location.target().at(&part.name),
            may_be_torn: false,
            checksum: part.told.map_or(0, |told| told.checksum),
        }));
    }
    Ok(queue)
}

/// An error with what may be loaded instead: the newest snapshot that begins as one.
fn offer(error: io::Error, older: &[Location], rules: &Rules) -> io::Error {
    let is_whole = |location: &&Location| match names::stem_of(location.name()) {
        Some(_) => set::parts(location, rules.clone()).is_ok(),
        None => begins_well(location, rules.clone()).is_ok(),
    };
    let Some(before) = older.iter().find(is_whole) else {
        return error;
    };
    io::Error::other(format!(
        "{error}. The one before it is {before}, which is loaded when this one is moved away"
    ))
}

fn begins_well(location: &Location, rules: Rules) -> Result<(), rdb::Error> {
    let frame = FrameReader::open(location.open()?)?;
    Reader::open(frame, rules).map(|_| ())
}

fn about(location: &Location, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("can't load {location} ({error})"))
}

fn about_broken(location: &Location, error: &rdb::Error) -> io::Error {
    io::Error::other(format!(
        "{location} is broken or not whole ({error}). Nothing of it was kept: give another file, \
         or move it away to start without it"
    ))
}
