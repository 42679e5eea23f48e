//! GET.

use protocol::Reply;
use store::Txn;

use super::value::reply_str;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// GET key
pub(super) const GET: DataCommand = Command {
    spec: Spec {
        arity: 2,
        flags: flags::READONLY | flags::FAST,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::String,
        summary: "Returns the string value of a key.",
        syntax: "key",
        ..Spec::new("get")
    },
    run: get,
    subcommands: &[],
};

fn get(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply_str(txn.read_str(args.at(1))?, reply);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn gets_what_was_set() {
        Fixture::new().check(&[
            ("GET a", "$-1\r\n"),
            ("SET a hello", "+OK\r\n"),
            ("GET a", "$5\r\nhello\r\n"),
            ("SET a 12", "+OK\r\n"),
            ("GET a", "$2\r\n12\r\n"),
        ]);
    }
}
