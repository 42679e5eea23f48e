//! TYPE.

use protocol::Reply;
use store::Txn;

use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// TYPE key
pub(super) const TYPE: DataCommand = Command {
    spec: Spec {
        arity: 2,
        flags: flags::READONLY | flags::FAST,
        keys: &[first(access::RO)],
        group: Group::Generic,
        summary: "Returns the type of the value of a key.",
        syntax: "key",
        ..Spec::new("type")
    },
    run: type_of,
    subcommands: &[],
};

fn type_of(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let found = txn.inspect(args.at(1));
    reply.simple(found.map_or("none", |found| txn.value(found).type_name()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn tells_the_type() {
        Fixture::new().check(&[
            ("TYPE a", "+none\r\n"),
            ("SET a 1", "+OK\r\n"),
            ("TYPE a", "+string\r\n"),
            ("SET a x", "+OK\r\n"),
            ("TYPE a", "+string\r\n"),
        ]);
    }
}
