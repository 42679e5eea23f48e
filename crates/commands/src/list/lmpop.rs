//! LMPOP, BLMPOP: several elements of the first list that there is.

use data::List;
use data::types::list::End;
use protocol::{Reply, number};
use store::{AtEnd, Found, Txn};

use super::blpop::serve;
use super::pop::pop_elems;
use super::{end, pop_names};
use crate::keys::{access, counted};
use crate::spec::{Group, flags};
use crate::timeout::timeout;
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const NO_KEYS: CommandError = CommandError::Text("ERR numkeys should be greater than 0");
const NO_COUNT: CommandError = CommandError::Text("ERR count should be greater than 0");

/// LMPOP numkeys key [key ...] <LEFT | RIGHT> [COUNT count]
pub(super) const LMPOP: DataCommand = Command {
    spec: Spec {
        arity: -4,
        flags: flags::WRITE | flags::MOVABLEKEYS,
        keys: &[counted(1, 1, access::RW | access::ACCESS | access::DELETE)],
        group: Group::List,
        since: "7.0.0",
        complexity: "O(N+M) where N is the number of provided keys and M is the number of \
                     elements returned.",
        summary: "Removes and returns elements of the first list among the keys that has any.",
        syntax: "numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
        ..Spec::new("lmpop")
    },
    run: lmpop,
    subcommands: &[],
};

/// BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]
pub(super) const BLMPOP: DataCommand = Command {
    spec: Spec {
        name: "blmpop",
        arity: -5,
        flags: flags::WRITE | flags::BLOCKING | flags::MOVABLEKEYS,
        keys: &[counted(2, 1, access::RW | access::ACCESS | access::DELETE)],
        summary: "Removes and returns elements of the first list among the keys that has any; \
                  waits for some.",
        syntax: "timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
        serve: Some(|txn, args, key, reply| {
            let pop = Pop::parse(args, 2)?;
            serve(txn, key, |txn, found| pop.run(txn, (key, found), reply))
        }),
        ..LMPOP.spec
    },
    run: blmpop,
    subcommands: &[],
};

/// What is to be popped.
struct Pop<'a> {
    args: Args<'a>,
    /// Where the keys are among the arguments.
    first: usize,
    keys: usize,
    end: End,
    count: usize,
}

impl<'a> Pop<'a> {
    /// Reads from the number of keys on, which is argument `at`.
    fn parse(args: Args<'a>, at: usize) -> Result<Self, CommandError> {
        let (first, keys) = (at + 1, positive(args.at(at)).ok_or(NO_KEYS)?);
        let after = first.saturating_add(keys);
        if after >= args.len() {
            return Err(CommandError::Syntax);
        }
        let end = end(args, after)?;
        let count = match args.len() - after {
            1 => 1,
            3 if args.is(after + 1, "COUNT") => positive(args.at(after + 2)).ok_or(NO_COUNT)?,
            _ => return Err(CommandError::Syntax),
        };
        Ok(Self {
            args,
            first,
            keys,
            end,
            count,
        })
    }

    fn keys(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.args.from(self.first).take(self.keys)
    }

    /// Pops from the first list that there is; false when there is none.
    fn run_first(&self, txn: &mut Txn<'_>, reply: &mut Reply<'_>) -> Result<bool, CommandError> {
        for key in self.keys() {
            if let Some(found) = txn.find(key) {
                self.run(txn, (key, found), reply)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn run(
        &self,
        txn: &mut Txn<'_>,
        (key, found): (&[u8], Found),
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        let count = txn.view::<List>(found)?.len().min(self.count);
        reply.array(2);
        reply.bulk(key);
        reply.array(count);
        pop_elems(txn, (key, found), self.end, count, reply)?;
        if txn.is_logged() {
            let count = count.to_string();
            txn.replay_as(&[pop_names(self.end).0, key, count.as_bytes()]);
        }
        Ok(())
    }
}

fn positive(text: &[u8]) -> Option<usize> {
    let number = usize::try_from(number::parse_i64(text)?).ok()?;
    (number > 0).then_some(number)
}

fn lmpop(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if !Pop::parse(args, 1)?.run_first(txn, reply)? {
        reply.null_array();
    }
    Ok(())
}

fn blmpop(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let timeout_ms = timeout(args.at(1), txn.now_ms)?;
    let pop = Pop::parse(args, 2)?;
    if !pop.run_first(txn, reply)? && !txn.wait_for(pop.keys(), timeout_ms, AtEnd::NullArray) {
        reply.null_array();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn pops_from_the_first_that_has_any() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("LMPOP 1 a LEFT", "*-1\r\n"),
            ("RPUSH b 1 2 3", ":3\r\n"),
            ("LMPOP 2 a b RIGHT", "*2\r\n$1\r\nb\r\n*1\r\n$1\r\n3\r\n"),
            (
                "BLMPOP 0 2 a b left COUNT 5",
                "*2\r\n$1\r\nb\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n",
            ),
            ("EXISTS b", ":0\r\n"),
        ]);
        assert_eq!(fixture.effects(), ["RPUSH b 1 2 3", "RPOP b 1", "LPOP b 2"]);
    }

    #[test]
    fn serves_who_waits() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("BLMPOP 0 2 a b RIGHT COUNT 2", "waits for a b"),
            ("RPUSH b 1 2 3", ":3\r\n"),
        ]);
        let reply = "*2\r\n$1\r\nb\r\n*2\r\n$1\r\n3\r\n$1\r\n2\r\n";
        assert_eq!(
            fixture.served(),
            [format!("BLMPOP 0 2 a b RIGHT COUNT 2 => {reply}")]
        );
        assert_eq!(fixture.effects(), ["RPUSH b 1 2 3", "RPOP b 2"]);
    }

    #[test]
    fn refuses() {
        let (syntax, no_keys, no_count) = (
            "-ERR syntax error\r\n",
            "-ERR numkeys should be greater than 0\r\n",
            "-ERR count should be greater than 0\r\n",
        );
        Fixture::new().check(&[
            ("LMPOP 0 a LEFT", no_keys),
            ("LMPOP x a LEFT", no_keys),
            ("LMPOP 2 a LEFT", syntax),
            ("LMPOP 9223372036854775807 a LEFT", syntax),
            ("LMPOP 1 a UP", syntax),
            ("LMPOP 1 a LEFT COUNT", syntax),
            ("LMPOP 1 a LEFT COUNT 0", no_count),
            ("LMPOP 1 a LEFT COUNT 1 COUNT 1", syntax),
            ("BLMPOP -1 1 a LEFT", "-ERR timeout is negative\r\n"),
        ]);
    }
}
