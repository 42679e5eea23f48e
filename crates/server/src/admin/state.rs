//! What administration remembers of the running server.

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use super::latency::Monitor;
use super::slowlog::Slowlog;
use crate::identity::random_id;
use crate::memory;
use crate::rates::Rates;
use crate::shared::Shared;

/// See the module.
#[derive(Debug)]
pub struct State {
    /// Forty hexadecimal digits: this run of the server.
    pub run_id: String,
    /// The same for the shard of a cluster that this server is.
    pub shard_id: String,
    /// When it started, Unix time in milliseconds.
    pub started_ms: u64,
    /// DEBUG PAUSE-CRON: what is done periodically isn't done.
    pub cron_paused: AtomicBool,
    /// DEBUG SET-DISABLE-DENY-SCRIPTS: scripts may run what is not for scripts.
    pub scripts_may_all: AtomicBool,
    replication_id: Mutex<String>,
    rates: Mutex<Rates>,
    slowlog: Mutex<Slowlog>,
    latency: Mutex<Monitor>,
}

impl Default for State {
    fn default() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            run_id: random_id(),
            shard_id: random_id(),
            started_ms: now.map_or(0, |since| since.as_millis() as u64),
            cron_paused: AtomicBool::new(false),
            scripts_may_all: AtomicBool::new(false),
            replication_id: Mutex::new(random_id()),
            rates: Mutex::default(),
            slowlog: Mutex::default(),
            latency: Mutex::default(),
        }
    }
}

impl State {
    /// Forty hexadecimal digits: this history of changes.
    pub fn replication_id(&self) -> MutexGuard<'_, String> {
        self.replication_id
            .lock()
            .expect("never held across a panic")
    }

    /// The last commands that took long.
    pub fn slowlog(&self) -> MutexGuard<'_, Slowlog> {
        self.slowlog.lock().expect("never held across a panic")
    }

    /// The last times that something took long.
    pub fn latency(&self) -> MutexGuard<'_, Monitor> {
        self.latency.lock().expect("never held across a panic")
    }

    /// Operations per second and the like.
    pub fn rates(&self) -> MutexGuard<'_, Rates> {
        self.rates.lock().expect("never held across a panic")
    }
}

/// What is to be done several times a second, by one of the threads.
pub(crate) fn cron(shared: &Shared, now_us: u64) {
    let sum =
        |counter: fn(&crate::stats::ThreadStats) -> u64| shared.stats.iter().map(counter).sum();
    let counts = [
        sum(|stats| stats.commands.get()),
        sum(|stats| stats.input_bytes.get()),
        sum(|stats| stats.output_bytes.get()),
        sum(|stats| stats.ticks.get()),
    ];
    shared.admin.rates().sample(now_us, counts);
    memory::peak();
}
