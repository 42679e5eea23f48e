//! XDEL and XDELEX, and the ways in which entries are deleted that groups still have to deal with.

use data::types::Stream;
use data::types::stream::Id;
use protocol::Reply;
use store::Txn;

use super::id;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// XDEL key id [id ...]
pub(super) const XDEL: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::DELETE)],
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(1) for each single item to delete in the stream, regardless of the stream \
                     size.",
        summary: "Deletes entries of a stream. Groups keep what they note of them.",
        syntax: "key id [id ...]",
        ..Spec::new("xdel")
    },
    run: xdel,
    subcommands: &[],
};

/// XDELEX key [KEEPREF | DELREF | ACKED] IDS numids id [id ...]
pub(super) const XDELEX: DataCommand = Command {
    spec: Spec {
        arity: -5,
        since: "8.2.0",
        summary: "Deletes entries of a stream, with regard to the groups that note them.",
        syntax: "key [KEEPREF | DELREF | ACKED] IDS numids id [id ...]",
        name: "xdelex",
        ..XDEL.spec
    },
    run: xdelex,
    subcommands: &[],
};

fn xdel(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let found = txn.find(key);
    let Some(found) = found else {
        reply.int(0);
        return Ok(());
    };
    txn.view::<Box<Stream>>(found)?;
    let ids = args.from(2).map(id::id).collect::<Result<Vec<_>, _>>()?;
    let deleted = txn.edit(key, Some(found), |stream: &mut Box<Stream>| {
        ids.iter().filter(|&&id| stream.delete(id)).count()
    })?;
    if deleted > 0 {
        txn.changed(key, "xdel");
    }
    reply.int(deleted as i64);
    Ok(())
}

/// What becomes of what groups note of a deleted entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum References {
    /// It stays.
    Keep,
    /// It goes as well.
    Delete,
    /// An entry that a group has yet to read or acknowledge isn't deleted.
    Respect,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub(super) enum Fate {
    Unknown = -1,
    Deleted = 1,
    Referenced = 2,
}

/// `[KEEPREF | DELREF | ACKED] IDS numids id [id ...]` from `at` on.
pub(super) fn parse_ids(
    args: Args<'_>,
    mut at: usize,
) -> Result<(References, Vec<Id>), CommandError> {
    let mut references = References::Keep;
    while !args.is(at, "IDS") {
        references = match () {
            () if args.is(at, "KEEPREF") => References::Keep,
            () if args.is(at, "DELREF") => References::Delete,
            () if args.is(at, "ACKED") => References::Respect,
            () => return Err(CommandError::Syntax),
        };
        at += 1;
    }
    if at + 1 >= args.len() {
        return Err(CommandError::Syntax);
    }
    let count = args.int(at + 1).ok().filter(|&count| count > 0);
    let count = count.ok_or(CommandError::Text(
        "ERR Number of IDs must be a positive integer",
    ))?;
    let ids = args.from(at + 2);
    if ids.len() as i64 != count {
        return Err(CommandError::Text(
            "ERR The `numids` parameter must match the number of arguments",
        ));
    }
    Ok((references, ids.map(id::id).collect::<Result<_, _>>()?))
}

/// Deletes an entry.
pub(super) fn delete(stream: &mut Stream, id: Id, references: References) -> Fate {
    match references {
        References::Respect if stream.get(id).is_some() && stream.is_referenced(id) => {
            return Fate::Referenced;
        }
        References::Delete => stream.forget(id),
        _ => {}
    }
    if stream.delete(id) {
        Fate::Deleted
    } else {
        Fate::Unknown
    }
}

/// Answers what became of each entry.
pub(super) fn reply_fates(fates: &[Fate], reply: &mut Reply<'_>) {
    reply.array(fates.len());
    for &fate in fates {
        reply.int(fate as i64);
    }
}

fn xdelex(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let (references, ids) = parse_ids(args, 2)?;
    let Some(found) = txn.find(key) else {
        reply_fates(&vec![Fate::Unknown; ids.len()], reply);
        return Ok(());
    };
    let fates: Vec<_> = txn.edit(key, Some(found), |stream: &mut Box<Stream>| {
        let fates = ids.iter().map(|&id| delete(stream, id, references));
        fates.collect()
    })?;
    if fates.contains(&Fate::Deleted) {
        txn.changed(key, "xdel");
    } else if references == References::Delete {
        txn.changed_silently(key);
    }
    reply_fates(&fates, reply);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn deletes_what_is_there() {
        let mut fixture = Fixture::new();
        for i in 1..=3 {
            fixture.run(&format!("XADD a {i} f v"));
        }
        fixture.check(&[
            ("XDEL nothing x", ":0\r\n"),
            ("XDEL a 2 2 9", ":1\r\n"),
            (
                "XDEL a 1 x",
                "-ERR Invalid stream ID specified as stream command argument\r\n",
            ),
            ("XLEN a", ":2\r\n"),
        ]);
    }

    #[test]
    fn references_are_kept_deleted_or_respected() {
        let mut fixture = Fixture::new();
        for i in 1..=4 {
            fixture.run(&format!("XADD a {i} f v"));
        }
        fixture.run("XGROUP CREATE a g 0");
        fixture.run("XREADGROUP GROUP g c COUNT 3 STREAMS a >");
        fixture.run("XACK a g 1");
        fixture.check(&[
            ("XDELEX nothing IDS 2 1 2", "*2\r\n:-1\r\n:-1\r\n"),
            ("XDELEX a ACKED IDS 3 1 2 4", "*3\r\n:1\r\n:2\r\n:2\r\n"),
            ("XDELEX a KEEPREF IDS 1 2", "*1\r\n:1\r\n"),
            ("XACK a g 2", ":1\r\n"),
            ("XDELEX a DELREF IDS 2 3 9", "*2\r\n:1\r\n:-1\r\n"),
            ("XACK a g 3", ":0\r\n"),
            (
                "XDELEX a IDS 0 1",
                "-ERR Number of IDs must be a positive integer\r\n",
            ),
            (
                "XDELEX a IDS 2 1",
                "-ERR The `numids` parameter must match the number of arguments\r\n",
            ),
            ("XDELEX a KEEP IDS 1 1", "-ERR syntax error\r\n"),
        ]);
    }
}
