//! OBJECT: how a value is kept.

use data::ValueRef;
use protocol::Reply;
use store::{Found, Txn};

use crate::help;
use crate::keys::{access, range};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// Redis shares the objects of the integers below this, and says so.
const SHARED_INTEGERS: i64 = 10_000;
const SHARED_REFCOUNT: i64 = i32::MAX as i64;

const NO_IDLE_TIME: CommandError = CommandError::Text(
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when \
     switching between policies at runtime LRU and LFU data will take some time to adjust.",
);
const NO_FREQUENCY: CommandError = CommandError::Text(
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that \
     when switching between policies at runtime LRU and LFU data will take some time to adjust.",
);

const HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Prints this help.",
];

/// OBJECT subcommand [argument ...]
pub(super) const OBJECT: DataCommand = Command {
    spec: Spec {
        arity: -2,
        group: Group::Generic,
        container: true,
        since: "2.2.3",
        complexity: "Depends on subcommand.",
        summary: "Tells how the value of a key is kept.",
        syntax: "subcommand [argument ...]",
        ..Spec::new("object")
    },
    run: |_, args, _| Err(CommandError::unknown_subcommand("OBJECT", args.at(1))),
    subcommands: &[ENCODING, FREQ, IDLETIME, REFCOUNT, SHOW_HELP],
};

/// OBJECT ENCODING key
const ENCODING: DataCommand = Command {
    spec: Spec {
        arity: 3,
        flags: flags::READONLY,
        keys: &[range(2, 0, 1, access::RO)],
        group: Group::Generic,
        since: "2.2.3",
        summary: "Returns the encoding of the value of a key.",
        syntax: "key",
        tips: &["nondeterministic_output"],
        ..Spec::new("encoding")
    },
    run: |txn, args, reply| {
        about(txn, args, reply, |txn, found, reply| {
            reply.bulk(txn.value(found).encoding().as_bytes());
            Ok(())
        })
    },
    subcommands: &[],
};

/// OBJECT FREQ key
const FREQ: DataCommand = Command {
    spec: Spec {
        name: "freq",
        since: "4.0.0",
        summary: "Returns how often a key was used lately, as an LFU eviction policy counts it.",
        ..ENCODING.spec
    },
    run: |txn, args, reply| {
        about(txn, args, reply, |txn, found, reply| {
            let frequency = txn.frequency(found).ok_or(NO_FREQUENCY)?;
            reply.int(frequency.into());
            Ok(())
        })
    },
    subcommands: &[],
};

/// OBJECT IDLETIME key
const IDLETIME: DataCommand = Command {
    spec: Spec {
        name: "idletime",
        summary: "Returns the seconds since a key was last used.",
        ..ENCODING.spec
    },
    run: |txn, args, reply| {
        about(txn, args, reply, |txn, found, reply| {
            if txn.frequency(found).is_some() {
                return Err(NO_IDLE_TIME);
            }
            reply.int(txn.idle_seconds(found) as i64);
            Ok(())
        })
    },
    subcommands: &[],
};

/// OBJECT REFCOUNT key
const REFCOUNT: DataCommand = Command {
    spec: Spec {
        name: "refcount",
        summary: "Returns how many keys share a value: Redis shares small integers.",
        ..ENCODING.spec
    },
    run: |txn, args, reply| {
        about(txn, args, reply, |txn, found, reply| {
            reply.int(match txn.value(found) {
                ValueRef::Int(0..SHARED_INTEGERS) => SHARED_REFCOUNT,
                _ => 1,
            });
            Ok(())
        })
    },
    subcommands: &[],
};

/// OBJECT HELP
const SHOW_HELP: DataCommand = Command {
    spec: help::spec(Group::Generic, "6.2.0"),
    run: |_, _, reply| help::show(HELP, reply),
    subcommands: &[],
};

/// Answers for the key, or null when there is none. Asking doesn't count as use.
fn about(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    answer: impl FnOnce(&mut Txn<'_>, Found, &mut Reply<'_>) -> CommandResult,
) -> CommandResult {
    let Some(found) = txn.inspect(args.at(2)) else {
        reply.null();
        return Ok(());
    };
    answer(txn, found, reply)
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn encodings_are_redis_s() {
        let mut fixture = Fixture::new();
        fixture.run_args(["SET", "at", &"x".repeat(44)]);
        fixture.run_args(["SET", "above", &"x".repeat(45)]);
        fixture.run_args(["SET", "large", &"x".repeat(10_000)]);
        fixture.check(&[
            ("OBJECT ENCODING nothing", "$-1\r\n"),
            ("OBJECT encoding at", "$6\r\nembstr\r\n"),
            ("OBJECT ENCODING above", "$3\r\nraw\r\n"),
            ("OBJECT ENCODING large", "$3\r\nraw\r\n"),
            ("SET i -9223372036854775808", "+OK\r\n"),
            ("OBJECT ENCODING i", "$3\r\nint\r\n"),
            ("SET i 01", "+OK\r\n"),
            ("OBJECT ENCODING i", "$6\r\nembstr\r\n"),
            ("APPEND i 2", ":3\r\n"),
            ("OBJECT ENCODING i", "$3\r\nraw\r\n"),
        ]);
    }

    #[test]
    fn small_integers_look_shared() {
        Fixture::new().check(&[
            ("OBJECT REFCOUNT a", "$-1\r\n"),
            ("SET a 9999", "+OK\r\n"),
            ("OBJECT REFCOUNT a", ":2147483647\r\n"),
            ("INCR a", ":10000\r\n"),
            ("OBJECT REFCOUNT a", ":1\r\n"),
            ("SET a -1", "+OK\r\n"),
            ("OBJECT REFCOUNT a", ":1\r\n"),
            ("SET a x", "+OK\r\n"),
            ("OBJECT REFCOUNT a", ":1\r\n"),
        ]);
    }

    #[test]
    fn asking_does_not_count_as_use() {
        let mut fixture = Fixture::new();
        fixture.run("SET a 1");
        fixture.now_ms += 7_000;
        fixture.check(&[
            ("OBJECT IDLETIME nothing", "$-1\r\n"),
            ("OBJECT ENCODING a", "$3\r\nint\r\n"),
            ("OBJECT IDLETIME a", ":7\r\n"),
            ("GET a", "$1\r\n1\r\n"),
            ("OBJECT IDLETIME a", ":0\r\n"),
            ("OBJECT FREQ nothing", "$-1\r\n"),
        ]);
        let frequency = fixture.run("OBJECT FREQ a");
        assert!(frequency.starts_with("-ERR An LFU maxmemory policy is not selected"));
    }

    #[test]
    fn subcommands_are_told() {
        let mut fixture = Fixture::new();
        let help = fixture.run("OBJECT HELP");
        assert!(help.starts_with("*15\r\n+OBJECT <subcommand>"));
        fixture.check(&[(
            "OBJECT FOO a",
            "-ERR unknown subcommand 'FOO'. Try OBJECT HELP.\r\n",
        )]);
    }
}
