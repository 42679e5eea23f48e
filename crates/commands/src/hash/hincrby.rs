//! HINCRBY, HINCRBYFLOAT.

use std::iter::once;

use data::Hash;
use data::packed::{Digits, Elem};
use data::types::hash::Pair;
use protocol::Reply;
use protocol::number::{LongDouble, parse_i64, parse_long_double};
use store::{Event, Found, Txn};

use super::fields::find;
use super::rules;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const NOT_INTEGER: CommandError = CommandError::Text("ERR hash value is not an integer");
const NOT_FLOAT: CommandError = CommandError::Text("ERR hash value is not a float");
const OVERFLOW: CommandError = CommandError::Text("ERR increment or decrement would overflow");
const NOT_FINITE: CommandError = CommandError::Text("ERR increment would produce NaN or Infinity");
const BAD_INCREMENT: CommandError = CommandError::Text("ERR value is NaN or Infinity");

/// HINCRBY key field increment
pub(super) const HINCRBY: DataCommand = Command {
    spec: Spec {
        arity: 4,
        flags: flags::WRITE | flags::DENYOOM | flags::FAST,
        keys: &[first(access::RW | access::ACCESS | access::UPDATE)],
        group: Group::Hash,
        since: "2.0.0",
        summary: "Adds an integer to the integer value of a field; a missing field counts as 0.",
        syntax: "key field increment",
        member: 2,
        ..Spec::new("hincrby")
    },
    run: hincrby,
    subcommands: &[],
};

/// HINCRBYFLOAT key field increment
pub(super) const HINCRBYFLOAT: DataCommand = Command {
    spec: Spec {
        name: "hincrbyfloat",
        since: "2.6.0",
        summary: "Adds a number to the number in a field; a missing field counts as 0.",
        ..HINCRBY.spec
    },
    run: hincrbyfloat,
    subcommands: &[],
};

fn hincrby(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let by = args.int(3)?;
    let found = find(txn, args.at(1), once(args.at(2)))?;
    let pair = field(txn, found, args.at(2))?;
    let expiry = pair.and_then(|pair| pair.expiry);
    let value = match pair.map(|pair| pair.value) {
        None => 0,
        Some(Elem::Int(int)) => int,
        Some(Elem::Bytes(text)) => parse_i64(text).ok_or(NOT_INTEGER)?,
    };
    let sum = value.checked_add(by).ok_or(OVERFLOW)?;
    let mut digits = Digits::new();
    set(
        txn,
        args,
        found,
        digits.format(sum).as_bytes(),
        expiry,
        "hincrby",
    )?;
    reply.int(sum);
    Ok(())
}

fn hincrbyfloat(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let by = parse_long_double(args.at(3)).ok_or(CommandError::NotFloat)?;
    if !by.is_finite() {
        return Err(BAD_INCREMENT);
    }
    let (key, name) = (args.at(1), args.at(2));
    let found = find(txn, key, once(name))?;
    let pair = field(txn, found, name)?;
    let expiry = pair.and_then(|pair| pair.expiry);
    let value = match pair {
        None => LongDouble::from(0.0),
        Some(pair) => parse_long_double(pair.value.text(&mut Digits::new())).ok_or(NOT_FLOAT)?,
    };
    let sum = value + by;
    if !sum.is_finite() {
        return Err(NOT_FINITE);
    }
    let sum = sum.to_string();
    set(txn, args, found, sum.as_bytes(), expiry, "hincrbyfloat")?;
    // The sum rather than the way to it, which may differ elsewhere.
    txn.replay_as(&[b"HSET", key, name, sum.as_bytes()]);
    if let Some(at) = expiry {
        let at = at.to_string();
        txn.replay_as(&[b"HPEXPIREAT", key, at.as_bytes(), b"FIELDS", b"1", name]);
    }
    reply.bulk(sum.as_bytes());
    Ok(())
}

fn field<'t>(
    txn: &'t mut Txn<'_>,
    found: Option<Found>,
    name: &[u8],
) -> Result<Option<Pair<'t>>, CommandError> {
    let now_ms = txn.now_ms;
    let hash = found.map(|found| txn.view::<Hash>(found)).transpose()?;
    Ok(hash.and_then(|hash| hash.get(name, now_ms)))
}

/// Sets the field of the command to what was computed; its expiry stays.
fn set(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    found: Option<Found>,
    value: &[u8],
    expiry: Option<u64>,
    event: Event,
) -> CommandResult {
    let rules = rules(txn);
    txn.edit(args.at(1), found, |hash: &mut Hash| {
        hash.set(args.at(2), value, expiry, &rules);
    })?;
    txn.changed(args.at(1), event);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn adds() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("HINCRBY a f 5", ":5\r\n"),
            ("HINCRBY a f -7", ":-2\r\n"),
            ("HINCRBYFLOAT a f 0.5", "$4\r\n-1.5\r\n"),
            ("HINCRBYFLOAT a g 10.50", "$4\r\n10.5\r\n"),
            ("HPEXPIREAT a 1700000000500 FIELDS 1 g", "*1\r\n:1\r\n"),
            ("HINCRBYFLOAT a g 0.5", "$2\r\n11\r\n"),
            ("HINCRBY a g 1", ":12\r\n"),
            ("HPTTL a FIELDS 1 g", "*1\r\n:500\r\n"),
        ]);
        let effects = fixture.effects();
        assert_eq!(effects[2..4], ["HSET a f -1.5", "HSET a g 10.5"]);
        let expiry = "HPEXPIREAT a 1700000000500 FIELDS 1 g";
        assert_eq!(
            effects[4..],
            [expiry, "HSET a g 11", expiry, "HINCRBY a g 1"]
        );
    }

    #[test]
    fn refuses() {
        Fixture::new().check(&[
            ("HSET a f x i 9223372036854775807", ":2\r\n"),
            ("HINCRBY a f 1", "-ERR hash value is not an integer\r\n"),
            ("HINCRBYFLOAT a f 1", "-ERR hash value is not a float\r\n"),
            (
                "HINCRBY a i 1",
                "-ERR increment or decrement would overflow\r\n",
            ),
            (
                "HINCRBY a i x",
                "-ERR value is not an integer or out of range\r\n",
            ),
            ("HINCRBYFLOAT a i x", "-ERR value is not a valid float\r\n"),
            ("HINCRBYFLOAT a i inf", "-ERR value is NaN or Infinity\r\n"),
            ("SET s 1", "+OK\r\n"),
            (
                "HINCRBY s f 1",
                "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
            ),
        ]);
    }
}
