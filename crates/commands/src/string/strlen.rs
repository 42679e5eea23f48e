//! STRLEN.

use protocol::Reply;
use store::Txn;

use super::value::len_of;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// STRLEN key
pub(super) const STRLEN: DataCommand = Command {
    spec: Spec {
        arity: 2,
        flags: flags::READONLY | flags::FAST,
        keys: &[first(access::RO)],
        group: Group::String,
        since: "2.2.0",
        summary: "Returns the length of the string at a key; 0 for a missing key.",
        syntax: "key",
        ..Spec::new("strlen")
    },
    run: strlen,
    subcommands: &[],
};

fn strlen(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let value = txn.read_str(args.at(1))?;
    reply.int(value.map_or(0, len_of) as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn counts_bytes() {
        Fixture::new().check(&[
            ("STRLEN a", ":0\r\n"),
            ("SET a -555", "+OK\r\n"),
            ("STRLEN a", ":4\r\n"),
            ("SET a ä", "+OK\r\n"),
            ("STRLEN a", ":2\r\n"),
        ]);
    }
}
