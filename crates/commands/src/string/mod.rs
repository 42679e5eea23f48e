//! Strings.

use crate::DataCommand;

mod append;
mod delex;
mod digest;
pub(crate) mod edit;
mod get;
mod getex;
mod getrange;
mod getset;
mod incr;
mod incrbyfloat;
mod lcs;
mod mget;
mod mset;
mod options;
mod set;
mod setex;
mod setrange;
mod strlen;
pub(crate) mod value;
pub(crate) mod write;

pub(crate) use getrange::clamp_range;

/// All string commands.
pub const COMMANDS: &[DataCommand] = &[
    append::APPEND,
    append::PREPEND,
    delex::DELEX,
    delex::DELIFEQ,
    digest::DIGEST,
    get::GET,
    getex::GETEX,
    getrange::GETRANGE,
    getrange::SUBSTR,
    getset::GETDEL,
    getset::GETSET,
    incr::DECR,
    incr::DECRBY,
    incr::INCR,
    incr::INCRBY,
    incrbyfloat::INCRBYFLOAT,
    lcs::LCS,
    mget::MGET,
    mset::MSET,
    mset::MSETEX,
    mset::MSETNX,
    set::SET,
    setex::PSETEX,
    setex::SETEX,
    setex::SETNX,
    setrange::SETRANGE,
    strlen::STRLEN,
];
