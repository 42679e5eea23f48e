//! XAUTOCLAIM: takes over what has lain idle for long, a few entries at a time.

use data::types::Stream;
use data::types::stream::{ConsumerKey, Group as ConsumerGroup, Id};
use protocol::{Reply, number};
use store::Txn;

use super::group::{Replay, consumer_asks, edit_group, find_group, no_group};
use super::id::{range_start, reply_id};
use super::xclaim::Claim;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]
pub(super) const XAUTOCLAIM: DataCommand = Command {
    spec: Spec {
        arity: -6,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::DELETE)],
        group: Group::Stream,
        since: "6.2.0",
        complexity: "O(1) if COUNT is small.",
        summary: "Makes pending entries that have lain idle those of another consumer.",
        syntax: "key group consumer min-idle-time start [COUNT count] [JUSTID]",
        tips: &["nondeterministic_output"],
        ..Spec::new("xautoclaim")
    },
    run: xautoclaim,
    subcommands: &[],
};

const COUNT: usize = 100;
/// So many entries are looked at for each that may be taken over.
const ATTEMPTS: usize = 10;
/// As many as Redis can remember while it looks.
const COUNT_MAX: i64 = i64::MAX / 16;

struct Options {
    claim: Claim,
    from: Id,
    count: usize,
}

impl Options {
    fn parse(args: Args<'_>, now_ms: u64) -> Result<Self, CommandError> {
        let idle_min_ms = number::parse_i64(args.at(4)).ok_or(CommandError::Text(
            "ERR Invalid min-idle-time argument for XAUTOCLAIM",
        ))?;
        let mut options = Self {
            claim: Claim::new(now_ms, idle_min_ms.max(0) as u64),
            from: range_start(args.at(5))?,
            count: COUNT,
        };
        let mut at = 6;
        while at < args.len() {
            if at + 1 < args.len() && args.is(at, "COUNT") {
                let count = number::parse_i64(args.at(at + 1));
                let count = count.filter(|count| (1..=COUNT_MAX).contains(count));
                options.count = count.ok_or(CommandError::Text("ERR COUNT must be > 0"))? as usize;
                at += 2;
            } else if args.is(at, "JUSTID") {
                options.claim.just_id = true;
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

fn xautoclaim(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(args, txn.now_ms)?;
    let names = (args.at(1), args.at(2));
    let found = find_group(txn, names.0, names.1)?.ok_or_else(|| no_group(names.0, names.1))?;
    let mut replay = Replay::new(txn, names, args.at(3));
    let (added, changed) = edit_group(txn, names, found, |stream, group| {
        let (consumer, added) = consumer_asks(group, args.at(3), options.claim.now_ms);
        if added {
            replay.consumer_added();
        }
        let changed = claim_idle(stream, group, consumer, &options, &mut replay, reply);
        (added, changed)
    })?;
    if added {
        txn.changed(names.0, "xgroup-createconsumer");
    }
    if changed {
        txn.changed_silently(names.0);
    }
    replay.finish(txn);
    Ok(())
}

/// Answers where to go on, what was taken over, and what was dropped since it is deleted; whether
/// anything changed.
fn claim_idle(
    stream: &Stream,
    group: &mut ConsumerGroup,
    consumer: ConsumerKey,
    options: &Options,
    replay: &mut Replay<'_>,
    reply: &mut Reply<'_>,
) -> bool {
    let claim = &options.claim;
    let (mut claimed, mut deleted) = (Vec::new(), Vec::new());
    let mut pending = group.pending().range(options.from..);
    for (&id, pending) in pending
        .by_ref()
        .take(options.count.saturating_mul(ATTEMPTS))
    {
        if stream.get(id).is_none() {
            deleted.push(id);
        } else if claim.is_due(pending) {
            claimed.push((id, pending.deliveries));
        }
        if claimed.len() + deleted.len() == options.count {
            break;
        }
    }
    let next = pending.next().map_or(Id::MIN, |(&id, _)| id);
    for &id in &deleted {
        group.acknowledge(id);
        replay.dropped(id);
    }
    reply.array(3);
    reply_id(next, reply);
    reply.array(claimed.len());
    for &(id, deliveries) in &claimed {
        claim.take(group, consumer, id, deliveries);
        replay.delivered(group, id);
        claim.reply(stream, id, reply);
    }
    reply.array(deleted.len());
    for &id in &deleted {
        reply_id(id, reply);
    }
    !claimed.is_empty() || !deleted.is_empty()
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn goes_on_from_where_it_stopped() {
        let mut fixture = Fixture::new();
        for i in 1..=4 {
            fixture.run(&format!("XADD a {i} f v"));
        }
        fixture.run("XGROUP CREATE a g 0");
        fixture.run("XREADGROUP GROUP g c STREAMS a >");
        fixture.now_ms += 100;
        let ids = |next: &str, claimed: &[&str], deleted: &[&str]| {
            let all = |ids: &[&str]| {
                let ids = ids.iter().map(|id| format!("$3\r\n{id}\r\n"));
                format!("*{}\r\n{}", ids.len(), ids.collect::<String>())
            };
            format!("*3\r\n$3\r\n{next}\r\n{}{}", all(claimed), all(deleted))
        };
        fixture.check(&[
            ("XAUTOCLAIM a g d 101 - JUSTID", &ids("0-0", &[], &[])),
            ("XDEL a 2", ":1\r\n"),
            (
                "XAUTOCLAIM a g d 100 - COUNT 2 JUSTID",
                &ids("3-0", &["1-0"], &["2-0"]),
            ),
            (
                "XAUTOCLAIM a g d 100 3-0 JUSTID",
                &ids("0-0", &["3-0", "4-0"], &[]),
            ),
            (
                "XAUTOCLAIM a g c 0 (3-0",
                "*3\r\n$3\r\n0-0\r\n*1\r\n*2\r\n$3\r\n4-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n*0\r\n",
            ),
            ("XAUTOCLAIM a g d 0 - COUNT 0", "-ERR COUNT must be > 0\r\n"),
            ("XAUTOCLAIM a g d 0 - FOO", "-ERR syntax error\r\n"),
            (
                "XAUTOCLAIM a h d 0 -",
                "-NOGROUP No such key 'a' or consumer group 'h'\r\n",
            ),
            (
                "XAUTOCLAIM a g d x -",
                "-ERR Invalid min-idle-time argument for XAUTOCLAIM\r\n",
            ),
        ]);
    }
}
