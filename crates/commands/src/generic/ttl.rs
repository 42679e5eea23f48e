//! TTL, PTTL, EXPIRETIME, PEXPIRETIME, PERSIST: asks when a key ceases to exist, or makes it stay.

use protocol::Reply;
use store::Txn;

use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

const MISSING: i64 = -2;
const STAYS: i64 = -1;

/// TTL key
pub(super) const TTL: DataCommand = Command {
    spec: Spec {
        arity: 2,
        flags: flags::READONLY | flags::FAST,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Generic,
        summary: "Returns the time to live of a key in seconds.",
        syntax: "key",
        tips: &["nondeterministic_output"],
        ..Spec::new("ttl")
    },
    run: |txn, args, reply| tell(txn, args, reply, |at, now_ms| seconds(at - now_ms)),
    subcommands: &[],
};

/// PTTL key
pub(super) const PTTL: DataCommand = Command {
    spec: Spec {
        name: "pttl",
        since: "2.6.0",
        summary: "Returns the time to live of a key in milliseconds.",
        ..TTL.spec
    },
    run: |txn, args, reply| tell(txn, args, reply, |at, now_ms| at - now_ms),
    subcommands: &[],
};

/// EXPIRETIME key
pub(super) const EXPIRETIME: DataCommand = Command {
    spec: Spec {
        name: "expiretime",
        since: "7.0.0",
        summary: "Returns the Unix time in seconds at which a key ceases to exist.",
        tips: &[],
        ..TTL.spec
    },
    run: |txn, args, reply| tell(txn, args, reply, |at, _| seconds(at)),
    subcommands: &[],
};

/// PEXPIRETIME key
pub(super) const PEXPIRETIME: DataCommand = Command {
    spec: Spec {
        name: "pexpiretime",
        summary: "Returns the Unix time in milliseconds at which a key ceases to exist.",
        ..EXPIRETIME.spec
    },
    run: |txn, args, reply| tell(txn, args, reply, |at, _| at),
    subcommands: &[],
};

/// PERSIST key
pub(super) const PERSIST: DataCommand = Command {
    spec: Spec {
        arity: 2,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::UPDATE)],
        group: Group::Generic,
        since: "2.2.0",
        summary: "Removes the expiry of a key.",
        syntax: "key",
        ..Spec::new("persist")
    },
    run: persist,
    subcommands: &[],
};

/// Replies with what `answer` makes of the expiry and the time.
fn tell(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    answer: impl FnOnce(i64, i64) -> i64,
) -> CommandResult {
    let now_ms = txn.now_ms as i64;
    let expiry = txn.inspect(args.at(1)).map(|found| txn.expiry(found));
    reply.int(match expiry {
        None => MISSING,
        Some(None) => STAYS,
        Some(Some(at)) => answer(at as i64, now_ms),
    });
    Ok(())
}

/// Rounded to the nearest second.
fn seconds(ms: i64) -> i64 {
    ms / 1000 + i64::from(ms % 1000 >= 500)
}

fn persist(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let found = txn.find(key);
    let found = found.filter(|&found| txn.expiry(found).is_some());
    if let Some(found) = found {
        txn.set_expiry(found, None);
        txn.changed(key, "persist");
    }
    reply.int(i64::from(found.is_some()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn times_are_told_and_rounded() {
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("TTL a", ":-2\r\n"),
            ("PEXPIRETIME a", ":-2\r\n"),
            ("SET a 1", "+OK\r\n"),
            ("PTTL a", ":-1\r\n"),
            ("EXPIRETIME a", ":-1\r\n"),
            ("PEXPIRE a 2500", ":1\r\n"),
            ("TTL a", ":3\r\n"),
            ("PTTL a", ":2500\r\n"),
            ("PEXPIRETIME a", ":1700000002500\r\n"),
            ("EXPIRETIME a", ":1700000003\r\n"),
            ("PEXPIRE a 2499", ":1\r\n"),
            ("TTL a", ":2\r\n"),
            ("PEXPIRE a 1", ":1\r\n"),
            ("TTL a", ":0\r\n"),
            ("PEXPIREAT a 9223372036854775807", ":1\r\n"),
            ("EXPIRETIME a", ":9223372036854776\r\n"),
        ]);
    }

    #[test]
    fn persist_changes_only_what_expires() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("PERSIST a", ":0\r\n"),
            ("SET a value", "+OK\r\n"),
            ("PERSIST a", ":0\r\n"),
            ("PEXPIREAT a 1800000000000", ":1\r\n"),
            ("PERSIST a", ":1\r\n"),
            ("PERSIST a", ":0\r\n"),
            ("TTL a", ":-1\r\n"),
            ("GET a", "$5\r\nvalue\r\n"),
        ]);
        assert_eq!(
            fixture.effects(),
            ["SET a value", "PEXPIREAT a 1800000000000", "PERSIST a"]
        );
    }
}
