//! XREADGROUP.

use data::types::Stream;
use data::types::stream::{ConsumerKey, Group as ConsumerGroup, Id, Pending};
use protocol::Reply;
use store::{AtEnd, Found, Served, Txn};

use super::group::{Replay, consumer_asks, edit_group, find_group};
use super::id;
use super::read::{Request, Streams};
use super::xrange::reply_entry;
use super::xread::streams;
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key … id …
pub(super) const XREADGROUP: DataCommand = Command {
    spec: Spec {
        arity: -7,
        flags: flags::WRITE | flags::BLOCKING | flags::MOVABLEKEYS,
        keys: &[streams(4)],
        group: Group::Stream,
        since: "5.0.0",
        complexity: "For each stream mentioned: O(M) with M being the number of elements returned. \
                     If M is constant (e.g. always asking for the first 10 elements with COUNT), \
                     you can consider it O(1). On the other side when XREADGROUP blocks, XADD will \
                     pay the O(N) time in order to serve the N clients blocked on the stream \
                     getting new data.",
        summary: "Returns entries that no consumer of a group has got yet, or those that this one \
                  hasn't acknowledged; waits for some if there are none.",
        syntax: "GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key \
                 [key ...] id [id ...]",
        serve: Some(serve),
        ..Spec::new("xreadgroup")
    },
    run: xreadgroup,
    subcommands: &[],
};

/// What a consumer asks for of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// `>`: what no one has got.
    New,
    /// Its own pending entries behind an ID.
    History(Id),
}

impl From {
    fn parse(text: &[u8]) -> Result<Self, CommandError> {
        match text {
            b">" => Ok(Self::New),
            b"$" => Err(CommandError::Text(
                "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the \
                 history of this consumer by specifying a proper ID, or use the > ID to get new \
                 messages. The $ ID would just return an empty result set.",
            )),
            _ => id::id(text).map(Self::History),
        }
    }
}

/// One consumer's request to one stream.
struct Asking<'a> {
    key: &'a [u8],
    group: &'a [u8],
    consumer: &'a [u8],
    from: From,
    count: usize,
    no_ack: bool,
}

impl<'a> Asking<'a> {
    fn new(request: &Request<'a>, key: &'a [u8], from: From) -> Self {
        let (group, consumer) = request.group.expect("parsed with a group");
        Self {
            key,
            group,
            consumer,
            from,
            count: request.count,
            no_ack: request.no_ack,
        }
    }
}

fn xreadgroup(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let request = Request::parse(args, true)?;
    let mut asked = Vec::with_capacity(request.streams().len());
    for (key, id) in request.streams() {
        let (group, _) = request.group.expect("parsed with a group");
        find_group(txn, key, group)?.ok_or_else(|| no_group(key, group))?;
        asked.push(Asking::new(&request, key, From::parse(id)?));
    }
    let start = reply.len();
    let mut streams = Streams::begin(reply);
    for asking in &asked {
        // Found anew: what was done to one stream may have moved the others.
        if let Some(found) = txn.find(asking.key) {
            answer(txn, asking, found, &mut streams, reply)?;
        }
    }
    if streams.end(reply, start) {
        return Ok(());
    }
    let keys = request.streams().map(|(key, _)| key);
    let timeout_ms = request.timeout_ms;
    if !(request.waits && txn.wait_for_existing(keys, timeout_ms, AtEnd::NullArray)) {
        reply.null_array();
    }
    Ok(())
}

fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
    CommandError::Made(format!(
        "NOGROUP No such key '{key}' or consumer group '{group}' in XREADGROUP with GROUP option"
    ))
}

/// Answers what there is for the consumer; notes that it asked even if there is nothing.
fn answer(
    txn: &mut Txn<'_>,
    asking: &Asking<'_>,
    found: Found,
    streams: &mut Streams,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let names = (asking.key, asking.group);
    let mut replay = Replay::new(txn, names, asking.consumer);
    let now_ms = txn.now_ms;
    let (added, delivered) = edit_group(txn, names, found, |stream, group| {
        let (consumer, added) = consumer_asks(group, asking.consumer, now_ms);
        if added {
            replay.consumer_added();
        }
        let mut delivery = Delivery {
            stream,
            group,
            consumer,
            now_ms,
            replay: &mut replay,
        };
        let delivered = match asking.from {
            From::New => delivery.new_entries(asking, streams, reply),
            From::History(behind) => delivery.history(asking, behind, streams, reply),
        };
        (added, delivered)
    })?;
    if added {
        txn.changed(asking.key, "xgroup-createconsumer");
    }
    if delivered {
        txn.changed_silently(asking.key);
    }
    replay.finish(txn);
    Ok(())
}

struct Delivery<'d, 'a> {
    stream: &'d Stream,
    group: &'d mut ConsumerGroup,
    consumer: ConsumerKey,
    now_ms: u64,
    replay: &'d mut Replay<'a>,
}

impl Delivery<'_, '_> {
    /// Delivers what no one has got; whether there was anything.
    fn new_entries(
        &mut self,
        asking: &Asking<'_>,
        streams: &mut Streams,
        reply: &mut Reply<'_>,
    ) -> bool {
        let Some(from) = self.group.last_id.next() else {
            return false;
        };
        let mut entries = self
            .stream
            .range(from, Id::MAX)
            .take(asking.count)
            .peekable();
        if entries.peek().is_none() {
            return false;
        }
        streams.begin_stream(asking.key, reply);
        let (mark, mut count) = (reply.begin_array(), 0);
        for entry in entries {
            self.group.entries_read = self.stream.entries_read_with(self.group, entry.id);
            self.group.last_id = entry.id;
            if !asking.no_ack {
                self.deliver(entry.id, 1);
            }
            reply_entry(entry, reply);
            count += 1;
        }
        reply.end_array(mark, count);
        self.group.consumer_mut(self.consumer).active_ms = Some(self.now_ms);
        self.replay.read_on(self.group);
        true
    }

    /// Delivers once more what the consumer hasn't acknowledged; whether there was anything.
    fn history(
        &mut self,
        asking: &Asking<'_>,
        behind: Id,
        streams: &mut Streams,
        reply: &mut Reply<'_>,
    ) -> bool {
        streams.begin_stream(asking.key, reply);
        let pending = self.group.consumer(self.consumer).pending();
        let from = behind.next().unwrap_or(Id::MAX);
        let ids: Vec<Id> = pending.range(from..).take(asking.count).copied().collect();
        reply.array(ids.len());
        let mut delivered = false;
        for &id in &ids {
            if let Some(entry) = self.stream.get(id) {
                let deliveries = self.group.pending()[&id].deliveries;
                self.deliver(id, deliveries + 1);
                delivered = true;
                reply_entry(entry, reply);
            } else {
                reply.array(2);
                id::reply_id(id, reply);
                reply.null_array();
            }
        }
        delivered
    }

    fn deliver(&mut self, id: Id, deliveries: u64) {
        let pending = Pending {
            consumer: self.consumer,
            time_ms: self.now_ms,
            deliveries,
        };
        self.group.deliver(id, pending);
        self.replay.delivered(self.group, id);
    }
}

/// XREADGROUP for a client that waited: it is told as well when key or group are gone.
fn serve(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    key: &[u8],
    reply: &mut Reply<'_>,
) -> Result<Served, CommandError> {
    let request = Request::parse(args, true)?;
    let (group, _) = request.group.expect("parsed with a group");
    let found = find_group(txn, key, group)?.ok_or_else(|| no_group(key, group))?;
    let start = reply.len();
    let mut streams = Streams::begin(reply);
    let asking = Asking::new(&request, key, From::New);
    answer(txn, &asking, found, &mut streams, reply)?;
    Ok(if streams.end(reply, start) {
        Served::Yes
    } else {
        Served::No
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    fn entry(id: &str) -> String {
        format!("*2\r\n$3\r\n{id}\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n")
    }

    fn of_a(count: usize, entries: &str) -> String {
        format!("*1\r\n*2\r\n$1\r\na\r\n*{count}\r\n{entries}")
    }

    fn fixture() -> Fixture {
        let mut fixture = Fixture::logged();
        for i in 1..=3 {
            fixture.run(&format!("XADD a {i} f v"));
        }
        fixture.run("XGROUP CREATE a g 0");
        fixture.effects();
        fixture
    }

    #[test]
    fn each_entry_goes_to_one_consumer_and_stays_in_its_history() {
        let (one, two, three) = (entry("1-0"), entry("2-0"), entry("3-0"));
        fixture().check(&[
            (
                "XREADGROUP GROUP g c COUNT 2 STREAMS a >",
                &of_a(2, &[&*one, &*two].concat()),
            ),
            ("XREADGROUP GROUP g d STREAMS a >", &of_a(1, &three)),
            ("XREADGROUP GROUP g d STREAMS a >", "*-1\r\n"),
            ("XREADGROUP GROUP g c STREAMS a 1", &of_a(1, &two)),
            ("XREADGROUP GROUP g c STREAMS a 2", &of_a(0, "")),
            ("XDEL a 2", ":1\r\n"),
            (
                "XREADGROUP GROUP g c STREAMS a 1",
                &of_a(1, "*2\r\n$3\r\n2-0\r\n*-1\r\n"),
            ),
            ("XREADGROUP GROUP g d BLOCK 10 STREAMS a >", "waits for a"),
        ]);
    }

    #[test]
    fn group_and_key_have_to_be_there() {
        let no_group = |key, group| {
            let of = format!("No such key '{key}' or consumer group '{group}'");
            format!("-NOGROUP {of} in XREADGROUP with GROUP option\r\n")
        };
        let mut fixture = fixture();
        fixture.check(&[
            ("XREADGROUP GROUP h c STREAMS a >", &no_group("a", "h")),
            ("XREADGROUP GROUP g c STREAMS b >", &no_group("b", "g")),
            (
                "XREADGROUP COUNT 1 NOACK NOACK STREAMS a >",
                "-ERR Missing GROUP option for XREADGROUP\r\n",
            ),
        ]);
        let meaningless = fixture.run("XREADGROUP GROUP g c STREAMS a $");
        assert!(meaningless.starts_with("-ERR The $ ID is meaningless"));
    }

    #[test]
    fn the_log_gets_what_was_delivered() {
        let mut fixture = fixture();
        fixture.run("XREADGROUP GROUP g c COUNT 1 STREAMS a >");
        assert_eq!(
            fixture.effects(),
            [
                "XGROUP CREATECONSUMER a g c",
                "XCLAIM a g c 0 1-0 TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-0",
                "XGROUP SETID a g 1-0 ENTRIESREAD 1",
            ]
        );
        fixture.run("XREADGROUP GROUP g c NOACK STREAMS a >");
        assert_eq!(fixture.effects(), ["XGROUP SETID a g 3-0 ENTRIESREAD 3"]);
        fixture.run("XREADGROUP GROUP g c STREAMS a >");
        assert!(fixture.effects().is_empty());
    }
}
