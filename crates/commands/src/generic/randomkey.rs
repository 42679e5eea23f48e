//! RANDOMKEY.

use data::record::Record;
use protocol::Reply;
use store::Txn;

use super::walk::{Budget, Cursor, Filter, Visitor, Walk};
use crate::spec::{Group, Scope, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// RANDOMKEY
pub(super) const RANDOMKEY: DataCommand = Command {
    spec: Spec {
        flags: flags::READONLY,
        scope: Scope::EachShard,
        group: Group::Generic,
        summary: "Returns a random key of the selected database.",
        tips: &[
            "request_policy:all_shards",
            "response_policy:special",
            "nondeterministic_output",
        ],
        ..Spec::new("randomkey")
    },
    run: randomkey,
    subcommands: &[],
};

/// Times that a shard is drawn before all that was met is taken to have expired.
const DRAWS: usize = 8;

fn randomkey(txn: &mut Txn<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let sizes: Vec<usize> = (0..txn.store().shard_count())
        .map(|shard| txn.in_shard(shard, |txn| txn.keys_in(shard)))
        .collect();
    let found = (0..DRAWS).any(|_| {
        let shard = draw(&sizes, txn);
        shard.is_some_and(|shard| txn.in_shard(shard, |txn| reply_sample(txn, shard, reply)))
    });
    if !found && !reply_first(txn, reply) {
        reply.null();
    }
    Ok(())
}

/// A shard, as likely as it has keys; `None` if there are none.
fn draw(sizes: &[usize], txn: &Txn<'_>) -> Option<usize> {
    let keys: usize = sizes.iter().sum();
    let mut number = txn.random().below(keys as u64) as usize;
    sizes.iter().position(|&size| {
        let is_here = number < size;
        number = number.saturating_sub(size);
        is_here
    })
}

fn reply_sample(txn: &mut Txn<'_>, shard: usize, reply: &mut Reply<'_>) -> bool {
    let key = txn.sample(shard).map(Record::key);
    if let Some(key) = key {
        reply.bulk(key);
    }
    key.is_some()
}

/// When drawing meets expired keys only: the first of the others.
fn reply_first(txn: &mut Txn<'_>, reply: &mut Reply<'_>) -> bool {
    struct First(Option<Vec<u8>>);
    impl Visitor for First {
        fn visit(&mut self, key: &[u8]) {
            self.0.get_or_insert_with(|| key.to_vec());
        }
    }
    let mut first = First(None);
    let walk = Walk::new(Cursor::START, Filter::default(), Budget::one_key());
    walk.run(txn, &mut first);
    if let Some(key) = &first.0 {
        reply.bulk(key);
    }
    first.0.is_some()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use crate::testing::Fixture;

    #[test]
    fn every_key_has_its_chance() {
        for threads in [1, 2] {
            let mut fixture = Fixture::with_threads(threads);
            fixture.check(&[("RANDOMKEY", "$-1\r\n")]);
            for i in 0..20 {
                fixture.run(&format!("SET {{one}}:{i:02} 1"));
                fixture.run(&format!("SET other:{i:02} 1"));
            }
            let mut seen = HashMap::new();
            for _ in 0..4_000 {
                *seen.entry(fixture.run("RANDOMKEY")).or_insert(0) += 1;
            }
            assert_eq!(seen.len(), 40);
            let (least, most) = (seen.values().min(), seen.values().max());
            assert!(least > Some(&20) && most < Some(&400), "{seen:?}");
        }
    }

    #[test]
    fn what_has_expired_is_never_drawn() {
        for threads in [1, 2] {
            let mut fixture = Fixture::with_threads(threads);
            for i in 0..2_000 {
                fixture.run(&format!("SET key:{i} 1 PX 5"));
            }
            fixture.now_ms += 5;
            fixture.check(&[("RANDOMKEY", "$-1\r\n"), ("SET a 1", "+OK\r\n")]);
            fixture.check(&[("RANDOMKEY", "$1\r\na\r\n"), ("DBSIZE", ":2001\r\n")]);
        }
    }
}
