//! Lists.

use data::List;
use data::types::list::{End, NodeLimit};
use store::{Found, Txn, WrongType};

use crate::{Args, CommandError, DataCommand};

mod blmove;
mod blpop;
mod lindex;
mod linsert;
mod llen;
mod lmove;
mod lmpop;
mod lpos;
mod lrange;
mod lrem;
mod pop;
mod push;

/// All commands of this family.
pub const COMMANDS: &[DataCommand] = &[
    blmove::BLMOVE,
    blmove::BRPOPLPUSH,
    blpop::BLPOP,
    blpop::BRPOP,
    lindex::LINDEX,
    lindex::LSET,
    linsert::LINSERT,
    llen::LLEN,
    lmove::LMOVE,
    lmove::RPOPLPUSH,
    lmpop::BLMPOP,
    lmpop::LMPOP,
    lpos::LPOS,
    lrange::LRANGE,
    lrange::LTRIM,
    lrem::LREM,
    pop::LPOP,
    pop::RPOP,
    push::LPUSH,
    push::LPUSHX,
    push::RPUSH,
    push::RPUSHX,
];

/// How large the chunks of long lists may become.
#[inline]
pub(crate) fn node_limit(txn: &Txn<'_>) -> NodeLimit {
    NodeLimit::new(txn.store().thresholds.list_node.signed())
}

/// An argument that names an end of a list.
fn end(args: Args<'_>, index: usize) -> Result<End, CommandError> {
    if args.is(index, "LEFT") {
        Ok(End::Front)
    } else if args.is(index, "RIGHT") {
        Ok(End::Back)
    } else {
        Err(CommandError::Syntax)
    }
}

/// The command that pops at an end, and the event of that.
fn pop_names(end: End) -> (&'static [u8], &'static str) {
    match end {
        End::Front => (b"LPOP", "lpop"),
        End::Back => (b"RPOP", "rpop"),
    }
}

/// The event of a push at an end.
fn push_event(end: End) -> &'static str {
    match end {
        End::Front => "lpush",
        End::Back => "rpush",
    }
}

/// Changes the list that a key holds; tells of that unless `edit` has removed nothing, and of the
/// key's end when nothing is left. Returns what `edit` does: how many elements it has removed.
fn remove_with(
    txn: &mut Txn<'_>,
    (key, found): (&[u8], Found),
    event: &'static str,
    edit: impl FnOnce(&mut List) -> usize,
) -> Result<usize, WrongType> {
    let (removed, is_empty) = txn.edit(key, Some(found), |list: &mut List| {
        (edit(list), list.is_empty())
    })?;
    if removed > 0 {
        txn.changed(key, event);
    }
    if is_empty {
        txn.notify(key, "del");
    }
    Ok(removed)
}
