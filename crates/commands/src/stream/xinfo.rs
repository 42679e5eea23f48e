//! XINFO: what there is to know of a stream, its groups and their consumers.

use data::types::Stream;
use data::types::stream::{Consumer, Entry, Group as ConsumerGroup, Id};
use protocol::Reply;
use store::Txn;

use super::group::no_such_group;
use super::id::reply_id;
use super::xrange::{reply_entries, reply_entry};
use crate::help;
use crate::keys::{access, range};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const HELP: &[&str] = &[
    "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CONSUMERS <key> <groupname>",
    "    Show consumers of <groupname>.",
    "GROUPS <key>",
    "    Show the stream consumer groups.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show information about the stream.",
    "HELP",
    "    Prints this help.",
];

/// How much FULL shows of each list.
const COUNT: usize = 10;

/// XINFO subcommand [argument ...]
pub(super) const XINFO: DataCommand = Command {
    spec: Spec {
        arity: -2,
        group: Group::Stream,
        container: true,
        since: "5.0.0",
        complexity: "Depends on subcommand.",
        summary: "Tells about streams, groups and consumers.",
        syntax: "subcommand [argument ...]",
        ..Spec::new("xinfo")
    },
    run: |_, args, _| Err(CommandError::unknown_subcommand("XINFO", args.at(1))),
    subcommands: &[STREAM, GROUPS, CONSUMERS, SHOW_HELP],
};

/// XINFO STREAM key [FULL [COUNT count]]
const STREAM: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::READONLY,
        keys: &[range(2, 0, 1, access::RO | access::ACCESS)],
        group: Group::Stream,
        since: "5.0.0",
        summary: "Tells about a stream.",
        syntax: "key [FULL [COUNT count]]",
        ..Spec::new("stream")
    },
    run: about_stream,
    subcommands: &[],
};

/// XINFO GROUPS key
const GROUPS: DataCommand = Command {
    spec: Spec {
        arity: 3,
        summary: "Tells about the groups of a stream.",
        syntax: "key",
        name: "groups",
        ..STREAM.spec
    },
    run: about_groups,
    subcommands: &[],
};

/// XINFO CONSUMERS key group
const CONSUMERS: DataCommand = Command {
    spec: Spec {
        arity: 4,
        summary: "Tells about the consumers of a group.",
        syntax: "key group",
        tips: &["nondeterministic_output"],
        name: "consumers",
        ..STREAM.spec
    },
    run: about_consumers,
    subcommands: &[],
};

/// XINFO HELP
const SHOW_HELP: DataCommand = Command {
    spec: help::spec(Group::Stream, "5.0.0"),
    run: |_, _, reply| help::show(HELP, reply),
    subcommands: &[],
};

fn stream<'t>(txn: &'t mut Txn<'_>, key: &[u8]) -> Result<&'t Stream, CommandError> {
    let stream = txn.read_as::<Box<Stream>>(key)?;
    stream.ok_or(CommandError::Text("ERR no such key"))
}

fn about_stream(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut full = None;
    if args.len() > 3 {
        let wrong = || {
            let name = String::from_utf8_lossy(args.at(1));
            CommandError::Made(format!(
                "ERR unknown subcommand or wrong number of arguments for '{name}'. Try XINFO HELP."
            ))
        };
        full = match args.len() {
            4 if args.is(3, "FULL") => Some(COUNT),
            6 if args.is(3, "FULL") && args.is(4, "COUNT") => match args.int(5)? {
                0 => Some(usize::MAX),
                count => Some(usize::try_from(count).unwrap_or(COUNT)),
            },
            _ => return Err(wrong()),
        };
    }
    let stream = stream(txn, args.at(2))?;
    reply.map(if full.is_some() { 9 } else { 10 });
    counters(stream, reply);
    match full {
        None => {
            field("groups", stream.groups.len(), reply);
            edge("first-entry", stream.first(), reply);
            edge("last-entry", stream.last(), reply);
        }
        Some(count) => {
            reply.bulk(b"entries");
            reply_entries(stream.range(Id::MIN, Id::MAX).take(count), reply);
            reply.bulk(b"groups");
            reply.array(stream.groups.len());
            for (name, group) in &stream.groups {
                full_group(stream, (name, group), count, reply);
            }
        }
    }
    Ok(())
}

/// What both forms of XINFO STREAM begin with.
fn counters(stream: &Stream, reply: &mut Reply<'_>) {
    field("length", stream.len(), reply);
    field("radix-tree-keys", stream.blocks(), reply);
    // A tree of so many keys has about so many nodes in Redis; ours has no nodes of this kind.
    field("radix-tree-nodes", stream.blocks() + 1, reply);
    id_field("last-generated-id", stream.last_id, reply);
    id_field("max-deleted-entry-id", stream.max_deleted_id, reply);
    field("entries-added", stream.entries_added as usize, reply);
    id_field("recorded-first-entry-id", stream.first_id(), reply);
}

fn field(name: &str, value: usize, reply: &mut Reply<'_>) {
    reply.bulk(name.as_bytes());
    reply.int(value as i64);
}

fn id_field(name: &str, id: Id, reply: &mut Reply<'_>) {
    reply.bulk(name.as_bytes());
    reply_id(id, reply);
}

fn known_field(name: &str, value: Option<u64>, reply: &mut Reply<'_>) {
    reply.bulk(name.as_bytes());
    match value {
        Some(value) => reply.int(value as i64),
        None => reply.null(),
    }
}

fn edge(name: &str, entry: Option<Entry<'_>>, reply: &mut Reply<'_>) {
    reply.bulk(name.as_bytes());
    match entry {
        Some(entry) => reply_entry(entry, reply),
        None => reply.null(),
    }
}

fn full_group(
    stream: &Stream,
    (name, group): (&[u8], &ConsumerGroup),
    count: usize,
    reply: &mut Reply<'_>,
) {
    reply.map(7);
    reply.bulk(b"name");
    reply.bulk(name);
    id_field("last-delivered-id", group.last_id, reply);
    known_field("entries-read", group.entries_read, reply);
    known_field("lag", stream.lag(group), reply);
    field("pel-count", group.pending().len(), reply);
    reply.bulk(b"pending");
    reply.array(group.pending().len().min(count));
    for (&id, pending) in group.pending().iter().take(count) {
        reply.array(4);
        reply_id(id, reply);
        reply.bulk(&group.consumer(pending.consumer).name);
        reply.int(pending.time_ms as i64);
        reply.int(pending.deliveries as i64);
    }
    reply.bulk(b"consumers");
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        full_consumer(group, consumer, count, reply);
    }
}

fn full_consumer(group: &ConsumerGroup, consumer: &Consumer, count: usize, reply: &mut Reply<'_>) {
    reply.map(5);
    reply.bulk(b"name");
    reply.bulk(&consumer.name);
    field("seen-time", consumer.seen_ms as usize, reply);
    reply.bulk(b"active-time");
    reply.int(consumer.active_ms.map_or(-1, |ms| ms as i64));
    field("pel-count", consumer.pending().len(), reply);
    reply.bulk(b"pending");
    reply.array(consumer.pending().len().min(count));
    for &id in consumer.pending().iter().take(count) {
        let pending = group.pending()[&id];
        reply.array(3);
        reply_id(id, reply);
        reply.int(pending.time_ms as i64);
        reply.int(pending.deliveries as i64);
    }
}

fn about_groups(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let stream = stream(txn, args.at(2))?;
    reply.array(stream.groups.len());
    for (name, group) in &stream.groups {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(name);
        field("consumers", group.consumers().len(), reply);
        field("pending", group.pending().len(), reply);
        id_field("last-delivered-id", group.last_id, reply);
        known_field("entries-read", group.entries_read, reply);
        known_field("lag", stream.lag(group), reply);
    }
    Ok(())
}

fn about_consumers(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, name, now_ms) = (args.at(2), args.at(3), txn.now_ms);
    let group = stream(txn, key)?.groups.get(name);
    let group = group.ok_or_else(|| no_such_group(key, name))?;
    let idle = |since_ms: u64| now_ms.saturating_sub(since_ms) as i64;
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(&consumer.name);
        field("pending", consumer.pending().len(), reply);
        reply.bulk(b"idle");
        reply.int(idle(consumer.seen_ms));
        reply.bulk(b"inactive");
        reply.int(consumer.active_ms.map_or(-1, idle));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    /// The parts of a reply between line ends, lengths left out.
    fn words(reply: &str) -> String {
        let words = reply
            .split("\r\n")
            .filter(|word| !word.starts_with(['$', '*', '%']));
        words.collect::<Vec<_>>().join(" ").trim().replace(':', "")
    }

    fn fixture() -> Fixture {
        let mut fixture = Fixture::new();
        for i in 1..=3 {
            fixture.run(&format!("XADD a {i} f v"));
        }
        fixture.run("XGROUP CREATE a g 0");
        fixture.run("XGROUP CREATECONSUMER a g d");
        fixture.run("XREADGROUP GROUP g c COUNT 2 STREAMS a >");
        fixture.now_ms += 5;
        fixture
    }

    #[test]
    fn streams_groups_and_consumers() {
        let mut fixture = fixture();
        fixture.run("XDEL a 1");
        let counters = "length 2 radix-tree-keys 1 radix-tree-nodes 2 last-generated-id 3-0 \
                        max-deleted-entry-id 1-0 entries-added 3 recorded-first-entry-id 2-0";
        assert_eq!(
            words(&fixture.run("XINFO STREAM a")),
            format!("{counters} groups 1 first-entry 2-0 f v last-entry 3-0 f v")
        );
        assert_eq!(
            words(&fixture.run("XINFO GROUPS a")),
            "name g consumers 2 pending 2 last-delivered-id 2-0 entries-read 2 lag 1"
        );
        assert_eq!(
            words(&fixture.run("XINFO CONSUMERS a g")),
            "name c pending 2 idle 5 inactive 5 name d pending 0 idle 5 inactive -1"
        );
        let pending = "2 pending 1-0 {}1700000000000 1";
        let (of_group, of_consumer) = (pending.replace("{}", "c "), pending.replace("{}", ""));
        assert_eq!(
            words(&fixture.run("XINFO STREAM a FULL COUNT 1")),
            format!(
                "{counters} entries 2-0 f v groups name g last-delivered-id 2-0 entries-read 2 lag \
                 1 pel-count {of_group} consumers name c seen-time 1700000000000 active-time \
                 1700000000000 pel-count {of_consumer} name d seen-time 1700000000000 active-time \
                 -1 pel-count 0 pending"
            )
        );
    }

    #[test]
    fn refusals() {
        let mut fixture = fixture();
        fixture.check(&[
            ("XINFO STREAM nothing", "-ERR no such key\r\n"),
            ("XINFO GROUPS nothing", "-ERR no such key\r\n"),
            (
                "XINFO CONSUMERS a h",
                "-NOGROUP No such consumer group 'h' for key name 'a'\r\n",
            ),
            (
                "XINFO STREAM a FUL",
                "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO \
                 HELP.\r\n",
            ),
        ]);
        assert!(
            fixture
                .run("XINFO HELP")
                .starts_with("*9\r\n+XINFO <subcommand>")
        );
    }
}
