//! LATENCY DOCTOR: what the samples may mean, in words.

use std::fmt::Write;

use commands::CommandError;
use protocol::Reply;

use super::monitor::{Event, Monitor};
use crate::flags::Config;
use crate::session::{Call, Outcome};

/// LATENCY DOCTOR
pub(super) fn doctor(
    call: &mut Call<'_, '_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, CommandError> {
    let text = report(&call.thread.config, &call.shared.admin.latency());
    reply.verbatim("txt", text.as_bytes());
    Ok(Outcome::Done)
}

fn report(config: &Config, monitor: &Monitor) -> String {
    let threshold = config.monitoring.latency_monitor_threshold;
    if threshold == 0 && monitor.events().len() == 0 {
        return "Latency monitoring is off. Turn it on with \
                \"CONFIG SET latency-monitor-threshold <milliseconds>\".\n"
            .to_owned();
    }
    if monitor.events().len() == 0 {
        return format!("Nothing took {threshold} ms or longer since the last LATENCY RESET.\n");
    }
    let mut text = String::new();
    for (name, event) in monitor.events() {
        let (mean, deviation) = mean_and_deviation(event);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{name}: {} slow seconds, on average {mean} ms (mean deviation {deviation} ms), at \
             worst {} ms.",
            event.samples().len(),
            event.max_ms
        );
        text.push_str(advice(name));
        text.push('\n');
    }
    text
}

/// What can be done about an event.
fn advice(name: &str) -> &'static str {
    match name {
        "expire-cycle" => {
            "  Many keys expire at the same time: spread their times to live, or lower hz."
        }
        "fast-command" => {
            "  Commands that take constant time were slow: the processor was busy with something \
             else. Look for other processes, a CPU limit, swapping, or many threads on few cores."
        }
        _ => {
            "  Look at SLOWLOG GET for the commands. Those that go through many elements (KEYS, \
             SORT, large ranges, long scripts) are the usual cause."
        }
    }
}

fn mean_and_deviation(event: &Event) -> (u64, u64) {
    let count = event.samples().len().max(1) as u64;
    let mean = event.samples().map(|sample| sample.ms).sum::<u64>() / count;
    let deviations = event.samples().map(|sample| sample.ms.abs_diff(mean));
    (mean, deviations.sum::<u64>() / count)
}

#[cfg(test)]
mod tests {
    use super::super::monitor::Sample;
    use super::*;

    #[test]
    fn the_doctor_knows_what_was_slow() {
        let mut config = Config::default();
        let mut monitor = Monitor::default();
        assert!(report(&config, &monitor).contains("is off"));
        config.monitoring.latency_monitor_threshold = 5;
        assert!(report(&config, &monitor).starts_with("Nothing took 5 ms"));
        for (unix_seconds, ms) in [(1, 10), (2, 30)] {
            monitor.add("command", Sample { unix_seconds, ms });
        }
        let text = report(&config, &monitor);
        let start = "command: 2 slow seconds, on average 20 ms (mean deviation 10 ms), at worst 30";
        assert!(text.starts_with(start), "{text}");
    }
}
