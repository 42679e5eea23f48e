//! XPENDING.

use std::ops::RangeInclusive;

use data::types::Stream;
use data::types::stream::{Group as ConsumerGroup, Id, Pending};
use protocol::Reply;
use store::Txn;

use super::group::no_group;
use super::id::{range_end, range_start, reply_id};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// XPENDING key group [[IDLE min-idle-time] start end count [consumer]]
pub(super) const XPENDING: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(N) with N being the number of elements returned, so asking for a small \
                     fixed number of entries per call is O(1). O(M), where M is the total number \
                     of entries scanned when used with the IDLE filter. When the command returns \
                     just the summary and the list of consumers is small, it runs in O(1) time; \
                     otherwise, an additional O(N) time for iterating every consumer.",
        summary: "Returns what a group has delivered and not yet seen acknowledged.",
        syntax: "key group [[IDLE min-idle-time] start end count [consumer]]",
        tips: &["nondeterministic_output"],
        ..Spec::new("xpending")
    },
    run: xpending,
    subcommands: &[],
};

/// The long form: which entries.
struct Filter<'a> {
    idle_min_ms: u64,
    from: Id,
    to: Id,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    /// `None` for the short form.
    fn parse(args: Args<'a>) -> Result<Option<Self>, CommandError> {
        if args.len() == 3 {
            return Ok(None);
        }
        if !(6..=9).contains(&args.len()) {
            return Err(CommandError::Syntax);
        }
        let (mut at, mut idle_min_ms) = (3, 0);
        if args.is(3, "IDLE") {
            idle_min_ms = args.int(4)?.max(0) as u64;
            if args.len() < 8 {
                return Err(CommandError::Syntax);
            }
            at = 5;
        } else if args.len() > 7 {
            return Err(CommandError::Syntax);
        }
        Ok(Some(Self {
            count: args.int(at + 2)?.max(0) as usize,
            from: range_start(args.at(at))?,
            to: range_end(args.at(at + 1))?,
            consumer: args.get(at + 3),
            idle_min_ms,
        }))
    }

    fn ids(&self) -> RangeInclusive<Id> {
        self.from..=self.to
    }
}

fn xpending(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let filter = Filter::parse(args)?;
    let (key, name, now_ms) = (args.at(1), args.at(2), txn.now_ms);
    let stream = txn.read_as::<Box<Stream>>(key)?;
    let group = stream.and_then(|stream| stream.groups.get(name));
    let group = group.ok_or_else(|| no_group(key, name))?;
    match filter {
        None => summary(group, reply),
        Some(filter) => entries(group, &filter, now_ms, reply),
    }
    Ok(())
}

/// How many there are, from where to where, and how many of them each consumer has.
fn summary(group: &ConsumerGroup, reply: &mut Reply<'_>) {
    let pending = group.pending();
    reply.array(4);
    reply.int(pending.len() as i64);
    let (Some((&first, _)), Some((&last, _))) =
        (pending.first_key_value(), pending.last_key_value())
    else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply_id(first, reply);
    reply_id(last, reply);
    let mark = reply.begin_array();
    let mut count = 0;
    for consumer in group.consumers() {
        if !consumer.pending().is_empty() {
            reply.array(2);
            reply.bulk(&consumer.name);
            reply.bulk_int(consumer.pending().len() as i64);
            count += 1;
        }
    }
    reply.end_array(mark, count);
}

/// The entries themselves.
fn entries(group: &ConsumerGroup, filter: &Filter<'_>, now_ms: u64, reply: &mut Reply<'_>) {
    if filter.from > filter.to {
        return reply.array(0);
    }
    let (mark, mut count) = (reply.begin_array(), 0);
    let mut show = |id: Id, pending: &Pending| {
        let idle_ms = now_ms.saturating_sub(pending.time_ms);
        if idle_ms < filter.idle_min_ms || count == filter.count {
            return count < filter.count;
        }
        reply.array(4);
        reply_id(id, reply);
        reply.bulk(&group.consumer(pending.consumer).name);
        reply.int(idle_ms as i64);
        reply.int(pending.deliveries as i64);
        count += 1;
        true
    };
    match filter.consumer.map(|name| group.find_consumer(name)) {
        None => {
            let mut pending = group.pending().range(filter.ids());
            pending.all(|(&id, pending)| show(id, pending));
        }
        Some(None) => {}
        Some(Some(consumer)) => {
            let mut ids = group.consumer(consumer).pending().range(filter.ids());
            ids.all(|&id| show(id, &group.pending()[&id]));
        }
    }
    reply.end_array(mark, count);
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn summary_and_entries() {
        let mut fixture = Fixture::new();
        for i in 1..=3 {
            fixture.run(&format!("XADD a {i} f v"));
        }
        fixture.run("XGROUP CREATE a g 0");
        fixture.check(&[("XPENDING a g", "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n")]);
        fixture.run("XREADGROUP GROUP g c COUNT 2 STREAMS a >");
        fixture.now_ms += 50;
        fixture.run("XREADGROUP GROUP g d STREAMS a >");
        fixture.now_ms += 20;
        let one = "*4\r\n$3\r\n1-0\r\n$1\r\nc\r\n:70\r\n:1\r\n";
        let three = "*4\r\n$3\r\n3-0\r\n$1\r\nd\r\n:20\r\n:1\r\n";
        fixture.check(&[
            (
                "XPENDING a g",
                "*4\r\n:3\r\n$3\r\n1-0\r\n$3\r\n3-0\r\n*2\r\n*2\r\n$1\r\nc\r\n$1\r\n2\r\n*2\r\n\
                 $1\r\nd\r\n$1\r\n1\r\n",
            ),
            ("XPENDING a g - + 1", &format!("*1\r\n{one}")),
            ("XPENDING a g (2 + 10", &format!("*1\r\n{three}")),
            ("XPENDING a g - + 10 d", &format!("*1\r\n{three}")),
            ("XPENDING a g - + 10 nobody", "*0\r\n"),
            ("XPENDING a g + - 10", "*0\r\n"),
            ("XPENDING a g IDLE 60 - + 1", &format!("*1\r\n{one}")),
            ("XPENDING a g IDLE 60 - + 10 d", "*0\r\n"),
            ("XPENDING a g - + 0", "*0\r\n"),
            ("XPENDING a g - +", "-ERR syntax error\r\n"),
            ("XPENDING a g IDLE 5 - +", "-ERR syntax error\r\n"),
            (
                "XPENDING a h",
                "-NOGROUP No such key 'a' or consumer group 'h'\r\n",
            ),
        ]);
    }
}
