//! LMOVE, RPOPLPUSH: from one list to another.

use data::List;
use data::packed::{Digits, Elem};
use data::types::list::End;
use protocol::Reply;
use smallvec::SmallVec;
use store::{Found, Txn};

use super::{end, node_limit, pop_names, push_event, remove_with};
use crate::elem;
use crate::keys::{access, range};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// LMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT>
pub(super) const LMOVE: DataCommand = Command {
    spec: Spec {
        arity: 5,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[
            range(1, 0, 1, access::RW | access::ACCESS | access::DELETE),
            range(2, 0, 1, access::RW | access::INSERT),
        ],
        group: Group::List,
        since: "6.2.0",
        summary: "Moves the element at an end of a list to an end of another, and returns it.",
        syntax: "source destination <LEFT | RIGHT> <LEFT | RIGHT>",
        ..Spec::new("lmove")
    },
    run: |txn, args, reply| run(txn, &Move::parse(args)?, reply),
    subcommands: &[],
};

/// RPOPLPUSH source destination
pub(super) const RPOPLPUSH: DataCommand = Command {
    spec: Spec {
        name: "rpoplpush",
        arity: 3,
        since: "1.2.0",
        summary: "Moves the last element of a list to the front of another, and returns it.",
        syntax: "source destination",
        ..LMOVE.spec
    },
    run: |txn, args, reply| run(txn, &Move::last_to_front(args), reply),
    subcommands: &[],
};

/// What is to be moved where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move<'a> {
    pub(super) source: &'a [u8],
    pub(super) destination: &'a [u8],
    from: End,
    to: End,
}

impl<'a> Move<'a> {
    /// Reads both keys and the ends that follow.
    pub(super) fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        Ok(Self {
            from: end(args, 3)?,
            to: end(args, 4)?,
            ..Self::last_to_front(args)
        })
    }

    /// Reads both keys.
    pub(super) fn last_to_front(args: Args<'a>) -> Self {
        Self {
            source: args.at(1),
            destination: args.at(2),
            from: End::Back,
            to: End::Front,
        }
    }

    /// Moves an element of the list that the source, which was `found`, holds, and replies with it.
    pub(super) fn run(
        &self,
        txn: &mut Txn<'_>,
        found: Found,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        let list = txn.view::<List>(found)?;
        let elem = list.iter_from(self.from, 0).next();
        let mut digits = Digits::new();
        let elem = elem.expect("a list at a key isn't empty").text(&mut digits);
        let copy: SmallVec<[u8; 64]> = SmallVec::from_slice(elem);
        let elem = Elem::of(&copy);
        if self.source == self.destination {
            self.rotate(txn, found, elem)?;
        } else {
            self.hand_over(txn, elem)?;
        }
        elem::bulk(reply, elem);
        Ok(())
    }

    /// Within one list, whose key stays even if there is no other element.
    fn rotate(&self, txn: &mut Txn<'_>, found: Found, elem: Elem<'_>) -> CommandResult {
        let limit = node_limit(txn);
        txn.edit(self.source, Some(found), |list: &mut List| {
            list.remove_at(self.from, 1);
            list.push(self.to, elem, limit);
        })?;
        txn.changed(self.source, push_event(self.to));
        txn.notify(self.source, pop_names(self.from).1);
        Ok(())
    }

    fn hand_over(&self, txn: &mut Txn<'_>, elem: Elem<'_>) -> CommandResult {
        let limit = node_limit(txn);
        let found = txn.find(self.destination);
        txn.edit(self.destination, found, |list: &mut List| {
            list.push(self.to, elem, limit);
        })?;
        txn.changed(self.destination, push_event(self.to));
        let found = txn.peek(self.source).expect("the caller has found it");
        remove_with(txn, (self.source, found), pop_names(self.from).1, |list| {
            list.remove_at(self.from, 1);
            1
        })?;
        Ok(())
    }
}

fn run(txn: &mut Txn<'_>, elem: &Move<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(found) = txn.find(elem.source) else {
        reply.null();
        return Ok(());
    };
    elem.run(txn, found, reply)
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    const WRONG_TYPE: &str =
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

    #[test]
    fn moves_between_lists() {
        let mut fixture = Fixture::with_threads(2);
        fixture.check(&[
            ("LMOVE a b LEFT LEFT", "$-1\r\n"),
            ("LMOVE a b LEFT UP", "-ERR syntax error\r\n"),
            ("RPUSH a 1 two 3", ":3\r\n"),
            ("LMOVE a b LEFT right", "$1\r\n1\r\n"),
            ("RPOPLPUSH a b", "$1\r\n3\r\n"),
            ("LRANGE b 0 -1", "*2\r\n$1\r\n3\r\n$1\r\n1\r\n"),
            ("LMOVE a b RIGHT RIGHT", "$3\r\ntwo\r\n"),
            ("EXISTS a", ":0\r\n"),
            ("LINDEX b -1", "$3\r\ntwo\r\n"),
        ]);
    }

    #[test]
    fn rotates_a_list() {
        Fixture::new().check(&[
            ("RPUSH a 1 2 3", ":3\r\n"),
            ("RPOPLPUSH a a", "$1\r\n3\r\n"),
            ("LRANGE a 0 -1", "*3\r\n$1\r\n3\r\n$1\r\n1\r\n$1\r\n2\r\n"),
            ("LMOVE a a LEFT LEFT", "$1\r\n3\r\n"),
            ("LINDEX a 0", "$1\r\n3\r\n"),
            ("LTRIM a 0 0", "+OK\r\n"),
            ("EXPIRE a 10", ":1\r\n"),
            ("LMOVE a a LEFT RIGHT", "$1\r\n3\r\n"),
            ("TTL a", ":10\r\n"),
        ]);
    }

    #[test]
    fn leaves_everything_where_a_type_is_wrong() {
        Fixture::new().check(&[
            ("SET s 1", "+OK\r\n"),
            ("RPUSH a 1", ":1\r\n"),
            ("RPOPLPUSH a s", WRONG_TYPE),
            ("RPOPLPUSH s a", WRONG_TYPE),
            ("RPOPLPUSH nothing s", "$-1\r\n"),
            ("LLEN a", ":1\r\n"),
        ]);
    }
}
