//! ZRANGE and its older forms, ZRANGESTORE.

use std::ops::Range;

use data::Zset;
use data::packed::Digits;
use data::types::zset::ZsetRef;
use protocol::Reply;
use store::Txn;

use super::bounds::Part;
use super::{Layout, READ, growth, reply_elements, store};
use crate::keys::{access, first, range};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// ZRANGE key start stop [options]
pub(super) const ZRANGE: DataCommand = Command {
    spec: Spec {
        arity: -4,
        flags: flags::READONLY,
        keys: READ,
        group: Group::SortedSet,
        since: "1.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
                     number of elements returned.",
        summary: "Returns the members in a range of ranks, of scores, or of their order.",
        syntax: "key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
        ..Spec::new("zrange")
    },
    run: |txn, args, reply| reply_range(txn, args, Form::ANY, reply),
    subcommands: &[],
};

/// ZREVRANGE key start stop [WITHSCORES]
pub(super) const ZREVRANGE: DataCommand = Command {
    spec: Spec {
        name: "zrevrange",
        summary: "Returns the members in a range of ranks counted from the highest score.",
        syntax: "key start stop [WITHSCORES]",
        ..ZRANGE.spec
    },
    run: |txn, args, reply| reply_range(txn, args, Form::new(By::Rank, true), reply),
    subcommands: &[],
};

/// ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]
pub(super) const ZRANGEBYSCORE: DataCommand = Command {
    spec: Spec {
        name: "zrangebyscore",
        since: "1.0.5",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
                     number of elements being returned. If M is constant (e.g. always asking for \
                     the first 10 elements with LIMIT), you can consider it O(log(N)).",
        summary: "Returns the members in a range of scores.",
        syntax: "key min max [WITHSCORES] [LIMIT offset count]",
        ..ZRANGE.spec
    },
    run: |txn, args, reply| reply_range(txn, args, Form::new(By::Score, false), reply),
    subcommands: &[],
};

/// ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]
pub(super) const ZREVRANGEBYSCORE: DataCommand = Command {
    spec: Spec {
        name: "zrevrangebyscore",
        since: "2.2.0",
        summary: "Returns the members in a range of scores, the highest first.",
        syntax: "key max min [WITHSCORES] [LIMIT offset count]",
        ..ZRANGEBYSCORE.spec
    },
    run: |txn, args, reply| reply_range(txn, args, Form::new(By::Score, true), reply),
    subcommands: &[],
};

/// ZRANGEBYLEX key min max [LIMIT offset count]
pub(super) const ZRANGEBYLEX: DataCommand = Command {
    spec: Spec {
        name: "zrangebylex",
        since: "2.8.9",
        summary: "Returns the members of one score in a range of their order.",
        syntax: "key min max [LIMIT offset count]",
        ..ZRANGEBYSCORE.spec
    },
    run: |txn, args, reply| reply_range(txn, args, Form::new(By::Lex, false), reply),
    subcommands: &[],
};

/// ZREVRANGEBYLEX key max min [LIMIT offset count]
pub(super) const ZREVRANGEBYLEX: DataCommand = Command {
    spec: Spec {
        name: "zrevrangebylex",
        summary: "Returns the members of one score in a range of their order, the last first.",
        syntax: "key max min [LIMIT offset count]",
        ..ZRANGEBYLEX.spec
    },
    run: |txn, args, reply| reply_range(txn, args, Form::new(By::Lex, true), reply),
    subcommands: &[],
};

/// ZRANGESTORE dst src min max [options]
pub(super) const ZRANGESTORE: DataCommand = Command {
    spec: Spec {
        arity: -5,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[
            first(access::OW | access::UPDATE),
            range(2, 0, 1, access::RO | access::ACCESS),
        ],
        group: Group::SortedSet,
        since: "6.2.0",
        complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the \
                     number of elements stored into the destination key.",
        summary: "Stores the members in a range of ranks, of scores, or of their order.",
        syntax: "dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
        ..Spec::new("zrangestore")
    },
    run: zrangestore,
    subcommands: &[],
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// What of a query follows from the command; the rest are its options.
#[derive(Clone, Copy, Debug)]
struct Form {
    by: Option<By>,
    reverse: Option<bool>,
    /// Where the key is.
    key: usize,
    may_have_scores: bool,
}

impl Form {
    const ANY: Self = Self {
        by: None,
        reverse: None,
        key: 1,
        may_have_scores: true,
    };

    const fn new(by: By, reverse: bool) -> Self {
        Self {
            by: Some(by),
            reverse: Some(reverse),
            ..Self::ANY
        }
    }
}

/// What is asked for.
#[derive(Debug)]
struct Query<'a> {
    part: Part<'a>,
    reverse: bool,
    offset: i64,
    /// All, if negative.
    count: i64,
    with_scores: bool,
}

impl<'a> Query<'a> {
    fn parse(args: Args<'a>, form: Form) -> Result<Self, CommandError> {
        let (mut by, mut reverse) = (form.by, form.reverse);
        let (mut offset, mut count, mut with_scores) = (0, -1, false);
        let mut at = form.key + 3;
        while at < args.len() {
            if form.may_have_scores && args.is(at, "WITHSCORES") {
                with_scores = true;
            } else if args.is(at, "LIMIT") && at + 2 < args.len() {
                (offset, count) = (args.int(at + 1)?, args.int(at + 2)?);
                at += 2;
            } else if reverse.is_none() && args.is(at, "REV") {
                reverse = Some(true);
            } else if by.is_none() && args.is(at, "BYLEX") {
                by = Some(By::Lex);
            } else if by.is_none() && args.is(at, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        let text = if by == By::Rank && count != -1 {
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
        } else if by == By::Lex && with_scores {
            "ERR syntax error, WITHSCORES not supported in combination with BYLEX"
        } else {
            return Ok(Self {
                part: Self::part(args, form.key + 1, by, reverse)?,
                reverse,
                offset,
                count,
                with_scores,
            });
        };
        Err(CommandError::Text(text))
    }

    fn part(args: Args<'a>, at: usize, by: By, reverse: bool) -> Result<Part<'a>, CommandError> {
        let (min, max) = if reverse { (at + 1, at) } else { (at, at + 1) };
        match by {
            By::Rank => Part::ranks(args, at),
            By::Score => Part::scores(args, min, max),
            By::Lex => Part::lex(args, min, max),
        }
    }

    /// The ranks that are asked for.
    fn ranks(&self, zset: ZsetRef<'_>) -> Range<usize> {
        let all = self.part.of(zset, self.reverse);
        // A negative offset skips all.
        let skipped = usize::try_from(self.offset).map_or(all.len(), |n| n.min(all.len()));
        let left = all.len() - skipped;
        let len = usize::try_from(self.count).map_or(left, |count| count.min(left));
        if self.reverse {
            all.end - skipped - len..all.end - skipped
        } else {
            all.start + skipped..all.start + skipped + len
        }
    }
}

fn reply_range(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    form: Form,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let query = Query::parse(args, form)?;
    let Some(zset) = txn.read_as::<Zset>(args.at(1))? else {
        reply.array(0);
        return Ok(());
    };
    let ranks = query.ranks(zset);
    let (len, elements) = (ranks.len(), zset.range(ranks));
    let layout = Layout::new(query.with_scores, reply);
    if query.reverse {
        reply_elements(len, elements.rev(), layout, reply);
    } else {
        reply_elements(len, elements, layout, reply);
    }
    Ok(())
}

fn zrangestore(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let form = Form {
        key: 2,
        may_have_scores: false,
        ..Form::ANY
    };
    let query = Query::parse(args, form)?;
    let growth = growth(txn);
    let mut stored = Zset::default();
    if let Some(zset) = txn.read_as::<Zset>(args.at(2))? {
        for (member, score) in zset.range(query.ranks(zset)) {
            stored.set(member.text(&mut Digits::new()), score, &growth);
        }
    }
    reply.int(store(txn, args.at(1), stored, "zrangestore") as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    /// The members of a reply, e.g. `a b`.
    fn members(fixture: &mut Fixture, line: &str) -> String {
        let reply = fixture.run(line);
        let texts = reply
            .split("\r\n")
            .filter(|part| !part.starts_with(['*', '$']));
        texts.collect::<Vec<_>>().join(" ").trim_end().to_owned()
    }

    fn check(fixture: &mut Fixture, expected: &[(&str, &str)]) {
        for (line, list) in expected {
            assert_eq!(members(fixture, line), *list, "{line}");
        }
    }

    #[test]
    fn by_rank() {
        let mut fixture = Fixture::new();
        fixture.run("ZADD z 1 a 2 b 3 c 4 d");
        check(
            &mut fixture,
            &[
                ("ZRANGE z 0 -1", "a b c d"),
                ("ZRANGE z 1 2", "b c"),
                ("ZRANGE z -2 -1", "c d"),
                ("ZRANGE z -100 100", "a b c d"),
                ("ZRANGE z 3 1", ""),
                ("ZRANGE z 4 9", ""),
                ("ZRANGE z 0 -5", ""),
                ("ZRANGE z 0 0 REV", "d"),
                ("ZREVRANGE z 0 1 WITHSCORES", "d 4 c 3"),
                ("ZREVRANGE z -1 -1", "a"),
                ("ZRANGE z 0 1 LIMIT 0 -1", "a b"),
                ("ZRANGE none 0 -1", ""),
            ],
        );
    }

    #[test]
    fn by_score() {
        let mut fixture = Fixture::new();
        fixture.run("ZADD z 1 a 2 b 2 c 4 d");
        check(
            &mut fixture,
            &[
                ("ZRANGEBYSCORE z 2 4", "b c d"),
                ("ZRANGEBYSCORE z (2 +inf", "d"),
                ("ZRANGEBYSCORE z -inf (2 WITHSCORES", "a 1"),
                ("ZREVRANGEBYSCORE z 4 2", "d c b"),
                ("ZREVRANGEBYSCORE z inf 1 LIMIT 1 2", "c b"),
                ("ZRANGE z 1 4 BYSCORE LIMIT 1 2", "b c"),
                ("ZRANGE z 4 1 BYSCORE REV LIMIT 3 9", "a"),
                ("ZRANGE z 1 4 BYSCORE LIMIT 2 -1", "c d"),
                ("ZRANGE z 1 4 BYSCORE LIMIT -1 2", ""),
                ("ZRANGEBYSCORE z 9 1", ""),
            ],
        );
    }

    #[test]
    fn by_member() {
        let mut fixture = Fixture::new();
        fixture.run("ZADD z 0 a 0 b 0 c 0 d");
        check(
            &mut fixture,
            &[
                ("ZRANGEBYLEX z - [c", "a b c"),
                ("ZREVRANGEBYLEX z + (b", "d c"),
                ("ZRANGE z [d (a BYLEX REV LIMIT 1 1", "c"),
            ],
        );
    }

    #[test]
    fn refuses() {
        Fixture::new().check(&[
            (
                "ZRANGE z a 1",
                "-ERR value is not an integer or out of range\r\n",
            ),
            ("ZRANGE z 0 1 LIMIT 1", "-ERR syntax error\r\n"),
            ("ZREVRANGE z 0 1 REV", "-ERR syntax error\r\n"),
            ("ZRANGEBYSCORE z 0 1 BYLEX", "-ERR syntax error\r\n"),
            ("ZRANGESTORE y z 0 1 WITHSCORES", "-ERR syntax error\r\n"),
            (
                "ZRANGE z 0 1 LIMIT 1 1",
                "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE \
                 or BYLEX\r\n",
            ),
            (
                "ZRANGE z 0 1 BYLEX WITHSCORES",
                "-ERR syntax error, WITHSCORES not supported in combination with BYLEX\r\n",
            ),
        ]);
    }

    #[test]
    fn resp3_has_pairs() {
        let mut fixture = Fixture::new();
        fixture.resp3 = true;
        fixture.check(&[
            ("ZADD z 1.5 a", ":1\r\n"),
            (
                "ZRANGE z 0 -1 WITHSCORES",
                "*1\r\n*2\r\n$1\r\na\r\n,1.5\r\n",
            ),
        ]);
    }

    #[test]
    fn stores() {
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("ZADD z 1 a 2 b 3 c", ":3\r\n"),
            ("SET y 1", "+OK\r\n"),
            ("ZRANGESTORE y z 1 9", ":2\r\n"),
            ("ZRANGE y 0 -1", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"),
            ("ZRANGESTORE z z (1 (3 BYSCORE", ":1\r\n"),
            ("ZCARD z", ":1\r\n"),
            ("ZRANGESTORE y none 0 -1", ":0\r\n"),
            ("EXISTS y", ":0\r\n"),
        ]);
    }
}
