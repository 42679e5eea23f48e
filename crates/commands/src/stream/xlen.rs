//! XLEN.

use data::types::Stream;
use protocol::Reply;
use store::Txn;

use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// XLEN key
pub(super) const XLEN: DataCommand = Command {
    spec: Spec {
        arity: 2,
        flags: flags::READONLY | flags::FAST,
        keys: &[first(access::RO)],
        group: Group::Stream,
        since: "5.0.0",
        summary: "Returns the number of entries of a stream.",
        syntax: "key",
        ..Spec::new("xlen")
    },
    run: xlen,
    subcommands: &[],
};

fn xlen(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let stream = txn.read_as::<Box<Stream>>(args.at(1))?;
    reply.int(stream.map_or(0, |stream| stream.len() as i64));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn counts_entries() {
        Fixture::new().check(&[
            ("XLEN a", ":0\r\n"),
            ("XADD a 1 f v", "$3\r\n1-0\r\n"),
            ("XLEN a", ":1\r\n"),
            ("XDEL a 1", ":1\r\n"),
            ("XLEN a", ":0\r\n"),
            ("EXISTS a", ":1\r\n"),
        ]);
    }
}
