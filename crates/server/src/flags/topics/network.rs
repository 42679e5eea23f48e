//! Ports, sockets, and how much a client may send and leave unread.

use crate::flags::codec::{
    ANY, Codec, I63, Int, Memory, N31, N63, Octal, Text, U16, U32, Words, Yes,
};
use crate::flags::special::{BufferLimits, MemoryShare, OutputBufferLimits, Share};
use crate::flags::table::topic;

topic! {
    /// Ports, sockets and client connections.
    network: Network, "Network and connections";

    /// TCP port of the Redis protocol; 0 turns TCP off, -1 picks a free port.
    port: i32 = 6379, Int(-1, 65535), redis("port"), runtime();

    /// Addresses to listen on. `*` is every IPv4 and `::*` every IPv6 address; one that begins
    /// with `-` may be missing. Empty turns TCP off.
    bind: Vec<String> = vec!["*".to_string(), "-::*".to_string()], Words, redis("bind"), runtime();

    /// Address that connections to other servers come from.
    bind_source_addr: String = String::new(), Text, redis("bind-source-addr"), runtime(), inert();

    /// Without a password, serve this machine only. Off as in Dragonfly; with a redis.conf that
    /// doesn't mention it, on as in Redis.
    protected_mode: bool = false, Yes, redis("protected-mode"), runtime();

    /// Path of a Unix socket to listen on.
    unixsocket: String = String::new(), Text, redis("unixsocket");

    /// Permissions of that socket, in octal; 0 leaves them alone.
    unixsocketperm: u32 = 0, Octal, redis("unixsocketperm");

    /// Port told to cluster clients and to the master instead of the real one.
    announce_port: u16 = 0, U16, runtime();

    /// Address told to cluster clients and to the master instead of the one they have connected to.
    announce_ip: String = String::new(), Text, runtime();

    /// Port of the memcached text protocol; 0 = off.
    memcached_port: u32 = 0, U32, inert();

    /// Most client connections at a time.
    maxclients: u32 = 64000, Int(1, u32::MAX as i64), redis("maxclients"), runtime();

    /// Most memory of all clients together, in bytes or percent of `maxmemory`: beyond it those
    /// with the most are disconnected; 0 = no limit.
    maxmemory_clients: MemoryShare = MemoryShare::Bytes(0), Share,
        redis("maxmemory-clients"), runtime();

    /// Most bytes of a client's request that wait to be whole.
    client_query_buffer_limit: u64 = 1 << 30, Memory(1 << 20, I63),
        redis("client-query-buffer-limit"), runtime();

    /// How much may wait to be sent to a client of each class before it is disconnected: a hard
    /// limit, and a soft one with the seconds it may be exceeded.
    client_output_buffer_limit: OutputBufferLimits = OutputBufferLimits::redis(), BufferLimits,
        redis("client-output-buffer-limit"), runtime();

    /// Idle seconds after which a client is disconnected; 0 = never.
    timeout: u32 = 0, N31, redis("timeout"), runtime();

    /// Seconds a connection may hang in a socket write before it is dropped; 0 = never.
    send_timeout: u32 = 0, U32, runtime(), inert();

    /// Idle seconds before TCP keep-alive probes start; the connection dies after about twice
    /// that.
    tcp_keepalive: u32 = 300, N31, redis("tcp-keepalive"), runtime();

    /// TCP_USER_TIMEOUT in ms; 0 = system default.
    tcp_user_timeout: u32 = 0, U32;

    /// Set TCP_NODELAY on client sockets.
    tcp_nodelay: bool = true, Yes;

    /// How many connections may wait to be accepted.
    tcp_backlog: u32 = 511, N31, redis("tcp-backlog");

    /// Set TCP_DEFER_ACCEPT on listeners.
    enable_tcp_defer_accept: bool = true, Yes, inert();

    /// Choose the IO thread of a new connection by the CPU that received it.
    conn_use_incoming_cpu: bool = false, Yes, inert();

    /// How many proactor threads accept client connections; 0 = all.
    conn_io_threads: u32 = 0, U32, inert();

    /// First thread index used for client connections.
    conn_io_thread_start: u32 = 0, U32, inert();

    /// Move connections between threads: they gather on as few as have room for the load, and
    /// spread when cores are idle. If not, they stay on the thread that they were dealt out to.
    migrate_connections: bool = true, Yes;

    /// Provided-buffer ring entries per thread for io_uring receive; 0 = off.
    uring_recv_buffer_cnt: u16 = 0, U16, inert();

    /// Most arguments of one command.
    max_multi_bulk_len: u32 = i32::MAX as u32, N31;

    /// Longest argument.
    max_bulk_len: u64 = 512 << 20, Memory(1 << 20, I63), redis("proto-max-bulk-len"), runtime();

    /// Largest per-client input buffer.
    max_client_iobuf_len: u64 = 32 << 10, ANY, inert();

    /// Shortest time between shrinks of an input buffer; 0 = no shrinking.
    iobuf_min_shrink_interval_sec: u32 = 30, U32, inert();

    /// Longest time to read/parse one socket without yielding.
    max_busy_read_usec: u32 = 200, U32, runtime(), inert();

    /// Per-IO-thread memory for recycled request objects.
    request_cache_limit: u64 = 64 << 20, ANY, inert();

    /// Per-IO-thread memory for queued pipeline requests; too-large pipelines can block
    /// themselves.
    pipeline_buffer_limit: u64 = 128 << 20, ANY, runtime(), inert();

    /// Queue length per connection after which the server stops reading that socket.
    pipeline_queue_limit: u32 = 10000, U32, runtime(), inert();

    /// Folder for spilling connection backlog to disk.
    disk_backpressure_folder: String = "/tmp/".to_string(), Text, inert();

    /// Cap of one spill file.
    disk_backpressure_file_max_bytes: u64 = 50 << 20, ANY, inert();

    /// Per-IO-thread soft limit for queued published messages; publishers wait only at a higher
    /// hard limit.
    publish_buffer_limit: u64 = 196 << 20, ANY, inert();

    /// Close subscribers whose socket write is stuck this long while the queue is over its limit;
    /// 0 = off.
    pubsub_slow_subscriber_timeout_ms: u32 = 0, U32, inert();

    /// Pause applied to write connections under pressure; 0 = off.
    write_connection_throttling_sleep_usec: u32 = 0, U32, runtime(), inert();

    /// Seconds to wait for all connections to pause (CLIENT PAUSE, migration finalisation).
    pause_wait_timeout: u32 = 1, U32, inert();

    /// Most keys remembered for clients that cache; 0 = no limit.
    tracking_table_max_keys: u64 = 1_000_000, N63, redis("tracking-table-max-keys"), runtime();

    /// Mark on the packets of the server's sockets.
    socket_mark_id: u32 = 0, U32, redis("socket-mark-id"), inert();

    /// Close a client's connection when a reply cannot be held in memory.
    close_on_oom: bool = false, Yes, redis("close-on-oom"), runtime(), inert();
}
