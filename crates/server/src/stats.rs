//! What the server counts: per thread, added up when someone asks.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use store::stats::Counter;

use crate::shared::Shared;

/// Buckets of a command's latency histogram: bucket i counts durations below 2^i microseconds.
pub const LATENCY_BUCKETS: usize = 32;

/// Counts of one command on one thread.
#[derive(Debug, Default)]
pub struct CommandStats {
    /// Runs.
    pub calls: Counter,
    /// Nanoseconds spent.
    pub ns: Counter,
    /// Calls refused before they ran.
    pub rejected: Counter,
    /// Calls that answered with an error.
    pub failed: Counter,
    /// Runs by duration.
    pub latency: [Counter; LATENCY_BUCKETS],
}

impl CommandStats {
    /// Notes a run.
    #[inline(always)]
    pub fn ran(&self, ns: u64) {
        self.calls.add(1);
        self.ns.add(ns);
        let bucket = (u64::BITS - (ns / 1000).leading_zeros()) as usize;
        self.latency[bucket.min(LATENCY_BUCKETS - 1)].add(1);
    }

    /// All back to zero.
    pub fn reset(&self) {
        for counter in [&self.calls, &self.ns, &self.rejected, &self.failed] {
            counter.reset();
        }
        self.latency.iter().for_each(Counter::reset);
    }
}

/// Counts of one command on all threads.
#[derive(Clone, Debug, Default)]
pub struct CommandTotals {
    /// Runs.
    pub calls: u64,
    /// Nanoseconds spent.
    pub ns: u64,
    /// Calls refused before they ran.
    pub rejected: u64,
    /// Calls that answered with an error.
    pub failed: u64,
    /// Runs by duration.
    pub latency: [u64; LATENCY_BUCKETS],
}

impl CommandTotals {
    /// The counts of the command with this [`crate::table::Entry::id`].
    pub fn of(shared: &Shared, id: usize) -> Self {
        let mut total = Self::default();
        for stats in shared.stats.iter().map(|stats| &stats.by_command[id]) {
            total.calls += stats.calls.get();
            total.ns += stats.ns.get();
            total.rejected += stats.rejected.get();
            total.failed += stats.failed.get();
            for (sum, count) in total.latency.iter_mut().zip(&stats.latency) {
                *sum += count.get();
            }
        }
        total
    }

    /// The duration in microseconds that this percentage of the runs did not exceed: as exact as
    /// the buckets are, which are taken to be filled evenly.
    pub fn percentile_us(&self, percentile: f64) -> f64 {
        let runs: u64 = self.latency.iter().sum();
        let rank = (percentile / 100.0 * runs as f64).max(1.0);
        let mut before = 0;
        for (bucket, &count) in self.latency.iter().enumerate() {
            let from = if bucket == 0 { 0 } else { 1u64 << (bucket - 1) };
            let to = 1u64 << bucket;
            if count > 0 && (before + count) as f64 >= rank {
                let part = (rank - before as f64) / count as f64;
                return from as f64 + (to - from) as f64 * part;
            }
            before += count;
        }
        0.0
    }
}

/// How often each kind of error was replied.
#[derive(Debug, Default)]
pub struct ErrorCounts(Mutex<BTreeMap<String, u64>>);

impl ErrorCounts {
    /// Kinds that are told apart: scripts may make up any number.
    const MAX_KINDS: usize = 128;

    /// Counts an error; its kind is the first word of its text.
    fn add(&self, text: &str) {
        let code = text.split(' ').next().unwrap_or_default();
        let mut counts = self.0.lock().expect("never held across a panic");
        if let Some(count) = counts.get_mut(code) {
            *count += 1;
        } else if counts.len() < Self::MAX_KINDS {
            counts.insert(code.to_owned(), 1);
        } else {
            *counts.entry("ERRORSTATS_OVERFLOW".to_owned()).or_default() += 1;
        }
    }

    /// Adds these counts to others.
    pub fn add_to(&self, sums: &mut BTreeMap<String, u64>) {
        for (code, count) in &*self.0.lock().expect("never held across a panic") {
            *sums.entry(code.clone()).or_default() += count;
        }
    }

    fn reset(&self) {
        self.0.lock().expect("never held across a panic").clear();
    }
}

/// Counts of one thread.
#[derive(Debug)]
#[repr(align(128))]
pub struct ThreadStats {
    /// Commands run.
    pub commands: Counter,
    /// Bytes received.
    pub input_bytes: Counter,
    /// Bytes sent.
    pub output_bytes: Counter,
    /// Replies that were errors.
    pub error_replies: Counter,
    /// The same by kind.
    pub errors: ErrorCounts,
    /// Changes of keys.
    pub changes: Counter,
    /// Times that something was received.
    pub reads: Counter,
    /// Times that something was sent.
    pub writes: Counter,
    /// Ticks of the event loop.
    pub ticks: Counter,
    /// Connections taken over.
    pub connections: Counter,
    /// Connections handed over to other threads.
    pub moved_connections: Counter,
    /// Clients closed for their output buffer.
    pub output_limit_disconnects: Counter,
    /// Clients closed for their query buffer.
    pub query_limit_disconnects: Counter,
    /// Clients closed since all together had too much memory.
    pub evicted_clients: Counter,
    /// Bytes of memory of this thread's clients, while `maxmemory-clients` limits them.
    pub client_bytes: Counter,
    /// Bytes of memory of this thread's interpreter when it was last looked at.
    pub interpreter_bytes: AtomicU64,
    /// By [`crate::table::Entry::id`].
    pub by_command: Box<[CommandStats]>,
}

impl ThreadStats {
    /// All zero, for so many commands.
    pub fn new(commands: usize) -> Self {
        Self {
            commands: Counter::default(),
            input_bytes: Counter::default(),
            output_bytes: Counter::default(),
            error_replies: Counter::default(),
            errors: ErrorCounts::default(),
            changes: Counter::default(),
            reads: Counter::default(),
            writes: Counter::default(),
            ticks: Counter::default(),
            connections: Counter::default(),
            moved_connections: Counter::default(),
            output_limit_disconnects: Counter::default(),
            query_limit_disconnects: Counter::default(),
            evicted_clients: Counter::default(),
            client_bytes: Counter::default(),
            interpreter_bytes: AtomicU64::new(0),
            by_command: (0..commands).map(|_| CommandStats::default()).collect(),
        }
    }

    /// Counts an error that was replied.
    #[cold]
    pub fn count_error(&self, text: &str) {
        self.error_replies.add(1);
        self.errors.add(text);
    }

    /// As [`Self::count_error`], for one that this command has run into.
    #[cold]
    pub fn count_failure(&self, command: usize, text: &str) {
        self.by_command[command].failed.add(1);
        self.count_error(text);
    }

    /// All back to zero (CONFIG RESETSTAT); changes go on, as they count since the last save.
    pub fn reset(&self) {
        self.errors.reset();
        for counter in [
            &self.reads,
            &self.writes,
            &self.commands,
            &self.input_bytes,
            &self.output_bytes,
            &self.error_replies,
            &self.ticks,
            &self.connections,
            &self.output_limit_disconnects,
            &self.query_limit_disconnects,
            &self.evicted_clients,
        ] {
            counter.reset();
        }
        self.by_command.iter().for_each(CommandStats::reset);
    }
}

/// Counts that any thread may change.
#[derive(Debug, Default)]
pub struct SharedStats {
    /// Connections refused because of `maxclients`.
    pub rejected_connections: AtomicU64,
    /// Clients that wait for something, a pause for example.
    pub blocked_clients: AtomicU64,
    /// Microseconds for which more memory was used than allowed, and those of this time.
    pub over_limit_us: AtomicU64,
    /// See there.
    pub over_limit_now_us: AtomicU64,
    /// Next client id.
    next_client_id: AtomicU64,
}

impl SharedStats {
    /// Counts back to zero; ids go on.
    pub fn reset(&self) {
        self.rejected_connections.store(0, Ordering::Relaxed);
        self.over_limit_us.store(0, Ordering::Relaxed);
    }

    /// Notes for the periodic work of one thread, which is done every `period_us`, whether too much
    /// memory is used.
    pub fn note_limit(&self, period_us: u64, is_over: bool) {
        if is_over {
            self.over_limit_us.fetch_add(period_us, Ordering::Relaxed);
            self.over_limit_now_us
                .fetch_add(period_us, Ordering::Relaxed);
        } else {
            self.over_limit_now_us.store(0, Ordering::Relaxed);
        }
    }

    /// A client id never given before, from 1 on.
    pub fn next_client_id(&self) -> u64 {
        self.next_client_id.fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_in_their_buckets() {
        let mut total = CommandTotals::default();
        assert!(total.percentile_us(50.0).abs() < f64::EPSILON);
        total.latency[0] = 50;
        total.latency[3] = 50;
        assert!((total.percentile_us(25.0) - 0.5).abs() < 1e-9);
        assert!((total.percentile_us(50.0) - 1.0).abs() < 1e-9);
        assert!((total.percentile_us(75.0) - 6.0).abs() < 1e-9);
        assert!((total.percentile_us(100.0) - 8.0).abs() < 1e-9);
    }

    #[test]
    fn errors_count_by_their_first_word() {
        let counts = ErrorCounts::default();
        for text in ["ERR a", "ERR b", "WRONGTYPE c", "NOAUTH"] {
            counts.add(text);
        }
        for number in 0..1000 {
            counts.add(&format!("CUSTOM{number} x"));
        }
        let mut sums = BTreeMap::new();
        counts.add_to(&mut sums);
        assert_eq!((sums["ERR"], sums["WRONGTYPE"], sums["NOAUTH"]), (2, 1, 1));
        assert_eq!(sums["ERRORSTATS_OVERFLOW"], 875);
    }
}
