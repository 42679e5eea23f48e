//! BLMOVE, BRPOPLPUSH: LMOVE and RPOPLPUSH that wait.

use std::iter::once;

use protocol::Reply;
use store::{AtEnd, Found, Served, Txn};

use super::blpop::serve;
use super::lmove::{LMOVE, Move};
use crate::spec::flags;
use crate::timeout::timeout;
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// BLMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout
pub(super) const BLMOVE: DataCommand = Command {
    spec: Spec {
        name: "blmove",
        arity: 6,
        flags: flags::WRITE | flags::DENYOOM | flags::BLOCKING,
        summary: "Moves the element at an end of a list to an end of another, and returns it; \
                  waits for one.",
        syntax: "source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout",
        serve: Some(|txn, args, _, reply| serve_move(txn, args, Move::parse(args)?, reply)),
        ..LMOVE.spec
    },
    run: |txn, args, reply| move_or_wait(txn, args, Move::parse(args)?, reply),
    subcommands: &[],
};

/// BRPOPLPUSH source destination timeout
pub(super) const BRPOPLPUSH: DataCommand = Command {
    spec: Spec {
        name: "brpoplpush",
        arity: 4,
        since: "2.2.0",
        summary: "Moves the last element of a list to the front of another, and returns it; \
                  waits for one.",
        syntax: "source destination timeout",
        serve: Some(|txn, args, _, reply| serve_move(txn, args, Move::last_to_front(args), reply)),
        ..BLMOVE.spec
    },
    run: |txn, args, reply| move_or_wait(txn, args, Move::last_to_front(args), reply),
    subcommands: &[],
};

fn move_or_wait(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    elem: Move<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let timeout_ms = timeout(args.at(args.len() - 1), txn.now_ms)?;
    if let Some(found) = txn.find(elem.source) {
        return move_now(txn, args, elem, found, reply);
    }
    if !txn.wait_for(once(elem.source), timeout_ms, AtEnd::NullArray) {
        reply.null();
    }
    Ok(())
}

fn serve_move(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    elem: Move<'_>,
    reply: &mut Reply<'_>,
) -> Result<Served, CommandError> {
    if !txn.can_touch(elem.destination) {
        return Ok(Served::Needs(elem.destination.into()));
    }
    serve(txn, elem.source, |txn, found| {
        move_now(txn, args, elem, found, reply)
    })
}

fn move_now(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    elem: Move<'_>,
    found: Found,
    reply: &mut Reply<'_>,
) -> CommandResult {
    elem.run(txn, found, reply)?;
    if txn.is_logged() {
        // The same without waiting: no B before the name, no timeout.
        let name = &args.at(0)[1..];
        let others = args.from(1).take(args.len() - 2);
        let instead: Vec<&[u8]> = once(name).chain(others).collect();
        txn.replay_as(&instead);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn moves_at_once_where_there_is_something() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("RPUSH a 1 2", ":2\r\n"),
            ("BLMOVE a b LEFT LEFT 0", "$1\r\n1\r\n"),
            ("BRPOPLPUSH a b 0", "$1\r\n2\r\n"),
            ("BLMOVE a b LEFT UP x", "-ERR syntax error\r\n"),
            ("BRPOPLPUSH a b -1", "-ERR timeout is negative\r\n"),
        ]);
        let effects = ["RPUSH a 1 2", "LMOVE a b LEFT LEFT", "RPOPLPUSH a b"];
        assert_eq!(fixture.effects(), effects);
    }

    #[test]
    fn serves_those_who_wait_for_the_destination_as_well() {
        // On many shards, so that the destination's lock has to be taken on the way.
        let mut fixture = Fixture::with_threads(2);
        fixture.check(&[
            ("BLPOP b 0", "waits for b"),
            ("BLMOVE a b RIGHT LEFT 0", "waits for a"),
            ("RPUSH a 1 2", ":2\r\n"),
            ("LRANGE a 0 -1", "*1\r\n$1\r\n1\r\n"),
            ("EXISTS b", ":0\r\n"),
        ]);
        let served = [
            "BLMOVE a b RIGHT LEFT 0 => $1\r\n2\r\n",
            "BLPOP b 0 => *2\r\n$1\r\nb\r\n$1\r\n2\r\n",
        ];
        assert_eq!(fixture.served(), served);
    }

    #[test]
    fn an_element_stays_where_the_destination_has_another_type() {
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("BRPOPLPUSH a s 0", "waits for a"),
            ("SET s 1", "+OK\r\n"),
            ("RPUSH a 1", ":1\r\n"),
            ("LLEN a", ":1\r\n"),
        ]);
        let error = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
        assert_eq!(fixture.served(), [format!("BRPOPLPUSH a s 0 => {error}")]);
    }

    #[test]
    fn a_list_that_moves_in_circles_serves_once() {
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("BRPOPLPUSH a b 0", "waits for a"),
            ("BRPOPLPUSH b a 0", "waits for b"),
            ("RPUSH a 1", ":1\r\n"),
            ("LRANGE a 0 -1", "*1\r\n$1\r\n1\r\n"),
        ]);
        assert_eq!(fixture.served().len(), 2);
    }
}
