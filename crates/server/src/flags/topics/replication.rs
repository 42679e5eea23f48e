//! Masters and replicas.

use crate::flags::codec::{
    ANY, Codec, I32, I63, Int, Memory, N31, N63, OneOf, Text, U16, U32, Words, Yes, named,
};
use crate::flags::table::topic;

named! {
    /// Redis's `propagation-error-behavior`.
    PropagationError {
        Ignore = "ignore",
        Panic = "panic",
        PanicOnReplicas = "panic-on-replicas",
    }
}

named! {
    /// Redis's `repl-diskless-load`.
    DisklessLoad { Disabled = "disabled", OnEmptyDb = "on-empty-db", SwapDb = "swapdb" }
}

topic! {
    /// Masters and replicas.
    replication: Replication, "Replication";

    /// Be a replica of this master: `host:port`, or host and port.
    replicaof: Vec<String> = Vec::new(), Words, redis("replicaof", "slaveof"), inert();

    /// Password for the master.
    masterauth: String = String::new(), Text, redis("masterauth"), runtime(), secret(), inert();

    /// User for the master.
    masteruser: String = String::new(), Text, redis("masteruser"), runtime(), inert();

    /// TLS on the replication link.
    tls_replication: bool = false, Yes, redis("tls-replication"), inert();

    /// Address a replica reports to its master.
    replica_announce_ip: String = String::new(), Text,
        redis("replica-announce-ip", "slave-announce-ip"), runtime(), inert();

    /// Port that a replica reports to its master; 0 = the real one.
    replica_announce_port: u16 = 0, U16,
        redis("replica-announce-port", "slave-announce-port"), runtime(), inert();

    /// Show this replica to Sentinel.
    replica_announced: bool = true, Yes, redis("replica-announced"), runtime(), inert();

    /// How readily Sentinel makes this replica the master: the lowest first, 0 = never.
    replica_priority: u32 = 100, N31,
        redis("replica-priority", "slave-priority"), runtime(), inert();

    /// Refuse writes of clients while a replica.
    replica_read_only: bool = true, Yes,
        redis("replica-read-only", "slave-read-only"), runtime(), inert();

    /// Answer clients while the master is out of reach.
    replica_serve_stale_data: bool = true, Yes,
        redis("replica-serve-stale-data", "slave-serve-stale-data"), runtime(), inert();

    /// Free the old data in the background before a full sync.
    replica_lazy_flush: bool = false, Yes,
        redis("replica-lazy-flush", "slave-lazy-flush"), runtime(), inert();

    /// Leave eviction to the master.
    replica_ignore_maxmemory: bool = true, Yes,
        redis("replica-ignore-maxmemory", "slave-ignore-maxmemory"), runtime(), inert();

    /// Take the master's writes even if they cannot be written to disk.
    replica_ignore_disk_write_errors: bool = false, Yes,
        redis("replica-ignore-disk-write-errors"), runtime(), inert();

    /// What to do when a command of the master fails here.
    propagation_error_behavior: PropagationError = PropagationError::Ignore, OneOf,
        redis("propagation-error-behavior"), runtime(), inert();

    /// Refuse writes with fewer replicas than this.
    min_replicas_to_write: u32 = 0, N31,
        redis("min-replicas-to-write", "min-slaves-to-write"), runtime(), inert();

    /// Seconds of silence after which a replica does not count.
    min_replicas_max_lag: u32 = 10, N31,
        redis("min-replicas-max-lag", "min-slaves-max-lag"), runtime(), inert();

    /// Bytes of writes kept for replicas that come back.
    repl_backlog_size: u64 = 1 << 20, Memory(1, I63), redis("repl-backlog-size"), runtime();

    /// Seconds they are kept when there is no replica; 0 = for ever.
    repl_backlog_ttl: u64 = 3600, N63, redis("repl-backlog-ttl"), runtime(), inert();

    /// Seconds of silence after which the other side is given up.
    repl_timeout: u32 = 60, Int(1, i32::MAX as i64), redis("repl-timeout"), runtime(), inert();

    /// Seconds between signs of life to replicas.
    repl_ping_replica_period: u32 = 10, Int(1, i32::MAX as i64),
        redis("repl-ping-replica-period", "repl-ping-slave-period"), runtime(), inert();

    /// Send a full sync without writing it to disk first.
    repl_diskless_sync: bool = true, Yes, redis("repl-diskless-sync"), runtime(), inert();

    /// Seconds to wait for more replicas before that.
    repl_diskless_sync_delay: u32 = 5, N31, redis("repl-diskless-sync-delay"), runtime(), inert();

    /// Replicas at which not to wait any more; 0 = wait the whole time.
    repl_diskless_sync_max_replicas: u32 = 0, N31,
        redis("repl-diskless-sync-max-replicas"), runtime(), inert();

    /// Whether a replica loads a full sync from the socket.
    repl_diskless_load: DisklessLoad = DisklessLoad::Disabled, OneOf,
        redis("repl-diskless-load"), runtime(), inert();

    /// Let the kernel gather what goes to replicas.
    repl_disable_tcp_nodelay: bool = false, Yes,
        redis("repl-disable-tcp-nodelay"), runtime(), inert();

    /// A replica keeps its data instead of re-syncing from a master that came back empty.
    break_replication_on_master_restart: bool = false, Yes, inert();

    /// Allow partial resync.
    replica_partial_sync: bool = true, Yes, runtime(), inert();

    /// Partial sync for chained replicas.
    experimental_cascaded_partial_sync: bool = false, Yes, inert();

    /// Replica deletes expired keys on read.
    replica_delete_expired: bool = true, Yes, inert();

    /// Keep journal offsets after promotion.
    replicaof_no_one_start_journal: bool = true, Yes, inert();

    /// Age limit of the partial-sync backlog.
    shard_repl_backlog_time_ms: u32 = 5000, U32, inert();

    /// Size limit of the backlog; 0 = 0.5% of maxmemory.
    shard_repl_backlog_max_bytes: u64 = 0, ANY, inert();

    /// How long a stuck replication write is tolerated, ms.
    replication_timeout: u32 = 30000, U32, runtime(), inert();

    /// Replication output size that throttles writers.
    replication_stream_output_limit: u32 = 1 << 20, U32, inert();

    /// Bytes gathered before a replication send.
    replication_dispatch_threshold: u32 = 1500, U32, inert();

    /// Milliseconds between the acknowledgements of a replica.
    replication_acks_interval: i32 = 1000, I32, inert();

    /// Connect timeout to the master.
    master_connect_timeout_ms: i32 = 20000, I32, inert();

    /// Reconnect timeout.
    master_reconnect_timeout_ms: i32 = 1000, I32, inert();

    /// Skip journal entries for keys that the full sync will still reach.
    journal_omit_redundant_writes: bool = true, Yes, inert();

    /// Print Valkey-style replication values (online, slave).
    info_replication_valkey_compatible: bool = true, Yes, inert();
}
