//! Hashes.

use data::types::hash::HashRules;
use store::Txn;

use crate::DataCommand;

mod fields;
mod hdel;
mod hexpire;
mod hget;
mod hgetall;
mod hgetex;
mod hincrby;
mod hrandfield;
mod hscan;
mod hset;
mod hsetex;
mod httl;

/// All commands of this family.
pub const COMMANDS: &[DataCommand] = &[
    hdel::HDEL,
    hdel::HGETDEL,
    hexpire::HEXPIRE,
    hexpire::HEXPIREAT,
    hexpire::HPEXPIRE,
    hexpire::HPEXPIREAT,
    hget::HEXISTS,
    hget::HGET,
    hget::HLEN,
    hget::HMGET,
    hget::HSTRLEN,
    hgetall::HGETALL,
    hgetall::HKEYS,
    hgetall::HVALS,
    hgetex::HGETEX,
    hincrby::HINCRBY,
    hincrby::HINCRBYFLOAT,
    hrandfield::HRANDFIELD,
    hscan::HSCAN,
    hset::HMSET,
    hset::HSET,
    hset::HSETNX,
    hsetex::HSETEX,
    httl::HEXPIRETIME,
    httl::HPERSIST,
    httl::HPEXPIRETIME,
    httl::HPTTL,
    httl::HTTL,
];

/// What decides on the form of hashes now.
#[inline]
pub(crate) fn rules(txn: &Txn<'_>) -> HashRules {
    HashRules {
        packed: txn.store().thresholds.hash(),
        hasher: txn.hasher(),
        now_ms: txn.now_ms,
    }
}
