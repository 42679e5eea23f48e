//! Parts of a sorted set as clients name them: by rank, by score or by the order of members.

use std::ops::Range;

use data::packed::Elem;
use data::types::zset::{ZsetRef, compare};
use protocol::number::parse_f64;

use crate::{Args, CommandError};

/// A part of a sorted set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part<'a> {
    /// From one rank to another; negative ones count from the end.
    Ranks(i64, i64),
    /// From one score to another.
    Scores(Score, Score),
    /// From one member to another, where all scores are the same.
    Lex(Lex<'a>, Lex<'a>),
}

/// A lowest or highest score.
#[derive(Clone, Copy, Debug)]
pub(super) struct Score {
    value: f64,
    exclusive: bool,
}

/// A first or last member.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lex<'a> {
    /// Before all members.
    Start,
    /// Behind all members.
    End,
    /// This one or, where it says so, its neighbour inside.
    At { member: &'a [u8], exclusive: bool },
}

impl<'a> Part<'a> {
    /// Ranks at argument `at` and the one behind it.
    pub(super) fn ranks(args: Args<'a>, at: usize) -> Result<Self, CommandError> {
        Ok(Self::Ranks(args.int(at)?, args.int(at + 1)?))
    }

    /// Scores at arguments `min` and `max`.
    pub(super) fn scores(args: Args<'a>, min: usize, max: usize) -> Result<Self, CommandError> {
        const ERROR: CommandError = CommandError::Text("ERR min or max is not a float");
        let [min, max] = [min, max].map(|at| Score::parse(args.at(at)));
        Ok(Self::Scores(min.ok_or(ERROR)?, max.ok_or(ERROR)?))
    }

    /// Members at arguments `min` and `max`.
    pub(super) fn lex(args: Args<'a>, min: usize, max: usize) -> Result<Self, CommandError> {
        const ERROR: CommandError =
            CommandError::Text("ERR min or max not valid string range item");
        let [min, max] = [min, max].map(|at| Lex::parse(args.at(at)));
        Ok(Self::Lex(min.ok_or(ERROR)?, max.ok_or(ERROR)?))
    }

    /// The ranks that this part of a sorted set has; those of a part by rank are counted from the
    /// end when in `reverse`.
    pub(super) fn of(self, zset: ZsetRef<'_>, reverse: bool) -> Range<usize> {
        let len = zset.len();
        let (start, end) = match self {
            Self::Ranks(start, end) => {
                let from_start = |rank: i64| if rank < 0 { rank + len as i64 } else { rank };
                let start = from_start(start).max(0) as usize;
                let end = from_start(end).saturating_add(1).clamp(0, len as i64) as usize;
                if reverse && start < end {
                    (len - end, len - start)
                } else {
                    (start, end)
                }
            }
            Self::Scores(min, max) => (
                zset.rank_of_score(min.value, min.exclusive),
                zset.rank_of_score(max.value, !max.exclusive),
            ),
            Self::Lex(min, max) => (
                zset.rank_of_member(|member| !min.is_reached(member)),
                zset.rank_of_member(|member| !max.is_passed(member)),
            ),
        };
        if start < end { start..end } else { 0..0 }
    }
}

impl Score {
    fn parse(text: &[u8]) -> Option<Self> {
        let (value, exclusive) = match text.strip_prefix(b"(") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let value = parse_loosely(value)?;
        Some(Self { value, exclusive })
    }
}

/// As C's `strtod` has it: nothing is 0, blanks may come first, and what is too large is infinite.
fn parse_loosely(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    parse_f64(text).or_else(|| {
        let text = std::str::from_utf8(text.trim_ascii_start()).ok()?;
        text.parse().ok().filter(|value: &f64| !value.is_nan())
    })
}

impl<'a> Lex<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        Some(match text {
            b"-" => Self::Start,
            b"+" => Self::End,
            [kind @ (b'(' | b'['), member @ ..] => Self::At {
                member,
                exclusive: *kind == b'(',
            },
            _ => return None,
        })
    }

    /// Whether a range that begins here has begun with `other`.
    fn is_reached(self, other: Elem<'_>) -> bool {
        match self {
            Self::Start => true,
            Self::End => false,
            Self::At { member, exclusive } => {
                let order = compare(other, member);
                order.is_gt() || order.is_eq() && !exclusive
            }
        }
    }

    /// Whether a range that ends here has ended before `other`.
    fn is_passed(self, other: Elem<'_>) -> bool {
        match self {
            Self::Start => true,
            Self::End => false,
            Self::At { member, exclusive } => {
                let order = compare(other, member);
                order.is_gt() || order.is_eq() && exclusive
            }
        }
    }
}
