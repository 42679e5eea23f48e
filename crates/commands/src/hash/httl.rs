//! HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME, HPERSIST.

use data::{Collection, Hash};
use protocol::Reply;
use store::Txn;

use super::fields::{Outcome, edit, fields_at};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// Replies for a field.
const NO_FIELD: i64 = -2;
const NO_EXPIRY: i64 = -1;
const PERSISTED: i64 = 1;

/// HTTL key FIELDS numfields field [field ...]
pub(super) const HTTL: DataCommand = Command {
    spec: Spec {
        arity: -5,
        flags: flags::READONLY | flags::FAST,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Hash,
        since: "9.0.0",
        complexity: "O(N) where N is the number of specified fields.",
        summary: "Returns the times to live of fields in seconds.",
        syntax: "key FIELDS numfields field [field ...]",
        ..Spec::new("httl")
    },
    run: |txn, args, reply| show(txn, args, reply, |at, now_ms| (at - now_ms).div_ceil(1000)),
    subcommands: &[],
};

/// HPTTL key FIELDS numfields field [field ...]
pub(super) const HPTTL: DataCommand = Command {
    spec: Spec {
        name: "hpttl",
        summary: "Returns the times to live of fields in milliseconds.",
        ..HTTL.spec
    },
    run: |txn, args, reply| show(txn, args, reply, |at, now_ms| at - now_ms),
    subcommands: &[],
};

/// HEXPIRETIME key FIELDS numfields field [field ...]
pub(super) const HEXPIRETIME: DataCommand = Command {
    spec: Spec {
        name: "hexpiretime",
        summary: "Returns the Unix times in seconds at which fields expire.",
        ..HTTL.spec
    },
    run: |txn, args, reply| show(txn, args, reply, |at, _| at.div_ceil(1000)),
    subcommands: &[],
};

/// HPEXPIRETIME key FIELDS numfields field [field ...]
pub(super) const HPEXPIRETIME: DataCommand = Command {
    spec: Spec {
        name: "hpexpiretime",
        summary: "Returns the Unix times in milliseconds at which fields expire.",
        ..HTTL.spec
    },
    run: |txn, args, reply| show(txn, args, reply, |at, _| at),
    subcommands: &[],
};

/// HPERSIST key FIELDS numfields field [field ...]
pub(super) const HPERSIST: DataCommand = Command {
    spec: Spec {
        name: "hpersist",
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::UPDATE)],
        summary: "Removes the expiry of fields.",
        ..HTTL.spec
    },
    run: hpersist,
    subcommands: &[],
};

fn show(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    time: fn(u64, u64) -> u64,
) -> CommandResult {
    let now_ms = txn.now_ms;
    let hash = txn.read_as::<Hash>(args.at(1))?;
    let fields = fields_at(args, 2)?;
    reply.array(args.len() - fields);
    for field in args.from(fields) {
        let pair = hash.and_then(|hash| hash.get(field, now_ms));
        reply.int(match pair.map(|pair| pair.expiry) {
            None => NO_FIELD,
            Some(None) => NO_EXPIRY,
            Some(Some(at)) => time(at, now_ms) as i64,
        });
    }
    Ok(())
}

fn hpersist(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let found = txn.find(key);
    if let Some(found) = found {
        txn.view::<Hash>(found)?;
    }
    let fields = fields_at(args, 2)?;
    reply.array(args.len() - fields);
    let Some(found) = found else {
        args.from(fields).for_each(|_| reply.int(NO_FIELD));
        return Ok(());
    };
    let now_ms = txn.now_ms;
    let mut outcome = Outcome::default();
    let ((), is_spent) = edit(txn, key, Some(found), |hash| {
        for field in args.from(fields) {
            let pair = hash.view().get(field, now_ms);
            reply.int(match pair.map(|pair| pair.expiry) {
                None => NO_FIELD,
                Some(None) => NO_EXPIRY,
                Some(Some(_)) => {
                    hash.set_expiry(field, None);
                    outcome.persisted.push(field);
                    PERSISTED
                }
            });
        }
    })?;
    outcome.tell(txn, key, 0, is_spent);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn tells_and_removes_expiries() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("HSET a f 1 g 2", ":2\r\n"),
            ("HPEXPIRE a 1500 FIELDS 1 f", "*1\r\n:1\r\n"),
            ("HTTL a FIELDS 3 f g x", "*3\r\n:2\r\n:-1\r\n:-2\r\n"),
            ("HPTTL a FIELDS 1 f", "*1\r\n:1500\r\n"),
            ("HEXPIRETIME a FIELDS 1 f", "*1\r\n:1700000002\r\n"),
            ("HPEXPIRETIME a FIELDS 1 f", "*1\r\n:1700000001500\r\n"),
            ("HPERSIST a FIELDS 3 f g x", "*3\r\n:1\r\n:-1\r\n:-2\r\n"),
            ("HTTL a FIELDS 1 f", "*1\r\n:-1\r\n"),
            ("HTTL none FIELDS 2 f g", "*2\r\n:-2\r\n:-2\r\n"),
            ("HPERSIST none FIELDS 1 f", "*1\r\n:-2\r\n"),
            (
                "HTTL a FIELDS 0 f",
                "-ERR Number of fields must be a positive integer\r\n",
            ),
        ]);
        assert_eq!(fixture.effects()[2..], ["HPERSIST a FIELDS 1 f"]);
    }
}
