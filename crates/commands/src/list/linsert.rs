//! LINSERT.

use data::List;
use data::packed::Elem;
use data::types::list::End;
use protocol::Reply;
use store::Txn;

use super::node_limit;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// LINSERT key <BEFORE | AFTER> pivot element
pub(super) const LINSERT: DataCommand = Command {
    spec: Spec {
        arity: 5,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[first(access::RW | access::INSERT)],
        group: Group::List,
        since: "2.2.0",
        complexity: "O(N) where N is the number of elements to traverse before seeing the value \
                     pivot. This means that inserting somewhere on the left end on the list \
                     (head) can be considered O(1) and inserting somewhere on the right end \
                     (tail) is O(N).",
        summary: "Adds an element to a list before or after the first one that equals another.",
        syntax: "key <BEFORE | AFTER> pivot element",
        ..Spec::new("linsert")
    },
    run: linsert,
    subcommands: &[],
};

fn linsert(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let behind = if args.is(2, "AFTER") {
        1
    } else if args.is(2, "BEFORE") {
        0
    } else {
        return Err(CommandError::Syntax);
    };
    let (key, limit) = (args.at(1), node_limit(txn));
    let Some(found) = txn.find(key) else {
        reply.int(0);
        return Ok(());
    };
    let pivot = Elem::of(args.at(3));
    let mut elems = txn.view::<List>(found)?.iter_from(End::Front, 0);
    let Some(index) = elems.position(|elem| elem == pivot) else {
        reply.int(-1);
        return Ok(());
    };
    let len = txn.edit(key, Some(found), |list: &mut List| {
        list.insert(index + behind, Elem::of(args.at(4)), limit);
        list.len()
    })?;
    txn.changed(key, "linsert");
    reply.int(len as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn inserts_beside_the_first_that_is_equal() {
        Fixture::new().check(&[
            ("LINSERT a BEFORE 1 2", ":0\r\n"),
            ("LINSERT a BESIDE 1 2", "-ERR syntax error\r\n"),
            ("RPUSH a x y x", ":3\r\n"),
            ("LINSERT a BEFORE 1 2", ":-1\r\n"),
            ("LINSERT a BEFORE x 1", ":4\r\n"),
            ("LINSERT a after x 2", ":5\r\n"),
            ("RPUSH a 4", ":6\r\n"),
            ("LINSERT a after 4 5", ":7\r\n"),
            ("LRANGE a 0 2", "*3\r\n$1\r\n1\r\n$1\r\nx\r\n$1\r\n2\r\n"),
            (
                "LRANGE a 3 -1",
                "*4\r\n$1\r\ny\r\n$1\r\nx\r\n$1\r\n4\r\n$1\r\n5\r\n",
            ),
            ("SET a 1", "+OK\r\n"),
            (
                "LINSERT a BEFORE 1 2",
                "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
            ),
        ]);
    }
}
