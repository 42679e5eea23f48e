//! GETEX.

use protocol::Reply;
use store::{Found, Txn};

use super::options::{Options, Word, Words};
use super::value::reply_str;
use super::write::{Ttl, delete};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// GETEX key [options]
pub(super) const GETEX: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::ACCESS | access::UPDATE)],
        group: Group::String,
        since: "6.2.0",
        summary: "Returns the string value of a key and sets or removes its time to live.",
        syntax: "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
                 PXAT unix-time-milliseconds | PERSIST]",
        ..Spec::new("getex")
    },
    run: getex,
    subcommands: &[],
};

const WORDS: Words = &[
    ("EX", Word::Ex),
    ("PX", Word::Px),
    ("EXAT", Word::ExAt),
    ("PXAT", Word::PxAt),
    ("PERSIST", Word::Persist),
];

fn getex(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let options = Options::parse(args, 2, WORDS)?;
    let Some(found) = txn.read(key) else {
        reply.null();
        return Ok(());
    };
    txn.str(found)?;
    let ttl = options.ttl(txn.now_ms, "getex")?;
    reply_str(Some(txn.str(found)?), reply);
    match ttl {
        Some(Ttl::At(at)) if at <= txn.now_ms => delete(txn, key, found),
        Some(Ttl::At(at)) => expire(txn, key, found, at),
        Some(Ttl::Clear) if txn.expiry(found).is_some() => {
            txn.set_expiry(found, None);
            txn.changed(key, "persist");
            txn.replay_as(&[b"PERSIST", key]);
        }
        _ => {}
    }
    Ok(())
}

fn expire(txn: &mut Txn<'_>, key: &[u8], found: Found, at: u64) {
    txn.set_expiry(found, Some(at));
    txn.changed(key, "expire");
    if txn.is_logged() {
        txn.replay_as(&[b"PEXPIREAT", key, at.to_string().as_bytes()]);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn sets_and_removes_the_expiry() {
        let mut fixture = Fixture::logged();
        let value = "$1\r\n1\r\n";
        fixture.check(&[("SET a 1", "+OK\r\n"), ("GETEX a", value)]);
        for (options, expiry) in [
            ("EX 10", Some(1_700_000_010_000)),
            ("px 10", Some(1_700_000_000_010)),
            ("PERSIST", None),
            ("PERSIST", None),
            ("EXAT 1700000001", Some(1_700_000_001_000)),
            ("PXAT 1700000000002", Some(1_700_000_000_002)),
        ] {
            assert_eq!(fixture.run(&format!("GETEX a {options}")), value);
            assert_eq!(fixture.string_at("a"), Some(("int", expiry)), "{options}");
        }
        fixture.check(&[("GETEX a PXAT 1", value), ("GETEX a", "$-1\r\n")]);
        assert_eq!(
            fixture.effects(),
            [
                "SET a 1",
                "PEXPIREAT a 1700000010000",
                "PEXPIREAT a 1700000000010",
                "PERSIST a",
                "PEXPIREAT a 1700000001000",
                "PEXPIREAT a 1700000000002",
                "DEL a"
            ]
        );
    }

    #[test]
    fn refuses_in_the_order_of_redis() {
        Fixture::new().check(&[
            ("GETEX a EX 0", "$-1\r\n"),
            ("GETEX a EX", "-ERR syntax error\r\n"),
            ("GETEX a KEEPTTL", "-ERR syntax error\r\n"),
            ("GETEX a PERSIST EX 1", "-ERR syntax error\r\n"),
            ("SET a 1", "+OK\r\n"),
            (
                "GETEX a EX 0",
                "-ERR invalid expire time in 'getex' command\r\n",
            ),
            (
                "GETEX a PXAT x",
                "-ERR value is not an integer or out of range\r\n",
            ),
        ]);
    }
}
