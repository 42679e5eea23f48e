//! ZSCORE, ZMSCORE.

use data::Zset;
use protocol::Reply;
use store::Txn;

use super::READ;
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// ZSCORE key member
pub(super) const ZSCORE: DataCommand = Command {
    spec: Spec {
        arity: 3,
        flags: flags::READONLY | flags::FAST,
        keys: READ,
        group: Group::SortedSet,
        since: "1.2.0",
        summary: "Returns the score of a member.",
        syntax: "key member",
        member: 2,
        ..Spec::new("zscore")
    },
    run: zscore,
    subcommands: &[],
};

/// ZMSCORE key member [member ...]
pub(super) const ZMSCORE: DataCommand = Command {
    spec: Spec {
        name: "zmscore",
        arity: -3,
        since: "6.2.0",
        complexity: "O(N) where N is the number of members being requested.",
        summary: "Returns the scores of several members.",
        syntax: "key member [member ...]",
        ..ZSCORE.spec
    },
    run: zmscore,
    subcommands: &[],
};

fn zscore(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let zset = txn.read_as::<Zset>(args.at(1))?;
    reply_score(zset.and_then(|zset| zset.score(args.at(2))), reply);
    Ok(())
}

fn zmscore(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let zset = txn.read_as::<Zset>(args.at(1))?;
    reply.array(args.len() - 2);
    for member in args.from(2) {
        reply_score(zset.and_then(|zset| zset.score(member)), reply);
    }
    Ok(())
}

fn reply_score(score: Option<f64>, reply: &mut Reply<'_>) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn scores() {
        let mut fixture = Fixture::new();
        fixture.run("ZADD z 1.5 a -inf 7");
        fixture.check(&[
            ("ZSCORE z a", "$3\r\n1.5\r\n"),
            ("ZSCORE z b", "$-1\r\n"),
            ("ZSCORE none a", "$-1\r\n"),
            ("ZMSCORE z 7 b", "*2\r\n$4\r\n-inf\r\n$-1\r\n"),
            ("ZMSCORE none b", "*1\r\n$-1\r\n"),
        ]);
        fixture.resp3 = true;
        fixture.check(&[
            ("ZSCORE z a", ",1.5\r\n"),
            ("ZMSCORE z 7 b", "*2\r\n,-inf\r\n_\r\n"),
        ]);
    }
}
