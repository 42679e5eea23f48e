//! Unions, intersections and differences of sets: what is asked for, and the resulting sorted set.

use data::Zset;
use data::types::zset::Growth;
use protocol::number::{parse_f64, parse_i64};
use store::Txn;

use super::growth;
use super::source::Source;
use crate::{Args, CommandError};

/// How sets are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Union,
    Inter,
    Diff,
}

/// What becomes of the scores of a member.
#[derive(Clone, Copy, Debug)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            // Infinities that cancel each other out make 0.
            Self::Sum => number_or_zero(a + b),
            Self::Min => a.min(b),
            Self::Max => a.max(b),
        }
    }
}

fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// What options a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// ZUNION, ZINTER, ZDIFF.
    Reply,
    /// Their STORE forms.
    Store,
    /// ZINTERCARD.
    Count,
}

/// A set that is to be combined with others.
#[derive(Clone, Copy, Debug)]
struct Input<'a> {
    key: &'a [u8],
    weight: f64,
    len: usize,
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Query<'a> {
    operation: Operation,
    inputs: Vec<Input<'a>>,
    aggregate: Aggregate,
    pub(super) with_scores: bool,
    /// 0 for none.
    pub(super) limit: usize,
}

impl<'a> Query<'a> {
    /// Reads the arguments from the number of keys on. Keys of other types are refused before the
    /// options are looked at.
    pub(super) fn parse(
        txn: &mut Txn<'_>,
        args: Args<'a>,
        at: usize,
        operation: Operation,
        goal: Goal,
    ) -> Result<Self, CommandError> {
        let number = args.int(at)?;
        if number < 1 {
            let name = String::from_utf8_lossy(args.at(0)).to_ascii_lowercase();
            let text = format!("ERR at least 1 input key is needed for '{name}' command");
            return Err(CommandError::Made(text));
        }
        if number as usize > args.len() - at - 1 {
            return Err(CommandError::Syntax);
        }
        let end = at + 1 + number as usize;
        let mut query = Self {
            operation,
            inputs: Vec::with_capacity(number as usize),
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: 0,
        };
        for key in args.from(at + 1).take(number as usize) {
            let found = txn.read(key);
            let source = found.map(|found| Source::of(txn, found)).transpose()?;
            query.inputs.push(Input {
                key,
                weight: 1.0,
                len: source.map_or(0, Source::len),
            });
        }
        query.parse_options(args, end, goal)?;
        Ok(query)
    }

    fn parse_options(
        &mut self,
        args: Args<'a>,
        mut at: usize,
        goal: Goal,
    ) -> Result<(), CommandError> {
        const WEIGHT: CommandError = CommandError::Text("ERR weight value is not a float");
        const LIMIT: CommandError = CommandError::Text("ERR LIMIT can't be negative");
        let has_weights = self.operation != Operation::Diff && goal != Goal::Count;
        while at < args.len() {
            let left = args.len() - at - 1;
            if has_weights && left >= self.inputs.len() && args.is(at, "WEIGHTS") {
                for input in &mut self.inputs {
                    at += 1;
                    input.weight = parse_f64(&args[at]).ok_or(WEIGHT)?;
                }
            } else if has_weights && left >= 1 && args.is(at, "AGGREGATE") {
                at += 1;
                self.aggregate = match () {
                    () if args.is(at, "SUM") => Aggregate::Sum,
                    () if args.is(at, "MIN") => Aggregate::Min,
                    () if args.is(at, "MAX") => Aggregate::Max,
                    () => return Err(CommandError::Syntax),
                };
            } else if goal == Goal::Reply && args.is(at, "WITHSCORES") {
                self.with_scores = true;
            } else if goal == Goal::Count && left >= 1 && args.is(at, "LIMIT") {
                at += 1;
                let limit = parse_i64(&args[at]).and_then(|limit| usize::try_from(limit).ok());
                self.limit = limit.ok_or(LIMIT)?;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        Ok(())
    }

    /// The result.
    pub(super) fn run(mut self, txn: &mut Txn<'_>) -> Result<Zset, CommandError> {
        let growth = growth(txn);
        if self.operation == Operation::Diff {
            return self.diff(txn, &growth);
        }
        // Sums depend on the order, so it is Redis's: the smallest first.
        self.inputs.sort_by_key(|input| input.len);
        match self.operation {
            Operation::Union => self.union(txn, &growth),
            _ => self.inter(txn, &growth),
        }
    }

    fn union(&self, txn: &mut Txn<'_>, growth: &Growth) -> Result<Zset, CommandError> {
        let mut result = Zset::default();
        for &Input { key, weight, .. } in &self.inputs {
            let Some(source) = Source::find(txn, key)? else {
                continue;
            };
            source.each(|member, score| {
                let score = number_or_zero(score * weight);
                result.update(member, growth, |old| {
                    Some(old.map_or(score, |old| self.aggregate.of(old, score)))
                });
            });
        }
        Ok(result)
    }

    fn inter(&self, txn: &mut Txn<'_>, growth: &Growth) -> Result<Zset, CommandError> {
        let (smallest, others) = self.inputs.split_first().expect("at least one key");
        let mut elements = members(txn, smallest)?;
        for &Input { key, weight, .. } in others {
            if elements.is_empty() {
                break;
            }
            let source = Source::find(txn, key)?;
            elements.retain_mut(|(member, score)| {
                let found = source.and_then(|source| source.score(member));
                let found = found.map(|found| number_or_zero(found * weight));
                *score = found.map_or(*score, |found| self.aggregate.of(*score, found));
                found.is_some()
            });
        }
        Ok(collect(elements, growth))
    }

    /// What is in the first set and in no other.
    fn diff(&self, txn: &mut Txn<'_>, growth: &Growth) -> Result<Zset, CommandError> {
        let (first, others) = self.inputs.split_first().expect("at least one key");
        let mut elements = members(txn, first)?;
        for &Input { key, .. } in others {
            if let Some(source) = Source::find(txn, key)? {
                elements.retain(|(member, _)| source.score(member).is_none());
            }
        }
        Ok(collect(elements, growth))
    }
}

/// The members of a set with their weighted scores.
fn members(txn: &mut Txn<'_>, input: &Input<'_>) -> Result<Vec<(Vec<u8>, f64)>, CommandError> {
    let mut members = Vec::with_capacity(input.len);
    if let Some(source) = Source::find(txn, input.key)? {
        source.each(|member, score| {
            members.push((member.to_vec(), number_or_zero(score * input.weight)));
        });
    }
    Ok(members)
}

fn collect(elements: Vec<(Vec<u8>, f64)>, growth: &Growth) -> Zset {
    let mut result = Zset::default();
    for (member, score) in elements {
        result.set(&member, score, growth);
    }
    result
}
