//! INCRBYFLOAT.

use data::NewValue;
use protocol::Reply;
use protocol::number::{LongDouble, parse_long_double};
use store::Txn;

use super::value::bytes_of;
use super::write::{Ttl, log_set};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const NOT_FINITE: CommandError = CommandError::Text("ERR increment would produce NaN or Infinity");

/// INCRBYFLOAT key increment
pub(super) const INCRBYFLOAT: DataCommand = Command {
    spec: Spec {
        arity: 3,
        flags: flags::WRITE | flags::DENYOOM | flags::FAST,
        keys: &[first(access::RW | access::ACCESS | access::UPDATE)],
        group: Group::String,
        since: "2.6.0",
        summary: "Adds a number to the number at a key; a missing key counts as 0.",
        syntax: "key increment",
        ..Spec::new("incrbyfloat")
    },
    run: incrbyfloat,
    subcommands: &[],
};

fn incrbyfloat(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let found = txn.find(key);
    let value = match found {
        Some(found) => parse(bytes_of(txn.str(found)?, &mut itoa::Buffer::new()))?,
        None => LongDouble::from(0.0),
    };
    let sum = value + parse(args.at(2))?;
    if !sum.is_finite() {
        return Err(NOT_FINITE);
    }
    let sum = sum.to_string();
    let expiry = found.and_then(|found| txn.expiry(found));
    // A string even where it looks like an integer, as in Redis.
    txn.set(key, found, NewValue::Str(sum.as_bytes()), expiry);
    txn.changed(key, "incrbyfloat");
    log_set(txn, key, sum.as_bytes(), Ttl::Keep);
    reply.bulk(sum.as_bytes());
    Ok(())
}

fn parse(text: &[u8]) -> Result<LongDouble, CommandError> {
    parse_long_double(text).ok_or(CommandError::NotFloat)
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn adds_as_redis_does() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("INCRBYFLOAT a 10.50", "$4\r\n10.5\r\n"),
            ("INCRBYFLOAT a 0.1", "$4\r\n10.6\r\n"),
            ("SET a 5.0e3 EX 10", "+OK\r\n"),
            ("INCRBYFLOAT a 2.0e2", "$4\r\n5200\r\n"),
        ]);
        assert_eq!(
            fixture.string_at("a"),
            Some(("embstr", Some(1_700_000_010_000)))
        );
        fixture.check(&[
            ("SET a 3", "+OK\r\n"),
            ("INCRBYFLOAT a -1", "$1\r\n2\r\n"),
            ("INCR a", ":3\r\n"),
        ]);
        assert_eq!(
            fixture.effects(),
            [
                "SET a 10.5 KEEPTTL",
                "SET a 10.6 KEEPTTL",
                "SET a 5.0e3 PXAT 1700000010000",
                "SET a 5200 KEEPTTL",
                "SET a 3",
                "SET a 2 KEEPTTL",
                "INCR a",
            ]
        );
    }

    #[test]
    fn refuses() {
        let not_float = "-ERR value is not a valid float\r\n";
        let not_finite = "-ERR increment would produce NaN or Infinity\r\n";
        Fixture::new().check(&[
            ("INCRBYFLOAT a x", not_float),
            ("INCRBYFLOAT a inf", not_finite),
            ("SET a 1x", "+OK\r\n"),
            ("INCRBYFLOAT a 1", not_float),
            ("GET a", "$2\r\n1x\r\n"),
        ]);
    }
}
