//! GETSET, GETDEL: the value, and what becomes of it.

use protocol::Reply;
use store::Txn;

use super::value::reply_str;
use super::write::{Ttl, delete, store};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// GETSET key value
pub(super) const GETSET: DataCommand = Command {
    spec: Spec {
        arity: 3,
        flags: flags::WRITE | flags::DENYOOM | flags::FAST,
        keys: &[first(access::RW | access::ACCESS | access::UPDATE)],
        group: Group::String,
        summary: "Sets the string value of a key and returns the one it had.",
        syntax: "key value",
        ..Spec::new("getset")
    },
    run: getset,
    subcommands: &[],
};

/// GETDEL key
pub(super) const GETDEL: DataCommand = Command {
    spec: Spec {
        arity: 2,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::ACCESS | access::DELETE)],
        group: Group::String,
        since: "6.2.0",
        summary: "Returns the string value of a key and removes the key.",
        syntax: "key",
        ..Spec::new("getdel")
    },
    run: getdel,
    subcommands: &[],
};

fn getset(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let found = txn.read(key);
    let old = found.map(|found| txn.str(found)).transpose()?;
    reply_str(old, reply);
    store(txn, key, found, args.at(2), Ttl::Clear);
    Ok(())
}

fn getdel(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let found = txn.read(key);
    let old = found.map(|found| txn.str(found)).transpose()?;
    reply_str(old, reply);
    if let Some(found) = found {
        delete(txn, key, found);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn the_old_value_comes_back() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("GETSET a 1", "$-1\r\n"),
            ("SET a 1 EX 10", "+OK\r\n"),
            ("GETSET a 2", "$1\r\n1\r\n"),
        ]);
        assert_eq!(fixture.string_at("a"), Some(("int", None)));
        fixture.check(&[("GETDEL a", "$1\r\n2\r\n"), ("GETDEL a", "$-1\r\n")]);
        let effects = ["SET a 1", "SET a 1 PXAT 1700000010000", "SET a 2", "DEL a"];
        assert_eq!(fixture.effects(), effects);
    }
}
