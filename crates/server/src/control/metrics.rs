//! `/metrics`. Names that begin with `dragonfly_` are those of Dragonfly, for its dashboards; what
//! it doesn't have, or has in another form, begins with `darner_`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use reactor::usage;
use store::stats::{Counter, Stats};

use super::census::Census;
use super::exposition::{Exposition, Kind};
use super::is_ready;
use crate::identity::{DARNER_VERSION, REDIS_VERSION};
use crate::memory;
use crate::persistence::Purpose;
use crate::pubsub;
use crate::shared::Shared;
use crate::stats::{CommandTotals, LATENCY_BUCKETS, ThreadStats};

/// All metrics.
pub(super) fn text(shared: &Shared, census: &Census) -> String {
    let mut out = Exposition::default();
    server(shared, &mut out);
    clients(shared, &mut out);
    memory(shared, census, &mut out);
    traffic(shared, &mut out);
    keys(shared, census, &mut out);
    commands(shared, &mut out);
    persistence(shared, &mut out);
    append_only_file(shared, &mut out);
    out.into_text()
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// A count of all threads together.
pub(super) fn sum(shared: &Shared, counter: fn(&ThreadStats) -> &Counter) -> u64 {
    shared.stats.iter().map(|stats| counter(stats).get()).sum()
}

/// The same for what the store counts.
pub(super) fn sum_of_keys(shared: &Shared, counter: fn(&Stats) -> &Counter) -> u64 {
    let threads = shared.store.all_stats().iter();
    threads.map(|stats| counter(stats).get()).sum()
}

fn server(shared: &Shared, out: &mut Exposition) {
    out.family("dragonfly_version", Kind::Gauge, "Version, as a label.")
        .sample(&[("version", DARNER_VERSION)], 1);
    out.family("darner_build_info", Kind::Gauge, "What runs, as labels.")
        .sample(
            &[
                ("version", DARNER_VERSION),
                ("redis_version", REDIS_VERSION),
                ("backend", shared.backend),
            ],
            1,
        );
    out.gauge("dragonfly_master", "1 on a master.", 1);
    out.gauge(
        "dragonfly_uptime_in_seconds",
        "Seconds since the start.",
        shared.started.elapsed().as_secs(),
    );
    out.gauge("darner_threads", "Data threads.", shared.threads());
    out.gauge(
        "darner_ready",
        "1 when what there was to load is loaded.",
        u8::from(is_ready(shared)),
    );
    let times = usage::process_times();
    let mut cpu = out.family(
        "darner_cpu_seconds_total",
        Kind::Counter,
        "CPU time of the process.",
    );
    cpu.sample(&[("mode", "user")], times.user_us as f64 / 1e6);
    cpu.sample(&[("mode", "system")], times.system_us as f64 / 1e6);
    out.counter(
        "darner_eventloop_ticks_total",
        "Turns of all event loops.",
        sum(shared, |stats| &stats.ticks),
    );
}

fn clients(shared: &Shared, out: &mut Exposition) {
    let all = shared.clients.all();
    out.gauge(
        "dragonfly_max_clients",
        "Most clients at a time.",
        shared.config().network.maxclients,
    );
    let admin = all.iter().filter(|client| client.socket.is_admin).count();
    let mut connected = out.family(
        "dragonfly_connected_clients",
        Kind::Gauge,
        "Clients now, by the port that they came to (other: the admin port).",
    );
    connected.sample(&[("listener", "main")], all.len() - admin);
    connected.sample(&[("listener", "other")], admin);
    out.gauge(
        "dragonfly_blocked_clients",
        "Clients that wait for a key or the end of a pause.",
        load(&shared.shared_stats.blocked_clients),
    );
    out.counter(
        "dragonfly_connections_received_total",
        "Connections taken over.",
        sum(shared, |stats| &stats.connections),
    );
    out.counter(
        "darner_evicted_clients_total",
        "Connections closed because of maxmemory-clients.",
        sum(shared, |stats| &stats.evicted_clients),
    );
    out.family(
        "dragonfly_listener_accept_error_total",
        Kind::Counter,
        "Connections refused.",
    )
    .sample(
        &[("reason", "limit_reached")],
        load(&shared.shared_stats.rejected_connections),
    );
    let bytes: u64 = all.iter().map(|client| client.memory()).sum();
    out.gauge(
        "dragonfly_connection_memory_bytes",
        "Memory of all connections, about.",
        bytes,
    );
    let waiting = all.iter().map(|client| load(&client.output_bytes));
    out.gauge(
        "darner_client_output_bytes",
        "Replies and messages that wait to be sent.",
        waiting.sum::<u64>(),
    );
    let waiting = all.iter().map(|client| load(&client.query_bytes));
    out.gauge(
        "darner_client_input_bytes",
        "Input that waits to be understood.",
        waiting.sum::<u64>(),
    );
    libraries(&all, out);
}

fn libraries(all: &[std::sync::Arc<crate::clients::ClientInfo>], out: &mut Exposition) {
    /// Clients may give any name.
    const MOST: usize = 64;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for client in all {
        let text = client.text();
        if !text.lib_name.is_empty() {
            let library = format!("{}:{}", text.lib_name, text.lib_ver);
            *counts.entry(library).or_default() += 1;
        }
    }
    let help = "Clients by library, as they say.";
    let mut family = out.family("dragonfly_connections_libs", Kind::Gauge, help);
    for (library, count) in counts.iter().take(MOST) {
        family.sample(&[("lib", library)], count);
    }
}

fn memory(shared: &Shared, census: &Census, out: &mut Exposition) {
    for (name, help, value) in [
        (
            "dragonfly_memory_used_bytes",
            "Memory allocated.",
            memory::used(),
        ),
        (
            "dragonfly_memory_used_peak_bytes",
            "The most of it so far.",
            memory::peak(),
        ),
        (
            "dragonfly_used_memory_rss_bytes",
            "Resident memory.",
            memory::resident(),
        ),
        (
            "dragonfly_memory_max_bytes",
            "maxmemory; 0 is no limit.",
            shared.config().memory.maxmemory,
        ),
        (
            "darner_lazyfree_pending_objects",
            "Values that wait to be freed.",
            load(&shared.store.reaper().stats().pending),
        ),
    ] {
        out.gauge(name, help, value);
    }
    let mut types = out.family(
        "dragonfly_type_used_memory",
        Kind::Gauge,
        "Bytes by type of value: of the last walk through all keys, or at first of a sample.",
    );
    for (name, used) in &census.types {
        types.sample(&[("type", name)], used.bytes.round());
    }
    let mut types = out.family(
        "darner_type_keys",
        Kind::Gauge,
        "Keys by type of value, in the same way.",
    );
    for (name, used) in &census.types {
        types.sample(&[("type", name)], used.keys.round());
    }
}

fn traffic(shared: &Shared, out: &mut Exposition) {
    for (name, help, value) in [
        (
            "dragonfly_net_input_bytes_total",
            "Bytes received.",
            sum(shared, |stats| &stats.input_bytes),
        ),
        (
            "dragonfly_net_output_bytes_total",
            "Bytes sent.",
            sum(shared, |stats| &stats.output_bytes),
        ),
        (
            "dragonfly_net_input_recv_total",
            "Times that something was received.",
            sum(shared, |stats| &stats.reads),
        ),
        (
            "dragonfly_reply_total",
            "Times that something was sent.",
            sum(shared, |stats| &stats.writes),
        ),
        (
            "darner_client_output_limit_disconnects_total",
            "Clients closed since they didn't read.",
            sum(shared, |stats| &stats.output_limit_disconnects),
        ),
        (
            "darner_client_query_limit_disconnects_total",
            "Clients closed for the length of a request.",
            sum(shared, |stats| &stats.query_limit_disconnects),
        ),
    ] {
        out.counter(name, help, value);
    }
    for (name, help, kind) in [
        (
            "darner_pubsub_channels",
            "Channels with subscribers.",
            pubsub::Kind::Channel,
        ),
        (
            "darner_pubsub_patterns",
            "Patterns with subscribers.",
            pubsub::Kind::Pattern,
        ),
    ] {
        out.gauge(name, help, shared.pubsub.len(kind));
    }
    out.gauge(
        "darner_tracking_keys",
        "Keys that clients cache.",
        shared.tracking.keys(),
    );
}

fn keys(shared: &Shared, census: &Census, out: &mut Exposition) {
    let mut family = out.family("dragonfly_db_keys", Kind::Gauge, "Keys by database.");
    for (number, db) in census.dbs.iter().enumerate().filter(is_used) {
        family.sample(&[("db", &format!("db{number}"))], db.keys);
    }
    let help = "Keys that expire, by database.";
    let mut family = out.family("dragonfly_db_keys_expiring", Kind::Gauge, help);
    for (number, db) in census.dbs.iter().enumerate().filter(is_used) {
        family.sample(&[("db", &format!("db{number}"))], db.expiring);
    }
    let help = "Keys that there is room for, by database.";
    let mut family = out.family("dragonfly_db_capacity", Kind::Gauge, help);
    for (number, db) in census.dbs.iter().enumerate().filter(is_used) {
        family.sample(&[("db", &format!("db{number}"))], db.capacity);
    }
    let of = |counter| sum_of_keys(shared, counter);
    for (name, help, value) in [
        (
            "dragonfly_keyspace_hits_total",
            "Look-ups that found a key.",
            of(|stats| &stats.hits),
        ),
        (
            "dragonfly_keyspace_misses_total",
            "Look-ups that found none.",
            of(|stats| &stats.misses),
        ),
        (
            "dragonfly_keyspace_mutations_total",
            "Changes of keys.",
            sum(shared, |stats| &stats.changes),
        ),
        (
            "dragonfly_expired_keys_total",
            "Keys whose time had come.",
            of(|stats| &stats.expired),
        ),
        (
            "dragonfly_evicted_keys_total",
            "Keys removed for want of memory.",
            of(|stats| &stats.evicted),
        ),
        (
            "darner_expired_members_total",
            "Fields and members whose time had come.",
            of(|stats| &stats.expired_members),
        ),
    ] {
        out.counter(name, help, value);
    }
}

/// The first database is always shown, so that there is something to draw.
fn is_used((number, db): &(usize, &super::census::DbUse)) -> bool {
    *number == 0 || db.capacity > 0
}

/// A name, its help, and the number.
type PerCommand = (&'static str, &'static str, fn(&CommandTotals) -> f64);

fn commands(shared: &Shared, out: &mut Exposition) {
    let help = "Commands run, on whatever port.";
    out.family("dragonfly_commands_processed_total", Kind::Counter, help)
        .sample(
            &[("listener", "main")],
            sum(shared, |stats| &stats.commands),
        );
    let totals: Vec<(String, CommandTotals)> = shared
        .table
        .all()
        .map(|entry| {
            (
                entry.full_name.to_uppercase(),
                CommandTotals::of(shared, entry.id),
            )
        })
        .filter(|(_, total)| total.calls + total.rejected + total.failed > 0)
        .collect();
    let per_command: [PerCommand; 4] = [
        ("dragonfly_commands_total", "Runs of a command.", |it| {
            it.calls as f64
        }),
        (
            "dragonfly_commands_duration_seconds",
            "Time that its runs took.",
            |it| it.ns as f64 / 1e9,
        ),
        (
            "darner_commands_failed_total",
            "Runs that answered with an error.",
            |it| it.failed as f64,
        ),
        (
            "darner_commands_rejected_total",
            "Calls that were refused.",
            |it| it.rejected as f64,
        ),
    ];
    for (name, help, value) in per_command {
        let mut family = out.family(name, Kind::Counter, help);
        for (command, total) in &totals {
            family.sample(&[("cmd", command)], value(total));
        }
    }
    latency(&totals, out);
    let mut errors: BTreeMap<String, u64> = BTreeMap::new();
    for stats in &shared.stats {
        stats.errors.add_to(&mut errors);
    }
    let help = "Errors replied, by their first word.";
    let mut family = out.family("darner_errors_total", Kind::Counter, help);
    for (code, count) in errors {
        family.sample(&[("code", &code)], count);
    }
    let slow = shared.admin.slowlog().len();
    out.gauge("darner_slowlog_entries", "Entries of the slow log.", slow);
}

/// Of all commands together: each has 32 buckets, which is too much to scrape.
fn latency(totals: &[(String, CommandTotals)], out: &mut Exposition) {
    let help = "How long commands took.";
    let mut family = out.family("darner_command_latency_seconds", Kind::Histogram, help);
    let mut runs = 0;
    for bucket in 0..LATENCY_BUCKETS - 1 {
        runs += totals
            .iter()
            .map(|(_, total)| total.latency[bucket])
            .sum::<u64>();
        let limit = (1u64 << bucket) as f64 / 1e6;
        family.sample_of("_bucket", &[("le", &limit.to_string())], runs);
    }
    let all = totals
        .iter()
        .flat_map(|(_, total)| total.latency)
        .sum::<u64>();
    family.sample_of("_bucket", &[("le", "+Inf")], all);
    let ns: u64 = totals.iter().map(|(_, total)| total.ns).sum();
    family.sample_of("_sum", &[], ns as f64 / 1e9);
    family.sample_of("_count", &[], all);
}

fn persistence(shared: &Shared, out: &mut Exposition) {
    let state = shared.persistence.state();
    out.counter("dragonfly_backups_total", "Snapshots saved.", state.saves);
    out.gauge(
        "darner_last_save_ok",
        "1 unless the last snapshot could not be saved.",
        u8::from(state.is_ok),
    );
    out.gauge(
        "darner_last_save_timestamp_seconds",
        "When the last snapshot was saved, or the server started.",
        state.last_save_s,
    );
    out.gauge(
        "darner_last_save_duration_seconds",
        "How long that took.",
        state.last_took_s.unwrap_or_default(),
    );
    out.gauge(
        "darner_save_in_progress",
        "1 while a snapshot is saved.",
        u8::from(state.current_of(Purpose::Snapshot).is_some()),
    );
    out.gauge(
        "darner_unsaved_changes",
        "Changes since the last snapshot.",
        shared.unsaved_changes(),
    );
    let loaded = state.loading.as_deref();
    let (bytes, total) = loaded.map_or((0, 0), |it| (load(&it.bytes), it.total_bytes));
    out.gauge("darner_load_bytes", "Bytes loaded at the start.", bytes);
    out.gauge("darner_load_bytes_expected", "Bytes to load then.", total);
}

fn append_only_file(shared: &Shared, out: &mut Exposition) {
    let aof = &shared.persistence.aof;
    out.gauge(
        "darner_aof_enabled",
        "1 with an append-only file.",
        u8::from(aof.is_on()),
    );
    if !aof.is_on() {
        return;
    }
    out.gauge("darner_aof_size_bytes", "Size of its files.", aof.size());
    out.gauge(
        "darner_aof_waiting_bytes",
        "Effects that wait to be written.",
        aof.feed().waiting_bytes(),
    );
    out.gauge(
        "darner_aof_write_ok",
        "1 unless it can't be written.",
        u8::from(aof.feed().error().is_none()),
    );
}
