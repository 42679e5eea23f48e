//! BZPOPMIN, BZPOPMAX, BZMPOP.

use data::Zset;
use protocol::Reply;
use store::{AtEnd, Served, Txn};

use super::Layout;
use super::zpop::{End, Mpop, pop};
use crate::keys::{access, counted, range};
use crate::spec::{Group, flags};
use crate::timeout::timeout;
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// BZPOPMIN key [key ...] timeout
pub(super) const BZPOPMIN: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::WRITE | flags::BLOCKING | flags::FAST,
        keys: &[range(
            1,
            -2,
            1,
            access::RW | access::ACCESS | access::DELETE,
        )],
        group: Group::SortedSet,
        since: "5.0.0",
        complexity: "O(log(N)) with N being the number of elements in the sorted set.",
        summary: "Removes and returns the member with the lowest score of the first sorted set \
                  among the keys that has any; waits for one.",
        syntax: "key [key ...] timeout",
        serve: Some(|txn, _, key, reply| serve(txn, key, |txn| pop_one(txn, key, End::Min, reply))),
        ..Spec::new("bzpopmin")
    },
    run: |txn, args, reply| bzpop(txn, args, End::Min, reply),
    subcommands: &[],
};

/// BZPOPMAX key [key ...] timeout
pub(super) const BZPOPMAX: DataCommand = Command {
    spec: Spec {
        name: "bzpopmax",
        summary: "Removes and returns the member with the highest score of the first sorted set \
                  among the keys that has any; waits for one.",
        serve: Some(|txn, _, key, reply| serve(txn, key, |txn| pop_one(txn, key, End::Max, reply))),
        ..BZPOPMIN.spec
    },
    run: |txn, args, reply| bzpop(txn, args, End::Max, reply),
    subcommands: &[],
};

/// BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count]
pub(super) const BZMPOP: DataCommand = Command {
    spec: Spec {
        arity: -5,
        flags: flags::WRITE | flags::BLOCKING | flags::MOVABLEKEYS,
        keys: &[counted(2, 1, access::RW | access::ACCESS | access::DELETE)],
        group: Group::SortedSet,
        since: "7.0.0",
        complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the \
                     number of elements in the sorted set, and M being the number of elements \
                     popped.",
        summary: "Removes and returns members of the first sorted set among the keys that has \
                  any; waits for some.",
        syntax: "timeout numkeys key [key ...] <MIN | MAX> [COUNT count]",
        serve: Some(|txn, args, key, reply| {
            let mpop = Mpop::parse(args, 2)?;
            serve(txn, key, |txn| mpop.pop(txn, key, reply))
        }),
        ..Spec::new("bzmpop")
    },
    run: bzmpop,
    subcommands: &[],
};

fn bzpop(txn: &mut Txn<'_>, args: Args<'_>, end: End, reply: &mut Reply<'_>) -> CommandResult {
    let last = args.len() - 1;
    let timeout_ms = timeout(&args[last], txn.now_ms)?;
    let keys = args.from(1).take(last - 1);
    for key in keys.clone() {
        if pop_one(txn, key, end, reply)? {
            return Ok(());
        }
    }
    if !txn.wait_for(keys, timeout_ms, AtEnd::NullArray) {
        reply.null_array();
    }
    Ok(())
}

fn bzmpop(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let timeout_ms = timeout(&args[1], txn.now_ms)?;
    let mpop = Mpop::parse(args, 2)?;
    for key in mpop.keys(args) {
        if mpop.pop(txn, key, reply)? {
            return Ok(());
        }
    }
    if !txn.wait_for(mpop.keys(args), timeout_ms, AtEnd::NullArray) {
        reply.null_array();
    }
    Ok(())
}

/// Pops one element from a key; whether there was one.
fn pop_one(
    txn: &mut Txn<'_>,
    key: &[u8],
    end: End,
    reply: &mut Reply<'_>,
) -> Result<bool, CommandError> {
    let Some(found) = txn.find(key) else {
        return Ok(false);
    };
    txn.view::<Zset>(found)?;
    reply.array(3);
    reply.bulk(key);
    pop(txn, key, found, (end, 1), Layout::Inner, reply)?;
    txn.replay_as(&[end.command(), key]);
    Ok(true)
}

/// Serves a client with what is now at `key`, unless that isn't a sorted set.
fn serve(
    txn: &mut Txn<'_>,
    key: &[u8],
    pop: impl FnOnce(&mut Txn<'_>) -> Result<bool, CommandError>,
) -> Result<Served, CommandError> {
    let found = txn.peek(key);
    let is_zset = found.is_some_and(|found| txn.view::<Zset>(found).is_ok());
    let served = is_zset && pop(txn)?;
    Ok(if served { Served::Yes } else { Served::No })
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn pops_at_once_where_there_is_something() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("ZADD z 1 a 2 b 3 c", ":3\r\n"),
            ("BZPOPMIN y z 0", "*3\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\n1\r\n"),
            (
                "BZMPOP 0 2 y z MAX",
                "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n",
            ),
        ]);
        fixture.resp3 = true;
        fixture.check(&[("BZPOPMAX z 1.5", "*3\r\n$1\r\nz\r\n$1\r\nb\r\n,2\r\n")]);
        assert_eq!(
            fixture.effects()[1..],
            ["ZPOPMIN z", "ZPOPMAX z 1", "ZPOPMAX z"]
        );
    }

    #[test]
    fn waits_or_refuses() {
        Fixture::new().check(&[
            ("BZPOPMIN y z 0", "waits for y z"),
            ("BZMPOP 0.1 1 y MIN COUNT 3", "waits for y"),
            (
                "BZPOPMIN y x",
                "-ERR timeout is not a float or out of range\r\n",
            ),
            ("BZPOPMIN y -1", "-ERR timeout is negative\r\n"),
            (
                "BZMPOP 0 0 y MIN",
                "-ERR numkeys should be greater than 0\r\n",
            ),
            ("BZMPOP 0 1 y MID", "-ERR syntax error\r\n"),
            ("SET s 1", "+OK\r\n"),
            (
                "BZPOPMIN s y 0",
                "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
            ),
        ]);
    }
}
