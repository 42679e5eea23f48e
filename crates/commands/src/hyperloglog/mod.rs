//! HyperLogLogs: strings that count distinct elements, see [`data::hll`].

use crate::DataCommand;

mod pfadd;
mod pfcount;
mod pfdebug;
mod pfmerge;
mod pfselftest;
mod value;

/// All HyperLogLog commands.
pub const COMMANDS: &[DataCommand] = &[
    pfadd::PFADD,
    pfcount::PFCOUNT,
    pfdebug::PFDEBUG,
    pfmerge::PFMERGE,
    pfselftest::PFSELFTEST,
];
