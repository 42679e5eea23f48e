//! FLUSHDB, FLUSHALL: removes all keys, of one database or of all.

use protocol::Reply;
use store::Txn;

use crate::spec::{Group, Scope, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// FLUSHDB [ASYNC | SYNC]
pub(super) const FLUSHDB: DataCommand = Command {
    spec: Spec {
        arity: -1,
        flags: flags::WRITE,
        scope: Scope::All,
        group: Group::Server,
        categories: &["@keyspace", "@dangerous"],
        complexity: "O(N) where N is the number of keys in the selected database",
        summary: "Removes all keys of the selected database.",
        syntax: "[ASYNC | SYNC]",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        ..Spec::new("flushdb")
    },
    run: flushdb,
    subcommands: &[],
};

/// FLUSHALL [ASYNC | SYNC]
pub(super) const FLUSHALL: DataCommand = Command {
    spec: Spec {
        name: "flushall",
        complexity: "O(N) where N is the total number of keys in all databases",
        summary: "Removes all keys of all databases.",
        ..FLUSHDB.spec
    },
    run: flushall,
    subcommands: &[],
};

/// Whether the memory is to be free when the reply is sent. Without a word it is freed in the
/// background: nobody but a look at the memory in use can tell.
fn parse_sync(args: Args<'_>) -> Result<bool, CommandError> {
    match args.len() {
        1 => Ok(false),
        2 if args.is(1, "ASYNC") => Ok(false),
        2 if args.is(1, "SYNC") => Ok(true),
        _ => Err(CommandError::Syntax),
    }
}

fn flushdb(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    txn.flush(parse_sync(args)?);
    reply.ok();
    Ok(())
}

fn flushall(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let sync = parse_sync(args)?;
    for db in 0..txn.store().dbnum() {
        txn.in_db(db, |txn| txn.flush(sync));
    }
    reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn one_database_or_all_go() {
        for (command, left) in [
            ("FLUSHDB", ":1\r\n"),
            ("FLUSHDB async", ":1\r\n"),
            ("FLUSHALL SYNC", ":0\r\n"),
            ("flushall", ":0\r\n"),
        ] {
            let mut fixture = Fixture::logged();
            fixture.run("MSET a 1 b 2");
            fixture.db = 5;
            fixture.run("SET c 3");
            fixture.db = 0;
            fixture.effects();
            fixture.check(&[(command, "+OK\r\n"), ("DBSIZE", ":0\r\n")]);
            assert_eq!(fixture.effects(), [command]);
            fixture.db = 5;
            fixture.check(&[("DBSIZE", left)]);
        }
    }

    #[test]
    fn other_words_are_refused() {
        Fixture::new().check(&[
            ("FLUSHDB NOW", "-ERR syntax error\r\n"),
            ("FLUSHALL ASYNC SYNC", "-ERR syntax error\r\n"),
        ]);
    }
}
