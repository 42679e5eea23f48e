//! EXISTS, TOUCH.

use protocol::Reply;
use store::Txn;

use crate::keys::{access, all};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// EXISTS key [key ...]
pub(super) const EXISTS: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::READONLY | flags::FAST,
        keys: &[all(access::RO)],
        group: Group::Generic,
        complexity: "O(N) where N is the number of keys to check.",
        summary: "Counts how many of the keys exist.",
        syntax: "key [key ...]",
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        ..Spec::new("exists")
    },
    run: exists,
    subcommands: &[],
};

/// TOUCH key [key ...]
pub(super) const TOUCH: DataCommand = Command {
    spec: Spec {
        name: "touch",
        since: "3.2.1",
        complexity: "O(N) where N is the number of keys that will be touched.",
        summary: "Counts how many of the keys exist, and notes that they were used now.",
        ..EXISTS.spec
    },
    run: touch,
    subcommands: &[],
};

fn exists(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let found = args.from(1).filter(|key| txn.inspect(key).is_some());
    reply.int(found.count() as i64);
    Ok(())
}

fn touch(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    // What it is for, even to a client that asked not to touch keys.
    let touches = std::mem::replace(&mut txn.touches, true);
    let found = args.from(1).filter(|key| txn.read(key).is_some()).count();
    txn.touches = touches;
    reply.int(found as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn repeated_keys_count_each_time() {
        Fixture::new().check(&[
            ("MSET a 1 b 2", "+OK\r\n"),
            ("EXISTS a a b nothing", ":3\r\n"),
            ("TOUCH a a nothing", ":2\r\n"),
            ("EXISTS nothing", ":0\r\n"),
        ]);
    }

    #[test]
    fn only_touch_counts_as_use() {
        let mut fixture = Fixture::new();
        fixture.run("SET a 1");
        fixture.now_ms += 5_000;
        fixture.check(&[
            ("EXISTS a", ":1\r\n"),
            ("OBJECT IDLETIME a", ":5\r\n"),
            ("TOUCH a", ":1\r\n"),
            ("OBJECT IDLETIME a", ":0\r\n"),
        ]);
    }
}
