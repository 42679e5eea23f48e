//! SWAPDB.

use protocol::Reply;
use store::Txn;

use crate::spec::{Group, Scope, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// SWAPDB index1 index2
pub(super) const SWAPDB: DataCommand = Command {
    spec: Spec {
        arity: 3,
        flags: flags::WRITE | flags::FAST,
        scope: Scope::All,
        group: Group::Server,
        categories: &["@keyspace", "@dangerous"],
        since: "4.0.0",
        complexity: "O(N) where N is the count of clients watching or blocking on keys from both \
                     databases.",
        summary: "Exchanges the keys of two databases.",
        syntax: "index1 index2",
        ..Spec::new("swapdb")
    },
    run: swapdb,
    subcommands: &[],
};

fn swapdb(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let index = |at, error: &'static str| {
        let index = args
            .int(at)
            .ok()
            .and_then(|index| i32::try_from(index).ok());
        index.ok_or(CommandError::Text(error))
    };
    let a = index(1, "ERR invalid first DB index")?;
    let b = index(2, "ERR invalid second DB index")?;
    let number = |index: i32| {
        let number = usize::try_from(index).ok();
        number
            .filter(|&number| number < txn.store().dbnum())
            .ok_or(CommandError::Text("ERR DB index is out of range"))
    };
    let (a, b) = (number(a)?, number(b)?);
    txn.swap_dbs(a, b);
    reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn keys_change_places() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("SET a 1", "+OK\r\n"),
            ("SWAPDB 0 4", "+OK\r\n"),
            ("DBSIZE", ":0\r\n"),
            ("SWAPDB 4 4", "+OK\r\n"),
        ]);
        fixture.db = 4;
        fixture.check(&[("GET a", "$1\r\n1\r\n")]);
        assert_eq!(fixture.effects(), ["SET a 1", "SWAPDB 0 4", "SWAPDB 4 4"]);
    }

    #[test]
    fn numbers_are_checked_in_redis_s_order() {
        let out = "-ERR DB index is out of range\r\n";
        Fixture::new().check(&[
            ("SWAPDB x y", "-ERR invalid first DB index\r\n"),
            ("SWAPDB 99 y", "-ERR invalid second DB index\r\n"),
            ("SWAPDB 99999999999 1", "-ERR invalid first DB index\r\n"),
            ("SWAPDB 1 99", out),
            ("SWAPDB 99 99", out),
            ("SWAPDB -1 0", out),
        ]);
    }
}
