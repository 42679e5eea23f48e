//! XSETID.

use data::types::Stream;
use data::types::stream::Id;
use protocol::Reply;
use store::Txn;

use super::id;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]
pub(super) const XSETID: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::WRITE | flags::DENYOOM | flags::FAST,
        keys: &[first(access::RW | access::UPDATE)],
        group: Group::Stream,
        since: "5.0.0",
        summary: "Sets the last ID of a stream. An internal command.",
        syntax: "key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]",
        ..Spec::new("xsetid")
    },
    run: xsetid,
    subcommands: &[],
};

fn xsetid(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let last_id = id::id(args.at(2))?;
    let (mut added, mut max_deleted) = (None, None);
    let mut at = 3;
    while at < args.len() {
        if at + 1 < args.len() && args.is(at, "ENTRIESADDED") {
            let count = u64::try_from(args.int(at + 1)?);
            added =
                Some(count.map_err(|_| CommandError::Text("ERR entries_added must be positive"))?);
        } else if at + 1 < args.len() && args.is(at, "MAXDELETEDID") {
            let id = id::id(args.at(at + 1))?;
            if last_id < id {
                return Err(CommandError::Text(
                    "ERR The ID specified in XSETID is smaller than the provided \
                     max_deleted_entry_id",
                ));
            }
            // 0-0 leaves what there is.
            max_deleted = Some(id).filter(|&id| id != Id::MIN);
        } else {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    let key = args.at(1);
    let found = txn.find(key).ok_or(CommandError::Text("ERR no such key"))?;
    txn.edit(key, Some(found), |stream: &mut Box<Stream>| {
        if last_id < stream.max_deleted_id {
            return Err(CommandError::Text(
                "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
            ));
        }
        if stream.last().is_some_and(|last| last_id < last.id) {
            return Err(CommandError::Text(
                "ERR The ID specified in XSETID is smaller than the target stream top item",
            ));
        }
        if added.is_some_and(|added| added < stream.len() as u64) {
            return Err(CommandError::Text(
                "ERR The entries_added specified in XSETID is smaller than the target stream \
                 length",
            ));
        }
        stream.last_id = last_id;
        stream.entries_added = added.unwrap_or(stream.entries_added);
        stream.max_deleted_id = max_deleted.unwrap_or(stream.max_deleted_id);
        Ok(())
    })??;
    txn.changed(key, "xsetid");
    reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn never_goes_back() {
        let error = |text: &str| format!("-ERR The {text}\r\n");
        Fixture::new().check(&[
            ("XSETID a 1", "-ERR no such key\r\n"),
            ("XADD a 1 f v", "$3\r\n1-0\r\n"),
            ("XADD a 2 f v", "$3\r\n2-0\r\n"),
            (
                "XSETID a 1",
                &error("ID specified in XSETID is smaller than the target stream top item"),
            ),
            ("XSETID a 5 ENTRIESADDED 9 MAXDELETEDID 4-1", "+OK\r\n"),
            (
                "XSETID a 4 MAXDELETEDID 3",
                &error("ID specified in XSETID is smaller than current max_deleted_entry_id"),
            ),
            (
                "XSETID a 5 MAXDELETEDID 6",
                &error("ID specified in XSETID is smaller than the provided max_deleted_entry_id"),
            ),
            (
                "XSETID a 5 ENTRIESADDED 1",
                &error(
                    "entries_added specified in XSETID is smaller than the target stream length",
                ),
            ),
            (
                "XADD a 5 f v",
                &error("ID specified in XADD is equal or smaller than the target stream top item"),
            ),
        ]);
    }
}
