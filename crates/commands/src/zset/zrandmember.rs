//! ZRANDMEMBER.

use std::collections::HashSet;

use data::Zset;
use protocol::Reply;
use store::Txn;

use super::{Layout, READ, reply_elements};
use crate::elem;
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// ZRANDMEMBER key [count [WITHSCORES]]
pub(super) const ZRANDMEMBER: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::READONLY,
        keys: READ,
        group: Group::SortedSet,
        since: "6.2.0",
        complexity: "O(N) where N is the number of members returned",
        summary: "Returns random members of a sorted set: distinct ones, or with a negative count \
                  also one several times.",
        syntax: "key [count [WITHSCORES]]",
        tips: &["nondeterministic_output"],
        ..Spec::new("zrandmember")
    },
    run: zrandmember,
    subcommands: &[],
};

fn zrandmember(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 2 {
        return several(txn, args, reply);
    }
    let random = txn.random();
    match txn.read_as::<Zset>(args.at(1))? {
        Some(zset) => {
            let rank = random.below(zset.len() as u64) as usize;
            elem::bulk(reply, zset.element(rank).0);
        }
        None => reply.null(),
    }
    Ok(())
}

fn several(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (count, with_scores) = parse(args)?;
    let random = txn.random();
    let Some(zset) = txn.read_as::<Zset>(args.at(1))? else {
        reply.array(0);
        return Ok(());
    };
    let (len, layout) = (zset.len(), Layout::new(with_scores, reply));
    let wanted = count.unsigned_abs() as usize;
    if count < 0 {
        let ranks = (0..wanted).map(|_| random.below(len as u64) as usize);
        let elements = ranks.map(|rank| zset.element(rank));
        reply_elements(wanted, elements, layout, reply);
    } else if wanted >= len {
        reply_elements(len, zset.iter(), layout, reply);
    } else {
        let ranks = distinct(wanted, len, |bound| random.below(bound as u64) as usize);
        let elements = ranks.into_iter().map(|rank| zset.element(rank));
        reply_elements(wanted, elements, layout, reply);
    }
    Ok(())
}

fn parse(args: Args<'_>) -> Result<(i64, bool), CommandError> {
    const TOO_FEW: CommandError = CommandError::Text(
        "ERR value is out of range, value must between -9223372036854775807 and \
         9223372036854775807",
    );
    const OUT_OF_RANGE: CommandError = CommandError::Text("ERR value is out of range");
    let count = args.int(2)?;
    if count == i64::MIN {
        return Err(TOO_FEW);
    }
    let with_scores = args.is(3, "WITHSCORES");
    if args.len() > 3 + usize::from(with_scores) {
        return Err(CommandError::Syntax);
    }
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(OUT_OF_RANGE);
    }
    Ok((count, with_scores))
}

/// So many distinct numbers below `bound`, each choice of them as likely as any other (Floyd).
fn distinct(wanted: usize, bound: usize, mut below: impl FnMut(usize) -> usize) -> HashSet<usize> {
    let mut chosen = HashSet::with_capacity(wanted);
    for last in bound - wanted..bound {
        let drawn = below(last + 1);
        if !chosen.insert(drawn) {
            chosen.insert(last);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn draws() {
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("ZRANDMEMBER none", "$-1\r\n"),
            ("ZRANDMEMBER none 3", "*0\r\n"),
            ("ZADD z 1 a", ":1\r\n"),
            ("ZRANDMEMBER z", "$1\r\na\r\n"),
            ("ZRANDMEMBER z 5", "*1\r\n$1\r\na\r\n"),
            ("ZRANDMEMBER z 0", "*0\r\n"),
            ("ZRANDMEMBER z -2", "*2\r\n$1\r\na\r\n$1\r\na\r\n"),
            ("ZRANDMEMBER z 1 WITHSCORES", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
            ("ZRANDMEMBER z 1 WITHSCORE", "-ERR syntax error\r\n"),
            (
                "ZRANDMEMBER z x",
                "-ERR value is not an integer or out of range\r\n",
            ),
            (
                "ZRANDMEMBER z -9223372036854775807 WITHSCORES",
                "-ERR value is out of range\r\n",
            ),
        ]);
        fixture.run("ZADD z 2 b 3 c 4 d");
        let drawn: HashSet<String> = (0..200).map(|_| fixture.run("ZRANDMEMBER z")).collect();
        assert_eq!(drawn.len(), 4);
        for _ in 0..20 {
            let reply = fixture.run("ZRANDMEMBER z 3");
            let members: HashSet<_> = reply.split("\r\n").filter(|s| s.len() == 1).collect();
            assert_eq!(members.len(), 3);
        }
    }

    #[test]
    fn every_choice_comes() {
        let (mut state, mut seen) = (1u64, HashSet::new());
        for _ in 0..1000 {
            let chosen = distinct(2, 4, |bound| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 33) as usize % bound
            });
            let mut chosen: Vec<_> = chosen.into_iter().collect();
            chosen.sort_unstable();
            seen.insert(chosen);
        }
        assert_eq!(seen.len(), 6);
    }
}
