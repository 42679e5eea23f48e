//! HSET, HMSET, HSETNX.

use data::Hash;
use protocol::Reply;
use store::Txn;

use super::rules;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// HSET key field value [field value ...]
pub(super) const HSET: DataCommand = Command {
    spec: Spec {
        arity: -4,
        flags: flags::WRITE | flags::DENYOOM | flags::FAST,
        keys: &[first(access::RW | access::UPDATE)],
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(1) for each field/value pair added, so O(N) to add N field/value pairs when \
                     the command is called with multiple field/value pairs.",
        summary: "Sets fields of a hash. The key is created if it doesn't exist.",
        syntax: "key field value [field value ...]",
        member: 2,
        ..Spec::new("hset")
    },
    run: |txn, args, reply| {
        let added = set(txn, args, "hset")?;
        reply.int(added as i64);
        Ok(())
    },
    subcommands: &[],
};

/// HMSET key field value [field value ...]
pub(super) const HMSET: DataCommand = Command {
    spec: Spec {
        name: "hmset",
        complexity: "O(N) where N is the number of fields being set.",
        summary: "Sets fields of a hash, as HSET does.",
        ..HSET.spec
    },
    run: |txn, args, reply| {
        set(txn, args, "hmset")?;
        reply.ok();
        Ok(())
    },
    subcommands: &[],
};

/// HSETNX key field value
pub(super) const HSETNX: DataCommand = Command {
    spec: Spec {
        name: "hsetnx",
        arity: 4,
        keys: &[first(access::RW | access::INSERT)],
        complexity: "O(1)",
        summary: "Sets a field of a hash unless it exists.",
        syntax: "key field value",
        ..HSET.spec
    },
    run: hsetnx,
    subcommands: &[],
};

/// How many fields are new.
#[inline]
fn set(txn: &mut Txn<'_>, args: Args<'_>, name: &str) -> Result<usize, CommandError> {
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::wrong_arity(name));
    }
    let key = args.at(1);
    let rules = rules(txn);
    let found = txn.find(key);
    let added = txn.edit(key, found, |hash: &mut Hash| {
        let fields = (2..args.len()).step_by(2);
        let set = |&at: &usize| hash.set(args.at(at), args.at(at + 1), None, &rules);
        fields.filter(set).count()
    })?;
    txn.changed(key, "hset");
    Ok(added)
}

fn hsetnx(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, field) = (args.at(1), args.at(2));
    let rules = rules(txn);
    let found = txn.find(key);
    if let Some(found) = found
        && txn.view::<Hash>(found)?.get(field, rules.now_ms).is_some()
    {
        reply.int(0);
        return Ok(());
    }
    txn.edit(key, found, |hash: &mut Hash| {
        hash.set(field, args.at(3), None, &rules);
    })?;
    txn.changed(key, "hset");
    reply.int(1);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn sets() {
        let arity = "-ERR wrong number of arguments for 'hset' command\r\n";
        let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("HSET a f 1 g 2", ":2\r\n"),
            ("HSET a f 3 h 4", ":1\r\n"),
            ("HMSET a f 5", "+OK\r\n"),
            ("HSETNX a f 6", ":0\r\n"),
            ("HSETNX a i 7", ":1\r\n"),
            (
                "HMGET a f g h i",
                "*4\r\n$1\r\n5\r\n$1\r\n2\r\n$1\r\n4\r\n$1\r\n7\r\n",
            ),
            ("HSET a f 1 g", arity),
            ("SET s 1", "+OK\r\n"),
            ("HSET s f 1", wrong),
            ("HSETNX s f 1", wrong),
        ]);
        let expected = [
            "HSET a f 1 g 2",
            "HSET a f 3 h 4",
            "HMSET a f 5",
            "HSETNX a i 7",
        ];
        assert_eq!(fixture.effects()[..4], expected);
    }

    #[test]
    fn forms() {
        let mut fixture = Fixture::new();
        let many: Vec<_> = (0..512).map(|i| format!("f{i} {i}")).collect();
        let long = "x".repeat(65);
        fixture.check(&[
            (&format!("HSET a {}", many.join(" ")), ":512\r\n"),
            ("OBJECT ENCODING a", "$8\r\nlistpack\r\n"),
            ("HSET a f7 again", ":0\r\n"),
            ("OBJECT ENCODING a", "$8\r\nlistpack\r\n"),
            ("HSET a more 1", ":1\r\n"),
            ("OBJECT ENCODING a", "$9\r\nhashtable\r\n"),
            ("HGET a f511", "$3\r\n511\r\n"),
            ("HGET a f7", "$5\r\nagain\r\n"),
            (&format!("HSET b f {long}"), ":1\r\n"),
            ("OBJECT ENCODING b", "$9\r\nhashtable\r\n"),
        ]);
    }

    #[test]
    fn five_small_fields_take_150_bytes() {
        let mut fixture = Fixture::new();
        let value = "v".repeat(12);
        let fields: Vec<_> = (0..5).map(|i| format!("field{i} {value}")).collect();
        fixture.run(&format!("HSET key:1234567890 {}", fields.join(" ")));
        assert!(fixture.memory_of("key:1234567890") <= 150);
    }
}
