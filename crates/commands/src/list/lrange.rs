//! LRANGE, LTRIM: the elements between two places.

use std::ops::Range;

use data::List;
use data::types::list::End;
use protocol::Reply;
use store::Txn;

use super::remove_with;
use crate::elem;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// LRANGE key start stop
pub(super) const LRANGE: DataCommand = Command {
    spec: Spec {
        arity: 4,
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::List,
        complexity: "O(S+N) where S is the distance of start offset from HEAD for small lists, \
                     from nearest end (HEAD or TAIL) for large lists; and N is the number of \
                     elements in the specified range.",
        summary: "Returns the elements of a list from one index to another; negative ones count \
                  from the end.",
        syntax: "key start stop",
        ..Spec::new("lrange")
    },
    run: lrange,
    subcommands: &[],
};

/// LTRIM key start stop
pub(super) const LTRIM: DataCommand = Command {
    spec: Spec {
        arity: 4,
        flags: flags::WRITE,
        keys: &[first(access::RW | access::DELETE)],
        group: Group::List,
        complexity: "O(N) where N is the number of elements to be removed by the operation.",
        summary: "Keeps the elements of a list from one index to another and removes all others.",
        syntax: "key start stop",
        ..Spec::new("ltrim")
    },
    run: ltrim,
    subcommands: &[],
};

fn lrange(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (start, stop) = (args.int(2)?, args.int(3)?);
    let Some(list) = txn.read_as::<List>(args.at(1))? else {
        reply.array(0);
        return Ok(());
    };
    let range = places(start, stop, list.len());
    reply.array(range.len());
    for elem in list.iter_from(End::Front, range.start).take(range.len()) {
        elem::bulk(reply, elem);
    }
    Ok(())
}

fn ltrim(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, start, stop) = (args.at(1), args.int(2)?, args.int(3)?);
    if let Some(found) = txn.find(key) {
        remove_with(txn, (key, found), "ltrim", |list| {
            let len = list.len();
            let kept = places(start, stop, len);
            list.remove_at(End::Back, len - kept.end);
            list.remove_at(End::Front, kept.start);
            len - kept.len()
        })?;
    }
    reply.ok();
    Ok(())
}

/// The places from `start` to `stop` in `len` elements; negative ones count from the end.
fn places(start: i64, stop: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    let from_front = |at: i64| if at < 0 { at + len } else { at };
    let (first, last) = (from_front(start).max(0), from_front(stop).min(len - 1));
    if first > last {
        return 0..0;
    }
    first as usize..last as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn places_are_redis_s() {
        assert_eq!(places(0, -1, 3), 0..3);
        assert_eq!(places(-2, -1, 3), 1..3);
        assert_eq!(places(-100, 100, 3), 0..3);
        assert_eq!(places(1, 1, 3), 1..2);
        assert_eq!(places(2, 1, 3), 0..0);
        assert_eq!(places(3, 5, 3), 0..0);
        assert_eq!(places(0, -4, 3), 0..0);
        assert_eq!(places(i64::MIN, i64::MAX, 3), 0..3);
        assert_eq!(places(i64::MAX, i64::MIN, 3), 0..0);
    }

    #[test]
    fn ranges() {
        let not_integer = "-ERR value is not an integer or out of range\r\n";
        Fixture::new().check(&[
            ("LRANGE a 0 -1", "*0\r\n"),
            ("LRANGE a x 0", not_integer),
            ("RPUSH a 1 2 3", ":3\r\n"),
            ("LRANGE a 1 9", "*2\r\n$1\r\n2\r\n$1\r\n3\r\n"),
            ("LRANGE a 2 1", "*0\r\n"),
            ("LRANGE a 0 x", not_integer),
        ]);
    }

    #[test]
    fn trims() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("LTRIM a 0 0", "+OK\r\n"),
            ("RPUSH a 1 2 3 4 5", ":5\r\n"),
            ("LTRIM a 0 -1", "+OK\r\n"),
            ("LTRIM a 1 -2", "+OK\r\n"),
            ("LRANGE a 0 -1", "*3\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
            ("LTRIM a 5 6", "+OK\r\n"),
            ("EXISTS a", ":0\r\n"),
        ]);
        let effects = ["RPUSH a 1 2 3 4 5", "LTRIM a 1 -2", "LTRIM a 5 6"];
        assert_eq!(fixture.effects(), effects);
    }
}
