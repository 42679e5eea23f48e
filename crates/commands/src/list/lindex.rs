//! LINDEX, LSET: one element by its place.

use data::List;
use data::packed::Elem;
use protocol::Reply;
use store::Txn;

use super::node_limit;
use crate::elem;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const NO_KEY: CommandError = CommandError::Text("ERR no such key");
const OUT_OF_RANGE: CommandError = CommandError::Text("ERR index out of range");

/// LINDEX key index
pub(super) const LINDEX: DataCommand = Command {
    spec: Spec {
        arity: 3,
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::List,
        complexity: "O(N) where N is the number of elements to traverse to get to the element at \
                     index. This makes asking for the first or the last element of the list O(1).",
        summary: "Returns the element of a list at an index; negative ones count from the end.",
        syntax: "key index",
        ..Spec::new("lindex")
    },
    run: lindex,
    subcommands: &[],
};

/// LSET key index element
pub(super) const LSET: DataCommand = Command {
    spec: Spec {
        arity: 4,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[first(access::RW | access::UPDATE)],
        group: Group::List,
        complexity: "O(N) where N is the length of the list. Setting either the first or the last \
                     element of the list is O(1).",
        summary: "Sets the element of a list at an index; negative ones count from the end.",
        syntax: "key index element",
        ..Spec::new("lset")
    },
    run: lset,
    subcommands: &[],
};

fn lindex(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(list) = txn.read_as::<List>(args.at(1))? else {
        reply.null();
        return Ok(());
    };
    let index = place(args.int(2)?, list.len());
    match index.and_then(|index| list.get(index)) {
        Some(elem) => elem::bulk(reply, elem),
        None => reply.null(),
    }
    Ok(())
}

fn lset(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, limit) = (args.at(1), node_limit(txn));
    let found = txn.find(key).ok_or(NO_KEY)?;
    let len = txn.view::<List>(found)?.len();
    let index = place(args.int(2)?, len).ok_or(OUT_OF_RANGE)?;
    txn.edit(key, Some(found), |list: &mut List| {
        list.set(index, Elem::of(args.at(3)), limit);
    })?;
    txn.changed(key, "lset");
    reply.ok();
    Ok(())
}

/// The place that an index means in `len` elements, if there is one.
fn place(index: i64, len: usize) -> Option<usize> {
    let from_front = match index {
        0.. => index,
        _ => index + len as i64,
    };
    usize::try_from(from_front)
        .ok()
        .filter(|&place| place < len)
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    const NOT_INTEGER: &str = "-ERR value is not an integer or out of range\r\n";

    #[test]
    fn finds_from_both_ends() {
        Fixture::new().check(&[
            ("LINDEX a x", "$-1\r\n"),
            ("RPUSH a x y z", ":3\r\n"),
            ("LINDEX a 0", "$1\r\nx\r\n"),
            ("LINDEX a -1", "$1\r\nz\r\n"),
            ("LINDEX a -3", "$1\r\nx\r\n"),
            ("LINDEX a 3", "$-1\r\n"),
            ("LINDEX a -4", "$-1\r\n"),
            ("LINDEX a -9223372036854775808", "$-1\r\n"),
            ("LINDEX a x", NOT_INTEGER),
        ]);
    }

    #[test]
    fn sets() {
        Fixture::new().check(&[
            ("LSET a x 1", "-ERR no such key\r\n"),
            ("RPUSH a x y z", ":3\r\n"),
            ("LSET a 0 1", "+OK\r\n"),
            ("LSET a -1 long-element", "+OK\r\n"),
            ("LSET a 3 1", "-ERR index out of range\r\n"),
            ("LSET a x 1", NOT_INTEGER),
            (
                "LRANGE a 0 -1",
                "*3\r\n$1\r\n1\r\n$1\r\ny\r\n$12\r\nlong-element\r\n",
            ),
        ]);
    }
}
