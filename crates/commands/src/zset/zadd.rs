//! ZADD, ZINCRBY.

use data::Zset;
use protocol::Reply;
use protocol::number::parse_f64;
use smallvec::SmallVec;
use store::Txn;

use super::growth;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const NAN: CommandError = CommandError::Text("ERR resulting score is not a number (NaN)");

/// ZADD key [options] score member [score member ...]
pub(super) const ZADD: DataCommand = Command {
    spec: Spec {
        arity: -4,
        flags: flags::WRITE | flags::DENYOOM | flags::FAST,
        keys: &[first(access::RW | access::UPDATE)],
        group: Group::SortedSet,
        since: "1.2.0",
        complexity: "O(log(N)) for each item added, where N is the number of elements in the \
                     sorted set.",
        summary: "Adds members to a sorted set, or updates their scores.",
        syntax: "key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
        member: 3,
        ..Spec::new("zadd")
    },
    run: zadd,
    subcommands: &[],
};

/// ZINCRBY key increment member
pub(super) const ZINCRBY: DataCommand = Command {
    spec: Spec {
        name: "zincrby",
        arity: 4,
        keys: &[first(access::RW | access::ACCESS | access::UPDATE)],
        complexity: "O(log(N)) where N is the number of elements in the sorted set.",
        summary: "Adds to the score of a member; one that is missing counts as 0.",
        syntax: "key increment member",
        ..ZADD.spec
    },
    run: zincrby,
    subcommands: &[],
};

/// How members are added.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Adding {
    /// Only new members.
    pub(crate) nx: bool,
    /// Only members that are there.
    pub(crate) xx: bool,
    /// Only to a higher score.
    gt: bool,
    /// Only to a lower score.
    lt: bool,
    /// Count updates as well.
    pub(crate) ch: bool,
    /// Add to the score.
    incr: bool,
}

impl Adding {
    /// The options, and where the first score is.
    fn parse(args: Args<'_>) -> (Self, usize) {
        let mut adding = Self::default();
        for at in 2..args.len() {
            let option = match &args[at] {
                word if word.eq_ignore_ascii_case(b"NX") => &mut adding.nx,
                word if word.eq_ignore_ascii_case(b"XX") => &mut adding.xx,
                word if word.eq_ignore_ascii_case(b"GT") => &mut adding.gt,
                word if word.eq_ignore_ascii_case(b"LT") => &mut adding.lt,
                word if word.eq_ignore_ascii_case(b"CH") => &mut adding.ch,
                word if word.eq_ignore_ascii_case(b"INCR") => &mut adding.incr,
                _ => return (adding, at),
            };
            *option = true;
        }
        (adding, args.len())
    }

    fn check(self, arguments: usize) -> CommandResult {
        if arguments == 0 || !arguments.is_multiple_of(2) {
            return Err(CommandError::Syntax);
        }
        let text = if self.nx && self.xx {
            "ERR XX and NX options at the same time are not compatible"
        } else if self.gt && (self.nx || self.lt) || self.lt && self.nx {
            "ERR GT, LT, and/or NX options at the same time are not compatible"
        } else if self.incr && arguments > 2 {
            "ERR INCR option supports a single increment-element pair"
        } else {
            return Ok(());
        };
        Err(CommandError::Text(text))
    }

    /// What the score of a member becomes, if anything.
    fn decide(self, old: Option<f64>, given: f64) -> Result<Option<f64>, CommandError> {
        let Some(old) = old else {
            return Ok((!self.xx).then_some(given));
        };
        if self.nx {
            return Ok(None);
        }
        let score = if self.incr { old + given } else { given };
        if score.is_nan() {
            return Err(NAN);
        }
        let refused = self.gt && score <= old || self.lt && score >= old;
        Ok((!refused).then_some(score))
    }
}

/// What has been done so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    added: usize,
    updated: usize,
    /// What the last member was given.
    score: Option<f64>,
}

impl Tally {
    #[allow(clippy::float_cmp)] // A score that is the same bit for bit isn't updated.
    fn note(&mut self, old: Option<f64>, score: Option<f64>) {
        self.score = score;
        match (old, score) {
            (None, Some(_)) => self.added += 1,
            (Some(old), Some(score)) if old != score => self.updated += 1,
            _ => {}
        }
    }

    /// What the client is told.
    pub(crate) fn count(self, adding: Adding) -> usize {
        self.added + if adding.ch { self.updated } else { 0 }
    }
}

fn zadd(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (adding, start) = Adding::parse(args);
    adding.check(args.len() - start)?;
    let tally = add(txn, args.at(1), &elements(args, start)?, adding)?;
    match tally.score {
        _ if !adding.incr => reply.int(tally.count(adding) as i64),
        Some(score) => reply.double(score),
        None => reply.null(),
    }
    Ok(())
}

fn zincrby(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let adding = Adding {
        incr: true,
        ..Adding::default()
    };
    let tally = add(txn, args.at(1), &elements(args, 2)?, adding)?;
    reply.double(tally.score.expect("nothing keeps the score as it was"));
    Ok(())
}

/// Scores with their members; the usual few need no allocation.
type Elements<'a> = SmallVec<[(f64, &'a [u8]); 4]>;

/// The scores and members from argument `start` on.
fn elements(args: Args<'_>, start: usize) -> Result<Elements<'_>, CommandError> {
    let element = |at: usize| {
        let score = parse_f64(&args[at]).ok_or(CommandError::NotFloat)?;
        Ok((score, args.at(at + 1)))
    };
    (start..args.len()).step_by(2).map(element).collect()
}

/// Adds members with their scores to the sorted set at `key`, or updates them.
pub(crate) fn add(
    txn: &mut Txn<'_>,
    key: &[u8],
    elements: &[(f64, &[u8])],
    adding: Adding,
) -> Result<Tally, CommandError> {
    let (found, growth) = (txn.find(key), growth(txn));
    let tally = txn.edit(key, found, |zset: &mut Zset| {
        let mut tally = Tally::default();
        for &(given, member) in elements {
            let mut result = Ok(());
            zset.update(member, &growth, |old| {
                let score = adding.decide(old, given).unwrap_or_else(|error| {
                    result = Err(error);
                    None
                });
                tally.note(old, score);
                score
            });
            result?;
        }
        Ok::<_, CommandError>(tally)
    })??;
    if tally.added + tally.updated > 0 {
        txn.changed(key, if adding.incr { "zincr" } else { "zadd" });
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    const SYNTAX: &str = "-ERR syntax error\r\n";
    const NOT_FLOAT: &str = "-ERR value is not a valid float\r\n";

    #[test]
    fn adds_and_updates() {
        Fixture::new().check(&[
            ("ZADD z 1 a 2 b", ":2\r\n"),
            ("ZADD z 1 a 3 b", ":0\r\n"),
            ("ZADD z CH 1 a 2 b 5 c", ":2\r\n"),
            ("ZADD z XX 7 d", ":0\r\n"),
            ("ZADD z NX 7 a 7 d", ":1\r\n"),
            ("ZADD z GT CH 0 a 9 b", ":1\r\n"),
            ("ZADD z LT CH 0 a 10 b 4 e", ":2\r\n"),
            ("ZSCORE z b", "$1\r\n9\r\n"),
            ("ZADD z INCR 1.5 b", "$4\r\n10.5\r\n"),
            ("ZADD z NX INCR 1 b", "$-1\r\n"),
            ("ZADD z GT INCR -1 b", "$-1\r\n"),
            ("ZADD y XX 1 a", ":0\r\n"),
            ("EXISTS y", ":0\r\n"),
            ("ZINCRBY y 2 a", "$1\r\n2\r\n"),
            ("ZINCRBY y -0.5 a", "$3\r\n1.5\r\n"),
            ("ZADD z 1 NX 1 a", ":1\r\n"),
        ]);
    }

    #[test]
    fn refuses() {
        Fixture::new().check(&[
            ("ZADD z 1 a 2", SYNTAX),
            ("ZADD z NX 1", SYNTAX),
            ("ZADD z x a", NOT_FLOAT),
            ("ZADD z nan a", NOT_FLOAT),
            ("ZADD z 1 a x b", NOT_FLOAT),
            (
                "ZADD z NX XX 1 a",
                "-ERR XX and NX options at the same time are not compatible\r\n",
            ),
            (
                "ZADD z NX GT 1 a",
                "-ERR GT, LT, and/or NX options at the same time are not compatible\r\n",
            ),
            (
                "ZADD z INCR 1 a 2 b",
                "-ERR INCR option supports a single increment-element pair\r\n",
            ),
            ("EXISTS z", ":0\r\n"),
            ("ZADD z inf a", ":1\r\n"),
            (
                "ZINCRBY z -inf a",
                "-ERR resulting score is not a number (NaN)\r\n",
            ),
            ("SET s 1", "+OK\r\n"),
            (
                "ZADD s 1 a",
                "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
            ),
        ]);
    }

    #[test]
    fn the_log_gets_what_made_a_change() {
        let mut fixture = Fixture::logged();
        for line in ["ZADD z 1 a", "ZADD z 1 a", "ZADD z XX 1 b", "ZINCRBY z 1 a"] {
            fixture.run(line);
        }
        assert_eq!(fixture.effects(), ["ZADD z 1 a", "ZINCRBY z 1 a"]);
    }
}
