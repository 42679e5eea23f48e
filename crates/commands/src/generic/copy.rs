//! COPY, MOVE: a value for another key, or in another database.

use protocol::Reply;
use store::Txn;

use crate::keys::{access, first, range};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const SAME: CommandError = CommandError::Text("ERR source and destination objects are the same");

/// COPY source destination [DB destination-db] [REPLACE]
pub(super) const COPY: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[
            range(1, 0, 1, access::RO | access::ACCESS),
            range(2, 0, 1, access::OW | access::UPDATE),
        ],
        group: Group::Generic,
        since: "6.2.0",
        complexity: "O(N) worst case for collections, where N is the number of nested items. O(1) \
                     for string values.",
        summary: "Copies the value of a key to another key.",
        syntax: "source destination [DB destination-db] [REPLACE]",
        ..Spec::new("copy")
    },
    run: copy,
    subcommands: &[],
};

/// MOVE key db
pub(super) const MOVE: DataCommand = Command {
    spec: Spec {
        arity: 3,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::ACCESS | access::UPDATE)],
        group: Group::Generic,
        summary: "Moves a key to another database.",
        syntax: "key db",
        ..Spec::new("move")
    },
    run: move_key,
    subcommands: &[],
};

/// What COPY is to do.
struct Copy<'a> {
    from: &'a [u8],
    to: &'a [u8],
    db: usize,
    replace: bool,
}

impl<'a> Copy<'a> {
    fn parse(args: Args<'a>, txn: &Txn<'_>) -> Result<Self, CommandError> {
        let (mut db, mut replace) = (txn.db, false);
        let mut at = 3;
        while at < args.len() {
            if args.is(at, "REPLACE") {
                replace = true;
            } else if args.is(at, "DB") && at + 1 < args.len() {
                at += 1;
                db = db_number(args, at, txn)?;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        let (from, to) = (args.at(1), args.at(2));
        if db == txn.db && from == to {
            return Err(SAME);
        }
        Ok(Self {
            from,
            to,
            db,
            replace,
        })
    }
}

/// An argument that names a database.
fn db_number(args: Args<'_>, at: usize, txn: &Txn<'_>) -> Result<usize, CommandError> {
    let number = i32::try_from(args.int(at)?).map_err(|_| {
        CommandError::Text(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        )
    })?;
    usize::try_from(number)
        .ok()
        .filter(|&number| number < txn.store().dbnum())
        .ok_or(CommandError::Text("ERR DB index is out of range"))
}

fn copy(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Copy {
        from,
        to,
        db,
        replace,
    } = Copy::parse(args, txn)?;
    let is_possible =
        txn.read(from).is_some() && (txn.in_db(db, |txn| txn.find(to)).is_none() || replace);
    if is_possible {
        let found = txn.peek(from).expect("seen by this command");
        let expiry = txn.expiry(found);
        let value = txn.clone_value(found);
        txn.in_db(db, |txn| {
            let old = txn.peek(to);
            txn.put(to, old, value, expiry);
            txn.changed(to, "copy_to");
        });
    }
    reply.int(i64::from(is_possible));
    Ok(())
}

fn move_key(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let db = db_number(args, 2, txn)?;
    if db == txn.db {
        return Err(SAME);
    }
    let is_possible = txn.find(key).is_some() && txn.in_db(db, |txn| txn.find(key)).is_none();
    if is_possible {
        let found = txn.peek(key).expect("seen by this command");
        let expiry = txn.expiry(found);
        let value = txn.take(found);
        txn.changed(key, "move_from");
        txn.in_db(db, |txn| {
            txn.put(key, None, value, expiry);
            txn.changed(key, "move_to");
        });
    }
    reply.int(i64::from(is_possible));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    const SAME: &str = "-ERR source and destination objects are the same\r\n";
    const RANGE: &str =
        "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n";
    const NOT_INTEGER: &str = "-ERR value is not an integer or out of range\r\n";
    const NO_DB: &str = "-ERR DB index is out of range\r\n";

    #[test]
    fn copies_follow_redis() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("COPY a a", SAME),
            ("COPY a b", ":0\r\n"),
            ("SET a 1 PXAT 1800000000000", "+OK\r\n"),
            ("COPY a b DB", "-ERR syntax error\r\n"),
            ("COPY a b FOO", "-ERR syntax error\r\n"),
            ("COPY a b DB x", NOT_INTEGER),
            ("COPY a b DB 99 FOO", NO_DB),
            ("COPY a b DB -1", NO_DB),
            ("COPY a b DB 99999999999", RANGE),
            ("COPY a a DB 0", SAME),
            ("COPY a b replace REPLACE", ":1\r\n"),
            ("COPY a b", ":0\r\n"),
            ("PEXPIRETIME b", ":1800000000000\r\n"),
            ("SET a 2", "+OK\r\n"),
            ("COPY a b REPLACE", ":1\r\n"),
            ("TTL b", ":-1\r\n"),
            ("COPY a a DB 3", ":1\r\n"),
            ("COPY a a DB 3", ":0\r\n"),
            ("DBSIZE", ":2\r\n"),
        ]);
        fixture.db = 3;
        fixture.check(&[("GET a", "$1\r\n2\r\n"), ("DBSIZE", ":1\r\n")]);
        let effects = [
            "SET a 1 PXAT 1800000000000",
            "COPY a b replace REPLACE",
            "SET a 2",
            "COPY a b REPLACE",
            "COPY a a DB 3",
        ];
        assert_eq!(fixture.effects(), effects);
    }

    #[test]
    fn moves_follow_redis() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("MOVE a 0", SAME),
            ("MOVE a 1", ":0\r\n"),
            ("MOVE a 99", NO_DB),
            ("MOVE a x", NOT_INTEGER),
            ("MOVE a 99999999999", RANGE),
            ("SET a 1 PXAT 1800000000000", "+OK\r\n"),
            ("MOVE a 1", ":1\r\n"),
            ("EXISTS a", ":0\r\n"),
            ("SET a 2", "+OK\r\n"),
            ("MOVE a 1", ":0\r\n"),
            ("GET a", "$1\r\n2\r\n"),
        ]);
        fixture.db = 1;
        fixture.check(&[
            ("GET a", "$1\r\n1\r\n"),
            ("PEXPIRETIME a", ":1800000000000\r\n"),
        ]);
        let effects = ["SET a 1 PXAT 1800000000000", "MOVE a 1", "SET a 2"];
        assert_eq!(fixture.effects(), effects);
    }

    #[test]
    fn what_has_expired_is_in_nobody_s_way() {
        let mut fixture = Fixture::new();
        fixture.check(&[("SET a 1", "+OK\r\n"), ("COPY a a DB 1", ":1\r\n")]);
        fixture.db = 1;
        fixture.run("PEXPIRE a 5");
        fixture.db = 0;
        fixture.now_ms += 5;
        fixture.check(&[("COPY a a DB 1", ":1\r\n"), ("MOVE a 2", ":1\r\n")]);
        fixture.db = 1;
        fixture.check(&[("TTL a", ":-1\r\n")]);
    }
}
