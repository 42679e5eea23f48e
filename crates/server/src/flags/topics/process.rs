//! Threads, and what the process is to the machine it runs on.

use crate::flags::codec::{AnyOf, Codec, I32, Int, N31, OneOf, Text, U32, Yes, named};
use crate::flags::special::OomScores;
use crate::flags::table::topic;

named! {
    /// Whether threads keep to CPUs.
    AffinityMode { On = "on", Off = "off", Auto = "auto" }
}

named! {
    /// Redis's `supervised`.
    Supervised { No = "no", Upstart = "upstart", Systemd = "systemd", Auto = "auto" }
}

named! {
    /// Redis's `oom-score-adj`.
    OomScoreAdj { No = "no", Yes = "yes", Relative = "relative", Absolute = "absolute" }
}

named! {
    /// What a stop by signal does besides.
    Shutdown { Save = "save", NoSave = "nosave", Now = "now", Force = "force" }
}

topic! {
    /// Threads, and the process as such.
    process: Process, "Threads and process";

    /// How many threads serve; 0 = as many as the CPU affinity and the container's CPU quota
    /// allow.
    proactor_threads: u32 = 0, Int(0, 1024);

    /// Whether each thread keeps to a CPU of its own: `on`, `off`, or `auto` (only where the
    /// threads are as many as the CPUs).
    proactor_affinity_mode: AffinityMode = AffinityMode::On, OneOf;

    /// Number of shards of the keyspace; 0 = automatic.
    num_shards: u32 = 0, U32, inert();

    /// Use epoll instead of io_uring.
    force_epoll: bool = false, Yes;

    /// File-IO worker threads under epoll.
    epoll_file_threads: i32 = 0, I32, inert();

    /// How often per second background work is done; between 1 and 500.
    hz: u32 = 10, N31, redis("hz"), runtime();

    /// Do background work more often when many clients are connected.
    dynamic_hz: bool = true, Yes, redis("dynamic-hz"), runtime(), inert();

    /// Redis's I/O threads. See proactor_threads.
    io_threads: u32 = 1, Int(1, 128), redis("io-threads"), inert();

    /// Redis's I/O threads read, too.
    io_threads_do_reads: bool = false, Yes, redis("io-threads-do-reads"), inert();

    /// Run the heartbeat as a low-priority fiber.
    background_heartbeat: bool = false, Yes, inert();

    /// Busy-poll time of shard threads.
    shard_thread_busy_polling_usec: u32 = 0, U32, runtime(), inert();

    /// Time slice of background fibers, ns.
    scheduler_background_budget: u32 = 50000, U32, runtime(), inert();

    /// Chance (%) that a background fiber sleeps after its slice.
    scheduler_background_sleep_prob: u32 = 50, U32, runtime(), inert();

    /// CPU share (%) promised to background fibers.
    scheduler_background_warrant: u32 = 5, U32, runtime(), inert();

    /// Yield period while iterating big containers.
    container_iteration_yield_interval_usec: u32 = 500, U32, inert();

    /// Transaction-queue length that triggers a warning in the log.
    tx_queue_warning_len: u32 = 96, U32, inert();

    /// Dragonfly: bytes left free on a fiber's stack.
    fiber_safety_margin: u32 = 1024, U32, inert();

    /// Dragonfly: log a fiber that ran longer than this.
    fiber_run_warning_threshold_ms: u32 = 0, U32, inert();

    /// Entries of the io_uring table of registered sockets.
    uring_direct_table_len: u32 = 0, U32, inert();

    /// Do not count waiting in io_uring as waiting for I/O.
    uring_disable_iowait: bool = false, Yes, inert();

    /// Redis: move on with the rehashing of tables when idle.
    activerehashing: bool = true, Yes, redis("activerehashing"), runtime(), inert();

    /// Let the allocator return memory in a thread of its own.
    jemalloc_bg_thread: bool = true, Yes, redis("jemalloc-bg-thread"), runtime(), inert();

    /// Write the number of the process here.
    pidfile: String = String::new(), Text, redis("pidfile");

    /// Run in the background.
    daemonize: bool = false, Yes, redis("daemonize");

    /// Who started the server and wants to hear that it is ready.
    supervised: Supervised = Supervised::No, OneOf, redis("supervised"), inert();

    /// Drop to this user after binding. In a redis.conf, `user` lines are ACL rules instead.
    user: String = String::new(), Text, inert();

    /// Show the address in the list of processes.
    set_proc_title: bool = true, Yes, redis("set-proc-title"), inert();

    /// What to show there.
    proc_title_template: String = "{title} {listen-addr} {server-mode}".to_string(), Text,
        redis("proc-title-template"), runtime(), inert();

    /// Keep the kernel from giving huge pages. Unlike Redis, which forks, we gain by them: they are
    /// on unless there is less than 1 GiB of memory.
    disable_thp: bool = false, Yes, redis("disable-thp");

    /// Whether to tell the kernel how ready it should be to kill this process.
    oom_score_adj: OomScoreAdj = OomScoreAdj::No, OneOf, redis("oom-score-adj"), runtime();

    /// How ready: as a master; the others are for replicas and child processes, which aren't there.
    oom_score_adj_values: [i32; 3] = [0, 200, 800], OomScores,
        redis("oom-score-adj-values"), runtime();

    /// CPUs for the server's threads.
    server_cpulist: String = String::new(), Text, redis("server_cpulist"), inert();

    /// CPUs for background threads.
    bio_cpulist: String = String::new(), Text, redis("bio_cpulist"), inert();

    /// CPUs for rewriting the append-only file.
    aof_rewrite_cpulist: String = String::new(), Text, redis("aof_rewrite_cpulist"), inert();

    /// CPUs for background saves.
    bgsave_cpulist: String = String::new(), Text, redis("bgsave_cpulist"), inert();

    /// Seconds that a shutdown waits for replicas to catch up.
    shutdown_timeout: u32 = 10, N31, redis("shutdown-timeout"), runtime(), inert();

    /// What SIGINT does besides stopping the server.
    shutdown_on_sigint: Vec<Shutdown> = Vec::new(), AnyOf("default"),
        redis("shutdown-on-sigint"), runtime(), inert();

    /// What SIGTERM does besides stopping the server.
    shutdown_on_sigterm: Vec<Shutdown> = Vec::new(), AnyOf("default"),
        redis("shutdown-on-sigterm"), runtime(), inert();

    /// Write a report on a crash.
    crash_log_enabled: bool = true, Yes, redis("crash-log-enabled"), runtime(), inert();

    /// Test the memory on a crash.
    crash_memcheck_enabled: bool = true, Yes, redis("crash-memcheck-enabled"), runtime(), inert();

    /// Names of start-up warnings to be left out.
    ignore_warnings: String = String::new(), Text, redis("ignore-warnings"), runtime(), inert();

    /// Print the logo even where nobody looks.
    always_show_logo: bool = false, Yes, redis("always-show-logo"), inert();

    /// Ask once a day whether a newer release exists.
    version_check: bool = true, Yes, inert();

    /// Do not print the usage hints at start.
    omit_basic_usage: bool = false, Yes, inert();
}
