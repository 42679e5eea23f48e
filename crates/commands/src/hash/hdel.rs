//! HDEL, HGETDEL.

use data::Hash;
use protocol::Reply;
use store::Txn;

use super::fields::{Outcome, edit, fields_at, find};
use super::hget::reply_value;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// HDEL key field [field ...]
pub(super) const HDEL: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::DELETE)],
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(N) where N is the number of fields to be removed.",
        summary: "Removes fields from a hash, and the key with the last one.",
        syntax: "key field [field ...]",
        member: 2,
        ..Spec::new("hdel")
    },
    run: hdel,
    subcommands: &[],
};

/// HGETDEL key FIELDS numfields field [field ...]
pub(super) const HGETDEL: DataCommand = Command {
    spec: Spec {
        name: "hgetdel",
        arity: -5,
        keys: &[first(access::RW | access::ACCESS | access::DELETE)],
        since: "9.1.0",
        complexity: "O(N) where N is the number of fields to be retrieved and deleted.",
        summary: "Returns the values of fields and removes them.",
        syntax: "key FIELDS numfields field [field ...]",
        ..HDEL.spec
    },
    run: hgetdel,
    subcommands: &[],
};

fn hdel(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let Some(found) = txn.find(key) else {
        reply.int(0);
        return Ok(());
    };
    let now_ms = txn.now_ms;
    let (removed, is_spent) = edit(txn, key, Some(found), |hash| {
        args.from(2)
            .filter(|field| hash.remove(field, now_ms))
            .count()
    })?;
    if removed > 0 {
        txn.changed(key, "hdel");
    }
    if is_spent {
        txn.changed(key, "del");
    }
    reply.int(removed as i64);
    Ok(())
}

fn hgetdel(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    if let Some(found) = txn.read(key) {
        txn.view::<Hash>(found)?;
    }
    let fields = fields_at(args, 2)?;
    let found = find(txn, key, args.from(fields))?;
    reply.array(args.len() - fields);
    let Some(found) = found else {
        args.from(fields).for_each(|_| reply.null());
        return Ok(());
    };
    let now_ms = txn.now_ms;
    let mut outcome = Outcome::default();
    let ((), is_spent) = edit(txn, key, Some(found), |hash| {
        for field in args.from(fields) {
            reply_value(data::Collection::view(hash).get(field, now_ms), reply);
            if hash.remove(field, now_ms) {
                outcome.removed.push(field);
            }
        }
    })?;
    outcome.tell(txn, key, 0, is_spent);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn removes() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("HDEL a f", ":0\r\n"),
            ("HSET a f 1 g 2 h 3", ":3\r\n"),
            ("HDEL a f f x", ":1\r\n"),
            ("HGETDEL a FIELDS 2 g x", "*2\r\n$1\r\n2\r\n$-1\r\n"),
            ("HGETDEL a FIELDS 1 h", "*1\r\n$1\r\n3\r\n"),
            ("EXISTS a", ":0\r\n"),
            ("HGETDEL a FIELDS 1 h", "*1\r\n$-1\r\n"),
        ]);
        let expected = ["HSET a f 1 g 2 h 3", "HDEL a f f x", "HDEL a g", "HDEL a h"];
        assert_eq!(fixture.effects(), expected);
    }

    #[test]
    fn refuses() {
        let mismatch = "-ERR The `numfields` parameter must match the number of arguments\r\n";
        let not_positive = "-ERR Number of fields must be a positive integer\r\n";
        let missing = "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n";
        Fixture::new().check(&[
            ("HGETDEL a FIELDS 2 g", mismatch),
            ("HGETDEL a FIELDS 0 g", not_positive),
            ("HGETDEL a FIELDS x g", not_positive),
            ("HGETDEL a FIELD 1 g", missing),
        ]);
    }
}
