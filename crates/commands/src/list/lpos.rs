//! LPOS.

use data::List;
use data::packed::Elem;
use data::types::list::{End, ListRef};
use protocol::{Reply, number};
use store::Txn;

use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const RANK_IS_ZERO: CommandError = CommandError::Text(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
     negative to start from the end of the list",
);
const NEGATIVE_COUNT: CommandError = CommandError::Text("ERR COUNT can't be negative");
const NEGATIVE_MAXLEN: CommandError = CommandError::Text("ERR MAXLEN can't be negative");

/// LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]
pub(super) const LPOS: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::List,
        since: "6.0.6",
        complexity: "O(N) where N is the number of elements in the list, for the average case. \
                     When searching for elements near the head or the tail of the list, or when \
                     the MAXLEN option is provided, the command may run in constant time.",
        summary: "Returns the indexes of the elements of a list that equal another.",
        syntax: "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
        ..Spec::new("lpos")
    },
    run: lpos,
    subcommands: &[],
};

/// What to look for.
struct Search<'a> {
    elem: Elem<'a>,
    from: End,
    /// Matches to leave out.
    skip: usize,
    /// How many indexes to return, as an array; without it the first as such.
    count: Option<usize>,
    /// How many elements to look at.
    most: usize,
}

impl<'a> Search<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let mut search = Self {
            elem: Elem::of(args.at(2)),
            from: End::Front,
            skip: 0,
            count: None,
            most: usize::MAX,
        };
        for at in (3..args.len()).step_by(2) {
            let value = args.get(at + 1).ok_or(CommandError::Syntax)?;
            if args.is(at, "RANK") {
                search.set_rank(args.int(at + 1)?)?;
            } else if args.is(at, "COUNT") {
                search.count = Some(number_of_all(value).ok_or(NEGATIVE_COUNT)?);
            } else if args.is(at, "MAXLEN") {
                search.most = number_of_all(value).ok_or(NEGATIVE_MAXLEN)?;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(search)
    }

    fn set_rank(&mut self, rank: i64) -> Result<(), CommandError> {
        self.from = if rank > 0 { End::Front } else { End::Back };
        self.skip = match rank {
            0 => return Err(RANK_IS_ZERO),
            _ => rank.unsigned_abs() as usize - 1,
        };
        Ok(())
    }

    /// The indexes of all that is found.
    fn run(&self, list: ListRef<'a>) -> impl Iterator<Item = usize> + use<'_, 'a> {
        let elems = list.iter_from(self.from, 0).take(self.most).enumerate();
        let equal = elems.filter(|&(_, elem)| elem == self.elem);
        equal
            .skip(self.skip)
            .map(move |(distance, _)| match self.from {
                End::Front => distance,
                End::Back => list.len() - 1 - distance,
            })
    }
}

/// A number that isn't negative, where 0 means all.
fn number_of_all(text: &[u8]) -> Option<usize> {
    match usize::try_from(number::parse_i64(text)?).ok()? {
        0 => Some(usize::MAX),
        number => Some(number),
    }
}

fn lpos(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let search = Search::parse(args)?;
    let list = txn.read_as::<List>(args.at(1))?;
    let mut found = list.into_iter().flat_map(|list| search.run(list));
    if let Some(count) = search.count {
        let (mark, mut len) = (reply.begin_array(), 0);
        for index in found.take(count) {
            reply.int(index as i64);
            len += 1;
        }
        reply.end_array(mark, len);
        return Ok(());
    }
    match found.next() {
        Some(index) => reply.int(index as i64),
        None => reply.null(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn finds() {
        Fixture::new().check(&[
            ("LPOS a x", "$-1\r\n"),
            ("LPOS a x COUNT 0", "*0\r\n"),
            ("RPUSH a a b c 1 2 3 c c", ":8\r\n"),
            ("LPOS a c", ":2\r\n"),
            ("LPOS a d", "$-1\r\n"),
            ("LPOS a 2", ":4\r\n"),
            ("LPOS a c RANK 2", ":6\r\n"),
            ("LPOS a c RANK 4", "$-1\r\n"),
            ("LPOS a c RANK -1", ":7\r\n"),
            ("LPOS a c RANK -3", ":2\r\n"),
            ("LPOS a c COUNT 2", "*2\r\n:2\r\n:6\r\n"),
            ("LPOS a c COUNT 0 RANK -2", "*2\r\n:6\r\n:2\r\n"),
            ("LPOS a c COUNT 0 MAXLEN 7", "*2\r\n:2\r\n:6\r\n"),
            ("LPOS a c MAXLEN 2", "$-1\r\n"),
            ("LPOS a c RANK -9223372036854775808", "$-1\r\n"),
            ("LPOS a c RANK -1 MAXLEN 1 COUNT 0", "*1\r\n:7\r\n"),
        ]);
    }

    #[test]
    fn refuses() {
        Fixture::new().check(&[
            ("LPOS a x RANK", "-ERR syntax error\r\n"),
            ("LPOS a x FIRST 1", "-ERR syntax error\r\n"),
            ("LPOS a x COUNT -1", "-ERR COUNT can't be negative\r\n"),
            ("LPOS a x MAXLEN -1", "-ERR MAXLEN can't be negative\r\n"),
            (
                "LPOS a x RANK 0",
                "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second \
                 ... or use negative to start from the end of the list\r\n",
            ),
        ]);
    }
}
