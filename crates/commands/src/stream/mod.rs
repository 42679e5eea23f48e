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

use crate::DataCommand;

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
