//! XACK and XACKDEL.

use data::types::Stream;
use protocol::Reply;
use store::Txn;

use super::group::{edit_group, find_group};
use super::id;
use super::xdel::{Fate, delete, parse_ids, reply_fates};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// XACK key group id [id ...]
pub(super) const XACK: DataCommand = Command {
    spec: Spec {
        arity: -4,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::UPDATE)],
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(1) for each message ID processed.",
        summary: "Notes that entries have been dealt with, which a group had delivered.",
        syntax: "key group id [id ...]",
        ..Spec::new("xack")
    },
    run: xack,
    subcommands: &[],
};

/// XACKDEL key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...]
pub(super) const XACKDEL: DataCommand = Command {
    spec: Spec {
        arity: -6,
        since: "8.2.0",
        summary: "Notes that entries have been dealt with and deletes them.",
        syntax: "key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...]",
        name: "xackdel",
        ..XACK.spec
    },
    run: xackdel,
    subcommands: &[],
};

fn xack(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, group) = (args.at(1), args.at(2));
    let Some(found) = find_group(txn, key, group)? else {
        reply.int(0);
        return Ok(());
    };
    let ids = args.from(3).map(id::id).collect::<Result<Vec<_>, _>>()?;
    let acknowledged = edit_group(txn, (key, group), found, |_, group| {
        ids.iter().filter(|&&id| group.acknowledge(id)).count()
    })?;
    if acknowledged > 0 {
        txn.changed_silently(key);
    }
    reply.int(acknowledged as i64);
    Ok(())
}

fn xackdel(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, name) = (args.at(1), args.at(2));
    let (references, ids) = parse_ids(args, 3)?;
    let Some(found) = find_group(txn, key, name)? else {
        reply_fates(&vec![Fate::Unknown; ids.len()], reply);
        return Ok(());
    };
    let (fates, deleted) = txn.edit(key, Some(found), |stream: &mut Box<Stream>| {
        let before = stream.len();
        let acknowledge = |stream: &mut Stream, id| {
            let group = stream.groups.get_mut(name).expect("just found");
            if !group.acknowledge(id) {
                return Fate::Unknown;
            }
            match delete(stream, id, references) {
                Fate::Referenced => Fate::Referenced,
                Fate::Deleted | Fate::Unknown => Fate::Deleted,
            }
        };
        let fates: Vec<_> = ids.iter().map(|&id| acknowledge(stream, id)).collect();
        (fates, stream.len() < before)
    })?;
    if deleted {
        txn.changed(key, "xdel");
    } else if fates.iter().any(|&fate| fate != Fate::Unknown) {
        txn.changed_silently(key);
    }
    reply_fates(&fates, reply);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    fn fixture() -> Fixture {
        let mut fixture = Fixture::new();
        for i in 1..=3 {
            fixture.run(&format!("XADD a {i} f v"));
        }
        for group in ["g", "h"] {
            fixture.run(&format!("XGROUP CREATE a {group} 0"));
            fixture.run(&format!("XREADGROUP GROUP {group} c COUNT 2 STREAMS a >"));
        }
        fixture
    }

    #[test]
    fn acknowledges_what_is_pending() {
        fixture().check(&[
            ("XACK nothing g x", ":0\r\n"),
            ("XACK a nothing x", ":0\r\n"),
            (
                "XACK a g 1 x",
                "-ERR Invalid stream ID specified as stream command argument\r\n",
            ),
            ("XACK a g 1 1 2 3", ":2\r\n"),
        ]);
    }

    #[test]
    fn acknowledges_and_deletes() {
        fixture().check(&[
            ("XACKDEL nothing g IDS 1 1", "*1\r\n:-1\r\n"),
            ("XACKDEL a g ACKED IDS 2 1 3", "*2\r\n:2\r\n:-1\r\n"),
            ("XACKDEL a h ACKED IDS 1 1", "*1\r\n:1\r\n"),
            ("XLEN a", ":2\r\n"),
            ("XACKDEL a g IDS 1 2", "*1\r\n:1\r\n"),
            ("XLEN a", ":1\r\n"),
            ("XACKDEL a h DELREF IDS 1 2", "*1\r\n:1\r\n"),
        ]);
    }
}
