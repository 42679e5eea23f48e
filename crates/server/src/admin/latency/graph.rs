//! LATENCY GRAPH: the samples of an event as columns of text, the latest on the right.

use commands::CommandError;
use protocol::Reply;

use super::monitor::{Event, Sample};
use crate::session::{Call, Outcome};

const MAX_COLUMNS: usize = 80;
const ROWS: u64 = 4;

/// LATENCY GRAPH event
pub(super) fn graph(
    call: &mut Call<'_, '_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, CommandError> {
    let name = call.args.at(2);
    let monitor = call.shared.admin.latency();
    let name_shown = String::from_utf8_lossy(name);
    let Some(event) = monitor.event(name) else {
        return Err(CommandError::Made(format!(
            "ERR No samples available for event '{name_shown}'"
        )));
    };
    let text = draw(&name_shown, event, call.thread.now_ms() / 1000);
    reply.verbatim("txt", text.as_bytes());
    Ok(Outcome::Done)
}

fn draw(name: &str, event: &Event, now_seconds: u64) -> String {
    let samples: Vec<Sample> = event.samples().copied().collect();
    let shown = &samples[samples.len().saturating_sub(MAX_COLUMNS)..];
    let high = shown.iter().map(|sample| sample.ms).max().unwrap_or(0);
    let low = shown.iter().map(|sample| sample.ms).min().unwrap_or(0);
    let mut lines = vec![
        format!(
            "{name} - high {high} ms, low {low} ms (all time high {} ms)",
            event.max_ms
        ),
        "-".repeat(MAX_COLUMNS),
    ];
    // Columns are from one to four characters high.
    let range = (high - low).max(1);
    let height = |sample: &Sample| 1 + (sample.ms - low) * (ROWS - 1) / range;
    for row in (1..=ROWS).rev() {
        let column = |sample: &Sample| match height(sample) {
            height if height == row => '#',
            height if height > row => '|',
            _ => ' ',
        };
        lines.push(shown.iter().map(column).collect());
    }
    // Below each column how long ago it was, from top to bottom.
    lines.push(String::new());
    let ages = shown.iter().map(|sample| age(now_seconds, sample));
    let ages: Vec<Vec<char>> = ages.map(|age| age.chars().collect()).collect();
    let longest = ages.iter().map(Vec::len).max().unwrap_or(0);
    for row in 0..longest {
        let letter = |age: &Vec<char>| age.get(row).copied().unwrap_or(' ');
        lines.push(ages.iter().map(letter).collect());
    }
    let trimmed = lines.iter().map(|line| line.trim_end());
    trimmed.collect::<Vec<_>>().join("\n") + "\n"
}

/// `5s`, `3m`, `2h`, `1d`
fn age(now_seconds: u64, sample: &Sample) -> String {
    let seconds = now_seconds.saturating_sub(sample.unix_seconds);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Monitor;
    use super::*;

    #[test]
    fn columns_of_samples() {
        let mut monitor = Monitor::default();
        for (unix_seconds, ms) in [(100, 10), (3_690, 40), (3_699, 20)] {
            monitor.add("command", Sample { unix_seconds, ms });
        }
        let event = monitor.event(b"command").unwrap();
        let expected = format!(
            "command - high 40 ms, low 10 ms (all time high 40 ms)\n{}\n \
             #\n |\n |#\n#||\n\n111\nh0s\n s\n",
            "-".repeat(80)
        );
        assert_eq!(draw("command", event, 3_700), expected);
    }
}
