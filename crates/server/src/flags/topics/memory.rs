//! How much memory there is, and what goes when it is used up.

use store::uses::{Counting, Uses};

use crate::flags::codec::{ANY, Codec, Float, I63, Int, Memory, N31, OneOf, U32, Yes, named};
use crate::flags::table::topic;

named! {
    /// What happens to writes when `maxmemory` is used up.
    MaxmemoryPolicy {
        VolatileLru = "volatile-lru",
        VolatileLfu = "volatile-lfu",
        VolatileRandom = "volatile-random",
        VolatileTtl = "volatile-ttl",
        AllKeysLru = "allkeys-lru",
        AllKeysLfu = "allkeys-lfu",
        AllKeysRandom = "allkeys-random",
        NoEviction = "noeviction",
    }
}

topic! {
    /// Memory, eviction and lazy freeing.
    memory: MemoryFlags, "Memory and eviction";

    /// Most memory for data; 0 = no limit. Left out it is 80% of what the container or the machine
    /// has.
    maxmemory: u64 = 0, ANY, redis("maxmemory"), runtime();

    /// What to do when that is used up: refuse writes, or evict keys, chosen among all or among
    /// those with an expiry.
    maxmemory_policy: MaxmemoryPolicy = MaxmemoryPolicy::NoEviction, OneOf,
        redis("maxmemory-policy"), runtime();

    /// Keys looked at for each one evicted.
    maxmemory_samples: u32 = 5, Int(1, i32::MAX as i64),
        redis("maxmemory-samples"), runtime();

    /// How much latency eviction may cost.
    maxmemory_eviction_tenacity: u32 = 10, Int(0, 100),
        redis("maxmemory-eviction-tenacity"), runtime();

    /// Evict, whatever the policy, the keys that were used least often for long, among all: what a
    /// scan brings goes first.
    cache_mode: bool = false, Yes, runtime();

    /// How many hits saturate the counter of an LFU policy.
    lfu_log_factor: u32 = 10, N31, redis("lfu-log-factor"), runtime();

    /// Minutes in which that counter loses one.
    lfu_decay_time: u32 = 1, N31, redis("lfu-decay-time"), runtime();

    /// How much CPU goes into finding expired keys.
    active_expire_effort: u32 = 1, Int(1, 10), redis("active-expire-effort"), runtime(), inert();

    /// Number of databases.
    dbnum: u32 = 16, Int(1, 1024), redis("databases");

    /// Evict in the background when memory is short.
    enable_heartbeat_eviction: bool = true, Yes, runtime(), inert();

    /// Count RSS too when deciding.
    enable_heartbeat_rss_eviction: bool = true, Yes, runtime(), inert();

    /// Free-memory fraction under which eviction starts.
    eviction_memory_budget_threshold: f64 = 0.1, Float(0.0, 1e9), inert();

    /// Most items evicted per heartbeat.
    max_eviction_per_heartbeat: u32 = 100, U32, runtime(), inert();

    /// Hash-table segments scanned per eviction.
    max_segment_to_consider: u32 = 4, U32, runtime(), inert();

    /// RSS/maxmemory ratio over which memory-growing commands and new non-admin connections are
    /// refused.
    rss_oom_deny_ratio: f64 = 1.25, Float(0.0, 1e9), runtime(), inert();

    /// Do not split the table when expected growth exceeds the budget by this factor.
    table_growth_margin: f64 = 0.15, Float(0.0, 1e9), runtime(), inert();

    /// Free evicted values in the background: those that take long are, whatever this says.
    lazyfree_lazy_eviction: bool = false, Yes, redis("lazyfree-lazy-eviction"), runtime(), inert();

    /// The same for expired values.
    lazyfree_lazy_expire: bool = false, Yes, redis("lazyfree-lazy-expire"), runtime(), inert();

    /// The same for overwritten values.
    lazyfree_lazy_server_del: bool = false, Yes,
        redis("lazyfree-lazy-server-del"), runtime(), inert();

    /// DEL frees like UNLINK: it does, whatever this says.
    lazyfree_lazy_user_del: bool = false, Yes, redis("lazyfree-lazy-user-del"), runtime(), inert();

    /// FLUSHALL without an argument is asynchronous: it is, whatever this says.
    lazyfree_lazy_user_flush: bool = false, Yes,
        redis("lazyfree-lazy-user-flush"), runtime(), inert();

    /// UNLINK frees asynchronously.
    unlink_experimental_async: bool = true, Yes, inert();

    /// Move values together to give memory back.
    activedefrag: bool = false, Yes, redis("activedefrag"), runtime(), inert();

    /// Waste from which that begins.
    active_defrag_ignore_bytes: u64 = 100 << 20, Memory(1, I63),
        redis("active-defrag-ignore-bytes"), runtime(), inert();

    /// Percent of waste from which it begins.
    active_defrag_threshold_lower: u32 = 10, Int(0, 1000),
        redis("active-defrag-threshold-lower"), runtime(), inert();

    /// Percent of waste at which it makes its greatest effort.
    active_defrag_threshold_upper: u32 = 100, Int(0, 1000),
        redis("active-defrag-threshold-upper"), runtime(), inert();

    /// Least percent of CPU for it.
    active_defrag_cycle_min: u32 = 1, Int(1, 99),
        redis("active-defrag-cycle-min"), runtime(), inert();

    /// Most percent of CPU for it.
    active_defrag_cycle_max: u32 = 25, Int(1, 99),
        redis("active-defrag-cycle-max"), runtime(), inert();

    /// Longest collection moved at one go.
    active_defrag_max_scan_fields: u64 = 1000, Int(1, i64::MAX),
        redis("active-defrag-max-scan-fields"), runtime(), inert();

    /// Used/maxmemory ratio needed before defragmentation.
    mem_defrag_threshold: f64 = 0.7, Float(0.0, 1e9), inert();

    /// Seconds between defragmentation checks.
    mem_defrag_check_sec_interval: u32 = 60, U32, inert();

    /// Wasted/committed ratio that triggers it.
    mem_defrag_waste_threshold: f64 = 0.2, Float(0.0, 1e9), inert();

    /// Move objects from pages used less than this.
    mem_defrag_page_utilization_threshold: f64 = 0.8, Float(0.0, 1e9), inert();

    /// Leave JSON out of defragmentation.
    disable_json_defragmentation: bool = false, Yes, inert();
}

impl MemoryFlags {
    /// Has the store count uses if the policy asks for that.
    pub fn set_uses(&self, uses: &Uses) {
        use MaxmemoryPolicy as Policy;
        let counting = match self.maxmemory_policy {
            _ if self.cache_mode => Counting::Cache,
            Policy::VolatileLfu | Policy::AllKeysLfu => Counting::Frequency,
            _ => Counting::Nothing,
        };
        uses.set(counting, self.lfu_log_factor, self.lfu_decay_time);
    }
}
