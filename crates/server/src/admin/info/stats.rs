//! The stats section.

use std::sync::atomic::Ordering;

use store::stats::{Counter, Stats};

use super::Text;
use crate::pubsub::Kind;
use crate::rates::Rate;
use crate::session::Call;
use crate::shared::Shared;
use crate::stats::ThreadStats;

pub(super) fn stats(call: &Call<'_, '_>, text: &mut Text) {
    let shared = call.shared;
    let sum = |counter: fn(&ThreadStats) -> &Counter| sum(shared, counter);
    let keys = |counter: fn(&Stats) -> &Counter| -> u64 {
        let threads = shared.store.all_stats().iter();
        threads.map(|stats| counter(stats).get()).sum()
    };
    let rejected = shared
        .shared_stats
        .rejected_connections
        .load(Ordering::Relaxed);
    text.fields(&[
        (
            "total_connections_received",
            &sum(|stats| &stats.connections),
        ),
        ("total_commands_processed", &sum(|stats| &stats.commands)),
    ]);
    rates(
        shared,
        text,
        sum(|s| &s.input_bytes),
        sum(|s| &s.output_bytes),
    );
    text.field("rejected_connections", rejected);
    text.zeros(&["sync_full", "sync_partial_ok", "sync_partial_err"]);
    text.fields(&[
        ("expired_subkeys", &keys(|stats| &stats.expired_members)),
        ("expired_keys", &keys(|stats| &stats.expired)),
        ("expired_stale_perc", &"0.00"),
        (
            "expired_time_cap_reached_count",
            &keys(|stats| &stats.expire_cycle_limits),
        ),
        (
            "expire_cycle_cpu_milliseconds",
            &(keys(|stats| &stats.expire_cycle_us) / 1000),
        ),
    ]);
    text.field("evicted_keys", keys(|stats| &stats.evicted));
    text.field("evicted_clients", sum(|stats| &stats.evicted_clients));
    text.field("evicted_scripts", shared.scripts.evicted());
    over_limit(shared, text);
    text.field("keyspace_hits", keys(|stats| &stats.hits));
    text.field("keyspace_misses", keys(|stats| &stats.misses));
    listening(shared, text);
    text.fields(&[
        ("unexpected_error_replies", &0),
        ("total_error_replies", &sum(|stats| &stats.error_replies)),
        ("dump_payload_sanitizations", &0),
        ("total_reads_processed", &sum(|stats| &stats.reads)),
        ("total_writes_processed", &sum(|stats| &stats.writes)),
        ("io_threaded_reads_processed", &0),
        ("io_threaded_writes_processed", &0),
        (
            "client_query_buffer_limit_disconnections",
            &sum(|stats| &stats.query_limit_disconnects),
        ),
        (
            "client_output_buffer_limit_disconnections",
            &sum(|stats| &stats.output_limit_disconnects),
        ),
        ("reply_buffer_shrinks", &0),
        ("reply_buffer_expands", &0),
        ("eventloop_cycles", &sum(|stats| &stats.ticks)),
    ]);
    text.field(
        "instantaneous_eventloop_cycles_per_sec",
        shared.admin.rates().per_second(Rate::Ticks),
    );
    text.zeros(&[
        "acl_access_denied_auth",
        "acl_access_denied_cmd",
        "acl_access_denied_key",
        "acl_access_denied_channel",
    ]);
}

/// Counts of what doesn't exist yet.
const ABSENT: [&str; 10] = [
    "latest_fork_usec",
    "total_forks",
    "migrate_cached_sockets",
    "slave_expires_tracked_keys",
    "active_defrag_hits",
    "active_defrag_misses",
    "active_defrag_key_hits",
    "active_defrag_key_misses",
    "total_active_defrag_time",
    "current_active_defrag_time",
];
/// For how long more memory was used than allowed, in milliseconds.
fn over_limit(shared: &Shared, text: &mut Text) {
    let over = &shared.shared_stats;
    text.field(
        "total_eviction_exceeded_time",
        over.over_limit_us.load(Ordering::Relaxed) / 1000,
    );
    text.field(
        "current_eviction_exceeded_time",
        over.over_limit_now_us.load(Ordering::Relaxed) / 1000,
    );
}

/// What clients wait to be told, and what comes next and isn't there.
fn listening(shared: &Shared, text: &mut Text) {
    let pubsub = &shared.pubsub;
    text.fields(&[
        ("pubsub_channels", &pubsub.len(Kind::Channel)),
        ("pubsub_patterns", &pubsub.len(Kind::Pattern)),
        ("pubsubshard_channels", &pubsub.len(Kind::ShardChannel)),
    ]);
    text.zeros(&ABSENT);
    let tracking = &shared.tracking;
    text.fields(&[
        ("tracking_total_keys", &tracking.keys()),
        ("tracking_total_items", &tracking.items()),
        ("tracking_total_prefixes", &tracking.prefixes()),
        ("total_blocked_on_scripts", &0),
        ("total_pipelined_commands", &0),
    ]);
}

fn rates(shared: &Shared, text: &mut Text, input: u64, output: u64) {
    let rates = shared.admin.rates();
    let kilobytes = |rate| format!("{:.2}", rates.per_second(rate) as f64 / 1024.0);
    text.fields(&[
        (
            "instantaneous_ops_per_sec",
            &rates.per_second(Rate::Commands),
        ),
        ("total_net_input_bytes", &input),
        ("total_net_output_bytes", &output),
        ("total_net_repl_input_bytes", &0),
        ("total_net_repl_output_bytes", &0),
        ("instantaneous_input_kbps", &kilobytes(Rate::Input)),
        ("instantaneous_output_kbps", &kilobytes(Rate::Output)),
        ("instantaneous_input_repl_kbps", &"0.00"),
        ("instantaneous_output_repl_kbps", &"0.00"),
    ]);
}

/// A count of all threads together.
pub(super) fn sum(shared: &Shared, counter: fn(&ThreadStats) -> &Counter) -> u64 {
    shared.stats.iter().map(|stats| counter(stats).get()).sum()
}
