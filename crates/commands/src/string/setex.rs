//! SETEX, PSETEX, SETNX: what became options of SET.

use protocol::Reply;
use store::Txn;

use super::options::{Word, deadline};
use super::write::{Ttl, store};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// SETEX key seconds value
pub(super) const SETEX: DataCommand = Command {
    spec: Spec {
        arity: 4,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[first(access::OW | access::UPDATE)],
        group: Group::String,
        since: "2.0.0",
        summary: "Sets the string value of a key and its time to live in seconds.",
        syntax: "key seconds value",
        ..Spec::new("setex")
    },
    run: |txn, args, reply| set_for(txn, args, Word::Ex, "setex", reply),
    subcommands: &[],
};

/// PSETEX key milliseconds value
pub(super) const PSETEX: DataCommand = Command {
    spec: Spec {
        since: "2.6.0",
        summary: "Sets the string value of a key and its time to live in milliseconds.",
        syntax: "key milliseconds value",
        name: "psetex",
        ..SETEX.spec
    },
    run: |txn, args, reply| set_for(txn, args, Word::Px, "psetex", reply),
    subcommands: &[],
};

/// SETNX key value
pub(super) const SETNX: DataCommand = Command {
    spec: Spec {
        arity: 3,
        flags: flags::WRITE | flags::DENYOOM | flags::FAST,
        keys: &[first(access::OW | access::INSERT)],
        group: Group::String,
        summary: "Sets the string value of a key only if the key doesn't exist.",
        syntax: "key value",
        ..Spec::new("setnx")
    },
    run: setnx,
    subcommands: &[],
};

fn set_for(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    unit: Word,
    name: &'static str,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let at = deadline(unit, args.at(2), txn.now_ms, name)?;
    let key = args.at(1);
    let found = txn.find(key);
    store(txn, key, found, args.at(3), Ttl::At(at));
    reply.ok();
    Ok(())
}

fn setnx(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let missing = txn.find(key).is_none();
    if missing {
        store(txn, key, None, args.at(2), Ttl::Clear);
    }
    reply.int(i64::from(missing));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn sets_with_a_time_to_live() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("SETEX a 10 1", "+OK\r\n"),
            ("PSETEX b 10 x", "+OK\r\n"),
            (
                "SETEX a 0 1",
                "-ERR invalid expire time in 'setex' command\r\n",
            ),
            (
                "PSETEX a -1 1",
                "-ERR invalid expire time in 'psetex' command\r\n",
            ),
            (
                "SETEX a x 1",
                "-ERR value is not an integer or out of range\r\n",
            ),
        ]);
        let expected = ["SET a 1 PXAT 1700000010000", "SET b x PXAT 1700000000010"];
        assert_eq!(fixture.effects(), expected);
        assert_eq!(
            fixture.string_at("a"),
            Some(("int", Some(1_700_000_010_000)))
        );
        fixture.now_ms += 10;
        fixture.check(&[("GET b", "$-1\r\n"), ("GET a", "$1\r\n1\r\n")]);
    }

    #[test]
    fn sets_what_is_missing() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("SETNX a 1", ":1\r\n"),
            ("SETNX a 2", ":0\r\n"),
            ("GET a", "$1\r\n1\r\n"),
        ]);
        assert_eq!(fixture.effects(), ["SET a 1"]);
    }
}
