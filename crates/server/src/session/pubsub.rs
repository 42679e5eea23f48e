//! SUBSCRIBE, PUBLISH, PUBSUB and their relatives.

use commands::spec::{Group, flags};
use commands::{Command, CommandError, Spec, keys};
use protocol::Reply;

use crate::pubsub::Kind;
use crate::session::{Call, Outcome, SessionCommand, SessionRun, help};

/// All commands of this family.
pub(super) const COMMANDS: &[SessionCommand] = &[
    subscription(
        Spec {
            arity: -2,
            since: "2.0.0",
            complexity: "O(N) where N is the number of channels to subscribe to.",
            summary: "Listens for messages published to channels.",
            syntax: "channel [channel ...]",
            ..Spec::new("subscribe")
        },
        |call, reply| subscribe(call, reply, Kind::Channel),
    ),
    subscription(
        Spec {
            arity: -1,
            since: "2.0.0",
            complexity: "O(N) where N is the number of channels to unsubscribe.",
            summary: "Stops listening to messages posted to channels.",
            syntax: "[channel [channel ...]]",
            ..Spec::new("unsubscribe")
        },
        |call, reply| unsubscribe(call, reply, Kind::Channel),
    ),
    subscription(
        Spec {
            arity: -2,
            since: "2.0.0",
            complexity: "O(N) where N is the number of patterns to subscribe to.",
            summary: "Listens for messages published to channels that match patterns.",
            syntax: "pattern [pattern ...]",
            ..Spec::new("psubscribe")
        },
        |call, reply| subscribe(call, reply, Kind::Pattern),
    ),
    subscription(
        Spec {
            arity: -1,
            since: "2.0.0",
            complexity: "O(N) where N is the number of patterns to unsubscribe.",
            summary: "Stops listening to messages published to channels that match patterns.",
            syntax: "[pattern [pattern ...]]",
            ..Spec::new("punsubscribe")
        },
        |call, reply| unsubscribe(call, reply, Kind::Pattern),
    ),
    subscription(
        Spec {
            arity: -2,
            keys: &[keys::all(keys::access::NOT_KEY)],
            since: "7.0.0",
            complexity: "O(N) where N is the number of shard channels to subscribe to.",
            summary: "Listens for messages published to shard channels.",
            syntax: "shardchannel [shardchannel ...]",
            ..Spec::new("ssubscribe")
        },
        |call, reply| subscribe(call, reply, Kind::ShardChannel),
    ),
    subscription(
        Spec {
            arity: -1,
            keys: &[keys::all(keys::access::NOT_KEY)],
            since: "7.0.0",
            complexity: "O(N) where N is the number of shard channels to unsubscribe.",
            summary: "Stops listening to messages posted to shard channels.",
            syntax: "[shardchannel [shardchannel ...]]",
            ..Spec::new("sunsubscribe")
        },
        |call, reply| unsubscribe(call, reply, Kind::ShardChannel),
    ),
    Command {
        spec: Spec {
            arity: 3,
            flags: PUBLISHING,
            group: Group::PubSub,
            since: "2.0.0",
            complexity: "O(N+M) where N is the number of clients subscribed to the receiving \
                 channel and M is the total number of subscribed patterns (by any client).",
            summary: "Posts a message to a channel.",
            syntax: "channel message",
            ..Spec::new("publish")
        },
        run: |call, reply| publish(call, reply, Kind::Channel),
        subcommands: &[],
    },
    Command {
        spec: Spec {
            arity: 3,
            flags: PUBLISHING,
            keys: &[keys::first(keys::access::NOT_KEY)],
            group: Group::PubSub,
            since: "7.0.0",
            complexity: "O(N) where N is the number of clients subscribed to the receiving shard \
                 channel.",
            summary: "Posts a message to a shard channel.",
            syntax: "shardchannel message",
            ..Spec::new("spublish")
        },
        run: |call, reply| publish(call, reply, Kind::ShardChannel),
        subcommands: &[],
    },
    Command {
        spec: Spec {
            arity: -2,
            group: Group::PubSub,
            container: true,
            since: "2.8.0",
            complexity: "Depends on subcommand.",
            summary: "Tells about channels and their subscribers.",
            ..Spec::new("pubsub")
        },
        // Reached by no one: the arity asks for a subcommand.
        run: help,
        subcommands: SUBCOMMANDS,
    },
];

const PUBLISHING: u32 =
    flags::PUBSUB | flags::LOADING | flags::STALE | flags::FAST | flags::MAY_REPLICATE;
const ASKING: u32 = flags::PUBSUB | flags::LOADING | flags::STALE;

/// A command that changes what a client is subscribed to.
const fn subscription(spec: Spec, run: SessionRun) -> SessionCommand {
    Command {
        spec: Spec {
            flags: flags::PUBSUB | flags::NOSCRIPT | flags::LOADING | flags::STALE,
            group: Group::PubSub,
            ..spec
        },
        run,
        subcommands: &[],
    }
}

const fn sub(spec: Spec, run: SessionRun) -> SessionCommand {
    Command {
        spec: Spec {
            group: Group::PubSub,
            ..spec
        },
        run,
        subcommands: &[],
    }
}

/// In alphabetical order.
const SUBCOMMANDS: &[SessionCommand] = &[
    sub(
        Spec {
            arity: -2,
            flags: ASKING,
            since: "2.8.0",
            complexity: "O(N) where N is the number of active channels, and assuming constant \
                 time pattern matching (relatively short channels and patterns)",
            summary: "Returns the channels that have subscribers.",
            syntax: "[pattern]",
            ..Spec::new("channels")
        },
        |call, reply| channels(call, reply, Kind::Channel),
    ),
    sub(
        Spec {
            arity: 2,
            flags: flags::LOADING | flags::STALE,
            since: "6.2.0",
            summary: "Tells what the subcommands are.",
            ..Spec::new("help")
        },
        help,
    ),
    sub(
        Spec {
            arity: 2,
            flags: ASKING,
            since: "2.8.0",
            summary: "Returns how many patterns have subscribers.",
            ..Spec::new("numpat")
        },
        |call, reply| {
            reply.int(call.shared.pubsub.len(Kind::Pattern) as i64);
            Ok(Outcome::Done)
        },
    ),
    sub(
        Spec {
            arity: -2,
            flags: ASKING,
            since: "2.8.0",
            complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested \
                 channels",
            summary: "Returns how many subscribers channels have.",
            syntax: "[channel [channel ...]]",
            ..Spec::new("numsub")
        },
        |call, reply| subscribers(call, reply, Kind::Channel),
    ),
    sub(
        Spec {
            arity: -2,
            flags: ASKING,
            since: "7.0.0",
            complexity: "O(N) where N is the number of active shard channels, and assuming \
                 constant time pattern matching (relatively short shard channels).",
            summary: "Returns the shard channels that have subscribers.",
            syntax: "[pattern]",
            ..Spec::new("shardchannels")
        },
        |call, reply| channels(call, reply, Kind::ShardChannel),
    ),
    sub(
        Spec {
            arity: -2,
            flags: ASKING,
            since: "7.0.0",
            complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested \
                 shard channels",
            summary: "Returns how many subscribers shard channels have.",
            syntax: "[shardchannel [shardchannel ...]]",
            ..Spec::new("shardnumsub")
        },
        |call, reply| subscribers(call, reply, Kind::ShardChannel),
    ),
];

fn subscribe(
    call: &mut Call<'_, '_>,
    reply: &mut Reply<'_>,
    kind: Kind,
) -> Result<Outcome, CommandError> {
    for name in call.args.from(1) {
        call.thread.subscribe(call.conn, kind, name);
        confirm(call, reply, (kind, kind.subscribed()), Some(name));
    }
    Ok(Outcome::Done)
}

fn unsubscribe(
    call: &mut Call<'_, '_>,
    reply: &mut Reply<'_>,
    kind: Kind,
) -> Result<Outcome, CommandError> {
    let word = (kind, kind.unsubscribed());
    for name in call.args.from(1) {
        call.thread.unsubscribe(call.conn, kind, name);
        confirm(call, reply, word, Some(name));
    }
    if call.args.len() == 1 {
        let all = call.conn.session.subscriptions.all(kind);
        for name in &all {
            call.thread.unsubscribe(call.conn, kind, name);
            confirm(call, reply, word, Some(name));
        }
        if all.is_empty() {
            confirm(call, reply, word, None);
        }
    }
    Ok(Outcome::Done)
}

fn confirm(
    call: &Call<'_, '_>,
    reply: &mut Reply<'_>,
    (kind, word): (Kind, &[u8]),
    name: Option<&[u8]>,
) {
    reply.push(3);
    reply.bulk(word);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.int(call.conn.session.subscriptions.count(kind) as i64);
}

fn publish(
    call: &mut Call<'_, '_>,
    reply: &mut Reply<'_>,
    kind: Kind,
) -> Result<Outcome, CommandError> {
    let (channel, message) = (call.args.at(1), call.args.at(2));
    let receivers = call.shared.pubsub.publish(kind, channel, message);
    reply.int(receivers as i64);
    Ok(Outcome::Done)
}

fn channels(
    call: &mut Call<'_, '_>,
    reply: &mut Reply<'_>,
    kind: Kind,
) -> Result<Outcome, CommandError> {
    if call.args.len() > 3 {
        return Err(CommandError::Made(format!(
            "ERR unknown subcommand or wrong number of arguments for '{}'. Try PUBSUB HELP.",
            String::from_utf8_lossy(call.args.at(1))
        )));
    }
    let found = call.shared.pubsub.matching(kind, call.args.get(2));
    reply.array(found.len());
    for name in found {
        reply.bulk(&name);
    }
    Ok(Outcome::Done)
}

fn subscribers(
    call: &mut Call<'_, '_>,
    reply: &mut Reply<'_>,
    kind: Kind,
) -> Result<Outcome, CommandError> {
    let names = call.args.from(2);
    reply.array(names.len() * 2);
    for name in names {
        reply.bulk(name);
        reply.int(call.shared.pubsub.subscribers(kind, name) as i64);
    }
    Ok(Outcome::Done)
}
