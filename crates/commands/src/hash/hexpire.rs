//! HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT.

use data::{Collection, Hash};
use protocol::Reply;
use store::Txn;

use super::fields::{
    MILLISECONDS, Outcome, SECONDS, UNIX_MILLISECONDS, UNIX_SECONDS, Unit, deadline, edit,
    first_field,
};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const NOT_POSITIVE: CommandError =
    CommandError::Text("ERR Parameter `numFields` should be greater than 0");

/// Replies for a field.
const NO_FIELD: i64 = -2;
const REFUSED: i64 = 0;
const SET: i64 = 1;
const REMOVED: i64 = 2;

/// HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub(super) const HEXPIRE: DataCommand = Command {
    spec: Spec {
        arity: -6,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::UPDATE)],
        group: Group::Hash,
        since: "9.0.0",
        complexity: "O(N) where N is the number of specified fields.",
        summary: "Sets the time to live of fields in seconds.",
        syntax: "key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
        ..Spec::new("hexpire")
    },
    run: |txn, args, reply| expire(txn, args, reply, SECONDS, "hexpire"),
    subcommands: &[],
};

/// HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub(super) const HPEXPIRE: DataCommand = Command {
    spec: Spec {
        name: "hpexpire",
        summary: "Sets the time to live of fields in milliseconds.",
        syntax: "key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
        ..HEXPIRE.spec
    },
    run: |txn, args, reply| expire(txn, args, reply, MILLISECONDS, "hpexpire"),
    subcommands: &[],
};

/// HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub(super) const HEXPIREAT: DataCommand = Command {
    spec: Spec {
        name: "hexpireat",
        summary: "Sets the Unix time in seconds at which fields expire.",
        syntax: "key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
        ..HEXPIRE.spec
    },
    run: |txn, args, reply| expire(txn, args, reply, UNIX_SECONDS, "hexpireat"),
    subcommands: &[],
};

/// HPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub(super) const HPEXPIREAT: DataCommand = Command {
    spec: Spec {
        name: "hpexpireat",
        summary: "Sets the Unix time in milliseconds at which fields expire.",
        syntax: "key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
        ..HEXPIRE.spec
    },
    run: |txn, args, reply| expire(txn, args, reply, UNIX_MILLISECONDS, "hpexpireat"),
    subcommands: &[],
};

/// When a field's expiry may be changed.
#[derive(Clone, Copy, Debug)]
enum Condition {
    Always,
    Nx,
    Xx,
    Gt,
    Lt,
}

impl Condition {
    /// The condition at an argument.
    fn at(args: Args<'_>, at: usize) -> Option<Self> {
        let words = [
            ("NX", Self::Nx),
            ("XX", Self::Xx),
            ("GT", Self::Gt),
            ("LT", Self::Lt),
        ];
        let found = words.into_iter().find(|(word, _)| args.is(at, word));
        found.map(|(_, condition)| condition)
    }

    /// A field without expiry counts as one that never expires.
    fn holds(self, old: Option<u64>, new: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Nx => old.is_none(),
            Self::Xx => old.is_some(),
            Self::Gt => old.is_some_and(|old| new > old),
            Self::Lt => old.is_none_or(|old| new < old),
        }
    }
}

fn expire(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    unit: Unit,
    command: &'static str,
) -> CommandResult {
    let key = args.at(1);
    let found = txn.find(key);
    if let Some(found) = found {
        txn.view::<Hash>(found)?;
    }
    let now_ms = txn.now_ms;
    let at = deadline(args, 2, unit, now_ms, command)?;
    let condition = Condition::at(args, 3);
    let fields = first_field(args, 3 + usize::from(condition.is_some()), NOT_POSITIVE)?;
    let condition = condition.unwrap_or(Condition::Always);
    reply.array(args.len() - fields);
    let Some(found) = found else {
        args.from(fields).for_each(|_| reply.int(NO_FIELD));
        return Ok(());
    };
    let mut outcome = Outcome::default();
    let ((), is_spent) = edit(txn, key, Some(found), |hash| {
        for field in args.from(fields) {
            let old = hash.view().get(field, now_ms).map(|pair| pair.expiry);
            reply.int(match old {
                None => NO_FIELD,
                Some(old) if !condition.holds(old, at) => REFUSED,
                Some(_) if Outcome::is_past(at, now_ms) => {
                    hash.remove(field, now_ms);
                    outcome.removed.push(field);
                    REMOVED
                }
                Some(_) => {
                    hash.set_expiry(field, Some(at));
                    outcome.set.push(field);
                    SET
                }
            });
        }
    })?;
    outcome.tell(txn, key, at, is_spent);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn fields_expire() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("HSET a f 1 g 2 h 3", ":3\r\n"),
            ("HEXPIRE a 10 FIELDS 2 f x", "*2\r\n:1\r\n:-2\r\n"),
            ("OBJECT ENCODING a", "$10\r\nlistpackex\r\n"),
            ("HEXPIRE none 10 FIELDS 2 f x", "*2\r\n:-2\r\n:-2\r\n"),
            ("HPEXPIREAT a 1700000000500 FIELDS 1 g", "*1\r\n:1\r\n"),
            ("HEXPIREAT a 1 FIELDS 1 h", "*1\r\n:2\r\n"),
        ]);
        fixture.now_ms += 500;
        fixture.check(&[
            ("HGET a g", "$-1\r\n"),
            ("HGETALL a", "*2\r\n$1\r\nf\r\n$1\r\n1\r\n"),
            ("HSET a g 4", ":1\r\n"),
            ("HTTL a FIELDS 2 f g", "*2\r\n:10\r\n:-1\r\n"),
            ("HSET a f 5", ":0\r\n"),
            ("HTTL a FIELDS 1 f", "*1\r\n:-1\r\n"),
            ("HPEXPIRE a 0 FIELDS 2 f g", "*2\r\n:2\r\n:2\r\n"),
            ("EXISTS a", ":0\r\n"),
        ]);
        assert_eq!(
            fixture.effects()[1..4],
            [
                "HPEXPIREAT a 1700000010000 FIELDS 1 f",
                "HPEXPIREAT a 1700000000500 FIELDS 1 g",
                "HDEL a h"
            ]
        );
    }

    #[test]
    fn the_log_has_what_expired_before_what_takes_it_for_gone() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("HSET a f 1 g 2", ":2\r\n"),
            ("HPEXPIRE a 5 FIELDS 1 f", "*1\r\n:1\r\n"),
            ("SADDEX s 1 m", ":1\r\n"),
        ]);
        fixture.effects();
        fixture.now_ms += 1000;
        fixture.check(&[
            ("HSETNX a f 3", ":1\r\n"),
            ("SADD s m", ":1\r\n"),
            ("HGET a f", "$1\r\n3\r\n"),
        ]);
        let expected = ["HDEL a f", "HSETNX a f 3", "SREM s m", "SADD s m"];
        // Each pair is one transaction.
        assert_eq!(fixture.effects(), expected);
    }

    #[test]
    fn conditions() {
        Fixture::new().check(&[
            ("HSET a f 1 g 2", ":2\r\n"),
            ("HEXPIRE a 10 XX FIELDS 1 f", "*1\r\n:0\r\n"),
            ("HEXPIRE a 10 GT FIELDS 1 f", "*1\r\n:0\r\n"),
            ("HEXPIRE a 10 NX FIELDS 1 f", "*1\r\n:1\r\n"),
            ("HEXPIRE a 11 NX FIELDS 2 f g", "*2\r\n:0\r\n:1\r\n"),
            ("HEXPIRE a 5 GT FIELDS 1 f", "*1\r\n:0\r\n"),
            ("HEXPIRE a 20 GT FIELDS 1 f", "*1\r\n:1\r\n"),
            ("HEXPIRE a 30 LT FIELDS 1 f", "*1\r\n:0\r\n"),
            ("HEXPIRE a 3 lt fields 1 f", "*1\r\n:1\r\n"),
        ]);
    }

    #[test]
    fn refuses() {
        let bad_time = "-ERR invalid expire time in 'hexpire' command\r\n";
        let mismatch = "-ERR The `numfields` parameter must match the number of arguments\r\n";
        let missing = "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n";
        Fixture::new().check(&[
            ("HSET a f 1", ":1\r\n"),
            (
                "HEXPIRE a -1 FIELDS 1 f",
                "-ERR invalid expire time, must be >= 0\r\n",
            ),
            (
                "HEXPIRE a x FIELDS 1 f",
                "-ERR value is not an integer or out of range\r\n",
            ),
            ("HEXPIRE a 9223372036854775807 FIELDS 1 f", bad_time),
            ("HEXPIRE a 70368744178 FIELDS 1 f", bad_time),
            ("HEXPIRE a 1 FIELDS 2 f", mismatch),
            ("HEXPIRE a 1 FIELDS 1 f g", mismatch),
            (
                "HEXPIRE a 1 FIELDS 0 f",
                "-ERR Parameter `numFields` should be greater than 0\r\n",
            ),
            ("HEXPIRE a 1 FIELD 1 f", missing),
            ("HEXPIRE a 1 NX XX FIELDS 1 f", missing),
        ]);
    }

    #[test]
    fn a_large_hash_does_the_same() {
        let mut fixture = Fixture::new();
        let many: Vec<_> = (0..600).map(|i| format!("f{i} {i}")).collect();
        fixture.run(&format!("HSET a {}", many.join(" ")));
        fixture.check(&[
            ("HPEXPIRE a 5 FIELDS 2 f0 f1", "*2\r\n:1\r\n:1\r\n"),
            ("HPERSIST a FIELDS 1 f1", "*1\r\n:1\r\n"),
            ("HPTTL a FIELDS 3 f0 f1 f2", "*3\r\n:5\r\n:-1\r\n:-1\r\n"),
        ]);
        fixture.now_ms += 5;
        fixture.check(&[
            ("HEXISTS a f0", ":0\r\n"),
            ("HEXISTS a f1", ":1\r\n"),
            ("HDEL a f0", ":0\r\n"),
            ("HLEN a", ":599\r\n"),
        ]);
    }
}
