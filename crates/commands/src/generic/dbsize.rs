//! DBSIZE.

use protocol::Reply;
use store::Txn;

use crate::spec::{Group, Scope, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// DBSIZE
pub(super) const DBSIZE: DataCommand = Command {
    spec: Spec {
        flags: flags::READONLY | flags::FAST,
        scope: Scope::EachShard,
        group: Group::Server,
        categories: &["@keyspace"],
        summary: "Returns the number of keys in the selected database.",
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        ..Spec::new("dbsize")
    },
    run: dbsize,
    subcommands: &[],
};

/// Keys that have expired count until somebody notices, as in Redis.
fn dbsize(txn: &mut Txn<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let shards = 0..txn.store().shard_count();
    let keys: usize = shards
        .map(|shard| txn.in_shard(shard, |txn| txn.keys_in(shard)))
        .sum();
    reply.int(keys as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn counts_the_keys_of_all_shards() {
        for threads in [1, 2] {
            let mut fixture = Fixture::with_threads(threads);
            fixture.check(&[("DBSIZE", ":0\r\n")]);
            for i in 0..300 {
                fixture.run(&format!("SET key:{i} 1"));
            }
            fixture.check(&[("DBSIZE", ":300\r\n")]);
            fixture.db = 1;
            fixture.check(&[("DBSIZE", ":0\r\n")]);
        }
    }
}
