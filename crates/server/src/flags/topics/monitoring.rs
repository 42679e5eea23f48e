//! The admin port, HTTP, slow log, latency, log files.

use crate::flags::codec::{Codec, I32, Int, N63, OneOf, Text, U16, U32, Yes, named};
use crate::flags::special::Percentiles;
use crate::flags::table::topic;

named! {
    /// Redis's `loglevel`.
    LogLevel { Debug = "debug", Verbose = "verbose", Notice = "notice", Warning = "warning" }
}

named! {
    /// Redis's `syslog-facility`.
    SyslogFacility {
        User = "user",
        Local0 = "local0",
        Local1 = "local1",
        Local2 = "local2",
        Local3 = "local3",
        Local4 = "local4",
        Local5 = "local5",
        Local6 = "local6",
        Local7 = "local7",
    }
}

named! {
    /// How lines of the log look.
    LogFormat { Text = "text", Json = "json" }
}

topic! {
    /// The admin port, HTTP, slow log, latency and log files.
    monitoring: Monitoring, "Monitoring and logs";

    /// Another port, for HTTP (metrics, health, console) and RESP; 0 = none.
    admin_port: u16 = 0, U16;

    /// Address of the admin port; empty = those of `bind`.
    admin_bind: String = String::new(), Text;

    /// No password on the admin port.
    admin_nopass: bool = false, Yes;

    /// HTTP on the main port as well.
    primary_port_http_enabled: bool = true, Yes;

    /// POST /api.
    expose_http_api: bool = false, Yes, inert();

    /// Hide host details in INFO.
    managed_service_info: bool = false, Yes, runtime(), inert();

    /// Zone shown in INFO and HELLO.
    availability_zone: String = String::new(), Text;

    /// Old memory metric names on /metrics.
    keep_legacy_memory_metrics: bool = false, Yes, inert();

    /// Microseconds from which a command goes into the slow log; negative = none does.
    slowlog_log_slower_than: i64 = 10000, Int(-1, i64::MAX),
        redis("slowlog-log-slower-than"), runtime();

    /// Most entries of the slow log.
    slowlog_max_len: u64 = 128, N63, redis("slowlog-max-len"), runtime();

    /// Measure how long each command takes.
    latency_tracking: bool = true, Yes, redis("latency-tracking"), runtime();

    /// Percentiles of that shown in INFO.
    latency_tracking_info_percentiles: Vec<f64> = vec![50.0, 99.0, 99.9], Percentiles,
        redis("latency-tracking-info-percentiles"), runtime();

    /// Milliseconds from which an event goes into LATENCY; 0 = none does.
    latency_monitor_threshold: u64 = 0, N63, redis("latency-monitor-threshold"), runtime();

    /// The least urgent level that is logged.
    loglevel: LogLevel = LogLevel::Notice, OneOf, redis("loglevel", "log-level"), runtime();

    /// How its lines look: as Redis's, or each an object of JSON.
    log_format: LogFormat = LogFormat::Text, OneOf;

    /// File to log to; empty = standard output.
    logfile: String = String::new(), Text, redis("logfile");

    /// Log to the system's log.
    syslog_enabled: bool = false, Yes, redis("syslog-enabled"), inert();

    /// Name of the server there.
    syslog_ident: String = "redis".to_string(), Text, redis("syslog-ident"), inert();

    /// Facility there.
    syslog_facility: SyslogFacility = SyslogFacility::Local0, OneOf,
        redis("syslog-facility"), inert();

    /// Log to standard error besides the file.
    alsologtostderr: bool = false, Yes;

    /// Log to standard error only.
    logtostderr: bool = false, Yes;

    /// Folder for log files.
    log_dir: String = String::new(), Text, inert();

    /// Dragonfly: least level logged: 0 = info, 1 = warning, 2 = error, 3 = fatal.
    minloglevel: i32 = 0, I32, inert();

    /// Dragonfly: least level copied to stderr.
    stderrthreshold: i32 = 2, I32, inert();

    /// Dragonfly: how verbose the log is.
    v: i32 = 0, I32, inert();

    /// Dragonfly: the same by module.
    vmodule: String = String::new(), Text, inert();

    /// Dragonfly: largest log file in MB.
    max_log_size: u32 = 200, U32, inert();

    /// Dragonfly: most urgent level that is buffered.
    logbuflevel: i32 = 0, I32, inert();

    /// Dragonfly: longest time that it is buffered.
    logbufsecs: i32 = 30, I32, inert();
}
