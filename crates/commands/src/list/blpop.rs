//! BLPOP, BRPOP: LPOP and RPOP that wait.

use data::List;
use data::types::list::End;
use protocol::Reply;
use store::{AtEnd, Found, Served, Txn};

use super::pop::pop_elems;
use super::pop_names;
use crate::keys::{access, range};
use crate::spec::{Group, flags};
use crate::timeout::timeout;
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// BLPOP key [key ...] timeout
pub(super) const BLPOP: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::WRITE | flags::BLOCKING,
        keys: &[range(
            1,
            -2,
            1,
            access::RW | access::ACCESS | access::DELETE,
        )],
        group: Group::List,
        since: "2.0.0",
        complexity: "O(N) where N is the number of provided keys.",
        summary: "Removes and returns the first element of the first list among the keys that \
                  has any; waits for one.",
        syntax: "key [key ...] timeout",
        serve: Some(|txn, _, key, reply| {
            serve(txn, key, |txn, found| {
                pop(txn, (key, found), End::Front, reply)
            })
        }),
        ..Spec::new("blpop")
    },
    run: |txn, args, reply| pop_or_wait(txn, args, End::Front, reply),
    subcommands: &[],
};

/// BRPOP key [key ...] timeout
pub(super) const BRPOP: DataCommand = Command {
    spec: Spec {
        name: "brpop",
        summary: "Removes and returns the last element of the first list among the keys that has \
                  any; waits for one.",
        serve: Some(|txn, _, key, reply| {
            serve(txn, key, |txn, found| {
                pop(txn, (key, found), End::Back, reply)
            })
        }),
        ..BLPOP.spec
    },
    run: |txn, args, reply| pop_or_wait(txn, args, End::Back, reply),
    subcommands: &[],
};

fn pop_or_wait(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    end: End,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let last = args.len() - 1;
    let timeout_ms = timeout(args.at(last), txn.now_ms)?;
    let keys = args.from(1).take(last - 1);
    for key in keys.clone() {
        if let Some(found) = txn.find(key) {
            return pop(txn, (key, found), end, reply);
        }
    }
    if !txn.wait_for(keys, timeout_ms, AtEnd::NullArray) {
        reply.null_array();
    }
    Ok(())
}

/// Pops an element and replies with its key and itself.
fn pop(
    txn: &mut Txn<'_>,
    (key, found): (&[u8], Found),
    end: End,
    reply: &mut Reply<'_>,
) -> CommandResult {
    txn.view::<List>(found)?;
    reply.array(2);
    reply.bulk(key);
    pop_elems(txn, (key, found), end, 1, reply)?;
    txn.replay_as(&[pop_names(end).0, key]);
    Ok(())
}

/// Serves a client with the list that is now at `key`, if that is one.
pub(super) fn serve(
    txn: &mut Txn<'_>,
    key: &[u8],
    pop: impl FnOnce(&mut Txn<'_>, Found) -> CommandResult,
) -> Result<Served, CommandError> {
    let found = txn.peek(key);
    match found.filter(|&found| txn.view::<List>(found).is_ok()) {
        Some(found) => pop(txn, found).map(|()| Served::Yes),
        None => Ok(Served::No),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn pops_at_once_where_there_is_something() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("RPUSH b 1 2", ":2\r\n"),
            ("BLPOP a b 0", "*2\r\n$1\r\nb\r\n$1\r\n1\r\n"),
            ("BRPOP a b 0", "*2\r\n$1\r\nb\r\n$1\r\n2\r\n"),
            ("EXISTS b", ":0\r\n"),
            (
                "BLPOP a x",
                "-ERR timeout is not a float or out of range\r\n",
            ),
            ("SET s 1", "+OK\r\n"),
            (
                "BLPOP s 0",
                "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
            ),
        ]);
        assert_eq!(
            fixture.effects(),
            ["RPUSH b 1 2", "LPOP b", "RPOP b", "SET s 1"]
        );
    }

    #[test]
    fn the_first_to_come_is_served_first() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("BLPOP a 0", "waits for a"),
            ("BRPOP b a 1.5", "waits for b a"),
            ("SET a 1", "+OK\r\n"),
            ("DEL a", ":1\r\n"),
        ]);
        assert!(fixture.served().is_empty());
        fixture.effects();
        fixture.check(&[
            ("RPUSH a 1 2 3", ":3\r\n"),
            ("LRANGE a 0 -1", "*1\r\n$1\r\n2\r\n"),
        ]);
        let served = [
            "BLPOP a 0 => *2\r\n$1\r\na\r\n$1\r\n1\r\n",
            "BRPOP b a 1.5 => *2\r\n$1\r\na\r\n$1\r\n3\r\n",
        ];
        assert_eq!(fixture.served(), served);
        assert_eq!(fixture.effects(), ["RPUSH a 1 2 3", "LPOP a", "RPOP a"]);
    }
}
