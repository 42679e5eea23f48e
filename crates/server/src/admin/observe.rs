//! What becomes of a command that took long: the slow log and the latency monitor are told.

use commands::Args;
use commands::spec::flags;

use super::latency::Sample;
use crate::clients::ClientInfo;
use crate::flags::Config;
use crate::shared::Shared;
use crate::table::Entry;

const NS_PER_MS: u64 = 1_000_000;
const NS_PER_US: u64 = 1_000;

/// Nanoseconds from which a command is worth [`observe`]; `u64::MAX` when none is.
pub(crate) fn threshold_ns(config: &Config) -> u64 {
    let monitoring = &config.monitoring;
    let slowlog = match u64::try_from(monitoring.slowlog_log_slower_than) {
        Ok(us) if monitoring.slowlog_max_len > 0 => us.saturating_mul(NS_PER_US),
        _ => u64::MAX,
    };
    let latency = match monitoring.latency_monitor_threshold {
        0 => u64::MAX,
        ms => ms.saturating_mul(NS_PER_MS),
    };
    slowlog.min(latency)
}

/// Notes a command of a client that began at a Unix time in milliseconds and took `ns` nanoseconds.
#[cold]
pub(crate) fn observe(
    shared: &Shared,
    config: &Config,
    info: &ClientInfo,
    (entry, args): (&Entry, Args<'_>),
    (began_ms, ns): (u64, u64),
) {
    let monitoring = &config.monitoring;
    let unix_seconds = (began_ms + ns / NS_PER_MS) / 1000;
    let us = ns / NS_PER_US;
    let is_slow = u64::try_from(monitoring.slowlog_log_slower_than).is_ok_and(|from| us >= from);
    if is_slow && !entry.spec.has(flags::SKIP_SLOWLOG) {
        shared.admin.slowlog().add(
            (unix_seconds, us),
            (entry, args),
            info,
            monitoring.slowlog_max_len as usize,
        );
    }
    let event = if entry.spec.has(flags::FAST) {
        "fast-command"
    } else {
        "command"
    };
    note_event(shared, config, event, (unix_seconds, ns));
}

/// Notes an event that took `ns` nanoseconds, if that is long.
pub(crate) fn note_event(
    shared: &Shared,
    config: &Config,
    event: &'static str,
    (unix_seconds, ns): (u64, u64),
) {
    let threshold = config.monitoring.latency_monitor_threshold;
    let ms = ns / NS_PER_MS;
    if threshold > 0 && ms >= threshold {
        let sample = Sample { unix_seconds, ms };
        shared.admin.latency().add(event, sample);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_threshold_counts() {
        let mut config = Config::default();
        let mut threshold = |slower_than, max_len, latency| {
            config.monitoring.slowlog_log_slower_than = slower_than;
            config.monitoring.slowlog_max_len = max_len;
            config.monitoring.latency_monitor_threshold = latency;
            threshold_ns(&config)
        };
        assert_eq!(threshold(-1, 128, 0), u64::MAX);
        assert_eq!(threshold(10_000, 0, 0), u64::MAX);
        assert_eq!(threshold(10_000, 128, 0), 10_000_000);
        assert_eq!(threshold(10_000, 128, 3), 3_000_000);
        assert_eq!(threshold(0, 128, 3), 0);
        assert_eq!(threshold(-1, 128, u64::MAX), u64::MAX);
    }
}
