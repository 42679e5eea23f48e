//! SET.

use protocol::Reply;
use store::Txn;

use super::options::{Options, Word, Words};
use super::value::{encode, reply_str};
use super::write::{Ttl, store};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// SET key value [options]
pub(super) const SET: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[first(
            access::RW | access::ACCESS | access::UPDATE | access::VARIABLE_FLAGS,
        )],
        group: Group::String,
        summary: "Sets the string value of a key, whatever its type was. The key is created if it \
                  doesn't exist.",
        syntax: "key value [NX | XX | IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | \
                 IFDNE ifdne-digest] [GET] [EX seconds | PX milliseconds | \
                 EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
        ..Spec::new("set")
    },
    run: set,
    subcommands: &[],
};

const WORDS: Words = &[
    ("EX", Word::Ex),
    ("PX", Word::Px),
    ("NX", Word::Nx),
    ("XX", Word::Xx),
    ("GET", Word::Get),
    ("EXAT", Word::ExAt),
    ("PXAT", Word::PxAt),
    ("IFEQ", Word::IfEq),
    ("IFNE", Word::IfNe),
    ("IFDEQ", Word::IfDeq),
    ("IFDNE", Word::IfDne),
    ("KEEPTTL", Word::KeepTtl),
];

fn set(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 3 {
        return set_with_options(txn, args, reply);
    }
    let (key, value) = (args.at(1), args.at(2));
    let found = txn.find(key);
    txn.set(key, found, encode(value), None);
    txn.changed(key, "set");
    reply.ok();
    Ok(())
}

#[inline(never)]
fn set_with_options(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, value) = (args.at(1), args.at(2));
    let options = Options::parse(args, 3, WORDS)?;
    let ttl = options.ttl(txn.now_ms, "set")?.unwrap_or(Ttl::Clear);
    let found = if options.get {
        txn.read(key)
    } else {
        txn.find(key)
    };
    if options.get
        && let Some(found) = found
    {
        txn.str(found)?;
    }
    let holds = options.condition_holds(txn, found)?;
    if options.get {
        let old = found.map(|found| txn.str(found)).transpose()?;
        reply_str(old, reply);
    } else if holds {
        reply.ok();
    } else {
        reply.null();
    }
    if holds {
        store(txn, key, found, value, ttl);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    const NOW: u64 = 1_700_000_000_000;
    const OK: &str = "+OK\r\n";
    const NULL: &str = "$-1\r\n";
    const SYNTAX: &str = "-ERR syntax error\r\n";

    #[test]
    fn stores_integers_as_such_and_forgets_the_expiry() {
        let mut fixture = Fixture::new();
        for (value, encoding) in [
            ("12", "int"),
            ("-9223372036854775808", "int"),
            ("9223372036854775808", "embstr"),
            ("012", "embstr"),
            ("", "embstr"),
            (&"x".repeat(44), "embstr"),
            (&"x".repeat(45), "raw"),
            (&"x".repeat(5000), "raw"),
        ] {
            fixture.run("SET a 1 EX 100");
            assert_eq!(fixture.run(&format!("SET a {value}")), OK);
            assert_eq!(fixture.string_at("a"), Some((encoding, None)), "{value}");
            let reply = format!("${}\r\n{value}\r\n", value.len());
            assert_eq!(fixture.run("GET a"), reply);
        }
    }

    #[test]
    fn times_to_live() {
        let mut fixture = Fixture::new();
        for (options, expiry) in [
            ("EX 10", Some(NOW + 10_000)),
            ("px 10", Some(NOW + 10)),
            ("EXAT 1700000001", Some(NOW + 1000)),
            ("PXAT 1700000000001", Some(NOW + 1)),
            ("KEEPTTL", Some(NOW + 1)),
            ("XX GET KEEPTTL KEEPTTL", Some(NOW + 1)),
            ("EX 1 EX 2", Some(NOW + 2000)),
            ("XX", None),
            ("KEEPTTL", None),
        ] {
            fixture.run(&format!("SET a v {options}"));
            assert_eq!(
                fixture.string_at("a"),
                Some(("embstr", expiry)),
                "{options}"
            );
        }
    }

    #[test]
    fn refuses_times_and_words_that_cannot_be() {
        let bad_time = "-ERR invalid expire time in 'set' command\r\n";
        let not_integer = "-ERR value is not an integer or out of range\r\n";
        Fixture::new().check(&[
            ("SET a v EX 0", bad_time),
            ("SET a v PXAT -1", bad_time),
            ("SET a v EX 9223372036854775807", bad_time),
            ("SET a v EXAT 9223372036854776", bad_time),
            ("SET a v PX 9223372036854775807", bad_time),
            ("SET a v EX x", not_integer),
            ("SET a v EX", SYNTAX),
            ("SET a v EX 1 PX 1", SYNTAX),
            ("SET a v EX 1 KEEPTTL", SYNTAX),
            ("SET a v KEEPTTL EXAT 1", SYNTAX),
            ("SET a v NX XX", SYNTAX),
            ("SET a v IFEQ x NX", SYNTAX),
            ("SET a v IFEQ x IFNE x", SYNTAX),
            ("SET a v IFEQ", SYNTAX),
            ("SET a v PERSIST", SYNTAX),
            ("SET a v EX x NONSENSE", SYNTAX),
            ("GET a", NULL),
        ]);
    }

    #[test]
    fn conditions() {
        Fixture::new().check(&[
            ("SET a 1 XX", NULL),
            ("SET a 1 XX GET", NULL),
            ("SET a 1 NX", OK),
            ("SET a 2 NX", NULL),
            ("SET a 2 NX GET", "$1\r\n1\r\n"),
            ("SET a 2 XX GET", "$1\r\n1\r\n"),
            ("SET b 2 NX GET", NULL),
            ("GET b", "$1\r\n2\r\n"),
            ("SET a 3 IFEQ 1", NULL),
            ("SET a 3 IFEQ 2", OK),
            ("SET a 4 ifeq x get", "$1\r\n3\r\n"),
            ("GET a", "$1\r\n3\r\n"),
            ("SET a 4 IFNE 3", NULL),
            ("SET a hello IFNE 4", OK),
            ("SET a 5 IFDNE 9555e8555c62dcfd", NULL),
            ("SET a 5 IFDEQ 9555E8555C62DCFD GET", "$5\r\nhello\r\n"),
            ("SET a 6 IFDNE 9555e8555c62dcfd", OK),
            ("SET c 1 IFEQ 1", NULL),
            ("SET c 1 IFDEQ 9555e8555c62dcfd", NULL),
            ("SET c 1 IFNE 1", OK),
            ("SET d 1 IFDNE short", OK),
            (
                "SET d 1 IFDNE short",
                "-ERR must be exactly 16 hexadecimal characters\r\n",
            ),
            (
                "SET d 1 IFDNE short GET",
                "-ERR must be exactly 16 hexadecimal characters\r\n",
            ),
        ]);
    }

    #[test]
    fn a_time_that_has_passed_removes_the_key() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("SET a 1 PXAT 1", OK),
            ("GET a", NULL),
            ("SET a 1", OK),
            ("SET a 2 EXAT 1700000000 GET", "$1\r\n1\r\n"),
            ("GET a", NULL),
        ]);
        assert_eq!(fixture.effects(), ["SET a 1", "DEL a"]);
    }

    #[test]
    fn the_log_gets_absolute_times_and_no_conditions() {
        let mut fixture = Fixture::logged();
        for line in [
            "SET a 1",
            "SET a 2 EX 10",
            "SET a 3 XX GET KEEPTTL",
            "SET a 4 NX",
            "SET a 5 IFEQ 3 PX 7",
            "SET a 6 IFNE 5",
        ] {
            fixture.run(line);
        }
        assert_eq!(
            fixture.effects(),
            [
                "SET a 1",
                "SET a 2 PXAT 1700000010000",
                "SET a 3 KEEPTTL",
                "SET a 5 PXAT 1700000000007"
            ]
        );
    }
}
