//! SCAN.

use protocol::{Reply, number};
use store::Txn;

use super::walk::{Filter, Visitor, Walk};
use crate::spec::{Group, Scope, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type] [ATTR attribute] [MINMSZ bytes]
pub(super) const SCAN: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::READONLY,
        scope: Scope::EachShard,
        group: Group::Generic,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command \
                     calls for the cursor to return back to 0. N is the number of elements inside \
                     the collection.",
        summary: "Returns some keys of the selected database, and where to go on.",
        syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type] [ATTR <v | p>] [MINMSZ bytes]",
        tips: &[
            "nondeterministic_output",
            "request_policy:special",
            "response_policy:special",
        ],
        ..Spec::new("scan")
    },
    run: scan,
    subcommands: &[],
};

/// Dragonfly's own options: keys with an expiry (`v`olatile) or without (`p`ermanent), and large
/// ones.
fn dragonfly_option(
    args: Args<'_>,
    at: usize,
    filter: &mut Filter<'_>,
) -> Result<(), CommandError> {
    let value = args.at(at + 1);
    if args.is(at, "ATTR") {
        filter.expires = Some(match value {
            b"v" => true,
            b"p" => false,
            _ => return Err(CommandError::Syntax),
        });
        Ok(())
    } else if args.is(at, "MINMSZ") {
        let bytes = number::parse_i64(value).and_then(|bytes| usize::try_from(bytes).ok());
        filter.bytes_min = bytes.ok_or(CommandError::NotInteger)?;
        Ok(())
    } else {
        Err(CommandError::Syntax)
    }
}

fn scan(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let walk = Walk::parse(args, |filter, at| dragonfly_option(args, at, filter))?;
    let start = reply.len();
    let mark = reply.begin_array();
    let mut keys = Keys { reply, count: 0 };
    let cursor = walk.run(txn, &mut keys);
    let Keys { reply, count } = keys;
    reply.end_array(mark, count);
    let middle = reply.len();
    reply.array(2);
    reply.bulk_int(cursor.0 as i64);
    reply.bring_forward(start, middle);
    Ok(())
}

/// Writes keys into a reply and counts them.
pub(super) struct Keys<'r, 'o> {
    /// The reply.
    pub(super) reply: &'r mut Reply<'o>,
    /// How many there are.
    pub(super) count: usize,
}

impl Visitor for Keys<'_, '_> {
    #[inline]
    fn visit(&mut self, key: &[u8]) {
        self.reply.bulk(key);
        self.count += 1;
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
