//! The sections that tell what runs here: server, clients, persistence, replication, cpu, cluster.

use std::fs;
use std::sync::atomic::Ordering;

use reactor::usage;

use super::Text;
use super::stats::sum;
use crate::admin::{is_emulated, mode_name};
use crate::clients::flag;
use crate::flags::Config;
use crate::identity::{DARNER_VERSION, REDIS_VERSION};
use crate::session::Call;

pub(super) fn server(call: &Call<'_, '_>, text: &mut Text) {
    let (shared, config) = (call.shared, &call.thread.config);
    let now = call.thread.now;
    let uptime = shared.started.elapsed().as_secs();
    let system = rustix::system::uname();
    let os = [system.sysname(), system.release(), system.machine()];
    let os = os.map(|part| part.to_string_lossy().into_owned()).join(" ");
    let executable = std::env::current_exe().unwrap_or_default();
    text.fields(&[
        ("redis_version", &REDIS_VERSION),
        ("darner_version", &DARNER_VERSION),
        ("redis_git_sha1", &"00000000"),
        ("redis_git_dirty", &0),
        ("redis_build_id", &"0"),
        ("redis_mode", &mode_name(config)),
        ("os", &os),
        ("arch_bits", &usize::BITS),
        ("monotonic_clock", &"POSIX clock_gettime"),
        ("multiplexing_api", &shared.backend),
        ("atomicvar_api", &"rust-core"),
        ("gcc_version", &"0.0.0"),
        ("process_id", &std::process::id()),
        ("process_supervised", &"no"),
        ("run_id", &shared.admin.run_id),
        ("tcp_port", &config.network.port),
        ("server_time_usec", &now.wall_us),
        ("uptime_in_seconds", &uptime),
        ("uptime_in_days", &(uptime / 86_400)),
        ("hz", &config.process.hz),
        ("configured_hz", &config.process.hz),
        ("lru_clock", &call.txn.clock()),
        ("executable", &executable.display()),
        ("config_file", &shared.conf_path.as_deref().unwrap_or("")),
        ("io_threads_active", &0),
        ("thread_count", &shared.threads()),
    ]);
    if !config.monitoring.availability_zone.is_empty() {
        text.field("availability_zone", &config.monitoring.availability_zone);
    }
    listeners(config, text);
}

fn listeners(config: &Config, text: &mut Text) {
    let network = &config.network;
    let mut all = Vec::new();
    if network.port > 0 {
        let binds: String = network
            .bind
            .iter()
            .map(|at| format!(",bind={at}"))
            .collect();
        all.push(format!("name=tcp{binds},port={}", network.port));
    }
    if !network.unixsocket.is_empty() {
        all.push(format!("name=unix,bind={}", network.unixsocket));
    }
    let monitoring = &config.monitoring;
    if monitoring.admin_port > 0 {
        let bind = match &monitoring.admin_bind {
            bind if bind.is_empty() => network.bind.join(",bind="),
            bind => bind.clone(),
        };
        all.push(format!(
            "name=admin,bind={bind},port={}",
            monitoring.admin_port
        ));
    }
    for (number, listener) in all.iter().enumerate() {
        text.field(&format!("listener{number}"), listener);
    }
}

pub(super) fn clients(call: &Call<'_, '_>, text: &mut Text) {
    let shared = call.shared;
    let all = shared.clients.all();
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let now_us = call.thread.now.mono_us;
    let paused = shared.paused(now_us);
    let largest_input = all.iter().map(|client| load(&client.query_bytes)).max();
    let largest_output = all.iter().map(|client| load(&client.output_bytes)).max();
    let watching = all
        .iter()
        .map(|client| client.watching.load(Ordering::Relaxed));
    let moved = sum(shared, |thread| &thread.moved_connections);
    let with = |flags| all.iter().filter(|client| client.has(flags)).count();
    text.fields(&[
        ("connected_clients", &all.len()),
        ("cluster_connections", &0),
        ("maxclients", &call.thread.config.network.maxclients),
        (
            "client_recent_max_input_buffer",
            &largest_input.unwrap_or(0),
        ),
        (
            "client_recent_max_output_buffer",
            &largest_output.unwrap_or(0),
        ),
        (
            "blocked_clients",
            &load(&shared.shared_stats.blocked_clients),
        ),
        ("tracking_clients", &shared.tracking.clients()),
        ("pubsub_clients", &with(flag::PUBSUB)),
        (
            "watching_clients",
            &watching.clone().filter(|&keys| keys > 0).count(),
        ),
        ("clients_in_timeout_table", &0),
        ("total_watched_keys", &watching.sum::<u32>()),
        ("total_blocking_keys", &0),
        ("total_blocking_keys_on_nokey", &0),
        ("serving_threads", &shared.balance.serving()),
        ("moved_connections", &moved),
        ("paused_reason", &paused.reason()),
        ("paused_actions", &paused.name()),
        ("paused_timeout_milliseconds", &shared.paused_ms(now_us)),
    ]);
}

pub(super) fn replication(call: &Call<'_, '_>, text: &mut Text) {
    let replication = &call.thread.config.replication;
    text.fields(&[
        ("role", &"master"),
        ("connected_slaves", &0),
        ("master_failover_state", &"no-failover"),
        ("master_replid", &*call.shared.admin.replication_id()),
        ("master_replid2", &"0".repeat(40)),
        ("master_repl_offset", &0),
        ("second_repl_offset", &-1),
        ("repl_backlog_active", &0),
        ("repl_backlog_size", &replication.repl_backlog_size),
        ("repl_backlog_first_byte_offset", &0),
        ("repl_backlog_histlen", &0),
    ]);
}

pub(super) fn cpu(_: &Call<'_, '_>, text: &mut Text) {
    let (own, children) = (usage::process_times(), usage::children_times());
    let main = main_thread_times().unwrap_or_default();
    let seconds = |microseconds: u64| format!("{:.6}", microseconds as f64 / 1e6);
    for (name, microseconds) in [
        ("used_cpu_sys", own.system_us),
        ("used_cpu_user", own.user_us),
        ("used_cpu_sys_children", children.system_us),
        ("used_cpu_user_children", children.user_us),
        ("used_cpu_sys_main_thread", main.system_us),
        ("used_cpu_user_main_thread", main.user_us),
    ] {
        text.field(name, seconds(microseconds));
    }
}

/// What `/proc` says of the first thread, whose id is the process's.
fn main_thread_times() -> Option<usage::CpuTimes> {
    let path = format!("/proc/self/task/{}/stat", std::process::id());
    let stat = fs::read_to_string(path).ok()?;
    // The name in parentheses may hold anything; after it the fields count from 3.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let tick_us = 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
    let mut next = || Some(fields.next()?.parse::<u64>().ok()? * tick_us);
    Some(usage::CpuTimes {
        user_us: next()?,
        system_us: next()?,
    })
}

pub(super) fn modules(_: &Call<'_, '_>, _: &mut Text) {
    // There are none.
}

pub(super) fn cluster(call: &Call<'_, '_>, text: &mut Text) {
    let is_enabled = is_emulated(&call.thread.config);
    text.field("cluster_enabled", u8::from(is_enabled));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_tells_of_the_main_thread() {
        assert!(main_thread_times().is_some());
    }
}
