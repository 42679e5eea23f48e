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
    /// Bytes of memory that these take, about.
    pub pending_bytes: AtomicU64,
    /// Objects that were freed.
    pub freed: AtomicU64,
}

/// Garbage, and how much it was when it came.
#[derive(Debug)]
struct Heap {
    garbage: Garbage,
    objects: u64,
    bytes: u64,
}

/// The reaper: its thread starts with the first garbage and ends with the process.
#[derive(Debug, Default)]
pub struct Reaper {
    queue: OnceLock<Mutex<Sender<Heap>>>,
    stats: Arc<ReaperStats>,
}

impl Reaper {
    /// Frees `garbage` later.
    pub fn dispose(&self, garbage: Garbage) {
        let queue = self
            .queue
            .get_or_init(|| Mutex::new(start(Arc::clone(&self.stats))));
        let heap = Heap::new(garbage);
        let ReaperStats {
            pending,
            pending_bytes,
            ..
        } = &*self.stats;
        pending.fetch_add(heap.objects, Ordering::Relaxed);
        pending_bytes.fetch_add(heap.bytes, Ordering::Relaxed);
        let queue = queue.lock().expect("sending doesn't panic");
        // An error means that the thread is gone: the garbage comes back inside and is freed here.
        drop(queue.send(heap));
    }

    /// What waits and what was done.
    pub fn stats(&self) -> &ReaperStats {
        &self.stats
    }
}

impl Heap {
    fn new(garbage: Garbage) -> Self {
        let (objects, bytes) = match &garbage {
            Garbage::Value(value) => (1, value.heap_bytes()),
            Garbage::Dict(dict) => (dict.len(), dict.heap_bytes()),
        };
        Self {
            garbage,
            objects: objects as u64,
            bytes: bytes as u64,
        }
    }
}

fn start(stats: Arc<ReaperStats>) -> Sender<Heap> {
    let (sender, receiver) = channel::<Heap>();
    let free = move || {
        for heap in receiver {
            drop(heap.garbage);
            stats.pending.fetch_sub(heap.objects, Ordering::Relaxed);
            stats.pending_bytes.fetch_sub(heap.bytes, Ordering::Relaxed);
            stats.freed.fetch_add(heap.objects, Ordering::Relaxed);
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
