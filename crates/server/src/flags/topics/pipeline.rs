//! Dragonfly's knobs for pipelines and squashing. Darner runs what arrives together as one batch
//! anyway.

use crate::flags::codec::{ANY, Codec, U32, Yes};
use crate::flags::table::topic;

topic! {
    /// How requests that arrive together are run.
    pipeline: Pipeline, "Pipelines";

    /// Queued commands needed before a pipeline is squashed; 0 = never.
    pipeline_squash: u32 = 1, U32, runtime(), inert();

    /// Most commands squashed into one shard hop.
    max_squashed_cmd_num: u32 = 100, U32, runtime(), inert();

    /// Upper size of a squashed pipeline.
    pipeline_squash_limit: u32 = 1 << 30, U32, runtime(), inert();

    /// Stop squashing when buffered replies pass this size; 0 = none.
    squashed_reply_size_limit: u64 = 0, ANY, inert();

    /// Longest run of squashed commands before yielding.
    max_busy_squash_usec: u32 = 1000, U32, runtime(), inert();

    /// Log squash timings slower than this.
    log_squash_info_threshold_usec: u32 = 1 << 31, U32, runtime(), inert();

    /// Flush replies after every squash batch.
    always_flush_pipeline: bool = false, Yes, runtime(), inert();

    /// Wait this long for more input when only one command is queued.
    pipeline_wait_batch_usec: u32 = 0, U32, runtime(), inert();

    /// Most queued async messages handled in a row.
    async_dispatch_quota: u32 = 100, U32, inert();

    /// Squash single-shard commands inside EXEC.
    multi_exec_squash: bool = true, Yes, inert();

    /// Buffer for squashed async calls of one script.
    multi_eval_squash_buffer: u32 = 8096, U32, inert();

    /// Event-driven IO loop for plain RESP connections.
    enable_resp_io_loop_v2: bool = false, Yes, inert();

    /// Same for plain memcached connections.
    enable_memcache_io_loop_v2: bool = true, Yes, inert();

    /// Vectorised squashing in that loop.
    enable_pipeline_squashing_v2: bool = true, Yes, inert();

    /// V2: keep reading before running a batch so batches grow.
    pipeline_prioritize_large_batches: bool = true, Yes, inert();

    /// V2: parse new bytes in the receive callback while the fiber waits.
    pipeline_parse_in_proactor: bool = true, Yes, inert();
}
