//! LLEN.

use data::List;

use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Command, DataCommand, Spec};

/// LLEN key
pub(super) const LLEN: DataCommand = Command {
    spec: Spec {
        arity: 2,
        flags: flags::READONLY | flags::FAST,
        keys: &[first(access::RO)],
        group: Group::List,
        summary: "Returns the length of a list.",
        syntax: "key",
        ..Spec::new("llen")
    },
    run: |txn, args, reply| {
        let list = txn.read_as::<List>(args.at(1))?;
        reply.int(list.map_or(0, |list| list.len() as i64));
        Ok(())
    },
    subcommands: &[],
};

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn counts() {
        Fixture::new().check(&[
            ("LLEN a", ":0\r\n"),
            ("RPUSH a 1 2", ":2\r\n"),
            ("LLEN a", ":2\r\n"),
            ("SET a 1", "+OK\r\n"),
            (
                "LLEN a",
                "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
            ),
        ]);
    }
}
