//! Values on an SSD.

use crate::flags::codec::{ANY, Codec, Float, Memory, Text, U32, Yes};
use crate::flags::table::topic;

topic! {
    /// Values on an SSD.
    tiering: Tiering, "Tiered storage";

    /// Path and name prefix of the SSD files; setting it turns tiering on.
    tiered_prefix: String = String::new(), Text, inert();

    /// Cap of those files; 0 = automatic.
    tiered_max_file_size: u64 = 0, ANY, inert();

    /// Smallest value offloaded.
    tiered_min_value_size: u64 = 64, Memory(64, u64::MAX), runtime(), inert();

    /// Free-memory ratio under which offloading starts.
    tiered_offload_threshold: f64 = 0.5, Float(0.0, 1e9), runtime(), inert();

    /// Free-memory ratio under which read-back stops.
    tiered_upload_threshold: f64 = 0.1, Float(0.0, 1e9), runtime(), inert();

    /// In-flight write cap before backpressure.
    tiered_max_pending_stash_bytes: u64 = 256 << 10, ANY, runtime(), inert();

    /// Do not offload values that expire sooner.
    tiered_min_ttl_to_offload_ms: u32 = 5000, U32, runtime(), inert();

    /// Keep offloaded values in memory for a while.
    tiered_experimental_cooling: bool = true, Yes, runtime(), inert();

    /// Offload hashes.
    tiered_experimental_hash_support: bool = false, Yes, runtime(), inert();

    /// Offload list nodes.
    tiered_experimental_list_support: bool = false, Yes, runtime(), inert();

    /// List size from which nodes are offloaded; 0 = off.
    list_tiering_threshold: u32 = 0, U32, inert();

    /// Neighbour nodes to prefetch.
    list_tiering_prefetch_depth: u32 = 0, U32, inert();

    /// O_DIRECT on files.
    backing_file_direct: bool = true, Yes, inert();

    /// Registered io_uring buffer.
    registered_buffer_size: u64 = 512 << 10, ANY, inert();

    /// First file size.
    tiering_disk_storage_initial_size: u64 = 256 << 20, ANY, inert();
}
