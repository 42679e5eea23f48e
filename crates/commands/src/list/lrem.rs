//! LREM.

use data::packed::Elem;
use data::types::list::End;
use protocol::Reply;
use store::Txn;

use super::{node_limit, remove_with};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// LREM key count element
pub(super) const LREM: DataCommand = Command {
    spec: Spec {
        arity: 4,
        flags: flags::WRITE,
        keys: &[first(access::RW | access::DELETE)],
        group: Group::List,
        complexity: "O(N+M) where N is the length of the list and M is the number of elements \
                     removed.",
        summary: "Removes the first elements of a list that equal another: so many from the \
                  front, or the end if negative, or all for 0.",
        syntax: "key count element",
        ..Spec::new("lrem")
    },
    run: lrem,
    subcommands: &[],
};

fn lrem(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, limit) = (args.at(1), node_limit(txn));
    let (max, from) = match args.int(2)? {
        0 => (usize::MAX, End::Front),
        count @ 1.. => (count as usize, End::Front),
        count => (count.unsigned_abs() as usize, End::Back),
    };
    let removed = match txn.find(key) {
        Some(found) => remove_with(txn, (key, found), "lrem", |list| {
            list.remove_equal(Elem::of(args.at(3)), max, from, limit)
        })?,
        None => 0,
    };
    reply.int(removed as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn removes_from_either_end() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("LREM a 0 x", ":0\r\n"),
            (
                "LREM a y x",
                "-ERR value is not an integer or out of range\r\n",
            ),
            ("RPUSH a x 1 x 2 x 3 x", ":7\r\n"),
            ("LREM a 1 x", ":1\r\n"),
            ("LREM a -1 x", ":1\r\n"),
            (
                "LRANGE a 0 -1",
                "*5\r\n$1\r\n1\r\n$1\r\nx\r\n$1\r\n2\r\n$1\r\nx\r\n$1\r\n3\r\n",
            ),
            ("LREM a 0 x", ":2\r\n"),
            ("LREM a 0 x", ":0\r\n"),
            ("LTRIM a 0 0", "+OK\r\n"),
            ("LREM a -5 1", ":1\r\n"),
            ("EXISTS a", ":0\r\n"),
        ]);
        let effects = fixture.effects();
        assert_eq!(effects.last().map(String::as_str), Some("LREM a -5 1"));
        assert_eq!(effects.len(), 6);
    }
}
