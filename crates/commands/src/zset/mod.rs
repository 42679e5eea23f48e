//! Sorted sets.

use data::packed::Elem;
use data::types::zset::Growth;
use data::{Collection, Zset};
use protocol::Reply;
use store::Txn;

use crate::DataCommand;
use crate::elem;
use crate::keys::{KeySpec, access, first};

mod bounds;
mod bzpop;
mod combine;
mod source;
mod zadd;
mod zcard;
mod zcombine;
mod zpop;
mod zrandmember;
mod zrange;
mod zrank;
mod zrem;
mod zscan;
mod zscore;

pub(crate) use zadd::{Adding, add};

/// All commands of this family.
pub const COMMANDS: &[DataCommand] = &[
    bzpop::BZMPOP,
    bzpop::BZPOPMAX,
    bzpop::BZPOPMIN,
    zadd::ZADD,
    zadd::ZINCRBY,
    zcard::ZCARD,
    zcard::ZCOUNT,
    zcard::ZLEXCOUNT,
    zcombine::ZDIFF,
    zcombine::ZDIFFSTORE,
    zcombine::ZINTER,
    zcombine::ZINTERCARD,
    zcombine::ZINTERSTORE,
    zcombine::ZUNION,
    zcombine::ZUNIONSTORE,
    zpop::ZMPOP,
    zpop::ZPOPMAX,
    zpop::ZPOPMIN,
    zrandmember::ZRANDMEMBER,
    zrange::ZRANGE,
    zrange::ZRANGEBYLEX,
    zrange::ZRANGEBYSCORE,
    zrange::ZRANGESTORE,
    zrange::ZREVRANGE,
    zrange::ZREVRANGEBYLEX,
    zrange::ZREVRANGEBYSCORE,
    zrank::ZRANK,
    zrank::ZREVRANK,
    zrem::ZREM,
    zrem::ZREMRANGEBYLEX,
    zrem::ZREMRANGEBYRANK,
    zrem::ZREMRANGEBYSCORE,
    zscan::ZSCAN,
    zscore::ZMSCORE,
    zscore::ZSCORE,
];

/// The key of a command that reads one sorted set.
const READ: &[KeySpec] = &[first(access::RO | access::ACCESS)];

/// How sorted sets grow here.
pub(crate) fn growth(txn: &Txn<'_>) -> Growth {
    Growth {
        limits: txn.store().thresholds.zset(),
        hasher: txn.hasher(),
    }
}

/// Sets `key` to a result, or removes it when that is empty; returns how many members there are.
pub(crate) fn store(txn: &mut Txn<'_>, key: &[u8], zset: Zset, event: &'static str) -> usize {
    let found = txn.find(key);
    let len = zset.view().len();
    txn.keep(key, found, None, zset);
    if len > 0 {
        txn.changed(key, event);
    } else if found.is_some() {
        txn.changed(key, "del");
    }
    len
}

/// Tells of a change that took members away; `left` of them are still there.
fn shrunk(txn: &mut Txn<'_>, key: &[u8], event: &'static str, left: usize) {
    txn.changed(key, event);
    if left == 0 {
        txn.changed(key, "del");
    }
}

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Without their scores.
    Members,
    /// Member and score side by side.
    Flat,
    /// An array for each.
    Pairs,
    /// Member and score as parts of an array that has begun.
    Inner,
}

impl Layout {
    /// The usual one: pairs where there are scores, which RESP2 has side by side.
    fn new(with_scores: bool, reply: &Reply<'_>) -> Self {
        match (with_scores, reply.is_resp3()) {
            (false, _) => Self::Members,
            (true, false) => Self::Flat,
            (true, true) => Self::Pairs,
        }
    }
}

/// Writes `len` elements.
fn reply_elements<'a>(
    len: usize,
    elements: impl Iterator<Item = (Elem<'a>, f64)>,
    layout: Layout,
    reply: &mut Reply<'_>,
) {
    match layout {
        Layout::Members | Layout::Pairs => reply.array(len),
        Layout::Flat => reply.array(len * 2),
        Layout::Inner => {}
    }
    for (member, score) in elements {
        if layout == Layout::Pairs {
            reply.array(2);
        }
        elem::bulk(reply, member);
        if layout != Layout::Members {
            reply.double(score);
        }
    }
}
