//! RM: Dragonfly's SCAN that removes what it finds.

use protocol::Reply;
use store::Txn;

use super::walk::{Visitor, Walk};
use crate::spec::{Group, Scope, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// RM cursor [MATCH pattern] [COUNT count] [TYPE type]
pub(super) const RM: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::WRITE,
        scope: Scope::EachShard,
        group: Group::Generic,
        categories: &["@dangerous"],
        since: "1.38.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, N being the number of \
                     keys in the database.",
        summary: "Removes some keys of the selected database, and tells where to go on.",
        syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type]",
        tips: &["nondeterministic_output"],
        ..Spec::new("rm")
    },
    run: rm,
    subcommands: &[],
};

fn rm(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let walk = Walk::parse(args, |_, _| Err(CommandError::Syntax))?;
    let mut remover = Remover::default();
    let cursor = walk.run(txn, &mut remover);
    reply.array(2);
    reply.bulk_int(cursor.0 as i64);
    reply.int(remover.removed);
    Ok(())
}

/// Gathers the keys of a slice and removes them before their shard is given back.
#[derive(Default)]
struct Remover {
    keys: Vec<Vec<u8>>,
    removed: i64,
}

impl Visitor for Remover {
    fn visit(&mut self, key: &[u8]) {
        self.keys.push(key.to_vec());
    }

    fn end_slice(&mut self, txn: &mut Txn<'_>) {
        for key in self.keys.drain(..) {
            if let Some(found) = txn.peek(&key) {
                txn.remove(found);
                txn.changed(&key, "del");
                txn.replay_as(&[b"DEL", &key]);
                self.removed += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn what_matches_goes() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("MSET key:1 a key:2 b key:3 c other d", "+OK\r\n"),
            ("RM 0 MATCH nothing*", "*2\r\n$1\r\n0\r\n:0\r\n"),
            ("RM 0 MATCH key:* TYPE list", "*2\r\n$1\r\n0\r\n:0\r\n"),
        ]);
        fixture.effects();
        fixture.check(&[
            ("RM 0 MATCH key:* TYPE string", "*2\r\n$1\r\n0\r\n:3\r\n"),
            ("KEYS *", "*1\r\n$5\r\nother\r\n"),
            ("RM x", "-ERR invalid cursor\r\n"),
            ("RM 0 ATTR v", "-ERR syntax error\r\n"),
        ]);
        let mut effects = fixture.effects();
        effects.sort();
        assert_eq!(effects, ["DEL key:1", "DEL key:2", "DEL key:3"]);
    }

    #[test]
    fn a_whole_walk_removes_everything() {
        for threads in [1, 2] {
            let mut fixture = Fixture::with_threads(threads);
            for i in 0..3_000 {
                fixture.run(&format!("SET key:{i} 1"));
            }
            let mut cursor = String::from("0");
            let mut removed = 0;
            loop {
                let reply = fixture.run(&format!("RM {cursor} COUNT 100"));
                let parts: Vec<&str> = reply.split("\r\n").collect();
                cursor = parts[2].to_owned();
                let count: usize = parts[3][1..].parse().unwrap();
                assert!(count < 200, "{count}");
                removed += count;
                if cursor == "0" {
                    break;
                }
            }
            assert_eq!(removed, 3_000);
            fixture.check(&[("DBSIZE", ":0\r\n")]);
        }
    }
}
