//! PFADD.

use data::hll::{self, Encoding};
use protocol::Reply;
use store::{Found, Txn};

use super::value::{bytes_mut, read, sparse_max, store};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// PFADD key [element [element ...]]
pub(super) const PFADD: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::WRITE | flags::DENYOOM | flags::FAST,
        keys: &[first(access::RW | access::INSERT)],
        group: Group::HyperLogLog,
        since: "2.8.9",
        complexity: "O(1) to add every element.",
        summary: "Adds elements to a HyperLogLog, which is created if it doesn't exist.",
        syntax: "key [element [element ...]]",
        ..Spec::new("pfadd")
    },
    run: pfadd,
    subcommands: &[],
};

fn pfadd(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let has_changed = if let Some(found) = txn.find(key) {
        match read(txn, found)? {
            (_, Encoding::Dense) => add_dense(txn, found, args),
            (bytes, Encoding::Sparse) => {
                let bytes = bytes.to_vec();
                add_sparse(txn, Some(found), bytes, args)?
            }
        }
    } else {
        add_sparse(txn, None, hll::empty(), args)?;
        true
    };
    if has_changed {
        txn.changed(key, "pfadd");
    }
    reply.int(i64::from(has_changed));
    Ok(())
}

fn add_dense(txn: &mut Txn<'_>, found: Found, args: Args<'_>) -> bool {
    let bytes = bytes_mut(txn, found);
    let mut has_changed = false;
    for element in args.from(2) {
        has_changed |= hll::raise_dense(bytes, hll::mark(element));
    }
    if has_changed {
        hll::forget_count(bytes);
    }
    has_changed
}

/// Works on a copy, for a sparse value changes its length; it is stored if it is new or has
/// changed.
fn add_sparse(
    txn: &mut Txn<'_>,
    found: Option<Found>,
    mut bytes: Vec<u8>,
    args: Args<'_>,
) -> Result<bool, CommandError> {
    let sparse_max = sparse_max(txn);
    let mut has_changed = false;
    for element in args.from(2) {
        has_changed |= hll::raise(&mut bytes, hll::mark(element), sparse_max)?;
    }
    if has_changed || found.is_none() {
        hll::forget_count(&mut bytes);
        store(txn, args.at(1), found, bytes);
    }
    Ok(has_changed)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use crate::testing::Fixture;

    #[test]
    fn says_whether_it_has_seen_something_new() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("PFADD h", ":1\r\n"),
            ("OBJECT ENCODING h", "$3\r\nraw\r\n"),
            ("PFDEBUG DECODE h", "$7\r\nZ:16384\r\n"),
            ("PFADD h", ":0\r\n"),
            ("PFADD h a b c", ":1\r\n"),
            ("PFADD h a c", ":0\r\n"),
            ("PFCOUNT h", ":3\r\n"),
            (
                "PFDEBUG DECODE h",
                "$44\r\nZ:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603\r\n",
            ),
        ]);
        assert_eq!(fixture.effects(), ["PFADD h", "PFADD h a b c", "PFCOUNT h"]);
    }

    #[test]
    fn only_hyperloglogs_are_added_to() {
        let wrong = "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n";
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("SET a 12", "+OK\r\n"),
            ("PFADD a x", wrong),
            ("SET a HYLL", "+OK\r\n"),
            ("PFADD a x", wrong),
            ("PFCOUNT a", wrong),
            ("PFMERGE b a", wrong),
            ("PFDEBUG ENCODING a", wrong),
            ("EXISTS b", ":0\r\n"),
        ]);
        fixture.run_args([&b"SET"[..], b"a", b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f"]);
        let corrupt = "-INVALIDOBJ Corrupted HLL object detected\r\n";
        fixture.check(&[
            ("PFCOUNT a", corrupt),
            ("PFCOUNT a a", corrupt),
            ("PFMERGE b a", corrupt),
            ("PFDEBUG GETREG a", corrupt),
            ("PFDEBUG TODENSE a", corrupt),
        ]);
    }

    #[test]
    fn the_expiry_stays_whatever_the_encoding_becomes() {
        let mut fixture = Fixture::new();
        fixture.run("PFADD h 0");
        fixture.run("PEXPIREAT h 1800000000000");
        let mut line = String::from("PFADD h");
        for element in 0..1_648 {
            write!(line, " {element}").unwrap();
        }
        fixture.run(&line);
        fixture.check(&[
            ("PFDEBUG ENCODING h", "+sparse\r\n"),
            ("STRLEN h", ":3000\r\n"),
            ("PFADD h 1648", ":1\r\n"),
            ("PFDEBUG ENCODING h", "+dense\r\n"),
            ("STRLEN h", ":12304\r\n"),
            ("PFADD h 1648", ":0\r\n"),
            ("PFADD h one two three", ":1\r\n"),
            ("PEXPIRETIME h", ":1800000000000\r\n"),
            ("OBJECT ENCODING h", "$3\r\nraw\r\n"),
        ]);
    }
}
