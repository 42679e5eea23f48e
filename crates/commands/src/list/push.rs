//! LPUSH, RPUSH, LPUSHX, RPUSHX.

use data::List;
use data::packed::Elem;
use data::types::list::End;
use protocol::Reply;
use store::{Found, Txn};

use super::{node_limit, push_event};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// LPUSH key element [element ...]
pub(super) const LPUSH: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::WRITE | flags::DENYOOM | flags::FAST,
        keys: &[first(access::RW | access::INSERT)],
        group: Group::List,
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is \
                     called with multiple arguments.",
        summary: "Adds elements at the front of a list, one after the other; the key is created \
                  if it doesn't exist.",
        syntax: "key element [element ...]",
        ..Spec::new("lpush")
    },
    run: |txn, args, reply| {
        let found = txn.find(args.at(1));
        push(txn, args, found, End::Front, reply)
    },
    subcommands: &[],
};

/// RPUSH key element [element ...]
pub(super) const RPUSH: DataCommand = Command {
    spec: Spec {
        name: "rpush",
        summary: "Adds elements at the end of a list, one after the other; the key is created if \
                  it doesn't exist.",
        ..LPUSH.spec
    },
    run: |txn, args, reply| {
        let found = txn.find(args.at(1));
        push(txn, args, found, End::Back, reply)
    },
    subcommands: &[],
};

/// LPUSHX key element [element ...]
pub(super) const LPUSHX: DataCommand = Command {
    spec: Spec {
        name: "lpushx",
        since: "2.2.0",
        summary: "Adds elements at the front of a list that exists, one after the other.",
        ..LPUSH.spec
    },
    run: |txn, args, reply| push_if_exists(txn, args, End::Front, reply),
    subcommands: &[],
};

/// RPUSHX key element [element ...]
pub(super) const RPUSHX: DataCommand = Command {
    spec: Spec {
        name: "rpushx",
        since: "2.2.0",
        summary: "Adds elements at the end of a list that exists, one after the other.",
        ..LPUSH.spec
    },
    run: |txn, args, reply| push_if_exists(txn, args, End::Back, reply),
    subcommands: &[],
};

fn push_if_exists(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    end: End,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let Some(found) = txn.find(args.at(1)) else {
        reply.int(0);
        return Ok(());
    };
    push(txn, args, Some(found), end, reply)
}

#[inline]
fn push(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    found: Option<Found>,
    end: End,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let (key, limit) = (args.at(1), node_limit(txn));
    let len = txn.edit(key, found, |list: &mut List| {
        for element in args.from(2) {
            list.push(end, Elem::of(element), limit);
        }
        list.len()
    })?;
    txn.changed(key, push_event(end));
    reply.int(len as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn pushes_one_after_the_other() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("LPUSHX a 1", ":0\r\n"),
            ("RPUSHX a 1", ":0\r\n"),
            ("EXISTS a", ":0\r\n"),
            ("LPUSH a 1 two", ":2\r\n"),
            ("RPUSH a 03", ":3\r\n"),
            ("LPUSHX a x", ":4\r\n"),
            ("RPUSHX a y z", ":6\r\n"),
            (
                "LRANGE a 0 -1",
                "*6\r\n$1\r\nx\r\n$3\r\ntwo\r\n$1\r\n1\r\n$2\r\n03\r\n$1\r\ny\r\n$1\r\nz\r\n",
            ),
            ("TYPE a", "+list\r\n"),
        ]);
        let effects = ["LPUSH a 1 two", "RPUSH a 03", "LPUSHX a x", "RPUSHX a y z"];
        assert_eq!(fixture.effects(), effects);
    }

    #[test]
    fn refuses_other_types() {
        let wrong_type = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
        Fixture::new().check(&[
            ("SET a 1", "+OK\r\n"),
            ("LPUSH a 1", wrong_type),
            ("RPUSHX a 1", wrong_type),
            ("GET a", "$1\r\n1\r\n"),
        ]);
    }

    #[test]
    fn long_lists_are_quicklists() {
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("RPUSH a 1", ":1\r\n"),
            ("OBJECT ENCODING a", "$8\r\nlistpack\r\n"),
            ("EXPIRE a 100", ":1\r\n"),
        ]);
        for _ in 0..100 {
            fixture.run_args(["RPUSH", "a", &"x".repeat(100)]);
        }
        fixture.check(&[
            ("OBJECT ENCODING a", "$9\r\nquicklist\r\n"),
            ("TTL a", ":100\r\n"),
            ("LLEN a", ":101\r\n"),
        ]);
    }
}
