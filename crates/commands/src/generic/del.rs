//! DEL, UNLINK: the same here, for what takes long to free is freed in the background either way.

use protocol::Reply;
use store::Txn;

use crate::keys::{access, all};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// DEL key [key ...]
pub(super) const DEL: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::WRITE,
        keys: &[all(access::RM | access::DELETE)],
        group: Group::Generic,
        complexity: "O(N) where N is the number of keys that will be removed. When a key to remove \
                     holds a value other than a string, the individual complexity for this key is \
                     O(M) where M is the number of elements in the list, set, sorted set or hash. \
                     Removing a single key that holds a string value is O(1).",
        summary: "Removes keys.",
        syntax: "key [key ...]",
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        ..Spec::new("del")
    },
    run: del,
    subcommands: &[],
};

/// UNLINK key [key ...]
pub(super) const UNLINK: DataCommand = Command {
    spec: Spec {
        name: "unlink",
        flags: flags::WRITE | flags::FAST,
        since: "4.0.0",
        complexity: "O(1) for each key removed regardless of its size. Then the command does O(N) \
                     work in a different thread in order to reclaim memory, where N is the number \
                     of allocations the deleted objects where composed of.",
        summary: "Removes keys; what takes long to free is freed in the background.",
        ..DEL.spec
    },
    run: del,
    subcommands: &[],
};

fn del(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut removed = 0;
    for key in args.from(1) {
        if let Some(found) = txn.peek(key) {
            txn.remove(found);
            txn.changed(key, "del");
            removed += 1;
        }
    }
    reply.int(removed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn what_was_there_is_counted_once() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("MSET a 1 b 2 c 3", "+OK\r\n"),
            ("DEL a a nothing b", ":2\r\n"),
            ("DEL a", ":0\r\n"),
            ("UNLINK c", ":1\r\n"),
            ("EXISTS a b c", ":0\r\n"),
        ]);
        assert_eq!(
            fixture.effects(),
            ["MSET a 1 b 2 c 3", "DEL a a nothing b", "UNLINK c"]
        );
    }

    #[test]
    fn what_has_expired_is_not_counted() {
        let mut fixture = Fixture::logged();
        fixture.run("SET a 1 PX 10");
        fixture.effects();
        fixture.now_ms += 10;
        fixture.check(&[("DEL a", ":0\r\n")]);
        assert_eq!(fixture.effects(), ["DEL a"]);
    }
}
