//! Streams: entries under ascending IDs, and consumer groups that share the work of reading them.

mod group;
mod id;
mod read;
mod trim;
mod xack;
mod xadd;
mod xautoclaim;
mod xclaim;
mod xdel;
mod xgroup;
mod xinfo;
mod xlen;
mod xpending;
mod xrange;
mod xread;
mod xreadgroup;
mod xsetid;

use data::types::stream::BlockLimits;
use store::Txn;

use crate::DataCommand;

/// How large the blocks of streams may become.
pub(crate) fn block_limits(txn: &Txn<'_>) -> BlockLimits {
    let thresholds = &txn.store().thresholds;
    BlockLimits {
        bytes: thresholds.stream_node_bytes.get(),
        entries: thresholds.stream_node_entries.get(),
    }
}

/// All commands of this family.
pub const COMMANDS: &[DataCommand] = &[
    xack::XACK,
    xack::XACKDEL,
    xadd::XADD,
    xautoclaim::XAUTOCLAIM,
    xclaim::XCLAIM,
    xdel::XDEL,
    xdel::XDELEX,
    xgroup::XGROUP,
    xinfo::XINFO,
    xlen::XLEN,
    xpending::XPENDING,
    xrange::XRANGE,
    xrange::XREVRANGE,
    xread::XREAD,
    xreadgroup::XREADGROUP,
    xsetid::XSETID,
    trim::XTRIM,
];
