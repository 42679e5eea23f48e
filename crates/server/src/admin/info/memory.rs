//! The memory section.

use std::sync::atomic::Ordering;

use super::keyspace::DbCount;
use super::{Text, count_keys, human, ratio};
use crate::memory;
use crate::session::Call;

/// Where memory goes, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::admin) struct Usage {
    pub(in crate::admin) used: u64,
    pub(in crate::admin) peak: u64,
    pub(in crate::admin) at_start: u64,
    pub(in crate::admin) tables: u64,
    pub(in crate::admin) clients: u64,
    /// Room between records.
    pub(in crate::admin) spare: u64,
    /// What waits to be written to the append-only file.
    pub(in crate::admin) aof: u64,
    /// Interpreters, with what they have compiled.
    pub(in crate::admin) vm: u64,
    /// The texts of scripts that EVALSHA may name.
    pub(in crate::admin) scripts: u64,
    /// The texts of libraries.
    pub(in crate::admin) functions: u64,
    pub(in crate::admin) keys: u64,
}

impl Usage {
    pub(in crate::admin) fn now(call: &Call<'_, '_>) -> Self {
        let shared = call.shared;
        let dbs = count_keys(shared, call.thread.now_ms());
        Self {
            used: memory::used(),
            peak: memory::peak(),
            at_start: memory::at_start(),
            tables: dbs.iter().map(DbCount::table_bytes).sum(),
            clients: client_bytes(call),
            spare: data::spare_bytes(),
            aof: shared.persistence.aof.feed().waiting_bytes() as u64,
            vm: interpreters(call),
            scripts: shared.scripts.size().1 as u64,
            functions: shared.libraries.bytes() as u64,
            keys: dbs.iter().map(|db| db.keys).sum(),
        }
    }

    /// What isn't data.
    pub(in crate::admin) fn overhead(&self) -> u64 {
        let logs_and_scripts = self.aof + self.vm + self.scripts + self.functions;
        let data = self.tables + self.spare;
        (self.at_start + data + self.clients + logs_and_scripts).min(self.used)
    }

    pub(in crate::admin) fn dataset(&self) -> u64 {
        self.used - self.overhead()
    }

    /// The part of what has been allocated since the start that is data.
    pub(in crate::admin) fn dataset_percent(&self) -> f64 {
        let net = self.used.saturating_sub(self.at_start).max(self.dataset());
        100.0 * ratio(self.dataset(), net)
    }
}

fn client_bytes(call: &Call<'_, '_>) -> u64 {
    let all = call.shared.clients.all();
    all.iter().map(|client| client.memory()).sum()
}

/// Those of the other threads as of their last cron.
fn interpreters(call: &Call<'_, '_>) -> u64 {
    let own = &call.thread.stats(call.shared).interpreter_bytes;
    if let bytes @ 1.. = call.thread.scripts.used_memory() {
        own.store(bytes as u64, Ordering::Relaxed);
    }
    let all = call.shared.stats.iter();
    all.map(|stats| stats.interpreter_bytes.load(Ordering::Relaxed))
        .sum()
}

pub(super) fn memory(call: &Call<'_, '_>, text: &mut Text) {
    let usage = Usage::now(call);
    let resident = memory::resident();
    text.bytes("used_memory", usage.used);
    text.bytes("used_memory_rss", resident);
    text.bytes("used_memory_peak", usage.peak);
    let percent = |value: f64| format!("{value:.2}%");
    text.field(
        "used_memory_peak_perc",
        percent(100.0 * ratio(usage.used, usage.peak)),
    );
    text.fields(&[
        ("used_memory_overhead", &usage.overhead()),
        ("used_memory_startup", &usage.at_start),
        ("used_memory_dataset", &usage.dataset()),
        (
            "used_memory_dataset_perc",
            &percent(usage.dataset_percent()),
        ),
    ]);
    let allocator = memory::allocator();
    text.fields(&[
        ("allocator_allocated", &allocator.allocated),
        ("allocator_active", &allocator.active),
        ("allocator_resident", &allocator.resident),
    ]);
    let system = rustix::system::sysinfo();
    let total = system.totalram * u64::from(system.mem_unit);
    text.bytes("total_system_memory", total);
    scripts(call, &usage, text);
    let limits = &call.thread.config.memory;
    text.bytes("maxmemory", limits.maxmemory);
    let policy = call.thread.config.get("maxmemory-policy");
    let policy = policy.first().map_or("", |(_, value)| value);
    // As Dragonfly says it.
    let (mode, policy) = if limits.cache_mode {
        ("cache", "eviction")
    } else {
        ("store", policy)
    };
    text.field("maxmemory_policy", policy);
    text.field("cache_mode", mode);
    ratios(usage.used, resident, allocator, text);
    text.field("mem_not_counted_for_evict", usage.spare);
    text.zeros(&[
        "mem_replication_backlog",
        "mem_total_replication_buffers",
        "mem_clients_slaves",
    ]);
    text.field("mem_clients_normal", usage.clients);
    text.zeros(&["mem_cluster_links"]);
    text.field("mem_aof_buffer", usage.aof);
    text.field("mem_allocator", memory::allocator_name());
    let reaper = call.shared.store.reaper().stats();
    text.zeros(&["active_defrag_running"]);
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    text.field("lazyfree_pending_objects", load(&reaper.pending));
    text.field("lazyfreed_objects", load(&reaper.freed));
}

/// Scripts and functions share interpreters, one for each thread.
fn scripts(call: &Call<'_, '_>, usage: &Usage, text: &mut Text) {
    let Usage {
        vm,
        scripts,
        functions: function_bytes,
        ..
    } = *usage;
    let (cached, _) = call.shared.scripts.size();
    let (libraries, functions) = call.shared.libraries.counts();
    text.fields(&[("used_memory_lua", &vm), ("used_memory_vm_eval", &vm)]);
    text.field("used_memory_lua_human", human(vm));
    text.fields(&[
        ("used_memory_scripts_eval", &scripts),
        ("number_of_cached_scripts", &cached),
        ("number_of_functions", &functions),
        ("number_of_libraries", &libraries),
    ]);
    text.zeros(&["used_memory_vm_functions"]);
    text.field("used_memory_vm_total", vm);
    text.field("used_memory_vm_total_human", human(vm));
    text.field("used_memory_functions", function_bytes);
    text.bytes("used_memory_scripts", scripts + function_bytes);
}

fn ratios(used: u64, resident: u64, allocator: memory::Allocator, text: &mut Text) {
    let memory::Allocator {
        allocated,
        active,
        resident: held,
    } = allocator;
    for (ratio_name, bytes_name, of, to) in [
        (
            "allocator_frag_ratio",
            "allocator_frag_bytes",
            active,
            allocated,
        ),
        ("allocator_rss_ratio", "allocator_rss_bytes", held, active),
        ("rss_overhead_ratio", "rss_overhead_bytes", resident, held),
        (
            "mem_fragmentation_ratio",
            "mem_fragmentation_bytes",
            resident,
            used,
        ),
    ] {
        text.field(ratio_name, format_args!("{:.2}", ratio(of, to)));
        text.field(bytes_name, of as i64 - to as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_what_is_left() {
        let usage = Usage {
            used: 1000,
            at_start: 300,
            tables: 90,
            clients: 4,
            spare: 2,
            vm: 3,
            aof: 1,
            ..Usage::default()
        };
        assert_eq!(usage.overhead(), 400);
        assert_eq!(usage.dataset(), 600);
        assert!((usage.dataset_percent() - 100.0 * 600.0 / 700.0).abs() < 1e-9);
        // Counting isn't done in one instant.
        let odd = Usage { used: 100, ..usage };
        assert_eq!((odd.overhead(), odd.dataset()), (100, 0));
    }
}
