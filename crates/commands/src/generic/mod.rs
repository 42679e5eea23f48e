//! Keys as such, whatever they hold, and whole databases.

use crate::DataCommand;

mod copy;
mod dbsize;
mod del;
mod dump;
mod exists;
mod expire;
mod flush;
mod keys;
mod object;
mod randomkey;
mod rename;
mod rm;
mod scan;
mod sort;
mod swapdb;
mod ttl;
mod type_name;
mod walk;

/// All commands on keys and databases.
pub const COMMANDS: &[DataCommand] = &[
    copy::COPY,
    copy::MOVE,
    dbsize::DBSIZE,
    del::DEL,
    del::UNLINK,
    dump::DUMP,
    dump::RESTORE,
    exists::EXISTS,
    exists::TOUCH,
    expire::EXPIRE,
    expire::EXPIREAT,
    expire::PEXPIRE,
    expire::PEXPIREAT,
    crate::field_ttl::FIELDEXPIRE,
    crate::field_ttl::FIELDTTL,
    flush::FLUSHALL,
    flush::FLUSHDB,
    keys::KEYS,
    object::OBJECT,
    randomkey::RANDOMKEY,
    rename::RENAME,
    rename::RENAMENX,
    rm::RM,
    scan::SCAN,
    sort::SORT,
    sort::SORT_RO,
    swapdb::SWAPDB,
    ttl::EXPIRETIME,
    ttl::PERSIST,
    ttl::PEXPIRETIME,
    ttl::PTTL,
    ttl::TTL,
    type_name::TYPE,
];
