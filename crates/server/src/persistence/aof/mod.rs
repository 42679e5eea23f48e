//! The append-only file: a base, which is a snapshot, and increments, which are the log of effects
//! since. In form and on disk as Redis 7 has it, so that either can go on with the other's.
//!
//! Data threads put the log into a [`feed::Feed`]; a thread of its own writes it. A rewrite begins
//! a snapshot and an increment at the same instant: together they are the keyspace, and what was
//! before can go as soon as the snapshot is whole. Nothing is copied for it and nobody waits.

mod feed;
mod manifest;
mod replay;
mod writer;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use store::{Blocked, Txn};

use self::feed::{Feed, Taker};
use self::manifest::{Manifest, Part, Place};
use self::writer::Writer;
use super::target::{Location, Target};
use super::{Purpose, Refused, folder_of};
use crate::clients::ClientInfo;
use crate::flags::Config;
use crate::flags::values::AppendFsync;
use crate::log::{say, warn};
use crate::message::Message;
use crate::shared::Shared;

pub(crate) use replay::Replay;

/// The number of its reader of the log.
const READER: u32 = 1;
/// After a rewrite that has failed the next one isn't tried at once.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// The replies of WAITAOF.
const IT_LASTS: &[u8] = b"*2\r\n:1\r\n:0\r\n";
const IT_IS_OFF: &[u8] = b"-ERR WAITAOF cannot be used when numlocal is set but appendonly is \
    disabled.\r\n";
const NO_PANIC: &str = "never held across a panic";

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Aof {
    feed: Arc<Feed>,
    /// Whether the log goes into it.
    is_on: AtomicBool,
    /// Bytes of the increment that is being written.
    size: AtomicU64,
    /// Who holds this may write the list of files. No thread that serves clients does, so none
    /// waits for the disk there.
    list: Mutex<()>,
    state: Mutex<State>,
}

/// What INFO tells, and what is needed to go on.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Where its files lie; `None` before it is turned on for the first time.
    place: Option<Place>,
    manifest: Manifest,
    /// The list on disk doesn't name the last increment yet.
    is_unlisted: bool,
    /// The increment that goes with a base that isn't whole yet.
    first: Option<Part>,
    /// A base is written that nothing goes on from, while this is off.
    is_alone: bool,
    /// Whether the manifest's base is one that the increments go with. It isn't when this was
    /// turned off meanwhile, until the new base is whole.
    is_complete: bool,
    /// Bytes of all files but the increment that is being written.
    other_size: u64,
    /// All of them, when the base was new.
    pub(crate) base_size: u64,
    /// A rewrite is to begin as soon as it can.
    pub(crate) is_scheduled: bool,
    /// Whether the last rewrite failed, and when.
    failed: Option<Instant>,
    pub(crate) failures_in_a_row: u64,
    /// Rewrites that were completed.
    pub(crate) rewrites: u64,
    /// How long the last one took.
    pub(crate) last_took_s: Option<u64>,
}

impl State {
    /// Whether the last rewrite was completed.
    pub(crate) fn is_ok(&self) -> bool {
        self.failed.is_none()
    }
}

/// What is to be loaded.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// Whether they are an append-only file, in which time stands still.
    pub(crate) is_aof: bool,
    /// A snapshot or a log, and logs that follow it; whether the end of each may be torn.
    pub(super) locations: Vec<(Location, bool)>,
    /// Snapshots that may be loaded instead, the newest first.
    pub(super) older: Vec<Location>,
}

impl Aof {
    /// Whether writes are logged.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// What there is to tell.
    pub(crate) fn state(&self) -> State {
        self.lock().clone()
    }

    /// What is on its way to the disk.
    pub(crate) fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Bytes of all its files.
    pub(crate) fn size(&self) -> u64 {
        self.lock().other_size + self.size.load(Ordering::Relaxed)
    }

    /// Where its files lie.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        Some(self.lock().place.as_ref()?.folder.clone())
    }

    /// The size of the base.
    pub(super) fn base_bytes(&self) -> Option<u64> {
        let state = self.lock();
        let path = state
            .place
            .as_ref()?
            .folder
            .join(&state.manifest.base.as_ref()?.name);
        Some(fs::metadata(path).ok()?.len())
    }

    /// Whether everything that was logged lasts, beside a base that goes with it.
    pub(crate) fn lasts(&self) -> bool {
        self.lock().is_complete && self.feed.lasts()
    }

    fn note_size(&self, bytes: u64) {
        self.size.store(bytes, Ordering::Relaxed);
    }

    /// Whether the time is noted in it.
    pub(crate) fn note_stamps(&self, are_wanted: bool) {
        self.feed.note_stamps(are_wanted);
    }

    /// Has outdated files removed, now that they aren't to be left alone.
    pub(crate) fn remove_history(&self) {
        if self.is_on() && self.lock().manifest.has_history() {
            self.feed.call_to_tidy();
        }
    }

    /// Has a rewrite begin as soon as it can.
    pub(crate) fn schedule(&self) {
        self.lock().is_scheduled = true;
    }

    /// Before the replies of a tick are sent: what was promised to last does.
    pub(crate) fn end_tick(&self, policy: AppendFsync) {
        if !self.is_on() {
            return;
        }
        if policy == AppendFsync::Always {
            self.feed.wait_until_it_lasts();
        }
        self.feed.wait_if_behind();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(NO_PANIC)
    }
}

pub(super) fn place(config: &Config) -> io::Result<Place> {
    let settings = &config.persistence;
    let target = Target::of(settings)?;
    Ok(Place {
        folder: folder_of(&target)?.join(&settings.appenddirname),
        name: settings.appendfilename.clone(),
    })
}

impl Shared {
    /// The append-only file that there is, to be loaded. `None` if there is none.
    pub(crate) fn aof_to_load(&self) -> io::Result<Option<Files>> {
        let config = self.config();
        let place = place(&config)?;
        let may_be_torn = config.persistence.aof_load_truncated;
        // Before version 7 of Redis it was one file.
        let target = Target::of(&config.persistence)?;
        let single = folder_of(&target)?.join(&place.name);
        let mut manifest = match place.read()? {
            Some(manifest) if !place.is_half_adopted(&manifest) || !single.is_file() => manifest,
            _ if single.is_file() => place.adopt(&single)?,
            _ => return Ok(None),
        };
        place.remove_history(&mut manifest);
        let mut locations: Vec<(Location, bool)> = Vec::new();
        let path_of = |part: &Part| place.folder.join(&part.name);
        let increments: Vec<_> = manifest.increments.iter().map(path_of).collect();
        // An increment is begun when the one before lasts: it is still empty if that is torn.
        let is_begun = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.len() > 0);
        let last = increments.iter().rposition(is_begun);
        let is_base_last = may_be_torn && last.is_none();
        let base = manifest.base.iter();
        locations.extend(base.map(|part| (path_of(part).into(), is_base_last)));
        for (number, path) in increments.into_iter().enumerate() {
            let is_last = last.is_none_or(|last| last <= number);
            locations.push((path.into(), may_be_torn && is_last));
        }
        Ok(Some(Files {
            is_aof: true,
            locations,
            older: Vec::new(),
        }))
    }

    /// Goes on with what was loaded. Everything is locked.
    pub(crate) fn resume_aof(self: &Arc<Self>, txn: &mut Txn<'_>) -> io::Result<()> {
        let config = self.config();
        let place = place(&config)?;
        let is_begun =
            |manifest: &Manifest| manifest.base.is_some() || !manifest.increments.is_empty();
        let manifest = place.read()?.filter(is_begun);
        let Some(mut manifest) = manifest else {
            // The first base has to be whole before anything is promised.
            self.begin_aof(txn)
                .map_err(|refused| io::Error::other(format!("{refused:?}")))?;
            txn.finish_snapshot();
            self.persistence.wait();
            let is_complete = self.persistence.aof.lock().is_complete;
            let text = "the append-only file can't be begun, see above";
            return is_complete.then_some(()).ok_or(io::Error::other(text));
        };
        if manifest.increments.is_empty() {
            let part = manifest.next_increment(&place.name);
            open(&place, &part)?;
            manifest.increments.push(part);
            place.write(&manifest)?;
        }
        let last = manifest.increments.last().expect("there is one now");
        let file = open(&place, last)?;
        let size_of = |part: &Part| Ok(fs::metadata(place.folder.join(&part.name))?.len());
        let parts = manifest.base.iter().chain(&manifest.increments);
        let total = parts.map(size_of).sum::<io::Result<u64>>()?;
        self.persistence.aof.note_size(file.metadata()?.len());
        let mut state = self.persistence.aof.lock();
        state.other_size = total - file.metadata()?.len();
        state.base_size = total;
        (state.place, state.manifest) = (Some(place), manifest);
        state.is_complete = true;
        drop(state);
        self.attach_aof(file)
    }

    /// The log goes into this file from here on. Everything is locked.
    fn attach_aof(self: &Arc<Self>, file: File) -> io::Result<()> {
        let aof = &self.persistence.aof;
        Writer::start(Arc::clone(self), Arc::clone(&aof.feed), file)?;
        aof.note_stamps(self.config().persistence.aof_timestamp_enabled);
        let taker = Taker(Arc::clone(&aof.feed));
        self.store.log().attach(READER, Box::new(taker));
        aof.is_on.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Turns it on, or rewrites it: a new base is begun, and an increment that goes with it. While
    /// it is off and to stay so, as in Redis, just a base. Everything is locked.
    pub(crate) fn begin_aof(self: &Arc<Self>, txn: &mut Txn<'_>) -> Result<(), Refused> {
        if self.persistence.is_saving() || self.persistence.aof.feed.is_switching() {
            return Err(Refused::Busy);
        }
        let is_wanted = self.persistence.aof.is_on() || self.config().persistence.appendonly;
        let begun = if is_wanted {
            self.begin_increment()
        } else {
            self.begin_base_alone()
        };
        let begun = begun.and_then(|base| {
            self.begin_snapshot(txn, super::Destination::File(base.into()), Purpose::Base)
                .map_err(|refused| io::Error::other(format!("{refused:?}")))
        });
        begun.map_err(|error| {
            warn(&format!("can't rewrite the append-only file: {error}"));
            let mut state = self.persistence.aof.lock();
            state.failed = Some(Instant::now());
            state.failures_in_a_row += 1;
            Refused::NoFile
        })
    }

    /// Begins an increment. Returns the path of the base that it is to follow.
    ///
    /// Commands wait meanwhile, so the list that names it is left to the writer, which sees to
    /// that before it writes anything to the increment ([`Shared::list_increment`]). Whoever ends
    /// before that leaves the list of before, whose last increment is whole, and a file without
    /// anything in it. That is removed when the next one gets its name.
    fn begin_increment(self: &Arc<Self>) -> io::Result<PathBuf> {
        let aof = &self.persistence.aof;
        let mut state = aof.lock();
        let place = match &state.place {
            Some(place) if aof.is_on() => place.clone(),
            _ => place(&self.config())?,
        };
        fs::create_dir_all(&place.folder)?;
        if !aof.is_on() {
            // What there is from before holds until the new base is whole.
            state.manifest = place.read()?.unwrap_or_default();
            state.is_complete = false;
            state.is_unlisted = false;
        }
        let mut manifest = state.manifest.clone();
        let part = manifest.next_increment(&place.name);
        // A file of this name isn't on the list: somebody ended before it was.
        let _ = fs::remove_file(place.folder.join(&part.name));
        let file = open(&place, &part)?;
        let base = place.folder.join(manifest.next_base(&place.name).name);
        if aof.is_on() && state.is_complete {
            manifest.increments.push(part.clone());
            state.manifest = manifest;
            state.is_unlisted = true;
        }
        state.first = Some(part);
        state.place = Some(place);
        state.is_scheduled = false;
        state.other_size += aof.size.swap(0, Ordering::Relaxed);
        drop(state);
        if aof.is_on() {
            aof.feed.switch(file);
            self.store.log().forget_db();
        } else {
            self.attach_aof(file)?;
        }
        Ok(base)
    }

    /// Returns the path of a base that nothing is to follow.
    fn begin_base_alone(&self) -> io::Result<PathBuf> {
        let place = place(&self.config())?;
        fs::create_dir_all(&place.folder)?;
        let manifest = place.read()?.unwrap_or_default();
        let base = place.folder.join(manifest.next_base(&place.name).name);
        let mut state = self.persistence.aof.lock();
        (state.manifest, state.place) = (manifest, Some(place));
        state.is_alone = true;
        state.is_scheduled = false;
        Ok(base)
    }

    /// A base is whole, or can't be.
    pub(super) fn base_ended(&self, path: &Path, written: io::Result<u64>, took: Duration) {
        let aof = &self.persistence.aof;
        let list = aof.list.lock().expect(NO_PANIC);
        let mut state = aof.lock();
        let (first, is_alone) = (state.first.take(), std::mem::take(&mut state.is_alone));
        let place = state.place.clone();
        let Some(place) = place.filter(|_| first.is_some() || is_alone) else {
            // It was turned off meanwhile.
            let _ = fs::remove_file(path);
            return;
        };
        let base = state.manifest.next_base(&place.name);
        let manifest = state.manifest.rebased(base, first.as_ref());
        drop(state);
        let done = written.and_then(|bytes| place.write(&manifest).map(|()| bytes));
        let mut state = aof.lock();
        if done.is_ok() {
            state.manifest = manifest;
            state.is_unlisted = false;
            state.is_complete = true;
        }
        state.last_took_s = Some(took.as_secs());
        match done {
            Ok(bytes) => {
                state.failed = None;
                state.failures_in_a_row = 0;
                state.rewrites += 1;
                state.other_size = bytes;
                state.base_size = bytes + aof.size.load(Ordering::Relaxed);
                say(&format!(
                    "append-only file: new base {}, {bytes} bytes, {:.3} s",
                    path.display(),
                    took.as_secs_f64()
                ));
            }
            Err(error) => {
                state.failed = Some(Instant::now());
                state.failures_in_a_row += 1;
                warn(&format!("can't write {}: {error}", path.display()));
            }
        }
        drop(state);
        drop(list);
        self.tidy_aof();
        self.end_log_waits();
    }

    /// Has the list on disk name the increment that is written next.
    fn list_increment(&self) -> io::Result<()> {
        let aof = &self.persistence.aof;
        let _list = aof.list.lock().expect(NO_PANIC);
        let state = aof.lock();
        let Some(place) = state.place.clone().filter(|_| state.is_unlisted) else {
            // A base was whole before, and the list that was written for it has the increment.
            return Ok(());
        };
        let manifest = state.manifest.clone();
        drop(state);
        place.write(&manifest)?;
        aof.lock().is_unlisted = false;
        Ok(())
    }

    /// Removes outdated files unless they are to be left alone.
    fn tidy_aof(&self) {
        if self.config().persistence.aof_disable_auto_gc {
            return;
        }
        let aof = &self.persistence.aof;
        let _list = aof.list.lock().expect(NO_PANIC);
        let state = aof.lock();
        let (place, mut manifest) = (state.place.clone(), state.manifest.clone());
        drop(state);
        let Some(place) = place.filter(|_| manifest.has_history()) else {
            return;
        };
        place.remove_history(&mut manifest);
        aof.lock().manifest.forget_history();
        if let Err(error) = place.write(&manifest) {
            warn(&format!("the list names files that are gone: {error}"));
        }
    }

    /// Turns it off: what is there stays as it is. Everything is locked.
    fn end_aof(&self) {
        let aof = &self.persistence.aof;
        self.store.log().detach(READER);
        aof.is_on.store(false, Ordering::Relaxed);
        aof.feed.wait_until_it_lasts();
        aof.feed.close();
        let mut state = aof.lock();
        state.first = None;
        state.is_scheduled = false;
        drop(state);
        self.end_log_waits();
    }

    /// Runs `work` while nothing is logged. Everything is locked, and everything logged lasts.
    pub(super) fn without_log<T>(&self, work: impl FnOnce() -> T) -> T {
        let aof = &self.persistence.aof;
        if !aof.is_on() {
            return work();
        }
        let log = self.store.log();
        log.detach(READER);
        let result = work();
        log.attach(READER, Box::new(Taker(Arc::clone(&aof.feed))));
        result
    }

    /// Has a client wait for all that is in the log to last.
    pub(crate) fn wait_for_log(&self, client: &Arc<ClientInfo>, blocked: &Arc<Blocked>) {
        let feed = &self.persistence.aof.feed;
        feed.add_wait(Arc::clone(client), Arc::clone(blocked));
        // It may have been turned off, or there was nothing left to write.
        self.end_log_waits();
    }

    /// Answers clients that need wait no longer.
    fn end_log_waits(&self) {
        let aof = &self.persistence.aof;
        let is_on = aof.is_on();
        if !aof.feed.has_waits() || is_on && !aof.lock().is_complete {
            return;
        }
        let reply: &[u8] = if is_on { IT_LASTS } else { IT_IS_OFF };
        for wait in aof.feed.take_waits(!is_on) {
            if wait.blocked.end() {
                let message = Message::Served(wait.client.token(), reply.to_vec());
                self.post(wait.client.thread(), message);
            }
        }
    }

    /// Everything that was logged lasts after this, if it can be written.
    pub(crate) fn settle_aof(&self) {
        let aof = &self.persistence.aof;
        if aof.is_on() {
            aof.feed.wait_until_it_lasts();
        }
    }

    /// Whether something has to be done with everything locked.
    pub(crate) fn is_aof_due(&self) -> bool {
        let (config, aof) = (self.config(), &self.persistence.aof);
        if self.persistence.is_loading() {
            return false;
        }
        if config.persistence.appendonly != aof.is_on() {
            return !config.persistence.appendonly || !self.persistence.is_saving();
        }
        if self.persistence.is_saving() || aof.feed.is_switching() {
            return false;
        }
        if aof.is_on() {
            self.wants_rewrite(&config)
        } else {
            aof.lock().is_scheduled
        }
    }

    fn wants_rewrite(&self, config: &Config) -> bool {
        let (aof, settings) = (&self.persistence.aof, &config.persistence);
        let (size, state) = (aof.size(), aof.lock());
        if state.is_scheduled {
            return true;
        }
        if state.failed.is_some_and(|at| at.elapsed() < RETRY_AFTER) {
            return false;
        }
        if !state.is_complete {
            return true;
        }
        let growth = size.saturating_sub(state.base_size) * 100 / state.base_size.max(1);
        settings.auto_aof_rewrite_percentage > 0
            && size >= settings.auto_aof_rewrite_min_size
            && growth >= u64::from(settings.auto_aof_rewrite_percentage)
    }

    /// Does what is due. Everything is locked.
    pub(super) fn do_what_aof_is_due(self: &Arc<Self>, txn: &mut Txn<'_>) {
        if self.persistence.aof.is_on() && !self.config().persistence.appendonly {
            self.end_aof();
        } else {
            // Why not is in the log.
            let _ = self.begin_aof(txn);
        }
    }
}

fn open(place: &Place, part: &Part) -> io::Result<File> {
    let path = place.folder.join(&part.name);
    OpenOptions::new().append(true).create(true).open(path)
}
