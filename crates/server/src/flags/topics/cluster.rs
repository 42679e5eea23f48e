//! Cluster mode and the moving of slots.

use crate::flags::codec::{
    ANY, Checked, Codec, Float, I32, N31, N63, OneOf, Text, U16, U32, Yes, host_name, named,
};
use crate::flags::table::topic;

named! {
    /// Whether the server is a node of a cluster.
    ClusterMode { Off = "" | "no", Emulated = "emulated", Yes = "yes" }
}

named! {
    /// Where redirections point.
    EndpointType { Ip = "ip", HostName = "hostname", Unknown = "unknown-endpoint" }
}

topic! {
    /// Cluster mode and the moving of slots.
    cluster: Cluster, "Cluster";

    /// `emulated` has this server answer clients of a cluster, as its only node; `yes`, a node of a
    /// cluster, isn't available yet.
    cluster_mode: ClusterMode = ClusterMode::Off, OneOf;

    /// Redis's name for cluster mode.
    cluster_enabled: bool = false, Yes, redis("cluster-enabled"), inert();

    /// Address told to cluster clients.
    cluster_announce_ip: String = String::new(), Text,
        redis("cluster-announce-ip"), runtime();

    /// Port told to cluster clients; 0 = the real one.
    cluster_announce_port: u16 = 0, U16, redis("cluster-announce-port"), runtime();

    /// TLS port told to cluster clients; 0 = the real one.
    cluster_announce_tls_port: u16 = 0, U16, redis("cluster-announce-tls-port"), runtime(), inert();

    /// Port of the cluster bus told to other nodes; 0 = the real one.
    cluster_announce_bus_port: u16 = 0, U16, redis("cluster-announce-bus-port"), runtime();

    /// Host name told to cluster clients.
    cluster_announce_hostname: String = String::new(), Checked("HOST", host_name),
        redis("cluster-announce-hostname"), runtime();

    /// Whether clients are sent to an address, a host name, or back where they came from.
    cluster_preferred_endpoint_type: EndpointType = EndpointType::Ip, OneOf,
        redis("cluster-preferred-endpoint-type"), runtime();

    /// The name of this node; else it is another one in each run.
    cluster_node_id: String = String::new(), Text;

    /// Port of the cluster bus; 0 = port + 10000.
    cluster_port: u16 = 0, U16, redis("cluster-port");

    /// Where a node keeps what it knows of the cluster.
    cluster_config_file: String = "nodes.conf".to_string(), Text,
        redis("cluster-config-file"), inert();

    /// Milliseconds of silence after which a node is thought to be down.
    cluster_node_timeout: u64 = 15000, N63, redis("cluster-node-timeout"), runtime(), inert();

    /// Refuse requests while some slot has no node.
    cluster_require_full_coverage: bool = true, Yes,
        redis("cluster-require-full-coverage"), runtime(), inert();

    /// But answer reads.
    cluster_allow_reads_when_down: bool = false, Yes,
        redis("cluster-allow-reads-when-down"), runtime(), inert();

    /// And carry sharded channels.
    cluster_allow_pubsubshard_when_down: bool = true, Yes,
        redis("cluster-allow-pubsubshard-when-down"), runtime(), inert();

    /// Replicas that a master keeps when others have none.
    cluster_migration_barrier: u32 = 1, N31, redis("cluster-migration-barrier"), runtime(), inert();

    /// Let replicas go to masters that have none.
    cluster_allow_replica_migration: bool = true, Yes,
        redis("cluster-allow-replica-migration"), runtime(), inert();

    /// Never promote this replica.
    cluster_replica_no_failover: bool = false, Yes,
        redis("cluster-replica-no-failover", "cluster-slave-no-failover"), runtime(), inert();

    /// How outdated a replica may be and still be promoted.
    cluster_replica_validity_factor: u32 = 10, N31,
        redis("cluster-replica-validity-factor", "cluster-slave-validity-factor"),
        runtime(), inert();

    /// Most bytes waiting on a link of the cluster bus; 0 = no limit.
    cluster_link_sendbuf_limit: u64 = 0, ANY,
        redis("cluster-link-sendbuf-limit"), runtime(), inert();

    /// Shard by slot rather than by hash tag.
    experimental_cluster_shard_by_slot: bool = false, Yes, inert();

    /// Search across shards of a cluster.
    cluster_search: bool = false, Yes, inert();

    /// Cross-node search: connect timeout.
    cluster_coordinator_connect_timeout_ms: i32 = 3000, I32, inert();

    /// Cross-node search: reply timeout.
    cluster_coordinator_response_timeout_ms: i32 = 3000, I32, inert();

    /// Return memory after flushing slots.
    cluster_flush_decommit_memory: bool = false, Yes, inert();

    /// Sleep on the receiving side during migration; 0 = off.
    slot_migration_throttle_us: u32 = 0, U32, runtime(), inert();

    /// Migration connect timeout.
    slot_migration_connection_timeout_ms: i32 = 2000, I32, inert();

    /// Timeout of the last migration step.
    migration_finalization_timeout_ms: i32 = 30000, I32, runtime(), inert();

    /// Buckets sent before a yield.
    migration_buckets_serialization_threshold: u32 = 10, U32, inert();

    /// Sleep at that yield.
    migration_buckets_sleep_usec: u32 = 500, U32, inert();

    /// CPU share for sending.
    migration_buckets_cpu_budget: f64 = 0.2, Float(0.0, 1e9), inert();

    /// Darner always locks by hash tag. With strict scripts (see default_lua_flags), they may also
    /// touch keys that share the tag of a declared one.
    lock_on_hashtags: bool = false, Yes;

    /// Alternative tag delimiter character.
    locktag_delimiter: String = String::new(), Text, inert();

    /// Only keys with this prefix have tags.
    locktag_prefix: String = String::new(), Text, inert();

    /// How many closing delimiters to skip.
    locktag_skip_n_end_delimiters: u32 = 0, U32, inert();
}
