//! HGET, HMGET, HSTRLEN, HEXISTS, HLEN.

use std::iter::once;

use data::Hash;
use data::types::hash::Pair;
use protocol::Reply;
use store::Txn;

use super::fields::read;
use crate::elem;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// HGET key field
pub(super) const HGET: DataCommand = Command {
    spec: Spec {
        arity: 3,
        flags: flags::READONLY | flags::FAST,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Hash,
        since: "2.0.0",
        summary: "Returns the value of a field.",
        syntax: "key field",
        member: 2,
        ..Spec::new("hget")
    },
    run: |txn, args, reply| {
        let now_ms = txn.now_ms;
        let hash = read(txn, args.at(1), once(args.at(2)))?;
        reply_value(hash.and_then(|hash| hash.get(args.at(2), now_ms)), reply);
        Ok(())
    },
    subcommands: &[],
};

/// HMGET key field [field ...]
pub(super) const HMGET: DataCommand = Command {
    spec: Spec {
        name: "hmget",
        arity: -3,
        complexity: "O(N) where N is the number of fields being requested.",
        summary: "Returns the values of several fields.",
        syntax: "key field [field ...]",
        ..HGET.spec
    },
    run: hmget,
    subcommands: &[],
};

/// HSTRLEN key field
pub(super) const HSTRLEN: DataCommand = Command {
    spec: Spec {
        name: "hstrlen",
        keys: &[first(access::RO)],
        since: "3.2.0",
        summary: "Returns the length of the value of a field.",
        ..HGET.spec
    },
    run: |txn, args, reply| {
        let now_ms = txn.now_ms;
        let hash = read(txn, args.at(1), once(args.at(2)))?;
        let pair = hash.and_then(|hash| hash.get(args.at(2), now_ms));
        reply.int(pair.map_or(0, |pair| pair.value.text_len() as i64));
        Ok(())
    },
    subcommands: &[],
};

/// HEXISTS key field
pub(super) const HEXISTS: DataCommand = Command {
    spec: Spec {
        name: "hexists",
        keys: &[first(access::RO)],
        summary: "Tells whether a field exists.",
        ..HGET.spec
    },
    run: |txn, args, reply| {
        let now_ms = txn.now_ms;
        let hash = read(txn, args.at(1), once(args.at(2)))?;
        let pair = hash.and_then(|hash| hash.get(args.at(2), now_ms));
        reply.int(i64::from(pair.is_some()));
        Ok(())
    },
    subcommands: &[],
};

/// HLEN key: counts fields that have expired as long as nobody has removed them, as in Redis.
pub(super) const HLEN: DataCommand = Command {
    spec: Spec {
        name: "hlen",
        arity: 2,
        keys: &[first(access::RO)],
        summary: "Returns the number of fields of a hash.",
        syntax: "key",
        ..HGET.spec
    },
    run: |txn, args, reply| {
        let hash = txn.read_as::<Hash>(args.at(1))?;
        reply.int(hash.map_or(0, |hash| hash.len() as i64));
        Ok(())
    },
    subcommands: &[],
};

/// Writes the value of a field, or that there is none.
#[inline]
pub(super) fn reply_value(pair: Option<Pair<'_>>, reply: &mut Reply<'_>) {
    match pair {
        Some(pair) => elem::bulk(reply, pair.value),
        None => reply.null(),
    }
}

fn hmget(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let now_ms = txn.now_ms;
    let hash = read(txn, args.at(1), args.from(2))?;
    reply.array(args.len() - 2);
    for field in args.from(2) {
        reply_value(hash.and_then(|hash| hash.get(field, now_ms)), reply);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn answers() {
        let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
        Fixture::new().check(&[
            ("HGET a f", "$-1\r\n"),
            ("HMGET a f g", "*2\r\n$-1\r\n$-1\r\n"),
            ("HLEN a", ":0\r\n"),
            ("HSET a f -12 g text", ":2\r\n"),
            ("HGET a f", "$3\r\n-12\r\n"),
            ("HGET a h", "$-1\r\n"),
            ("HMGET a g h f", "*3\r\n$4\r\ntext\r\n$-1\r\n$3\r\n-12\r\n"),
            ("HSTRLEN a f", ":3\r\n"),
            ("HSTRLEN a g", ":4\r\n"),
            ("HSTRLEN a h", ":0\r\n"),
            ("HEXISTS a f", ":1\r\n"),
            ("HEXISTS a h", ":0\r\n"),
            ("HLEN a", ":2\r\n"),
            ("SET s 1", "+OK\r\n"),
            ("HGET s f", wrong),
            ("HMGET s f", wrong),
            ("HLEN s", wrong),
        ]);
    }
}
