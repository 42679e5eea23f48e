//! RENAME, RENAMENX.

use protocol::Reply;
use store::Txn;

use crate::keys::{access, range};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const NO_SUCH_KEY: CommandError = CommandError::Text("ERR no such key");

/// RENAME key newkey
pub(super) const RENAME: DataCommand = Command {
    spec: Spec {
        arity: 3,
        flags: flags::WRITE,
        keys: &[
            range(1, 0, 1, access::RW | access::ACCESS | access::DELETE),
            range(2, 0, 1, access::OW | access::UPDATE),
        ],
        group: Group::Generic,
        summary: "Renames a key; whatever has the new name is overwritten.",
        syntax: "key newkey",
        ..Spec::new("rename")
    },
    run: rename,
    subcommands: &[],
};

/// RENAMENX key newkey
pub(super) const RENAMENX: DataCommand = Command {
    spec: Spec {
        flags: flags::WRITE | flags::FAST,
        keys: &[
            range(1, 0, 1, access::RW | access::ACCESS | access::DELETE),
            range(2, 0, 1, access::OW | access::INSERT),
        ],
        name: "renamenx",
        summary: "Renames a key only if nothing has the new name.",
        ..RENAME.spec
    },
    run: renamenx,
    subcommands: &[],
};

fn rename(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (from, to) = (args.at(1), args.at(2));
    txn.find(from).ok_or(NO_SUCH_KEY)?;
    if from != to {
        move_value(txn, from, to);
    }
    reply.ok();
    Ok(())
}

fn renamenx(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (from, to) = (args.at(1), args.at(2));
    txn.find(from).ok_or(NO_SUCH_KEY)?;
    let is_free = txn.find(to).is_none();
    if is_free {
        move_value(txn, from, to);
    }
    reply.int(i64::from(is_free));
    Ok(())
}

fn move_value(txn: &mut Txn<'_>, from: &[u8], to: &[u8]) {
    let found = txn.peek(from).expect("seen by this command");
    let expiry = txn.expiry(found);
    let value = txn.take(found);
    let old = txn.peek(to);
    txn.put(to, old, value, expiry);
    txn.changed(from, "rename_from");
    txn.changed(to, "rename_to");
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn value_and_expiry_go_along() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("RENAME a b", "-ERR no such key\r\n"),
            ("RENAME a a", "-ERR no such key\r\n"),
            ("RENAMENX a a", "-ERR no such key\r\n"),
            ("SET a 1 PXAT 1800000000000", "+OK\r\n"),
            ("SET b 2", "+OK\r\n"),
            ("RENAME a a", "+OK\r\n"),
            ("RENAMENX a a", ":0\r\n"),
            ("RENAMENX a b", ":0\r\n"),
            ("RENAME a b", "+OK\r\n"),
            ("GET b", "$1\r\n1\r\n"),
            ("PEXPIRETIME b", ":1800000000000\r\n"),
            ("EXISTS a", ":0\r\n"),
            ("SET c 3", "+OK\r\n"),
            ("RENAME c b", "+OK\r\n"),
            ("TTL b", ":-1\r\n"),
            ("RENAMENX b d", ":1\r\n"),
            ("GET d", "$1\r\n3\r\n"),
        ]);
        let effects = [
            "SET a 1 PXAT 1800000000000",
            "SET b 2",
            "RENAME a b",
            "SET c 3",
            "RENAME c b",
            "RENAMENX b d",
        ];
        assert_eq!(fixture.effects(), effects);
    }

    #[test]
    fn a_large_value_and_its_encoding_go_along() {
        let mut fixture = Fixture::new();
        let large = "x".repeat(5_000);
        fixture.run_args(["SET", "a", &large]);
        fixture.run("SET e short");
        fixture.run("APPEND e er");
        fixture.check(&[("RENAME a b", "+OK\r\n"), ("RENAME e f", "+OK\r\n")]);
        assert_eq!(fixture.run("GET b"), format!("$5000\r\n{large}\r\n"));
        fixture.check(&[("OBJECT ENCODING f", "$3\r\nraw\r\n")]);
    }
}
