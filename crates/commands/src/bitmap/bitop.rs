//! BITOP.

use protocol::Reply;
use store::Txn;

use crate::keys::{access, range};
use crate::spec::{Group, flags};
use crate::string::edit::set_raw;
use crate::string::value::bytes_of;
use crate::string::write::{Ttl, delete, log_set};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// BITOP operation destkey key [key ...]
pub(super) const BITOP: DataCommand = Command {
    spec: Spec {
        arity: -4,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[
            range(2, 0, 1, access::OW | access::UPDATE),
            range(3, -1, 1, access::RO | access::ACCESS),
        ],
        group: Group::Bitmap,
        since: "2.6.0",
        complexity: "O(N)",
        summary: "Combines the strings at several keys bit by bit and stores the result; shorter \
                  ones count as followed by clear bits.",
        syntax: "<AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> destkey key [key ...]",
        ..Spec::new("bitop")
    },
    run: bitop,
    subcommands: &[],
};

/// What the bits of the sources make: X is the first of them, Y any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
    /// X and no Y.
    Diff,
    /// Some Y and not X.
    Diff1,
    /// X and some Y.
    AndOr,
    /// Exactly one of all.
    One,
}

const OPERATIONS: [(&str, Operation); 8] = [
    ("AND", Operation::And),
    ("OR", Operation::Or),
    ("XOR", Operation::Xor),
    ("NOT", Operation::Not),
    ("DIFF", Operation::Diff),
    ("DIFF1", Operation::Diff1),
    ("ANDOR", Operation::AndOr),
    ("ONE", Operation::One),
];

impl Operation {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        const ONE_SOURCE: CommandError =
            CommandError::Text("ERR BITOP NOT must be called with a single source key.");
        let found = OPERATIONS.iter().find(|(word, _)| args.is(1, word));
        let &(word, operation) = found.ok_or(CommandError::Syntax)?;
        match operation {
            Self::Not if args.len() != 4 => Err(ONE_SOURCE),
            Self::Diff | Self::Diff1 | Self::AndOr if args.len() < 5 => Err(CommandError::Made(
                format!("ERR BITOP {word} must be called with at least two source keys."),
            )),
            _ => Ok(operation),
        }
    }

    /// In which order `count` sources are combined: X last where the others have to be done with.
    fn order(self, count: usize) -> impl Iterator<Item = usize> {
        let x_last = matches!(self, Self::Diff1 | Self::AndOr);
        let last = if x_last { 0..1 } else { 0..0 };
        (usize::from(x_last)..count).chain(last)
    }

    /// Whether every Redis knows it.
    fn is_old(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Xor | Self::Not)
    }
}

fn bitop(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let operation = Operation::parse(args)?;
    let mut fold = Fold::default();
    for number in operation.order(args.len() - 3) {
        let mut digits = itoa::Buffer::new();
        let source = match txn.read_str(args.at(3 + number))? {
            Some(value) => bytes_of(value, &mut digits),
            None => &[],
        };
        fold.add(operation, number, source);
    }
    let result = fold.finish(operation);
    let destination = args.at(2);
    let found = txn.find(destination);
    reply.int(result.len() as i64);
    if !result.is_empty() {
        if !operation.is_old() {
            log_set(txn, destination, &result, Ttl::Clear);
        }
        set_raw(txn, destination, found, result);
        txn.changed(destination, "set");
    } else if let Some(found) = found {
        delete(txn, destination, found);
    }
    Ok(())
}

/// The sources so far, combined.
#[derive(Default)]
struct Fold {
    all: Option<Vec<u8>>,
    /// The bits that more than one source of [`Operation::One`] has.
    twice: Vec<u8>,
}

impl Fold {
    /// Combines one more source, the `number`th of the command's.
    fn add(&mut self, operation: Operation, number: usize, source: &[u8]) {
        let Some(all) = &mut self.all else {
            self.all = Some(source.to_vec());
            return;
        };
        if all.len() < source.len() {
            all.resize(source.len(), 0);
        }
        match operation {
            Operation::And => combine_padded(all, source, |all, new| all & new),
            Operation::AndOr if number == 0 => combine_padded(all, source, |all, new| all & new),
            Operation::Diff1 if number == 0 => combine(all, source, |all, new| all & !new),
            Operation::Diff => combine(all, source, |all, new| all & !new),
            Operation::Xor => combine(all, source, |all, new| all ^ new),
            Operation::One => {
                self.twice.resize(all.len(), 0);
                for ((all, twice), new) in all.iter_mut().zip(&mut self.twice).zip(source) {
                    *twice |= *all & new;
                    *all |= new;
                }
            }
            _ => combine(all, source, |all, new| all | new),
        }
    }

    fn finish(self, operation: Operation) -> Vec<u8> {
        let mut all = self.all.unwrap_or_default();
        match operation {
            Operation::Not => all.iter_mut().for_each(|byte| *byte = !*byte),
            Operation::One => combine(&mut all, &self.twice, |all, twice| all & !twice),
            _ => {}
        }
        all
    }
}

/// Combines `all` with a `source` that isn't longer; where that has ended, `all` stays.
#[inline(always)]
fn combine(all: &mut [u8], source: &[u8], with: impl Fn(u8, u8) -> u8) {
    for (all, new) in all.iter_mut().zip(source) {
        *all = with(*all, *new);
    }
}

/// As [`combine`], for an operation that yields 0 where the source has ended.
#[inline(always)]
fn combine_padded(all: &mut [u8], source: &[u8], with: impl Fn(u8, u8) -> u8) {
    combine(all, source, with);
    all[source.len()..].fill(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;
    use proptest::prelude::*;

    #[test]
    fn combines_and_stores() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("SET a 1 EX 10", "+OK\r\n"),
            ("SET b abc", "+OK\r\n"),
            ("BITOP AND d b x", ":3\r\n"),
            ("GET d", "$3\r\n\0\0\0\r\n"),
            ("BITOP or a a b", ":3\r\n"),
            ("GET a", "$3\r\nqbc\r\n"),
            ("BITOP XOR d a b", ":3\r\n"),
            ("GET d", "$3\r\n\u{10}\0\0\r\n"),
            ("BITOP ONE d b", ":3\r\n"),
            ("GET d", "$3\r\nabc\r\n"),
            ("BITOP NOT d x", ":0\r\n"),
            ("BITOP NOT d x", ":0\r\n"),
            ("GET d", "$-1\r\n"),
        ]);
        assert_eq!(fixture.string_at("a"), Some(("raw", None)));
        assert_eq!(
            fixture.effects()[2..],
            [
                "BITOP AND d b x",
                "BITOP or a a b",
                "BITOP XOR d a b",
                "SET d abc",
                "DEL d"
            ]
        );
    }

    #[test]
    fn refuses() {
        let two =
            |word| format!("-ERR BITOP {word} must be called with at least two source keys.\r\n");
        Fixture::new().check(&[
            ("BITOP NAND d a", "-ERR syntax error\r\n"),
            (
                "BITOP NOT d a b",
                "-ERR BITOP NOT must be called with a single source key.\r\n",
            ),
            ("BITOP diff d a", &two("DIFF")),
            ("BITOP DIFF1 d a", &two("DIFF1")),
            ("BITOP ANDOR d a", &two("ANDOR")),
        ]);
    }

    fn naive(operation: Operation, sources: &[Vec<u8>]) -> Vec<u8> {
        let len = sources.iter().map(Vec::len).max().unwrap_or(0);
        let mut result = vec![0; len];
        for at in 0..len * 8 {
            let bit = |s: &Vec<u8>| s.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
            let bits: Vec<bool> = sources.iter().map(bit).collect();
            let (first, others) = (bits[0], bits[1..].contains(&true));
            let ones = bits.iter().filter(|&&bit| bit).count();
            let on = match operation {
                Operation::And => ones == bits.len(),
                Operation::Or => ones > 0,
                Operation::Xor => ones % 2 == 1,
                Operation::Not => !first,
                Operation::Diff => first && !others,
                Operation::Diff1 => !first && others,
                Operation::AndOr => first && others,
                Operation::One => ones == 1,
            };
            result[at / 8] |= u8::from(on) << (at % 8);
        }
        result
    }

    proptest! {
        #[test]
        fn as_bit_by_bit(
            sources in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 2..5),
        ) {
            for (_, operation) in OPERATIONS {
                let count = if operation == Operation::Not { 1 } else { sources.len() };
                let sources = &sources[..count];
                let mut fold = Fold::default();
                for number in operation.order(sources.len()) {
                    fold.add(operation, number, &sources[number]);
                }
                let expected = naive(operation, sources);
                prop_assert_eq!(fold.finish(operation), expected, "{:?}", operation);
            }
        }
    }
}
