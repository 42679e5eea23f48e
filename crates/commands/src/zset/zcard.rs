//! ZCARD, ZCOUNT, ZLEXCOUNT.

use data::Zset;
use data::types::zset::ZsetRef;
use protocol::Reply;
use store::Txn;

use super::READ;
use super::bounds::Part;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// ZCARD key
pub(super) const ZCARD: DataCommand = Command {
    spec: Spec {
        arity: 2,
        flags: flags::READONLY | flags::FAST,
        keys: &[first(access::RO)],
        group: Group::SortedSet,
        since: "1.2.0",
        summary: "Returns how many members a sorted set has.",
        syntax: "key",
        ..Spec::new("zcard")
    },
    run: zcard,
    subcommands: &[],
};

/// ZCOUNT key min max
pub(super) const ZCOUNT: DataCommand = Command {
    spec: Spec {
        name: "zcount",
        arity: 4,
        keys: READ,
        since: "2.0.0",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Returns how many members have scores in a range.",
        syntax: "key min max",
        ..ZCARD.spec
    },
    run: |txn, args, reply| count(txn, args.at(1), Part::scores(args, 2, 3)?, reply),
    subcommands: &[],
};

/// ZLEXCOUNT key min max
pub(super) const ZLEXCOUNT: DataCommand = Command {
    spec: Spec {
        name: "zlexcount",
        since: "2.8.9",
        summary: "Returns how many members of one score are in a range of their order.",
        ..ZCOUNT.spec
    },
    run: |txn, args, reply| count(txn, args.at(1), Part::lex(args, 2, 3)?, reply),
    subcommands: &[],
};

fn zcard(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let len = txn.read_as::<Zset>(args.at(1))?.map_or(0, ZsetRef::len);
    reply.int(len as i64);
    Ok(())
}

fn count(txn: &mut Txn<'_>, key: &[u8], part: Part<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let zset = txn.read_as::<Zset>(key)?;
    let count = zset.map_or(0, |zset| part.of(zset, false).len());
    reply.int(count as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn counts() {
        let mut fixture = Fixture::new();
        fixture.run("ZADD z -inf a 1 b 2 c 2.5 d inf e");
        fixture.check(&[
            ("ZCARD z", ":5\r\n"),
            ("ZCARD none", ":0\r\n"),
            ("ZCOUNT z -inf +inf", ":5\r\n"),
            ("ZCOUNT z (-inf (inf", ":3\r\n"),
            ("ZCOUNT z 1 2.5", ":3\r\n"),
            ("ZCOUNT z (1 (2.5", ":1\r\n"),
            ("ZCOUNT z 2 1", ":0\r\n"),
            ("ZCOUNT z (2 (2", ":0\r\n"),
            ("ZCOUNT none 0 1", ":0\r\n"),
            ("ZCOUNT z x 1", "-ERR min or max is not a float\r\n"),
            ("ZCOUNT z 1 (nan", "-ERR min or max is not a float\r\n"),
        ]);
    }

    #[test]
    fn counts_members() {
        let mut fixture = Fixture::new();
        fixture.run("ZADD z 0 a 0 b 0 10 0 9");
        let error = "-ERR min or max not valid string range item\r\n";
        fixture.check(&[
            ("ZLEXCOUNT z - +", ":4\r\n"),
            ("ZLEXCOUNT z + -", ":0\r\n"),
            ("ZLEXCOUNT z [10 [9", ":2\r\n"),
            ("ZLEXCOUNT z (10 (b", ":2\r\n"),
            ("ZLEXCOUNT z (a [a", ":0\r\n"),
            ("ZLEXCOUNT z [a +", ":2\r\n"),
            ("ZLEXCOUNT z a +", error),
            ("ZLEXCOUNT z - b", error),
        ]);
    }
}
