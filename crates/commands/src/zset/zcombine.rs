//! ZUNION, ZINTER, ZDIFF, their STORE forms, and ZINTERCARD.

use data::Collection;
use protocol::Reply;
use store::Txn;

use super::combine::{Goal, Operation, Query};
use super::{Layout, reply_elements, store};
use crate::keys::{KeySpec, access, counted, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// ZUNION numkeys key [key ...] [options]
pub(super) const ZUNION: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::READONLY | flags::MOVABLEKEYS,
        keys: &[counted(1, 1, access::RO | access::ACCESS)],
        group: Group::SortedSet,
        since: "6.2.0",
        complexity: "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, \
                     and M being the number of elements in the resulting sorted set.",
        summary: "Returns the members of any of several sets, with what their scores make.",
        syntax: "numkeys key [key ...] [WEIGHTS weight [weight ...]] \
                 [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]",
        ..Spec::new("zunion")
    },
    run: |txn, args, reply| combine(txn, args, Operation::Union, reply),
    subcommands: &[],
};

/// ZINTER numkeys key [key ...] [options]
pub(super) const ZINTER: DataCommand = Command {
    spec: Spec {
        name: "zinter",
        complexity: "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K \
                     being the number of input sorted sets and M being the number of elements in \
                     the resulting sorted set.",
        summary: "Returns the members of all of several sets, with what their scores make.",
        ..ZUNION.spec
    },
    run: |txn, args, reply| combine(txn, args, Operation::Inter, reply),
    subcommands: &[],
};

/// ZDIFF numkeys key [key ...] [WITHSCORES]
pub(super) const ZDIFF: DataCommand = Command {
    spec: Spec {
        name: "zdiff",
        complexity: "O(L + (N-K)log(N)) worst case where L is the total number of elements in all \
                     the sets, N is the size of the first set, and K is the size of the result \
                     set.",
        summary: "Returns the members of the first of several sets that are in no other.",
        syntax: "numkeys key [key ...] [WITHSCORES]",
        ..ZUNION.spec
    },
    run: |txn, args, reply| combine(txn, args, Operation::Diff, reply),
    subcommands: &[],
};

/// ZINTERCARD numkeys key [key ...] [LIMIT limit]
pub(super) const ZINTERCARD: DataCommand = Command {
    spec: Spec {
        name: "zintercard",
        since: "7.0.0",
        complexity: "O(N*K) worst case with N being the smallest input sorted set, K being the \
                     number of input sorted sets.",
        summary: "Returns how many members are in all of several sets, up to a limit.",
        syntax: "numkeys key [key ...] [LIMIT limit]",
        ..ZUNION.spec
    },
    run: zintercard,
    subcommands: &[],
};

const STORE_KEYS: &[KeySpec] = &[
    first(access::OW | access::UPDATE),
    counted(2, 1, access::RO | access::ACCESS),
];

/// ZUNIONSTORE destination numkeys key [key ...] [options]
pub(super) const ZUNIONSTORE: DataCommand = Command {
    spec: Spec {
        name: "zunionstore",
        arity: -4,
        flags: flags::WRITE | flags::DENYOOM | flags::MOVABLEKEYS,
        keys: STORE_KEYS,
        since: "2.0.0",
        complexity: "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, \
                     and M being the number of elements in the resulting sorted set.",
        summary: "Stores the members of any of several sets, with what their scores make.",
        syntax: "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] \
                 [AGGREGATE <SUM | MIN | MAX>]",
        ..ZUNION.spec
    },
    run: |txn, args, reply| combine_and_store(txn, args, Operation::Union, reply),
    subcommands: &[],
};

/// ZINTERSTORE destination numkeys key [key ...] [options]
pub(super) const ZINTERSTORE: DataCommand = Command {
    spec: Spec {
        name: "zinterstore",
        complexity: ZINTER.spec.complexity,
        summary: "Stores the members of all of several sets, with what their scores make.",
        ..ZUNIONSTORE.spec
    },
    run: |txn, args, reply| combine_and_store(txn, args, Operation::Inter, reply),
    subcommands: &[],
};

/// ZDIFFSTORE destination numkeys key [key ...]
pub(super) const ZDIFFSTORE: DataCommand = Command {
    spec: Spec {
        name: "zdiffstore",
        since: "6.2.0",
        complexity: ZDIFF.spec.complexity,
        summary: "Stores the members of the first of several sets that are in no other.",
        syntax: "destination numkeys key [key ...]",
        ..ZUNIONSTORE.spec
    },
    run: |txn, args, reply| combine_and_store(txn, args, Operation::Diff, reply),
    subcommands: &[],
};

fn combine(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    operation: Operation,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let query = Query::parse(txn, args, 1, operation, Goal::Reply)?;
    let layout = Layout::new(query.with_scores, reply);
    let result = query.run(txn)?;
    let zset = result.view();
    reply_elements(zset.len(), zset.iter(), layout, reply);
    Ok(())
}

fn combine_and_store(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    operation: Operation,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let event = match operation {
        Operation::Union => "zunionstore",
        Operation::Inter => "zinterstore",
        Operation::Diff => "zdiffstore",
    };
    let query = Query::parse(txn, args, 2, operation, Goal::Store)?;
    let result = query.run(txn)?;
    reply.int(store(txn, args.at(1), result, event) as i64);
    Ok(())
}

fn zintercard(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let query = Query::parse(txn, args, 1, Operation::Inter, Goal::Count)?;
    let limit = query.limit;
    let len = query.run(txn)?.view().len();
    reply.int(if limit > 0 { len.min(limit) } else { len } as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    fn fixture() -> Fixture {
        let mut fixture = Fixture::new();
        fixture.run("ZADD a 1 x 2 y 3 z");
        fixture.run("ZADD b 10 y 20 z 30 w");
        fixture
    }

    /// The parts of a reply, e.g. `x 1 y 2`.
    fn parts(fixture: &mut Fixture, line: &str) -> String {
        let reply = fixture.run(line);
        let texts = reply
            .split("\r\n")
            .filter(|part| !part.starts_with(['*', '$']));
        texts.collect::<Vec<_>>().join(" ").trim_end().to_owned()
    }

    #[test]
    fn combines() {
        let mut fixture = fixture();
        for (line, expected) in [
            ("ZUNION 2 a b WITHSCORES", "x 1 y 12 z 23 w 30"),
            (
                "ZUNION 2 a b WEIGHTS 2 0.5 AGGREGATE MAX WITHSCORES",
                "x 2 y 5 z 10 w 15",
            ),
            ("ZINTER 2 a b WITHSCORES AGGREGATE min", "y 2 z 3"),
            ("ZINTER 3 a b none", ""),
            ("ZDIFF 2 a b WITHSCORES", "x 1"),
            ("ZDIFF 2 b a", "w"),
            ("ZDIFF 3 a none a", ""),
            ("ZINTERCARD 2 a b", ":2"),
            ("ZINTERCARD 2 a b LIMIT 1", ":1"),
            ("ZINTERCARD 2 a b LIMIT 0", ":2"),
        ] {
            assert_eq!(parts(&mut fixture, line), expected, "{line}");
        }
    }

    #[test]
    fn stores() {
        let mut fixture = fixture();
        for (line, expected) in [
            ("ZUNIONSTORE c 2 a b WEIGHTS 1 -inf", ":4"),
            ("ZSCORE c w", "-inf"),
            ("ZINTERSTORE a 2 a b", ":2"),
            ("ZRANGE a 0 -1 WITHSCORES", "y 12 z 23"),
            ("ZDIFFSTORE a 2 a b", ":0"),
            ("EXISTS a", ":0"),
            ("ZADD p inf m", ":1"),
            ("ZADD q -inf m", ":1"),
            ("ZUNION 2 p q WITHSCORES", "m 0"),
            ("ZUNION 1 p WEIGHTS 0 WITHSCORES", "m 0"),
        ] {
            assert_eq!(parts(&mut fixture, line), expected, "{line}");
        }
    }

    #[test]
    fn refuses() {
        let syntax = "-ERR syntax error\r\n";
        let wrong_type = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
        fixture().check(&[
            ("SET s 1", "+OK\r\n"),
            (
                "ZUNION x a",
                "-ERR value is not an integer or out of range\r\n",
            ),
            (
                "ZUNION 0 a",
                "-ERR at least 1 input key is needed for 'zunion' command\r\n",
            ),
            (
                "ZINTERSTORE c 0 a",
                "-ERR at least 1 input key is needed for 'zinterstore' command\r\n",
            ),
            ("ZUNION 2 a", syntax),
            ("ZUNION 1 a WEIGHTS", syntax),
            (
                "ZUNION 1 a WEIGHTS x",
                "-ERR weight value is not a float\r\n",
            ),
            ("ZUNION 1 a AGGREGATE mid", syntax),
            ("ZUNION 1 s nonsense", wrong_type),
            ("ZDIFF 1 a WEIGHTS 1", syntax),
            ("ZUNIONSTORE c 1 a WITHSCORES", syntax),
            (
                "ZINTERCARD 1 a LIMIT -1",
                "-ERR LIMIT can't be negative\r\n",
            ),
            ("ZINTERCARD 1 a LIMIT", syntax),
            ("ZINTERCARD 1 a WEIGHTS 1", syntax),
        ]);
    }
}
