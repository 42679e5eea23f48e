//! SADD, SREM.

use data::Set;
use protocol::Reply;
use store::Txn;

use super::rules;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// SADD key member [member ...]
pub(super) const SADD: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::WRITE | flags::DENYOOM | flags::FAST,
        keys: &[first(access::RW | access::INSERT)],
        group: Group::Set,
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is \
                     called with multiple arguments.",
        summary: "Adds members to a set. The key is created if it doesn't exist.",
        syntax: "key member [member ...]",
        member: 2,
        ..Spec::new("sadd")
    },
    run: sadd,
    subcommands: &[],
};

/// SREM key member [member ...]
pub(super) const SREM: DataCommand = Command {
    spec: Spec {
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::DELETE)],
        complexity: "O(N) where N is the number of members to be removed.",
        summary: "Removes members from a set, and the key with the last one.",
        name: "srem",
        ..SADD.spec
    },
    run: srem,
    subcommands: &[],
};

fn sadd(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let rules = rules(txn);
    let found = txn.find(key);
    let added = txn.edit(key, found, |set: &mut Set| {
        args.from(2)
            .filter(|member| set.add(member, &rules))
            .count()
    })?;
    if added > 0 {
        txn.changed(key, "sadd");
    }
    reply.int(added as i64);
    Ok(())
}

fn srem(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let Some(found) = txn.find(key) else {
        reply.int(0);
        return Ok(());
    };
    let now_ms = txn.now_ms;
    let (removed, is_spent) = txn.edit(key, Some(found), |set: &mut Set| {
        let members = args.from(2);
        let removed = members.filter(|member| set.remove(member, now_ms)).count();
        (removed, data::Collection::is_spent(set))
    })?;
    if removed > 0 {
        txn.changed(key, "srem");
    }
    if is_spent {
        txn.changed(key, "del");
    }
    reply.int(removed as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn adds_and_removes() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("SADD a 1 2 1", ":2\r\n"),
            ("SADD a 1 x", ":1\r\n"),
            ("SADD a 1 x", ":0\r\n"),
            ("SCARD a", ":3\r\n"),
            ("SREM a 1 nope 1", ":1\r\n"),
            ("SREM a nope", ":0\r\n"),
            ("SREM a x 2", ":2\r\n"),
            ("EXISTS a", ":0\r\n"),
            ("SREM a x", ":0\r\n"),
        ]);
        let expected = [
            "SADD a 1 2 1",
            "SADD a 1 x",
            "SREM a 1 nope 1",
            "SREM a x 2",
        ];
        assert_eq!(fixture.effects(), expected);
    }

    #[test]
    fn forms() {
        let mut fixture = Fixture::new();
        let many = (0..600).map(|i| i.to_string()).collect::<Vec<_>>();
        fixture.check(&[
            ("SADD a 1 2 300000 -9223372036854775808", ":4\r\n"),
            ("OBJECT ENCODING a", "$6\r\nintset\r\n"),
            ("SISMEMBER a -9223372036854775808", ":1\r\n"),
            ("SADD a 01", ":1\r\n"),
            ("OBJECT ENCODING a", "$8\r\nlistpack\r\n"),
            (&format!("SADD a {}", "x".repeat(65)), ":1\r\n"),
            ("OBJECT ENCODING a", "$9\r\nhashtable\r\n"),
            ("SISMEMBER a 300000", ":1\r\n"),
            (&format!("SADD b {}", many[..512].join(" ")), ":512\r\n"),
            ("OBJECT ENCODING b", "$6\r\nintset\r\n"),
            ("SADD b 512", ":1\r\n"),
            ("OBJECT ENCODING b", "$9\r\nhashtable\r\n"),
        ]);
    }

    #[test]
    fn refuses_other_types() {
        let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
        Fixture::new().check(&[
            ("SET a 1", "+OK\r\n"),
            ("SADD a 1", wrong),
            ("SREM a 1", wrong),
            ("GET a", "$1\r\n1\r\n"),
        ]);
    }
}
