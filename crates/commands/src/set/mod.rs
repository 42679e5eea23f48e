//! Sets.

use data::types::set::SetRules;
use store::Txn;

use crate::DataCommand;

mod combine;
mod intercard;
mod members;
mod random;
mod sadd;
mod saddex;
mod smove;
mod sscan;

pub(crate) use random::{OUT_OF_RANGE, REPEATED_MAX};

/// All commands of this family.
pub const COMMANDS: &[DataCommand] = &[
    combine::SDIFF,
    combine::SDIFFSTORE,
    combine::SINTER,
    combine::SINTERSTORE,
    combine::SUNION,
    combine::SUNIONSTORE,
    intercard::SINTERCARD,
    members::SCARD,
    members::SISMEMBER,
    members::SMEMBERS,
    members::SMISMEMBER,
    random::SPOP,
    random::SRANDMEMBER,
    sadd::SADD,
    sadd::SREM,
    saddex::SADDEX,
    smove::SMOVE,
    sscan::SSCAN,
];

/// What decides on the form of sets now.
#[inline]
pub(crate) fn rules(txn: &Txn<'_>) -> SetRules {
    let thresholds = &txn.store().thresholds;
    SetRules {
        ints: thresholds.intset_entries.get(),
        packed: thresholds.set(),
        hasher: txn.hasher(),
        now_ms: txn.now_ms,
    }
}
