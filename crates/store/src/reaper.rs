//! Frees what is large on a thread of its own, so that no command waits for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};

use data::{Dict, Value};

/// What is to be freed.
#[derive(Debug)]
pub enum Garbage {
    /// One large value.
    Value(Value),
    /// All of a database's part in a shard.
    Dict(Box<Dict>),
}

/// Counts of the reaper.
#[derive(Debug, Default)]
pub struct ReaperStats {
    /// Objects that wait to be freed.
    pub pending: AtomicU64,
    /// Objects that were freed.
    pub freed: AtomicU64,
}

/// The reaper: its thread starts with the first garbage and ends with the process.
#[derive(Debug, Default)]
pub struct Reaper {
    queue: OnceLock<Mutex<Sender<Garbage>>>,
    stats: Arc<ReaperStats>,
}

impl Reaper {
    /// Frees `garbage` later.
    pub fn dispose(&self, garbage: Garbage) {
        let queue = self
            .queue
            .get_or_init(|| Mutex::new(start(Arc::clone(&self.stats))));
        self.stats
            .pending
            .fetch_add(objects(&garbage), Ordering::Relaxed);
        let queue = queue.lock().expect("sending doesn't panic");
        // An error means that the thread is gone: the garbage comes back inside and is freed here.
        drop(queue.send(garbage));
    }

    /// What waits and what was done.
    pub fn stats(&self) -> &ReaperStats {
        &self.stats
    }
}

fn objects(garbage: &Garbage) -> u64 {
    match garbage {
        Garbage::Value(_) => 1,
        Garbage::Dict(dict) => dict.len() as u64,
    }
}

fn start(stats: Arc<ReaperStats>) -> Sender<Garbage> {
    let (sender, receiver) = channel::<Garbage>();
    let free = move || {
        for garbage in receiver {
            let objects = objects(&garbage);
            drop(garbage);
            stats.pending.fetch_sub(objects, Ordering::Relaxed);
            stats.freed.fetch_add(objects, Ordering::Relaxed);
        }
    };
    let spawned = std::thread::Builder::new()
        .name("darner-reaper".into())
        .stack_size(256 << 10)
        .spawn(free);
    // Without a thread the channel is closed, and `dispose` frees at once.
    drop(spawned);
    sender
}
