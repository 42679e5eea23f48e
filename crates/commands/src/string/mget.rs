//! MGET.

use protocol::Reply;
use store::{Txn, WrongType};

use super::value::reply_str;
use crate::keys::{access, all};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// MGET key [key ...]
pub(super) const MGET: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::READONLY | flags::FAST,
        keys: &[all(access::RO | access::ACCESS)],
        group: Group::String,
        complexity: "O(N) where N is the number of keys to retrieve.",
        summary: "Returns the string values of several keys; null where there is none.",
        syntax: "key [key ...]",
        tips: &["request_policy:multi_shard"],
        ..Spec::new("mget")
    },
    run: mget,
    subcommands: &[],
};

fn mget(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.array(args.len() - 1);
    for key in args.from(1) {
        match txn.read_str(key) {
            Ok(value) => reply_str(value, reply),
            Err(WrongType) => reply.null(),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn returns_values_in_order() {
        let mut fixture = Fixture::new();
        fixture.run("MSET a 1 b two");
        fixture.check(&[(
            "MGET a x b a",
            "*4\r\n$1\r\n1\r\n$-1\r\n$3\r\ntwo\r\n$1\r\n1\r\n",
        )]);
        fixture.resp3 = true;
        fixture.check(&[("MGET x", "*1\r\n_\r\n")]);
    }
}
