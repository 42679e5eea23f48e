//! Snapshots: the keyspace as it was at one instant, written while clients go on.
//!
//! With everything locked for a moment, each dictionary begins a new era (see
//! [`data::Dict::begin_era`]); that is the instant. From then on the threads save their shards in
//! slices ([`Store::save_slice`]), and whoever changes a key that isn't saved yet saves it first,
//! under the lock that it holds anyway. Nothing is copied but what is on its way to the disk.
//!
//! What is saved leaves in chunks, in the form of RDB files, for a thread that writes them. The end
//! is when the last shard is done: then nobody holds the [`Output`] any more.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use data::record::Record;
use data::{Dict, Entry};
use rdb::file::{KeyRef, append_key};

use crate::reaper::Garbage;
use crate::shard::ShardData;
use crate::store::Store;

/// Saved keys of one database.
#[derive(Debug)]
pub struct Chunk {
    /// The number that the database had at the instant of the snapshot.
    pub db: usize,
    /// The keys as they stand in an RDB file.
    pub bytes: Vec<u8>,
    /// How many keys.
    pub keys: u64,
}

/// Where chunks go. Dropped by all when the snapshot is complete.
#[derive(Debug)]
pub struct Output {
    chunks: mpsc::Sender<Chunk>,
    compress: bool,
    progress: Arc<Progress>,
}

/// How far a snapshot has come.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes that are on their way to the disk. Who writes takes off what it has written.
    pub waiting_bytes: AtomicUsize,
    /// Keys saved.
    pub keys: AtomicU64,
    /// The rest isn't wanted: it can't be written.
    pub is_given_up: AtomicBool,
}

impl Progress {
    /// Whether who writes has enough to do. Nobody waits for what has been given up.
    fn is_behind(&self) -> bool {
        self.waiting_bytes.load(Ordering::Relaxed) > MAX_WAITING_BYTES
            && !self.is_given_up.load(Ordering::Relaxed)
    }
}

/// A shard that has more than this to hand over does so.
const CHUNK_BYTES: usize = 32 << 10;
/// With more than this on its way the threads wait for the disk, but for what has to be saved.
const MAX_WAITING_BYTES: usize = 8 << 20;
/// Between two looks whether the disk has caught up.
const DISK_WAIT: Duration = Duration::from_millis(1);
/// Buckets between two looks at the clock.
const BUCKETS_PER_LOOK: usize = 8;

impl Output {
    /// Where chunks go to `chunks`; long strings are compressed if so wanted.
    pub fn new(chunks: mpsc::Sender<Chunk>, compress: bool, progress: Arc<Progress>) -> Self {
        Self {
            chunks,
            compress,
            progress,
        }
    }

    fn send(&self, chunk: Chunk) {
        self.progress.keys.fetch_add(chunk.keys, Ordering::Relaxed);
        if chunk.bytes.is_empty() || self.progress.is_given_up.load(Ordering::Relaxed) {
            return;
        }
        let waiting = &self.progress.waiting_bytes;
        waiting.fetch_add(chunk.bytes.len(), Ordering::Relaxed);
        // Who writes has gone when it couldn't: that is said elsewhere.
        let _ = self.chunks.send(chunk);
    }
}

/// A dictionary's part in a snapshot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    /// The number that its database had.
    db: usize,
    position: u64,
}

/// A shard's part in a snapshot.
#[derive(Debug)]
pub(crate) struct Saving {
    output: Arc<Output>,
    chunk: Chunk,
    /// What has been flushed since the instant and is not saved yet.
    flushed: Vec<(Walk, Box<Dict>)>,
}

impl Saving {
    fn save(&mut self, db: usize, dict: &Dict, record: Record<'_>) {
        if self.chunk.db != db || self.chunk.bytes.len() >= CHUNK_BYTES {
            self.hand_over();
            self.chunk.db = db;
            // Who has filled one chunk most likely fills another, and most keys are small.
            self.chunk
                .bytes
                .reserve_exact(CHUNK_BYTES + CHUNK_BYTES / 8);
        }
        let key = KeyRef {
            name: record.key(),
            value: dict.value_of(record),
            expiry: record.expiry(),
            idle_seconds: None,
        };
        append_key(key, self.output.compress, &mut self.chunk.bytes);
        self.chunk.keys += 1;
    }

    fn hand_over(&mut self) {
        let next = Chunk {
            db: self.chunk.db,
            bytes: Vec::new(),
            keys: 0,
        };
        self.output.send(std::mem::replace(&mut self.chunk, next));
    }

    /// Goes on with a dictionary for some buckets. False at its end.
    fn walk(&mut self, walk: &mut Walk, dict: &mut Dict) -> bool {
        for _ in 0..BUCKETS_PER_LOOK {
            let save = |dict: &Dict, record: Record<'_>| self.save(walk.db, dict, record);
            match dict.save_bucket(walk.position, save) {
                Some(next) => walk.position = next,
                None => return false,
            }
        }
        true
    }
}

impl ShardData {
    /// The instant of a snapshot.
    fn begin_saving(&mut self, output: &Arc<Output>) {
        self.saving = Some(Box::new(Saving {
            output: Arc::clone(output),
            chunk: Chunk {
                db: 0,
                bytes: Vec::new(),
                keys: 0,
            },
            flushed: Vec::new(),
        }));
        for (number, db) in self.used_dbs() {
            db.dict.begin_era();
            db.walk = Some(Walk {
                db: number,
                position: 0,
            });
        }
    }

    /// Saves an entry that is about to be changed or removed, if it has to be.
    #[cold]
    pub(crate) fn save_first(&mut self, db: usize, entry: Entry) {
        let Some(mut saving) = self.saving.take() else {
            return;
        };
        let db = self.db(db);
        if let Some(walk) = db.walk
            && db.dict.is_unsaved(entry)
        {
            saving.save(walk.db, &db.dict, db.dict.record(entry));
            db.dict.mark_saved(entry);
        }
        self.saving = Some(saving);
    }

    /// Takes over a dictionary that was flushed, if there may be something to save in it.
    pub(crate) fn save_flushed(
        &mut self,
        walk: Option<Walk>,
        dict: Box<Dict>,
    ) -> Option<Box<Dict>> {
        match (walk, &mut self.saving) {
            (Some(walk), Some(saving)) => saving.flushed.push((walk, dict)),
            _ => return Some(dict),
        }
        None
    }

    /// Saves a slice of this shard. False when it is done.
    fn save_slice(&mut self, store: &Store) -> bool {
        let Some(mut saving) = self.saving.take() else {
            return false;
        };
        let mut goes_on = true;
        let walked = self
            .used_dbs()
            .find_map(|(_, db)| db.walk.is_some().then_some(db));
        if let Some(db) = walked {
            let mut walk = db.walk.expect("just seen");
            let is_left = saving.walk(&mut walk, &mut db.dict);
            db.walk = is_left.then_some(walk);
        } else if let Some((mut walk, mut dict)) = saving.flushed.pop() {
            if saving.walk(&mut walk, &mut dict) {
                saving.flushed.push((walk, dict));
            } else {
                store.reaper().dispose(Garbage::Dict(dict));
            }
        } else {
            saving.hand_over();
            goes_on = false;
        }
        if goes_on {
            self.saving = Some(saving);
        }
        goes_on
    }
}

/// Keeps what is on its way from piling up where everybody waits anyway.
fn wait_for_disk(data: &ShardData) {
    let Some(saving) = &data.saving else {
        return;
    };
    while saving.output.progress.is_behind() {
        std::thread::sleep(DISK_WAIT);
    }
}

/// Snapshots.
impl Store {
    /// Whether a snapshot is under way. The next one can begin when it is not.
    pub fn is_saving(&self) -> bool {
        self.saving_shards.load(Ordering::Acquire) > 0
    }

    /// The instant of a snapshot. The caller has locked everything, and no snapshot is under way.
    pub(crate) fn begin_snapshot(&self, output: Output) {
        assert!(!self.is_saving(), "one snapshot at a time");
        let output = Arc::new(output);
        for shard in &self.shards {
            // SAFETY: the caller has locked everything.
            unsafe { shard.data() }.begin_saving(&output);
        }
        self.saving_shards
            .store(self.shards.len(), Ordering::Release);
    }

    /// Saves what is left of the shards that `thread` looks after, for at most `budget`. The caller
    /// is inside the gate. Returns whether the thread can go on at once: not if all is saved, or if
    /// the disk is behind.
    pub fn save_slice(&self, thread: usize, progress: &Progress, budget: Duration) -> bool {
        let (start, threads) = (Instant::now(), self.all_stats().len());
        let mut is_left = false;
        for shard in (thread..self.shard_count()).step_by(threads) {
            loop {
                if progress.is_behind() {
                    return false;
                }
                match self.try_visit(shard, |data| self.visit_to_save(data)) {
                    // Somebody has it: its turn comes again.
                    None => is_left = true,
                    Some(true) if start.elapsed() < budget => continue,
                    Some(true) => return true,
                    Some(false) => {}
                }
                break;
            }
        }
        is_left
    }

    /// Saves all that is left. The caller has locked everything.
    pub(crate) fn save_all(&self) {
        for shard in &self.shards {
            // SAFETY: the caller has locked everything.
            let data = unsafe { shard.data() };
            while self.visit_to_save(data) {
                wait_for_disk(data);
            }
        }
    }

    fn visit_to_save(&self, data: &mut ShardData) -> bool {
        if data.saving.is_none() {
            return false;
        }
        let goes_on = data.save_slice(self);
        if !goes_on {
            self.saving_shards.fetch_sub(1, Ordering::AcqRel);
        }
        goes_on
    }
}
