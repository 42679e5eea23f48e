//! What is written to disk, when, and how it is read back.

use crate::flags::codec::{
    ANY, Checked, Codec, I32, I63, Memory, N31, OneOf, Text, Yes, cron, file_name, named,
};
use crate::flags::special::{SavePoint, SavePoints};
use crate::flags::table::topic;

named! {
    /// When the append-only file is flushed to disk.
    AppendFsync { EverySecond = "everysec", Always = "always", No = "no" }
}

named! {
    /// Whose values are checked in depth.
    SanitizeDumpPayload { No = "no", Yes = "yes", Clients = "clients" }
}

named! {
    /// How snapshots are compressed.
    CompressionMode {
        None = "0" | "none",
        LzfEntries = "1" | "single_entry",
        ZstdBlocks = "2" | "multi_entry_zstd",
        Lz4Blocks = "3" | "multi_entry_lz4",
    }
}

fn redis_save_points() -> Vec<SavePoint> {
    let point = |(seconds, changes)| SavePoint { seconds, changes };
    [(3600, 1), (300, 100), (60, 10_000)].map(point).to_vec()
}

topic! {
    /// Snapshots, the append-only file, and where they lie.
    persistence: Persistence, "Snapshots and append-only file";

    /// Where snapshots lie: a directory, or a bucket and a prefix in it (s3://BUCKET/PREFIX).
    dir: String = ".".to_string(), Text, redis("dir"), protected();

    /// Name of the snapshot; {timestamp}, {Y}, {m} and {d} are filled in. Empty = neither save
    /// nor load.
    dbfilename: String = "dump.rdb".to_string(), Checked("FILE", file_name),
        redis("dbfilename"), protected();

    /// When to save: after so many seconds if so many keys have changed. Empty = never.
    save: Vec<SavePoint> = redis_save_points(), SavePoints, redis("save"), runtime();

    /// When to save, as a cron expression (minute, hour, day, month, weekday; UTC). Empty = never.
    snapshot_cron: String = String::new(), Checked("CRON", cron), runtime();

    /// How many snapshots are kept whose names have a time in them, or fewer, but always the
    /// newest, where the volume is full; 0 = all.
    snapshot_keep: u32 = 5, N31, runtime();

    /// Dragonfly's former way to say when to save. See snapshot_cron.
    save_schedule: String = String::new(), Text, inert();

    /// Refuse writes while saving fails.
    stop_writes_on_bgsave_error: bool = true, Yes,
        redis("stop-writes-on-bgsave-error"), runtime();

    /// Compress long strings in snapshots.
    rdbcompression: bool = true, Yes, redis("rdbcompression"), runtime();

    /// Write and check the checksum of snapshots.
    rdbchecksum: bool = true, Yes, redis("rdbchecksum");

    /// Whether values that come with RESTORE or a snapshot are checked in depth.
    sanitize_dump_payload: SanitizeDumpPayload = SanitizeDumpPayload::No, OneOf,
        redis("sanitize-dump-payload"), runtime(), inert();

    /// Flush a snapshot to disk every few megabytes.
    rdb_save_incremental_fsync: bool = true, Yes,
        redis("rdb-save-incremental-fsync"), runtime(), inert();

    /// Delete snapshots that served a replica only.
    rdb_del_sync_files: bool = false, Yes, redis("rdb-del-sync-files"), runtime(), inert();

    /// Keep an append-only file of all writes.
    appendonly: bool = false, Yes, redis("appendonly"), runtime();

    /// Name of its files, before their numbers.
    appendfilename: String = "appendonly.aof".to_string(), Checked("FILE", file_name),
        redis("appendfilename");

    /// Its folder inside `dir`.
    appenddirname: String = "appendonlydir".to_string(), Checked("FOLDER", file_name),
        redis("appenddirname");

    /// When it is flushed to disk.
    appendfsync: AppendFsync = AppendFsync::EverySecond, OneOf,
        redis("appendfsync"), runtime();

    /// Leave that out while it is being rewritten.
    no_appendfsync_on_rewrite: bool = false, Yes,
        redis("no-appendfsync-on-rewrite"), runtime(), inert();

    /// Growth in percent after which it is rewritten; 0 = never.
    auto_aof_rewrite_percentage: u32 = 100, N31,
        redis("auto-aof-rewrite-percentage"), runtime();

    /// Smallest size at which it is.
    auto_aof_rewrite_min_size: u64 = 64 << 20, Memory(0, I63),
        redis("auto-aof-rewrite-min-size"), runtime();

    /// Load one whose end is missing.
    aof_load_truncated: bool = true, Yes, redis("aof-load-truncated"), runtime();

    /// Rewrite it as a snapshot and what comes after; taken for granted, also when this is no.
    aof_use_rdb_preamble: bool = true, Yes, redis("aof-use-rdb-preamble"), runtime(), inert();

    /// Note the time in it, so that redis-check-aof can cut it at a time.
    aof_timestamp_enabled: bool = false, Yes, redis("aof-timestamp-enabled"), runtime();

    /// Leave its outdated files alone.
    aof_disable_auto_gc: bool = false, Yes, redis("aof-disable-auto-gc"), runtime();

    /// Flush a rewrite to disk every few megabytes.
    aof_rewrite_incremental_fsync: bool = true, Yes,
        redis("aof-rewrite-incremental-fsync"), runtime(), inert();

    /// Save several files side by side (true) or one that Redis loads (false). Either is loaded.
    df_snapshot_format: bool = false, Yes, runtime();

    /// How snapshots are compressed: 0 = not, 1 = long strings with LZF, as Redis does
    /// (rdbcompression), 2 = all of it with zstd, 3 = all of it with LZ4.
    compression_mode: CompressionMode = CompressionMode::LzfEntries, OneOf, runtime();

    /// Level of zstd.
    compression_level: i32 = 2, I32, runtime();

    /// Values larger than this are streamed in pieces.
    serialization_max_chunk_size: u64 = 64 << 10, ANY, runtime(), inert();

    /// Let pieces of different values interleave.
    serialization_tagged_chunks: bool = true, Yes, inert();

    /// Per-shard bandwidth cap of a full sync; 0 = none.
    snapshot_egress_limit_bytes: u64 = 0, ANY, runtime(), inert();

    /// Serialise in a low-priority fiber.
    background_snapshotting: bool = false, Yes, runtime(), inert();

    /// Parse a snapshot without applying it.
    rdb_load_dry_run: bool = false, Yes, inert();

    /// Ignore TTLs when loading.
    rdb_ignore_expiry: bool = false, Yes, inert();

    /// Save Bloom filters in chunks.
    rdb_sbf_chunked: bool = true, Yes, inert();

    /// Write the vector graph into snapshots.
    serialize_hnsw_index: bool = false, Yes, inert();

    /// Read it back.
    deserialize_hnsw_index: bool = false, Yes, inert();

    /// Another server than Amazon's that speaks S3 (MinIO etc.), with or without http://.
    s3_endpoint: String = String::new(), Text;

    /// TLS to it, where its address doesn't say.
    s3_use_https: bool = true, Yes;

    /// Ask the machine for credentials (EC2) when the environment has none.
    s3_ec2_metadata: bool = false, Yes;

    /// Sign what is uploaded, not only the requests.
    s3_sign_payload: bool = true, Yes;

    /// Built-in S3 client instead of the AWS SDK.
    s3_use_helio_client: bool = true, Yes, inert();

    /// Token for Google Cloud Storage.
    gcs_auth_token: String = String::new(), Text, secret(), inert();

    /// Dragonfly: pretend to upload.
    gcs_dry_upload: bool = false, Yes, inert();

    /// For tests: microseconds to wait after each key loaded.
    key_load_delay: i32 = 0, I32, redis("key-load-delay"), runtime(), hidden(), inert();

    /// For tests: microseconds to wait after each key saved.
    rdb_key_save_delay: i32 = 0, I32, redis("rdb-key-save-delay"), runtime(), hidden(), inert();

    /// For tests: bytes loaded before clients are looked after.
    loading_process_events_interval_bytes: u64 = 2 << 20, Memory(1024, I63),
        redis("loading-process-events-interval-bytes"), runtime(), inert();
}
