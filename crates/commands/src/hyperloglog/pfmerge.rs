//! PFMERGE.

use data::hll::{self, Encoding, Mark, Registers};
use protocol::Reply;
use store::Txn;

use super::value::{read, sparse_max, store};
use crate::keys::{access, range};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// PFMERGE destkey [sourcekey [sourcekey ...]]
pub(super) const PFMERGE: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[
            range(1, 0, 1, access::RW | access::ACCESS | access::INSERT),
            range(2, -1, 1, access::RO | access::ACCESS),
        ],
        group: Group::HyperLogLog,
        since: "2.8.9",
        complexity: "O(N) to merge N HyperLogLogs, but with high constant times.",
        summary: "Adds to a HyperLogLog what others have seen; it is created if it doesn't exist.",
        syntax: "destkey [sourcekey [sourcekey ...]]",
        ..Spec::new("pfmerge")
    },
    run: pfmerge,
    subcommands: &[],
};

fn pfmerge(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut union = Registers::default();
    let mut is_dense = false;
    for key in args.from(1) {
        if let Some(found) = txn.read(key) {
            let (bytes, encoding) = read(txn, found)?;
            is_dense |= encoding == Encoding::Dense;
            union.merge(bytes)?;
        }
    }
    let key = args.at(1);
    let found = txn.find(key);
    let mut bytes = match found {
        Some(found) => read(txn, found)?.0.to_vec(),
        None => hll::empty(),
    };
    if is_dense && hll::encoding(&bytes) == Some(Encoding::Sparse) {
        bytes = hll::to_dense(&bytes)?;
    }
    // One by one and in order, so that the runs of a sparse value become those that Redis makes.
    let sparse_max = sparse_max(txn);
    for (register, &rank) in union.ranks().iter().enumerate() {
        if rank > 0 {
            hll::raise(&mut bytes, Mark { register, rank }, sparse_max)?;
        }
    }
    hll::forget_count(&mut bytes);
    store(txn, key, found, bytes);
    txn.changed(key, "pfadd");
    reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::pfcount::tests::add;
    use crate::testing::Fixture;

    /// What a Redis 7.0.15 has after the same commands.
    #[test]
    fn merges_are_redis_s() {
        for threads in [1, 2] {
            let mut fixture = Fixture::with_threads(threads);
            for (key, elements) in [("a", 400), ("b", 300), ("c", 4_000)] {
                add(&mut fixture, key, key, elements);
            }
            fixture.check(&[
                ("PFMERGE m a b", "+OK\r\n"),
                ("PFCOUNT m", ":704\r\n"),
                ("STRLEN m", ":1388\r\n"),
                ("PFDEBUG ENCODING m", "+sparse\r\n"),
                ("PFMERGE m2 a c nothing", "+OK\r\n"),
                ("PFDEBUG ENCODING m2", "+dense\r\n"),
                ("PFCOUNT m2", ":4410\r\n"),
            ]);
        }
    }

    #[test]
    fn the_destination_counts_too_and_keeps_its_expiry() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("PFMERGE a", "+OK\r\n"),
            ("PFDEBUG DECODE a", "$7\r\nZ:16384\r\n"),
            ("PFADD a x y", ":1\r\n"),
            ("PEXPIREAT a 1800000000000", ":1\r\n"),
            ("PFADD b y z", ":1\r\n"),
            ("PFMERGE a b b", "+OK\r\n"),
            ("PFCOUNT a", ":3\r\n"),
            ("PEXPIRETIME a", ":1800000000000\r\n"),
            ("PFDEBUG TODENSE a", ":1\r\n"),
            ("PFMERGE b a", "+OK\r\n"),
            ("PFDEBUG ENCODING b", "+dense\r\n"),
            ("PFCOUNT b", ":3\r\n"),
        ]);
        assert_eq!(fixture.effects()[0], "PFMERGE a");
    }
}
