//! PFCOUNT.

use data::hll::{self, Registers};
use protocol::Reply;
use store::Txn;

use super::value::{bytes_mut, read};
use crate::keys::{access, all};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// PFCOUNT key [key ...]
pub(super) const PFCOUNT: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::READONLY | flags::MAY_REPLICATE,
        keys: &[all(access::RW | access::ACCESS)],
        group: Group::HyperLogLog,
        since: "2.8.9",
        complexity: "O(1) with a very small average constant time when called with a single key. \
                     O(N) with N being the number of keys, and much bigger constant times, when \
                     called with multiple keys.",
        summary: "Estimates how many distinct elements one HyperLogLog has seen, or several have.",
        syntax: "key [key ...]",
        ..Spec::new("pfcount")
    },
    run: pfcount,
    subcommands: &[],
};

fn pfcount(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let count = if args.len() == 2 {
        count_one(txn, args.at(1))?
    } else {
        count_union(txn, args)?
    };
    reply.int(count as i64);
    Ok(())
}

/// A count that had to be computed is kept in the value. Redis counts that as a change, which
/// replicas and watching clients are told of, but no notification.
fn count_one(txn: &mut Txn<'_>, key: &[u8]) -> Result<u64, CommandError> {
    let Some(found) = txn.read(key) else {
        return Ok(0);
    };
    let (bytes, _) = read(txn, found)?;
    if let Some(count) = hll::cached_count(bytes) {
        return Ok(count);
    }
    let count = hll::count(bytes)?;
    hll::cache_count(bytes_mut(txn, found), count);
    txn.changed_silently(key);
    Ok(count)
}

fn count_union(txn: &mut Txn<'_>, args: Args<'_>) -> Result<u64, CommandError> {
    let mut union = Registers::default();
    for key in args.from(1) {
        if let Some(found) = txn.read(key) {
            union.merge(read(txn, found)?.0)?;
        }
    }
    Ok(union.count())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::testing::Fixture;

    /// Adds `prefix0`, `prefix1`, …
    pub(in crate::hyperloglog) fn add(
        fixture: &mut Fixture,
        key: &str,
        prefix: &str,
        elements: usize,
    ) {
        for element in 0..elements {
            fixture.run(&format!("PFADD {key} {prefix}{element}"));
        }
    }

    /// The counts are those of a Redis 7.0.15.
    #[test]
    fn counts_are_redis_s() {
        for threads in [1, 2] {
            let mut fixture = Fixture::with_threads(threads);
            fixture.check(&[
                ("PFCOUNT nothing", ":0\r\n"),
                ("PFCOUNT nothing nowhere", ":0\r\n"),
            ]);
            for (key, elements) in [("a", 400), ("b", 300), ("c", 4_000)] {
                add(&mut fixture, key, key, elements);
            }
            fixture.check(&[
                ("PFCOUNT a", ":400\r\n"),
                ("PFCOUNT b", ":302\r\n"),
                ("PFCOUNT c", ":3991\r\n"),
                ("PFCOUNT a b", ":704\r\n"),
                ("PFCOUNT a a nothing", ":400\r\n"),
                ("PFCOUNT a b c", ":4723\r\n"),
            ]);
        }
    }

    #[test]
    fn a_count_is_kept_until_something_is_added() {
        let mut fixture = Fixture::logged();
        fixture.run("PFADD a x");
        fixture.effects();
        fixture.check(&[("PFCOUNT a", ":1\r\n"), ("PFCOUNT a", ":1\r\n")]);
        assert_eq!(fixture.effects(), ["PFCOUNT a"]);
        // A value says itself what was counted last.
        fixture.run_args([
            &b"SET"[..],
            b"b",
            b"HYLL\x01\0\0\0\x2a\0\0\0\0\0\0\0\x7f\xff",
        ]);
        fixture.check(&[
            ("PFCOUNT b", ":42\r\n"),
            ("PFCOUNT b b", ":0\r\n"),
            ("PFADD b x", ":1\r\n"),
            ("PFCOUNT b", ":1\r\n"),
        ]);
    }
}
