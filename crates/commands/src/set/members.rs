//! SCARD, SISMEMBER, SMISMEMBER, SMEMBERS.

use data::Set;
use protocol::Reply;
use store::Txn;

use crate::elem;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// SCARD key
pub(super) const SCARD: DataCommand = Command {
    spec: Spec {
        arity: 2,
        flags: flags::READONLY | flags::FAST,
        keys: &[first(access::RO)],
        group: Group::Set,
        summary: "Returns the number of members of a set.",
        syntax: "key",
        ..Spec::new("scard")
    },
    run: |txn, args, reply| {
        let set = txn.read_as::<Set>(args.at(1))?;
        reply.int(set.map_or(0, |set| set.len() as i64));
        Ok(())
    },
    subcommands: &[],
};

/// SISMEMBER key member
pub(super) const SISMEMBER: DataCommand = Command {
    spec: Spec {
        name: "sismember",
        arity: 3,
        summary: "Tells whether something is a member of a set.",
        syntax: "key member",
        member: 2,
        ..SCARD.spec
    },
    run: |txn, args, reply| {
        let now_ms = txn.now_ms;
        let set = txn.read_as::<Set>(args.at(1))?;
        let is_member = set.is_some_and(|set| set.contains(args.at(2), now_ms));
        reply.int(i64::from(is_member));
        Ok(())
    },
    subcommands: &[],
};

/// SMISMEMBER key member [member ...]
pub(super) const SMISMEMBER: DataCommand = Command {
    spec: Spec {
        name: "smismember",
        arity: -3,
        keys: &[first(access::RO | access::ACCESS)],
        since: "6.2.0",
        complexity: "O(N) where N is the number of elements being checked for membership",
        summary: "Tells of several whether they are members of a set.",
        syntax: "key member [member ...]",
        ..SCARD.spec
    },
    run: smismember,
    subcommands: &[],
};

/// SMEMBERS key
pub(super) const SMEMBERS: DataCommand = Command {
    spec: Spec {
        name: "smembers",
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        complexity: "O(N) where N is the set cardinality.",
        summary: "Returns all members of a set.",
        tips: &["nondeterministic_output_order"],
        ..SCARD.spec
    },
    run: smembers,
    subcommands: &[],
};

fn smismember(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let now_ms = txn.now_ms;
    let set = txn.read_as::<Set>(args.at(1))?;
    reply.array(args.len() - 2);
    for member in args.from(2) {
        let is_member = set.is_some_and(|set| set.contains(member, now_ms));
        reply.int(i64::from(is_member));
    }
    Ok(())
}

fn smembers(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let now_ms = txn.now_ms;
    let Some(set) = txn.read_as::<Set>(args.at(1))? else {
        reply.set(0);
        return Ok(());
    };
    let (mark, mut len) = (reply.begin_array(), 0);
    for member in set.iter(now_ms) {
        elem::bulk(reply, member);
        len += 1;
    }
    reply.end_set(mark, len);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn answers() {
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("SCARD a", ":0\r\n"),
            ("SISMEMBER a x", ":0\r\n"),
            ("SMISMEMBER a x y", "*2\r\n:0\r\n:0\r\n"),
            ("SMEMBERS a", "*0\r\n"),
            ("SADD a x 5", ":2\r\n"),
            ("SCARD a", ":2\r\n"),
            ("SISMEMBER a x", ":1\r\n"),
            ("SISMEMBER a 05", ":0\r\n"),
            ("SMISMEMBER a 5 y x", "*3\r\n:1\r\n:0\r\n:1\r\n"),
            ("SMEMBERS a", "*2\r\n$1\r\nx\r\n$1\r\n5\r\n"),
        ]);
        fixture.resp3 = true;
        fixture.check(&[
            ("SMEMBERS a", "~2\r\n$1\r\nx\r\n$1\r\n5\r\n"),
            ("SMEMBERS none", "~0\r\n"),
        ]);
    }
}
