//! ZREM, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.

use data::{Collection, Zset};
use protocol::Reply;
use store::Txn;

use super::bounds::Part;
use super::shrunk;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// ZREM key member [member ...]
pub(super) const ZREM: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::DELETE)],
        group: Group::SortedSet,
        since: "1.2.0",
        complexity: "O(M*log(N)) with N being the number of elements in the sorted set and M the \
                     number of elements to be removed.",
        summary: "Removes members from a sorted set.",
        syntax: "key member [member ...]",
        member: 2,
        ..Spec::new("zrem")
    },
    run: zrem,
    subcommands: &[],
};

/// ZREMRANGEBYRANK key start stop
pub(super) const ZREMRANGEBYRANK: DataCommand = Command {
    spec: Spec {
        name: "zremrangebyrank",
        arity: 4,
        flags: flags::WRITE,
        since: "2.0.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
                     number of elements removed by the operation.",
        summary: "Removes the members in a range of ranks.",
        syntax: "key start stop",
        ..ZREM.spec
    },
    run: |txn, args, reply| {
        let part = Part::ranks(args, 2)?;
        remove(txn, args.at(1), part, "zremrangebyrank", reply)
    },
    subcommands: &[],
};

/// ZREMRANGEBYSCORE key min max
pub(super) const ZREMRANGEBYSCORE: DataCommand = Command {
    spec: Spec {
        name: "zremrangebyscore",
        since: "1.2.0",
        summary: "Removes the members in a range of scores.",
        syntax: "key min max",
        ..ZREMRANGEBYRANK.spec
    },
    run: |txn, args, reply| {
        let part = Part::scores(args, 2, 3)?;
        remove(txn, args.at(1), part, "zremrangebyscore", reply)
    },
    subcommands: &[],
};

/// ZREMRANGEBYLEX key min max
pub(super) const ZREMRANGEBYLEX: DataCommand = Command {
    spec: Spec {
        name: "zremrangebylex",
        since: "2.8.9",
        summary: "Removes the members of one score in a range of their order.",
        ..ZREMRANGEBYSCORE.spec
    },
    run: |txn, args, reply| {
        let part = Part::lex(args, 2, 3)?;
        remove(txn, args.at(1), part, "zremrangebylex", reply)
    },
    subcommands: &[],
};

fn zrem(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    take(txn, args.at(1), "zrem", reply, |zset| {
        let removed = args.from(2).filter(|member| zset.remove(member).is_some());
        removed.count()
    })
}

fn remove(
    txn: &mut Txn<'_>,
    key: &[u8],
    part: Part<'_>,
    event: &'static str,
    reply: &mut Reply<'_>,
) -> CommandResult {
    take(txn, key, event, reply, |zset| {
        let ranks = part.of(zset.view(), false);
        zset.remove_range(ranks.clone());
        ranks.len()
    })
}

/// Has `take` remove members and replies with the number of them, which it returns.
fn take(
    txn: &mut Txn<'_>,
    key: &[u8],
    event: &'static str,
    reply: &mut Reply<'_>,
    take: impl FnOnce(&mut Zset) -> usize,
) -> CommandResult {
    let mut removed = 0;
    if let Some(found) = txn.find(key) {
        let left;
        (removed, left) = txn.edit(key, Some(found), |zset: &mut Zset| {
            (take(zset), zset.view().len())
        })?;
        if removed > 0 {
            shrunk(txn, key, event, left);
        }
    }
    reply.int(removed as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn removes() {
        Fixture::new().check(&[
            ("ZADD z 1 a 2 b 3 c 4 d 5 e 6 f", ":6\r\n"),
            ("ZREM z a x a", ":1\r\n"),
            ("ZREM none a", ":0\r\n"),
            ("ZREMRANGEBYRANK z -1 -1", ":1\r\n"),
            ("ZREMRANGEBYRANK z 5 9", ":0\r\n"),
            ("ZREMRANGEBYSCORE z (2 3", ":1\r\n"),
            ("ZRANGE z 0 -1", "*3\r\n$1\r\nb\r\n$1\r\nd\r\n$1\r\ne\r\n"),
            (
                "ZREMRANGEBYSCORE z x 3",
                "-ERR min or max is not a float\r\n",
            ),
            ("ZREMRANGEBYLEX z - [b", ":1\r\n"),
            ("ZREMRANGEBYRANK z 0 -1", ":2\r\n"),
            ("EXISTS z", ":0\r\n"),
            ("ZADD z 1 a", ":1\r\n"),
            ("ZREM z a", ":1\r\n"),
            ("EXISTS z", ":0\r\n"),
        ]);
    }
}
