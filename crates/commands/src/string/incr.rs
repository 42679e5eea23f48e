//! INCR, DECR, INCRBY, DECRBY.

use data::NewValue;
use protocol::{Reply, number};
use store::{Str, Txn};

use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const OVERFLOW: CommandError = CommandError::Text("ERR increment or decrement would overflow");

/// INCR key
pub(super) const INCR: DataCommand = Command {
    spec: Spec {
        arity: 2,
        flags: flags::WRITE | flags::DENYOOM | flags::FAST,
        keys: &[first(access::RW | access::ACCESS | access::UPDATE)],
        group: Group::String,
        summary: "Adds one to the integer value of a key; a missing key counts as 0.",
        syntax: "key",
        ..Spec::new("incr")
    },
    run: |txn, args, reply| add(txn, args.at(1), 1, reply),
    subcommands: &[],
};

/// DECR key
pub(super) const DECR: DataCommand = Command {
    spec: Spec {
        name: "decr",
        summary: "Subtracts one from the integer value of a key; a missing key counts as 0.",
        ..INCR.spec
    },
    run: |txn, args, reply| add(txn, args.at(1), -1, reply),
    subcommands: &[],
};

/// INCRBY key increment
pub(super) const INCRBY: DataCommand = Command {
    spec: Spec {
        name: "incrby",
        arity: 3,
        summary: "Adds an integer to the integer value of a key; a missing key counts as 0.",
        syntax: "key increment",
        ..INCR.spec
    },
    run: |txn, args, reply| add(txn, args.at(1), args.int(2)?, reply),
    subcommands: &[],
};

/// DECRBY key decrement
pub(super) const DECRBY: DataCommand = Command {
    spec: Spec {
        name: "decrby",
        arity: 3,
        summary: "Subtracts an integer from the integer value of a key; a missing key counts as 0.",
        syntax: "key decrement",
        ..INCR.spec
    },
    run: decrby,
    subcommands: &[],
};

fn decrby(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    const LEAST: CommandError = CommandError::Text("ERR decrement would overflow");
    let by = args.int(2)?.checked_neg().ok_or(LEAST)?;
    add(txn, args.at(1), by, reply)
}

#[inline(always)]
fn add(txn: &mut Txn<'_>, key: &[u8], by: i64, reply: &mut Reply<'_>) -> CommandResult {
    let found = txn.find(key);
    let sum = match found {
        None => {
            txn.set(key, None, NewValue::Int(by), None);
            by
        }
        Some(found) => match txn.str(found)? {
            Str::Int(value) => {
                let sum = value.checked_add(by).ok_or(OVERFLOW)?;
                txn.set_int(found, sum);
                sum
            }
            // A string that was changed in place may still look like an integer.
            Str::Bytes(bytes) => {
                let value = number::parse_i64(bytes).ok_or(CommandError::NotInteger)?;
                let sum = value.checked_add(by).ok_or(OVERFLOW)?;
                let expiry = txn.expiry(found);
                txn.set(key, Some(found), NewValue::Int(sum), expiry);
                sum
            }
        },
    };
    txn.changed(key, "incrby");
    reply.int(sum);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    const NOT_INTEGER: &str = "-ERR value is not an integer or out of range\r\n";
    const OVERFLOW: &str = "-ERR increment or decrement would overflow\r\n";

    #[test]
    fn adds_and_subtracts() {
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("INCR a", ":1\r\n"),
            ("INCRBY a 10", ":11\r\n"),
            ("DECR a", ":10\r\n"),
            ("DECRBY a -5", ":15\r\n"),
            ("DECRBY b 3", ":-3\r\n"),
            ("SET a 5 EX 10", "+OK\r\n"),
            ("INCR a", ":6\r\n"),
        ]);
        assert_eq!(
            fixture.string_at("a"),
            Some(("int", Some(1_700_000_010_000)))
        );
        fixture.check(&[("SETRANGE a 0 8", ":1\r\n"), ("DECR a", ":7\r\n")]);
        assert_eq!(
            fixture.string_at("a"),
            Some(("int", Some(1_700_000_010_000)))
        );
    }

    #[test]
    fn refuses() {
        Fixture::new().check(&[
            ("SET a 9223372036854775807", "+OK\r\n"),
            ("INCR a", OVERFLOW),
            ("DECRBY a -1", OVERFLOW),
            ("SET a -9223372036854775808", "+OK\r\n"),
            ("DECR a", OVERFLOW),
            (
                "DECRBY a -9223372036854775808",
                "-ERR decrement would overflow\r\n",
            ),
            ("INCRBY a x", NOT_INTEGER),
            ("INCRBY a 9223372036854775808", NOT_INTEGER),
            ("SET a x", "+OK\r\n"),
            ("INCR a", NOT_INTEGER),
            ("SET a 1.5", "+OK\r\n"),
            ("INCR a", NOT_INTEGER),
        ]);
    }
}
