//! LATENCY HISTOGRAM: how many runs of each command took no longer than so many microseconds.

use commands::CommandError;
use protocol::Reply;

use crate::admin::command::find;
use crate::session::{Call, Outcome};
use crate::stats::CommandTotals;
use crate::table::Entry;

/// LATENCY HISTOGRAM [command ...]
pub(super) fn histogram(
    call: &mut Call<'_, '_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, CommandError> {
    let (shared, args) = (call.shared, call.args);
    let asked: Vec<&Entry> = if args.len() == 2 {
        shared.table.all().collect()
    } else {
        let named = args.from(2).filter_map(|name| find(&shared.table, name));
        // A container stands for its subcommands.
        named
            .flat_map(|entry| std::iter::once(entry).chain(&entry.subcommands))
            .collect()
    };
    let mut shown: Vec<(&Entry, CommandTotals)> = Vec::new();
    for entry in asked {
        let totals = CommandTotals::of(shared, entry.id);
        let is_new = !shown.iter().any(|(other, _)| other.id == entry.id);
        if totals.calls > 0 && is_new {
            shown.push((entry, totals));
        }
    }
    reply.map(shown.len());
    for (entry, totals) in shown {
        reply.bulk(entry.full_name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.int(totals.calls as i64);
        reply.bulk(b"histogram_usec");
        let steps = cumulative(&totals.latency);
        reply.map(steps.len());
        for (us, runs) in steps {
            reply.int(us as i64);
            reply.int(runs as i64);
        }
    }
    Ok(Outcome::Done)
}

/// Upper limits in microseconds with the number of runs up to there, where that grows.
fn cumulative(buckets: &[u64]) -> Vec<(u64, u64)> {
    let mut runs = 0;
    let filled = buckets.iter().enumerate().filter(|(_, count)| **count > 0);
    let step = |(bucket, count): (usize, &u64)| {
        runs += count;
        (1 << bucket, runs)
    };
    filled.map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up() {
        assert_eq!(cumulative(&[1, 0, 2, 3, 0]), [(1, 1), (4, 3), (8, 6)]);
        assert_eq!(cumulative(&[0; 4]), []);
    }
}
