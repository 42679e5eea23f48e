//! XCLAIM: takes pending entries over from whoever has them.

use data::types::Stream;
use data::types::stream::{ConsumerKey, Group as ConsumerGroup, Id, Pending};
use protocol::{Reply, number};
use store::Txn;

use super::group::{Replay, consumer_asks, edit_group, find_group, no_group};
use super::id::{id, reply_id};
use super::xrange::reply_entry;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// XCLAIM key group consumer min-idle-time id [id ...] [options]
pub(super) const XCLAIM: DataCommand = Command {
    spec: Spec {
        arity: -6,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::UPDATE)],
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(log N) with N being the number of messages in the PEL of the consumer \
                     group.",
        summary: "Makes pending entries those of another consumer.",
        syntax: "key group consumer min-idle-time id [id ...] [IDLE ms] \
                 [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]",
        tips: &["nondeterministic_output"],
        ..Spec::new("xclaim")
    },
    run: xclaim,
    subcommands: &[],
};

/// How entries are taken over, by XCLAIM and XAUTOCLAIM.
pub(super) struct Claim {
    pub(super) now_ms: u64,
    /// Those delivered later than that are left.
    pub(super) idle_min_ms: u64,
    /// What counts as the time of delivery.
    pub(super) time_ms: u64,
    /// What counts as the number of deliveries, unless it is one more than before.
    pub(super) deliveries: Option<u64>,
    /// Only IDs are answered, and it counts as no delivery.
    pub(super) just_id: bool,
}

impl Claim {
    pub(super) fn new(now_ms: u64, idle_min_ms: u64) -> Self {
        Self {
            now_ms,
            idle_min_ms,
            time_ms: now_ms,
            deliveries: None,
            just_id: false,
        }
    }

    /// Whether a pending entry has lain idle for long enough.
    pub(super) fn is_due(&self, pending: &Pending) -> bool {
        self.idle_min_ms == 0 || self.now_ms.saturating_sub(pending.time_ms) >= self.idle_min_ms
    }

    /// Takes an entry over, which was delivered so often.
    pub(super) fn take(
        &self,
        group: &mut ConsumerGroup,
        consumer: ConsumerKey,
        id: Id,
        deliveries: u64,
    ) {
        let more = deliveries.saturating_add(u64::from(!self.just_id));
        let pending = Pending {
            consumer,
            time_ms: self.time_ms,
            deliveries: self.deliveries.unwrap_or(more),
        };
        group.deliver(id, pending);
        group.consumer_mut(consumer).active_ms = Some(self.now_ms);
    }

    /// Answers an entry that was taken over.
    pub(super) fn reply(&self, stream: &Stream, id: Id, reply: &mut Reply<'_>) {
        match stream.get(id) {
            Some(entry) if !self.just_id => reply_entry(entry, reply),
            _ => reply_id(id, reply),
        }
    }
}

struct Options {
    claim: Claim,
    force: bool,
    last_id: Option<Id>,
    ids: Vec<Id>,
}

impl Options {
    fn parse(args: Args<'_>, now_ms: u64) -> Result<Self, CommandError> {
        let idle_min_ms = number::parse_i64(args.at(4)).ok_or(CommandError::Text(
            "ERR Invalid min-idle-time argument for XCLAIM",
        ))?;
        // What isn't an ID begins the options.
        let ids: Vec<Id> = args.from(5).map_while(|arg| id(arg).ok()).collect();
        let mut options = Self {
            claim: Claim::new(now_ms, idle_min_ms.max(0) as u64),
            force: false,
            last_id: None,
            ids,
        };
        let mut at = 5 + options.ids.len();
        while at < args.len() {
            at += options.take(args, at)?;
        }
        Ok(options)
    }

    /// Takes the option at `at`; how many arguments it has.
    fn take(&mut self, args: Args<'_>, at: usize) -> Result<usize, CommandError> {
        let has_value = at + 1 < args.len();
        let int = |name: &str| {
            number::parse_i64(args.at(at + 1)).ok_or_else(|| {
                CommandError::Made(format!("ERR Invalid {name} option argument for XCLAIM"))
            })
        };
        let claim = &mut self.claim;
        if args.is(at, "FORCE") {
            self.force = true;
            return Ok(1);
        } else if args.is(at, "JUSTID") {
            claim.just_id = true;
            return Ok(1);
        } else if has_value && args.is(at, "IDLE") {
            let time = (claim.now_ms as i64).saturating_sub(int("IDLE")?);
            claim.time_ms = not_ahead(time, claim.now_ms);
        } else if has_value && args.is(at, "TIME") {
            claim.time_ms = not_ahead(int("TIME")?, claim.now_ms);
        } else if has_value && args.is(at, "RETRYCOUNT") {
            // Redis takes any negative number for none.
            claim.deliveries = u64::try_from(int("RETRYCOUNT")?).ok();
        } else if has_value && args.is(at, "LASTID") {
            self.last_id = Some(id(args.at(at + 1))?);
        } else {
            let option = String::from_utf8_lossy(args.at(at));
            return Err(CommandError::Made(format!(
                "ERR Unrecognized XCLAIM option '{option}'"
            )));
        }
        Ok(2)
    }
}

/// A time in the future, or before there was any, is now.
fn not_ahead(time_ms: i64, now_ms: u64) -> u64 {
    u64::try_from(time_ms).map_or(now_ms, |time| time.min(now_ms))
}

fn xclaim(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let names = (args.at(1), args.at(2));
    let found = find_group(txn, names.0, names.1)?.ok_or_else(|| no_group(names.0, names.1))?;
    let options = Options::parse(args, txn.now_ms)?;
    let mut replay = Replay::new(txn, names, args.at(3));
    let (added, changed) = edit_group(txn, names, found, |stream, group| {
        let (consumer, added) = consumer_asks(group, args.at(3), options.claim.now_ms);
        if added {
            replay.consumer_added();
        }
        let moved = options.last_id.is_some_and(|last| last > group.last_id);
        if let Some(last) = options.last_id.filter(|_| moved) {
            group.last_id = last;
            replay.read_on(group);
        }
        let claimed = claim_all(stream, group, consumer, &options, &mut replay, reply);
        (added, moved || claimed)
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

/// Answers the entries that were taken over; whether anything changed.
fn claim_all(
    stream: &Stream,
    group: &mut ConsumerGroup,
    consumer: ConsumerKey,
    options: &Options,
    replay: &mut Replay<'_>,
    reply: &mut Reply<'_>,
) -> bool {
    let (mark, mut count, mut changed) = (reply.begin_array(), 0, false);
    for &id in &options.ids {
        let pending = group.pending().get(&id).copied();
        if stream.get(id).is_none() {
            // Nobody can deal with a deleted entry any more.
            if group.acknowledge(id) {
                replay.dropped(id);
                changed = true;
            }
            continue;
        }
        let deliveries = match pending {
            Some(pending) if options.claim.is_due(&pending) => pending.deliveries,
            None if options.force => 1,
            _ => continue,
        };
        options.claim.take(group, consumer, id, deliveries);
        replay.delivered(group, id);
        options.claim.reply(stream, id, reply);
        (count, changed) = (count + 1, true);
    }
    reply.end_array(mark, count);
    changed
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    const ONE: &str = "*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n";
    const JUST_ONE: &str = "*1\r\n$3\r\n1-0\r\n";

    fn fixture() -> Fixture {
        let mut fixture = Fixture::logged();
        for i in 1..=3 {
            fixture.run(&format!("XADD a {i} f v"));
        }
        fixture.run("XGROUP CREATE a g 0");
        fixture.run("XREADGROUP GROUP g c COUNT 2 STREAMS a >");
        fixture.now_ms += 100;
        fixture.effects();
        fixture
    }

    fn pending(id: &str, consumer: &str, idle_ms: u64, deliveries: u64) -> String {
        format!("*1\r\n*4\r\n$3\r\n{id}\r\n$1\r\n{consumer}\r\n:{idle_ms}\r\n:{deliveries}\r\n")
    }

    #[test]
    fn takes_over_what_lies_idle() {
        fixture().check(&[
            ("XCLAIM a g d 101 1", "*0\r\n"),
            ("XCLAIM a g d 100 1 3", ONE),
            ("XPENDING a g 1 1 1", &pending("1-0", "d", 0, 2)),
            ("XCLAIM a g d 1 1", "*0\r\n"),
            ("XCLAIM a g c 0 1 JUSTID IDLE 30", JUST_ONE),
            ("XPENDING a g 1 1 1", &pending("1-0", "c", 30, 2)),
            ("XCLAIM a g c 0 1 RETRYCOUNT 9 TIME 1699999999999", ONE),
            ("XPENDING a g 1 1 1", &pending("1-0", "c", 101, 9)),
            ("XCLAIM a g c 0 3 FORCE JUSTID", "*1\r\n$3\r\n3-0\r\n"),
            ("XPENDING a g 3 3 1", &pending("3-0", "c", 0, 1)),
        ]);
    }

    #[test]
    fn deleted_entries_are_dropped() {
        let mut fixture = fixture();
        fixture.check(&[
            ("XDEL a 1", ":1\r\n"),
            ("XCLAIM a g d 0 1", "*0\r\n"),
            ("XPENDING a g - + 10 c", &pending("2-0", "c", 100, 1)),
        ]);
        assert_eq!(
            fixture.effects(),
            ["XDEL a 1", "XGROUP CREATECONSUMER a g d", "XACK a g 1-0"]
        );
    }

    #[test]
    fn refusals() {
        fixture().check(&[
            (
                "XCLAIM a h c 0 1",
                "-NOGROUP No such key 'a' or consumer group 'h'\r\n",
            ),
            (
                "XCLAIM a g c x 1",
                "-ERR Invalid min-idle-time argument for XCLAIM\r\n",
            ),
            (
                "XCLAIM a g c 0 1 IDLE x",
                "-ERR Invalid IDLE option argument for XCLAIM\r\n",
            ),
            (
                "XCLAIM a g c 0 1 FOO",
                "-ERR Unrecognized XCLAIM option 'FOO'\r\n",
            ),
        ]);
    }
}
