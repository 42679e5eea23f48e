//! SINTERCARD.

use data::Set;
use protocol::Reply;
use protocol::number::parse_i64;
use store::Txn;

use super::combine::intersect;
use crate::keys::{access, counted};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const NO_KEYS: CommandError = CommandError::Text("ERR numkeys should be greater than 0");
const TOO_MANY_KEYS: CommandError =
    CommandError::Text("ERR Number of keys can't be greater than number of args");
const NEGATIVE_LIMIT: CommandError = CommandError::Text("ERR LIMIT can't be negative");

/// SINTERCARD numkeys key [key ...] [LIMIT limit]
pub(super) const SINTERCARD: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::READONLY | flags::MOVABLEKEYS,
        keys: &[counted(1, 1, access::RO | access::ACCESS)],
        group: Group::Set,
        since: "7.0.0",
        complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the \
                     number of sets.",
        summary: "Returns how many members all these sets have in common.",
        syntax: "numkeys key [key ...] [LIMIT limit]",
        ..Spec::new("sintercard")
    },
    run: sintercard,
    subcommands: &[],
};

fn sintercard(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let keys = parse_i64(args.at(1)).filter(|&keys| keys > 0);
    let keys = usize::try_from(keys.ok_or(NO_KEYS)?).map_err(|_| NO_KEYS)?;
    if keys > args.len() - 2 {
        return Err(TOO_MANY_KEYS);
    }
    let mut limit = 0;
    let mut at = 2 + keys;
    while at < args.len() {
        if !args.is(at, "LIMIT") || at + 1 == args.len() {
            return Err(CommandError::Syntax);
        }
        let given = parse_i64(args.at(at + 1)).and_then(|limit| usize::try_from(limit).ok());
        limit = given.ok_or(NEGATIVE_LIMIT)?;
        at += 2;
    }
    let now_ms = txn.now_ms;
    let sets = txn.read_all::<Set>(args.from(2).take(keys))?;
    let mut count = 0;
    intersect(&sets, now_ms, |_| {
        count += 1;
        count != limit
    });
    reply.int(count as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn counts_up_to_the_limit() {
        Fixture::with_threads(2).check(&[
            ("SADD a 1 2 3", ":3\r\n"),
            ("SADD b 2 3 4", ":3\r\n"),
            ("SINTERCARD 2 a b", ":2\r\n"),
            ("SINTERCARD 2 a b LIMIT 1", ":1\r\n"),
            ("SINTERCARD 2 a b limit 0", ":2\r\n"),
            ("SINTERCARD 2 a none", ":0\r\n"),
            ("SINTERCARD 1 a", ":3\r\n"),
        ]);
    }

    #[test]
    fn refuses() {
        Fixture::new().check(&[
            (
                "SINTERCARD 0 a",
                "-ERR numkeys should be greater than 0\r\n",
            ),
            (
                "SINTERCARD x a",
                "-ERR numkeys should be greater than 0\r\n",
            ),
            (
                "SINTERCARD 2 a",
                "-ERR Number of keys can't be greater than number of args\r\n",
            ),
            ("SINTERCARD 1 a LIMIT", "-ERR syntax error\r\n"),
            ("SINTERCARD 1 a b", "-ERR syntax error\r\n"),
            (
                "SINTERCARD 1 a LIMIT -1",
                "-ERR LIMIT can't be negative\r\n",
            ),
            ("SINTERCARD 1 a LIMIT x", "-ERR LIMIT can't be negative\r\n"),
        ]);
    }
}
