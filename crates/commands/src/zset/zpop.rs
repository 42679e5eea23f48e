//! ZPOPMIN, ZPOPMAX, ZMPOP.

use data::{Collection, Zset};
use protocol::Reply;
use protocol::number::parse_i64;
use store::{Found, Txn};

use super::{Layout, reply_elements, shrunk};
use crate::keys::{access, counted, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// ZPOPMIN key [count]
pub(super) const ZPOPMIN: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::ACCESS | access::DELETE)],
        group: Group::SortedSet,
        since: "5.0.0",
        complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M \
                     being the number of elements popped.",
        summary: "Removes and returns the members with the lowest scores.",
        syntax: "key [count]",
        ..Spec::new("zpopmin")
    },
    run: |txn, args, reply| zpop(txn, args, End::Min, reply),
    subcommands: &[],
};

/// ZPOPMAX key [count]
pub(super) const ZPOPMAX: DataCommand = Command {
    spec: Spec {
        name: "zpopmax",
        summary: "Removes and returns the members with the highest scores.",
        ..ZPOPMIN.spec
    },
    run: |txn, args, reply| zpop(txn, args, End::Max, reply),
    subcommands: &[],
};

/// ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]
pub(super) const ZMPOP: DataCommand = Command {
    spec: Spec {
        arity: -4,
        flags: flags::WRITE | flags::MOVABLEKEYS,
        keys: &[counted(1, 1, access::RW | access::ACCESS | access::DELETE)],
        group: Group::SortedSet,
        since: "7.0.0",
        complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the \
                     number of elements in the sorted set, and M being the number of elements \
                     popped.",
        summary: "Removes and returns members of the first sorted set among the keys that has any.",
        syntax: "numkeys key [key ...] <MIN | MAX> [COUNT count]",
        ..Spec::new("zmpop")
    },
    run: zmpop,
    subcommands: &[],
};

/// The end of a sorted set that members are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Min,
    Max,
}

impl End {
    pub(super) fn event(self) -> &'static str {
        match self {
            Self::Min => "zpopmin",
            Self::Max => "zpopmax",
        }
    }

    pub(super) fn command(self) -> &'static [u8] {
        match self {
            Self::Min => b"ZPOPMIN",
            Self::Max => b"ZPOPMAX",
        }
    }
}

fn zpop(txn: &mut Txn<'_>, args: Args<'_>, end: End, reply: &mut Reply<'_>) -> CommandResult {
    const NEGATIVE: CommandError =
        CommandError::Text("ERR value is out of range, must be positive");
    if args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let count = match args.get(2) {
        None => None,
        Some(_) => Some(usize::try_from(args.int(2)?).map_err(|_| NEGATIVE)?),
    };
    let key = args.at(1);
    let Some(found) = txn.find(key) else {
        reply.array(0);
        return Ok(());
    };
    if count == Some(0) {
        txn.view::<Zset>(found)?;
        reply.array(0);
        return Ok(());
    }
    let layout = match count {
        Some(_) => Layout::new(true, reply),
        None => Layout::Flat,
    };
    pop(txn, key, found, (end, count.unwrap_or(1)), layout, reply)
}

/// Pops up to so many elements, at least one, from an end.
pub(super) fn pop(
    txn: &mut Txn<'_>,
    key: &[u8],
    found: Found,
    (end, count): (End, usize),
    layout: Layout,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let left = txn.edit(key, Some(found), |zset: &mut Zset| {
        let view = zset.view();
        let popped = count.min(view.len());
        let left = view.len() - popped;
        let ranks = match end {
            End::Min => 0..popped,
            End::Max => left..view.len(),
        };
        let elements = view.range(ranks.clone());
        match end {
            End::Min => reply_elements(popped, elements, layout, reply),
            End::Max => reply_elements(popped, elements.rev(), layout, reply),
        }
        zset.remove_range(ranks);
        left
    })?;
    shrunk(txn, key, end.event(), left);
    Ok(())
}

/// What ZMPOP and BZMPOP are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mpop {
    /// Where the first key is, and behind the last.
    keys: (usize, usize),
    end: End,
    count: usize,
}

impl Mpop {
    /// The arguments from the number of keys on.
    pub(super) fn parse(args: Args<'_>, at: usize) -> Result<Self, CommandError> {
        const NO_KEYS: CommandError = CommandError::Text("ERR numkeys should be greater than 0");
        const NO_COUNT: CommandError = CommandError::Text("ERR count should be greater than 0");
        let keys = positive(&args[at]).ok_or(NO_KEYS)?;
        let where_at = keys.saturating_add(at + 1);
        let end = if args.is(where_at, "MIN") {
            End::Min
        } else if args.is(where_at, "MAX") {
            End::Max
        } else {
            return Err(CommandError::Syntax);
        };
        let count = match args.len() - where_at {
            1 => 1,
            3 if args.is(where_at + 1, "COUNT") => positive(&args[where_at + 2]).ok_or(NO_COUNT)?,
            _ => return Err(CommandError::Syntax),
        };
        Ok(Self {
            keys: (at + 1, where_at),
            end,
            count,
        })
    }

    /// The keys.
    pub(super) fn keys(self, args: Args<'_>) -> impl Iterator<Item = &[u8]> {
        let (start, end) = self.keys;
        args.from(start).take(end - start)
    }

    /// Pops from one key; whether there was something.
    pub(super) fn pop(
        self,
        txn: &mut Txn<'_>,
        key: &[u8],
        reply: &mut Reply<'_>,
    ) -> Result<bool, CommandError> {
        let Some(found) = txn.find(key) else {
            return Ok(false);
        };
        let popped = txn.view::<Zset>(found)?.len().min(self.count);
        reply.array(2);
        reply.bulk(key);
        pop(txn, key, found, (self.end, popped), Layout::Pairs, reply)?;
        let mut digits = itoa::Buffer::new();
        let popped = digits.format(popped).as_bytes();
        txn.replay_as(&[self.end.command(), key, popped]);
        Ok(true)
    }
}

fn positive(text: &[u8]) -> Option<usize> {
    let number = parse_i64(text).and_then(|number| usize::try_from(number).ok());
    number.filter(|&number| number > 0)
}

fn zmpop(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mpop = Mpop::parse(args, 1)?;
    for key in mpop.keys(args) {
        if mpop.pop(txn, key, reply)? {
            return Ok(());
        }
    }
    reply.null_array();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    const SYNTAX: &str = "-ERR syntax error\r\n";

    #[test]
    fn pops() {
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("ZADD z 1 a 2 b 3 c 4 d 5 e", ":5\r\n"),
            ("ZPOPMIN z", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
            (
                "ZPOPMAX z 2",
                "*4\r\n$1\r\ne\r\n$1\r\n5\r\n$1\r\nd\r\n$1\r\n4\r\n",
            ),
            ("ZPOPMIN z 0", "*0\r\n"),
            ("ZPOPMIN none", "*0\r\n"),
            (
                "ZPOPMIN z -1",
                "-ERR value is out of range, must be positive\r\n",
            ),
            ("ZPOPMIN z 1 2", SYNTAX),
        ]);
        fixture.resp3 = true;
        fixture.check(&[
            ("ZPOPMAX z", "*2\r\n$1\r\nc\r\n,3\r\n"),
            ("ZPOPMAX z 9", "*1\r\n*2\r\n$1\r\nb\r\n,2\r\n"),
            ("EXISTS z", ":0\r\n"),
        ]);
    }

    #[test]
    fn pops_from_the_first_that_has_any() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("ZADD z 1 a 2 b 3 c", ":3\r\n"),
            (
                "ZMPOP 2 none z MAX COUNT 2",
                "*2\r\n$1\r\nz\r\n*2\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n\
                 *2\r\n$1\r\nb\r\n$1\r\n2\r\n",
            ),
            (
                "ZMPOP 1 z min count 9",
                "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n",
            ),
            ("ZMPOP 1 z MIN", "*-1\r\n"),
            ("ZMPOP 0 z MIN", "-ERR numkeys should be greater than 0\r\n"),
            (
                "ZMPOP 1 z MIN COUNT 0",
                "-ERR count should be greater than 0\r\n",
            ),
            ("ZMPOP 2 z MIN", SYNTAX),
            ("ZMPOP 1 z MIN COUNT 1 COUNT 1", SYNTAX),
            ("ZMPOP 1 z COUNT 1", SYNTAX),
        ]);
        let effects = ["ZADD z 1 a 2 b 3 c", "ZPOPMAX z 2", "ZPOPMIN z 1"];
        assert_eq!(fixture.effects(), effects);
    }
}
