//! DUMP, RESTORE: a value as bytes that any Redis takes, and back.

use std::sync::atomic::Ordering;

use protocol::Reply;
use rdb::payload::{self, Payload};
use store::Txn;

use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec, load};

/// DUMP key
pub(super) const DUMP: DataCommand = Command {
    spec: Spec {
        arity: 2,
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Generic,
        since: "2.6.0",
        complexity: "O(1) to access the key and additional O(N*M) to serialize it, where N is the \
                     number of objects composing the value and M their average size. For small \
                     string values the time complexity is thus O(1)+O(1*M) where M is small, so \
                     simply O(1).",
        summary: "Returns a serialized representation of the value stored at a key.",
        syntax: "key",
        tips: &["nondeterministic_output"],
        ..Spec::new("dump")
    },
    run: dump,
    subcommands: &[],
};

/// RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]
pub(super) const RESTORE: DataCommand = Command {
    spec: Spec {
        arity: -4,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[first(access::OW | access::UPDATE)],
        group: Group::Generic,
        categories: &["@dangerous"],
        since: "2.6.0",
        complexity: "O(1) to create the new key and additional O(N*M) to reconstruct the \
                     serialized value, where N is the number of objects composing the value and M \
                     their average size. For small string values the time complexity is thus \
                     O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values \
                     the complexity is O(N*M*log(N)) because inserting values into sorted sets is \
                     O(log(N)).",
        summary: "Creates a key from the serialized representation of a value.",
        syntax: "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
        ..Spec::new("restore")
    },
    run: restore,
    subcommands: &[],
};

const BUSY: CommandError = CommandError::Text("BUSYKEY Target key name already exists.");
const FOOTER: CommandError = CommandError::Text("ERR DUMP payload version or checksum are wrong");
const BAD_DATA: CommandError = CommandError::Text("ERR Bad data format");

fn dump(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match txn.read(args.at(1)) {
        Some(found) => reply.bulk(&payload::dump(txn.value(found), true)),
        None => reply.null(),
    }
    Ok(())
}

/// What RESTORE was told beside key, time and value.
#[derive(Default)]
struct Options {
    replace: bool,
    /// The time is Unix time.
    absolute: bool,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut at = 4;
        while at < args.len() {
            let has_more = at + 1 < args.len();
            if args.is(at, "REPLACE") {
                options.replace = true;
            } else if args.is(at, "ABSTTL") {
                options.absolute = true;
            } else if args.is(at, "IDLETIME") && has_more && options.frequency.is_none() {
                at += 1;
                let seconds = u64::try_from(args.int(at)?)
                    .map_err(|_| CommandError::Text("ERR Invalid IDLETIME value, must be >= 0"))?;
                options.idle_seconds = Some(seconds);
            } else if args.is(at, "FREQ") && has_more && options.idle_seconds.is_none() {
                at += 1;
                let frequency = u8::try_from(args.int(at)?).map_err(|_| {
                    CommandError::Text("ERR Invalid FREQ value, must be >= 0 and <= 255")
                })?;
                options.frequency = Some(frequency);
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        Ok(options)
    }
}

fn restore(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(args)?;
    let key = args.at(1);
    let found = txn.find(key);
    if found.is_some() && !options.replace {
        return Err(BUSY);
    }
    let expiry = expiry(args, &options, txn.now_ms)?;
    let payload = if txn.store().skips_checksums.load(Ordering::Relaxed) {
        Payload::open_unchecked(args.at(3))
    } else {
        Payload::open(args.at(3))
    };
    let payload = payload.map_err(|_| FOOTER)?;
    let value = payload.value(&load::rules(txn)).map_err(|_| BAD_DATA)?;
    if let Some(found) = found {
        txn.remove(found);
    }
    reply.ok();
    if expiry.is_some_and(|at| at <= txn.now_ms) {
        if found.is_some() {
            txn.changed(key, "del");
            txn.replay_as(&[b"DEL", key]);
        }
        return Ok(());
    }
    load::put(txn, key, None, value, expiry);
    load::set_use(txn, key, options.idle_seconds, options.frequency);
    txn.changed(key, "restore");
    if let Some(at) = expiry.filter(|_| !options.absolute) {
        let at = at.to_string();
        txn.replay_as(&[
            b"RESTORE",
            key,
            at.as_bytes(),
            args.at(3),
            b"ABSTTL",
            b"REPLACE",
        ]);
    }
    Ok(())
}

/// When the key is to cease to exist.
fn expiry(args: Args<'_>, options: &Options, now_ms: u64) -> Result<Option<u64>, CommandError> {
    let ttl = u64::try_from(args.int(2)?)
        .map_err(|_| CommandError::Text("ERR Invalid TTL value, must be >= 0"))?;
    Ok(match ttl {
        0 => None,
        at if options.absolute => Some(at),
        ttl => Some(now_ms + ttl),
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    /// `SET a 1`, as Redis 7.0 dumps it.
    const ONE: &[u8] = b"\x00\xc0\x01\x0a\x00\x26\x78\xe7\xb6\xd1\x01\x11\xfc";

    fn restore(fixture: &mut Fixture, key: &str, ttl: &str, payload: &[u8], rest: &str) -> String {
        let mut args: Vec<&[u8]> = vec![b"RESTORE", key.as_bytes(), ttl.as_bytes(), payload];
        args.extend(rest.split_whitespace().map(str::as_bytes));
        fixture.run_args(args)
    }

    #[test]
    fn options_and_errors_are_redis_s() {
        let mut fixture = Fixture::logged();
        let not_integer = "-ERR value is not an integer or out of range\r\n";
        let syntax = "-ERR syntax error\r\n";
        for (key, ttl, rest, reply) in [
            ("a", "0", "", "+OK\r\n"),
            ("a", "0", "", "-BUSYKEY Target key name already exists.\r\n"),
            ("a", "x", "", "-BUSYKEY Target key name already exists.\r\n"),
            ("b", "x", "", not_integer),
            ("b", "-1", "", "-ERR Invalid TTL value, must be >= 0\r\n"),
            ("b", "0", "REPLACE foo", syntax),
            ("b", "0", "IDLETIME", syntax),
            ("b", "0", "IDLETIME x", not_integer),
            (
                "b",
                "0",
                "IDLETIME -1",
                "-ERR Invalid IDLETIME value, must be >= 0\r\n",
            ),
            (
                "b",
                "0",
                "FREQ 256",
                "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n",
            ),
            ("b", "0", "FREQ 1 IDLETIME 1", syntax),
            ("b", "0", "IDLETIME 1 FREQ 1", syntax),
            ("b", "10", "replace", "+OK\r\n"),
            ("c", "1700000000000", "ABSTTL", "+OK\r\n"),
            ("b", "1", "ABSTTL REPLACE", "+OK\r\n"),
            ("d", "1700000000010", "ABSTTL IDLETIME 100", "+OK\r\n"),
        ] {
            let given = restore(&mut fixture, key, ttl, ONE, rest);
            assert_eq!(given, reply, "{key} {ttl} {rest}");
        }
        fixture.check(&[
            ("GET a", "$1\r\n1\r\n"),
            ("EXISTS b c d", ":1\r\n"),
            ("OBJECT IDLETIME d", ":100\r\n"),
            ("PTTL d", ":10\r\n"),
        ]);
        let one = String::from_utf8_lossy(ONE);
        let expected = [
            format!("RESTORE a 0 {one}"),
            format!("RESTORE b 1700000000010 {one} ABSTTL REPLACE"),
            "DEL b".to_string(),
            format!("RESTORE d 1700000000010 {one} ABSTTL IDLETIME 100"),
        ];
        assert_eq!(fixture.effects(), expected);
    }

    #[test]
    fn payloads_are_checked() {
        let mut fixture = Fixture::new();
        let footer = "-ERR DUMP payload version or checksum are wrong\r\n";
        for end in 0..ONE.len() {
            assert_eq!(restore(&mut fixture, "a", "0", &ONE[..end], ""), footer);
        }
        for bit in 0..ONE.len() * 8 {
            let mut changed = ONE.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(restore(&mut fixture, "a", "0", &changed, ""), footer);
        }
        // A footer that is right, and a type that nobody knows.
        let bad = b"\xc8\x0a\x00\x08\xda\xaf\x8a\x6c\xe4\xe7\x86";
        let reply = restore(&mut fixture, "a", "0", bad, "");
        assert_eq!(reply, "-ERR Bad data format\r\n");
        fixture.check(&[("EXISTS a", ":0\r\n"), ("DUMP a", "$-1\r\n")]);
    }
}
