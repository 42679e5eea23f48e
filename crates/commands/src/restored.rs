//! Values in Redis's RDB format, as RESTORE and snapshots bring them, on their way into the keyspace.

use data::types::hash::HashRules;
use data::types::set::SetRules;
use data::{Collection, Value};
use rdb::Rules;
use store::Txn;

use crate::string::value::encode;

/// Sets a key to a value that was read, whatever was there.
pub fn put(txn: &mut Txn<'_>, key: &[u8], value: Value, expiry: Option<u64>) {
    fn keep<C: Collection>(txn: &mut Txn<'_>, key: &[u8], value: C, expiry: Option<u64>) {
        txn.keep(key, None, expiry, value);
    }
    if let Some(found) = txn.peek(key) {
        txn.remove(found);
    }
    match value {
        Value::Str(text) => {
            txn.set(key, None, encode(&text), expiry);
        }
        Value::List(value) => keep(txn, key, value, expiry),
        Value::Hash(value) => keep(txn, key, value, expiry),
        Value::Set(value) => keep(txn, key, value, expiry),
        Value::Zset(value) => keep(txn, key, value, expiry),
        Value::Stream(value) => keep(txn, key, value, expiry),
    }
}

/// Up to where values that are read take their compact forms here.
pub fn rules(txn: &Txn<'_>) -> Rules {
    Rules {
        list: crate::list::node_limit(txn),
        // What has expired is restored too, and found to have expired later.
        hash: HashRules {
            now_ms: 0,
            ..crate::hash::rules(txn)
        },
        set: SetRules {
            now_ms: 0,
            ..crate::set::rules(txn)
        },
        zset: crate::zset::growth(txn),
        stream: crate::stream::block_limits(txn),
    }
}
