//! Snapshots on disk: when they are taken, what has become of them, and how the last one is loaded.

mod aof;
mod leftovers;
mod load;
mod names;
mod reload;
mod retention;
mod set;
mod target;
mod thread;
mod write;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rdb::file::{Compression, Options};
use store::Txn;
use store::snapshot::{Output, Progress};

pub(crate) use aof::Files;
pub(crate) use load::{Loading, LoadingProgress};

use self::aof::Aof;
use self::names::Pattern;
use self::target::{Location, Target};
use self::write::{Chunks, Head};
use crate::cron::Cron;
use crate::flags::Config;
use crate::flags::values::CompressionMode;
use crate::log::{say, warn};
use crate::message::Message;
use crate::shared::Shared;
use crate::slow_path::Reason;

/// After a save that has failed the next one isn't tried at once.
const RETRY_S: u64 = 5;
/// Minutes that were slept through and are made up for.
const CRON_MINUTES: u64 = 60;
const NO_PANIC: &str = "never held across a panic";

/// See the module.
#[derive(Debug)]
pub(crate) struct Persistence {
    state: Mutex<State>,
    ended: Condvar,
    pub(crate) aof: Aof,
}

/// What INFO tells.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// When the last snapshot was completed, or the server started.
    pub(crate) last_save_s: u64,
    last_try_s: u64,
    /// Whether the last one was completed.
    pub(crate) is_ok: bool,
    /// How long it took.
    pub(crate) last_took_s: Option<u64>,
    /// Snapshots completed.
    pub(crate) saves: u64,
    /// How much the volume had free when the last snapshot or base filled it; 0 if it was whole.
    too_little_bytes: u64,
    /// Changes up to the last snapshot.
    saved_changes: u64,
    /// The one under way, or the base of an append-only file.
    pub(crate) current: Option<Current>,
    /// One is to be taken as soon as possible.
    pub(crate) is_scheduled: bool,
    /// Up to which minute `snapshot_cron` was looked at.
    cron_minute: u64,
    /// What was loaded, or is being loaded.
    pub(crate) loading: Option<Arc<LoadingProgress>>,
}

/// A snapshot under way.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    pub(crate) began: Instant,
    pub(crate) progress: Arc<Progress>,
    /// About how many keys it is going to have.
    pub(crate) keys: u64,
    changes: u64,
    pub(crate) purpose: Purpose,
}

impl State {
    /// Schedules a snapshot if the expression means a minute since the last look.
    fn look_at_cron(&mut self, expression: &str) {
        let minute = unix_seconds() / 60;
        let last = std::mem::replace(&mut self.cron_minute, minute);
        if last >= minute {
            return;
        }
        let Some(cron) = Cron::parse(expression) else {
            return;
        };
        // The clock may have been set forward.
        let first = (last + 1).max(minute.saturating_sub(CRON_MINUTES));
        self.is_scheduled |= (first..=minute).any(|minute| cron.means(minute));
    }

    /// The snapshot under way, if it is for this.
    pub(crate) fn current_of(&self, purpose: Purpose) -> Option<&Current> {
        self.current.as_ref().filter(|it| it.purpose == purpose)
    }
}

/// What a snapshot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be loaded.
    Snapshot,
    /// To be gone on from by an append-only file.
    Base,
}

/// Why no snapshot was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// One is under way.
    Busy,
    /// There is no name to save under.
    NoName,
    /// There is no thread to write it.
    NoThread,
    /// A file that goes with it can't be written; the log says why.
    NoFile,
}

impl Default for Persistence {
    fn default() -> Self {
        let now_s = unix_seconds();
        Self {
            state: Mutex::new(State {
                last_save_s: now_s,
                last_try_s: 0,
                is_ok: true,
                last_took_s: None,
                saves: 0,
                too_little_bytes: 0,
                saved_changes: 0,
                current: None,
                is_scheduled: false,
                cron_minute: now_s / 60,
                loading: None,
            }),
            ended: Condvar::new(),
            aof: Aof::default(),
        }
    }
}

impl Persistence {
    /// What there is to tell now.
    pub(crate) fn state(&self) -> State {
        self.lock().clone()
    }

    /// How far the snapshot under way has come.
    pub(crate) fn progress(&self) -> Option<Arc<Progress>> {
        let state = self.lock();
        state.current.as_ref().map(|it| Arc::clone(&it.progress))
    }

    /// Has a snapshot taken as soon as possible.
    pub(crate) fn schedule(&self) {
        self.lock().is_scheduled = true;
    }

    /// Whether a snapshot is under way.
    pub(crate) fn is_saving(&self) -> bool {
        self.lock().current.is_some()
    }

    /// Whether something is being loaded.
    pub(crate) fn is_loading(&self) -> bool {
        let state = self.lock();
        let loading = state.loading.as_ref();
        loading.is_some_and(|it| !it.has_ended.load(Ordering::Relaxed))
    }

    /// Whether an append-only file is being loaded.
    pub(crate) fn is_replaying(&self) -> bool {
        let state = self.lock();
        let loading = state.loading.as_ref();
        loading.is_some_and(|it| it.is_aof && !it.has_ended.load(Ordering::Relaxed))
    }

    /// Waits for the end of the snapshot under way, which others don't hold up.
    pub(crate) fn wait(&self) {
        let mut state = self.lock();
        while state.current.is_some() {
            state = self.ended.wait(state).expect(NO_PANIC);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(NO_PANIC)
    }
}

impl Shared {
    /// Changes since the last snapshot.
    pub(crate) fn unsaved_changes(&self) -> u64 {
        let saved = self.persistence.lock().saved_changes;
        self.changes().saturating_sub(saved)
    }

    fn changes(&self) -> u64 {
        self.stats.iter().map(|stats| stats.changes.get()).sum()
    }

    /// The instant of a snapshot that is saved while clients go on. Everything is locked.
    pub(crate) fn begin_save(self: &Arc<Self>, txn: &mut Txn<'_>) -> Result<(), Refused> {
        let destination = destination(&self.config(), self.threads())?;
        self.begin_snapshot(txn, destination, Purpose::Snapshot)
    }

    /// The instant of a snapshot that goes there. Everything is locked.
    fn begin_snapshot(
        self: &Arc<Self>,
        txn: &mut Txn<'_>,
        destination: Destination,
        purpose: Purpose,
    ) -> Result<(), Refused> {
        let config = self.config();
        let mut state = self.persistence.lock();
        if state.current.is_some() {
            return Err(Refused::Busy);
        }
        let totals = txn.totals();
        let keys: usize = totals.dbs.iter().map(|db| db.keys).sum();
        let is_base = purpose == Purpose::Base;
        let (compress, compression) = compression(&config, is_base);
        let head = Head {
            options: Options {
                compress,
                checksum: config.persistence.rdbchecksum,
                has_member_expiries: totals.has_expiring_members,
            },
            compression,
            dbs: totals.dbs,
            libraries: self.libraries.all(),
            is_base,
        };
        let progress = Arc::new(Progress::default());
        let (sender, receiver) = mpsc::channel();
        let chunks = Chunks::new(receiver);
        let output = Output::new(sender, head.options.compress, Arc::clone(&progress));
        let current = Current {
            began: Instant::now(),
            progress: Arc::clone(&progress),
            keys: keys as u64,
            changes: self.changes(),
            purpose,
        };
        let shared = Arc::clone(self);
        let work = move || {
            // Who serves clients goes first where cores are few. On Linux this is the thread's own.
            let _ = rustix::process::nice(WRITER_NICE);
            let free = shared.make_room(&destination, purpose);
            let written = or_fault(|| destination.write(&head, &chunks, &progress));
            // After an error nothing more is sent.
            chunks.drain();
            shared.note_room(free, &written);
            shared.saved(&destination.location(), written);
        };
        std::thread::Builder::new()
            .name("darner-save".into())
            .spawn(work)
            .map_err(|_| Refused::NoThread)?;
        txn.begin_snapshot(output);
        state.current = Some(current);
        if purpose == Purpose::Snapshot {
            state.is_scheduled = false;
            state.last_try_s = unix_seconds();
        }
        drop(state);
        // Threads that sleep have something to do.
        self.post_all(|| Message::Saving);
        Ok(())
    }

    /// Saves with everybody waiting. Everything is locked. Returns whether that went well.
    pub(crate) fn save(self: &Arc<Self>, txn: &mut Txn<'_>) -> Result<bool, Refused> {
        self.begin_save(txn)?;
        txn.finish_snapshot();
        self.persistence.wait();
        Ok(self.persistence.lock().is_ok)
    }

    /// As [`Shared::save`], once a snapshot that is under way is complete.
    pub(crate) fn save_for_exit(self: &Arc<Self>, txn: &mut Txn<'_>) -> Result<bool, Refused> {
        txn.finish_snapshot();
        self.persistence.wait();
        self.save(txn)
    }

    /// Commands are told to wait from now on.
    pub(crate) fn begin_loading(&self, progress: &Arc<LoadingProgress>) {
        self.persistence.lock().loading = Some(Arc::clone(progress));
        self.slow_path.set(Reason::Loading, true);
    }

    /// The snapshot is loaded.
    pub(crate) fn end_loading(&self) {
        self.slow_path.set(Reason::Loading, false);
    }

    /// Ends a snapshot.
    fn saved(&self, location: &Location, written: io::Result<u64>) {
        // The shards are done with it before the next one may begin.
        while self.store.is_saving() {
            std::thread::yield_now();
        }
        let mut state = self.persistence.lock();
        let current = state
            .current
            .as_ref()
            .expect("this one is under way")
            .clone();
        let took = current.began.elapsed();
        if let (Purpose::Base, Location::File(path)) = (current.purpose, location) {
            drop(state);
            self.base_ended(path, written, took);
            self.persistence.lock().current = None;
            self.persistence.ended.notify_all();
            return;
        }
        state.current = None;
        state.is_ok = written.is_ok();
        self.slow_path.set(Reason::SaveFailed, written.is_err());
        state.last_took_s = Some(took.as_secs());
        let keys = current.progress.keys.load(Ordering::Relaxed);
        match written {
            Ok(bytes) => {
                state.last_save_s = unix_seconds();
                state.saved_changes = current.changes;
                state.saves += 1;
                say(&format!(
                    "DB saved on disk: {location}, {keys} keys, {bytes} bytes, {:.3} s",
                    took.as_secs_f64()
                ));
            }
            Err(error) => warn(&format!("can't save {location}: {error}")),
        }
        drop(state);
        self.persistence.ended.notify_all();
        self.remove_old();
    }

    /// The newest snapshot there is, and those before it.
    pub(crate) fn snapshot_to_load(&self) -> io::Result<Option<Files>> {
        let config = self.config();
        let Some(pattern) = Pattern::new(&config.persistence.dbfilename) else {
            return Ok(None);
        };
        let target = Target::of(&config.persistence)?;
        let all = pattern.all_in(&target).map_err(|error| {
            io::Error::other(format!("can't look for snapshots in {target}: {error}"))
        })?;
        let mut all = all.iter().map(|found| target.at(&found.name));
        Ok(all.next().map(|newest| Files {
            locations: vec![(newest, false)],
            is_aof: false,
            older: all.collect(),
        }))
    }

    /// The files that hold the keyspace: of the append-only file if it is on and there is one, else
    /// the newest snapshot. (Redis starts empty when the append-only file is turned on and isn't
    /// there: whoever only adds that line to a configuration loses everything.)
    pub(crate) fn files_to_load(&self) -> io::Result<Option<Files>> {
        let is_on = self.config().persistence.appendonly;
        if is_on && let Some(files) = self.aof_to_load()? {
            return Ok(Some(files));
        }
        self.snapshot_to_load()
    }

    /// Whether a save point is reached or a snapshot was asked for.
    pub(crate) fn is_save_due(&self) -> bool {
        if self.persistence.is_loading() {
            return false;
        }
        let (config, changes) = (self.config(), self.unsaved_changes());
        let mut state = self.persistence.lock();
        state.look_at_cron(&config.persistence.snapshot_cron);
        if state.current.is_some() {
            return false;
        }
        let now_s = unix_seconds();
        let may_try = state.is_ok || now_s >= state.last_try_s + RETRY_S;
        let mut points = config.persistence.save.iter();
        let is_reached = points.any(|point| {
            changes >= u64::from(point.changes)
                && now_s > state.last_save_s + u64::from(point.seconds)
        });
        state.is_scheduled || may_try && is_reached
    }
}

/// Refuses places that snapshots or the append-only file can't go to.
pub(crate) fn check_place(config: &Config) -> io::Result<()> {
    let target = Target::of(&config.persistence)?;
    if config.persistence.appendonly {
        folder_of(&target)?;
    }
    Ok(())
}

/// How much less than others the thread that writes a snapshot gets of a core.
const WRITER_NICE: i32 = 10;

/// Where a snapshot goes, and in which form.
#[derive(Debug)]
enum Destination {
    /// One file, which Redis can read.
    File(Location),
    /// So many files beside a summary, which are written side by side.
    Set {
        target: Target,
        stem: String,
        count: usize,
    },
}

impl Destination {
    fn write(&self, head: &Head, chunks: &Chunks, progress: &Progress) -> io::Result<u64> {
        match self {
            Self::File(location) => write::write(location, head, chunks, progress),
            Self::Set {
                target,
                stem,
                count,
            } => set::write((target, stem), *count, head, chunks, progress),
        }
    }

    /// The file that makes it a snapshot.
    fn location(&self) -> Location {
        match self {
            Self::File(location) => location.clone(),
            Self::Set { target, stem, .. } => target.at(&names::summary(stem)),
        }
    }
}

fn destination(config: &Config, threads: usize) -> Result<Destination, Refused> {
    let settings = &config.persistence;
    let pattern = Pattern::new(&settings.dbfilename).ok_or(Refused::NoName)?;
    let target = Target::of(settings).map_err(|_| Refused::NoName)?;
    let now_s = unix_seconds();
    Ok(if settings.df_snapshot_format {
        Destination::Set {
            target,
            stem: pattern.stem_at(now_s),
            count: threads,
        }
    } else {
        Destination::File(target.at(&pattern.at(now_s)))
    })
}

/// Whether long strings are compressed in a snapshot, and how all of it is. The base of an
/// append-only file is for everybody to read.
fn compression(config: &Config, is_base: bool) -> (bool, Compression) {
    let settings = &config.persistence;
    match settings.compression_mode {
        CompressionMode::ZstdBlocks if !is_base => {
            (false, Compression::Zstd(settings.compression_level))
        }
        CompressionMode::Lz4Blocks if !is_base => (false, Compression::Lz4),
        CompressionMode::None => (false, Compression::None),
        _ => (settings.rdbcompression, Compression::None),
    }
}

/// Where the append-only file lies.
fn folder_of(target: &Target) -> io::Result<&Path> {
    match target {
        Target::Folder(folder) => Ok(folder),
        Target::Bucket(_) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!(
                "the append-only file (appendonly) can't be in a bucket, and dir is {target}: \
                 give a folder as dir, or do without appendonly and have snapshots taken \
                 (snapshot_cron, save)"
            ),
        )),
    }
}

fn unix_seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}

/// What was written, or that a fault of ours ended it: then the server goes on, with the last
/// snapshot that is good, and tries again later. The log says what it was.
fn or_fault<T>(write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let fault = |_| Err(io::Error::other("a fault of Darner, see above"));
    catch_unwind(AssertUnwindSafe(write)).unwrap_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_writer_is_an_error() {
        assert!(or_fault(|| Ok(7)).is_ok_and(|written| written == 7));
        let full = || Err(io::Error::from(io::ErrorKind::StorageFull));
        let kind = |result: io::Result<()>| result.map_err(|error| error.kind());
        assert_eq!(kind(or_fault(full)), Err(io::ErrorKind::StorageFull));
        assert_eq!(
            kind(or_fault(|| panic!("for once"))),
            Err(io::ErrorKind::Other)
        );
    }

    #[test]
    fn a_cron_expression_schedules_once_a_minute() {
        let persistence = Persistence::default();
        let mut state = persistence.lock();
        state.look_at_cron("* * * * *");
        assert!(!state.is_scheduled, "this minute was there before");
        state.cron_minute -= 3;
        state.look_at_cron("");
        assert!(!state.is_scheduled);
        state.cron_minute -= 1;
        state.look_at_cron("* * * * *");
        assert!(std::mem::take(&mut state.is_scheduled));
        state.look_at_cron("* * * * *");
        assert!(!state.is_scheduled, "a minute counts once");
    }
}
