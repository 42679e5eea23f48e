//! ZRANK, ZREVRANK.

use data::Zset;
use protocol::Reply;
use store::Txn;

use super::READ;
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// ZRANK key member [WITHSCORE]
pub(super) const ZRANK: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::READONLY | flags::FAST,
        keys: READ,
        group: Group::SortedSet,
        since: "2.0.0",
        complexity: "O(log(N))",
        summary: "Returns the place of a member in the order of scores, counted from 0.",
        syntax: "key member [WITHSCORE]",
        member: 2,
        ..Spec::new("zrank")
    },
    run: |txn, args, reply| rank(txn, args, false, reply),
    subcommands: &[],
};

/// ZREVRANK key member [WITHSCORE]
pub(super) const ZREVRANK: DataCommand = Command {
    spec: Spec {
        name: "zrevrank",
        summary: "Returns the place of a member counted from the highest score.",
        ..ZRANK.spec
    },
    run: |txn, args, reply| rank(txn, args, true, reply),
    subcommands: &[],
};

fn rank(txn: &mut Txn<'_>, args: Args<'_>, reverse: bool, reply: &mut Reply<'_>) -> CommandResult {
    let with_score = args.is(3, "WITHSCORE");
    if args.len() > 3 + usize::from(with_score) {
        return Err(CommandError::Syntax);
    }
    let zset = txn.read_as::<Zset>(args.at(1))?;
    let found = zset.and_then(|zset| {
        let (rank, score) = zset.rank(args.at(2))?;
        let rank = if reverse { zset.len() - 1 - rank } else { rank };
        Some((rank, score))
    });
    match found {
        Some((rank, score)) if with_score => {
            reply.array(2);
            reply.int(rank as i64);
            reply.double(score);
        }
        Some((rank, _)) => reply.int(rank as i64),
        None if with_score => reply.null_array(),
        None => reply.null(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn ranks() {
        let mut fixture = Fixture::new();
        fixture.run("ZADD z 1 a 1 b 0 c");
        fixture.check(&[
            ("ZRANK z a", ":1\r\n"),
            ("ZREVRANK z a", ":1\r\n"),
            ("ZREVRANK z c", ":2\r\n"),
            ("ZRANK z d", "$-1\r\n"),
            ("ZRANK none a", "$-1\r\n"),
            ("ZRANK z b withscore", "*2\r\n:2\r\n$1\r\n1\r\n"),
            ("ZRANK z d WITHSCORE", "*-1\r\n"),
            ("ZRANK z d WITHSCORES", "-ERR syntax error\r\n"),
            ("ZRANK z d WITHSCORE x", "-ERR syntax error\r\n"),
        ]);
    }
}
