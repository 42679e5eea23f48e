//! Values that come from payloads and files, on their way into the keyspace.

use data::Value;
use data::types::hash::HashRules;
use data::types::set::SetRules;
use rdb::Rules;
use store::{Found, Txn};

use crate::string::value::encode;

/// Up to where values take their compact forms now.
pub fn rules(txn: &Txn<'_>) -> Rules {
    Rules {
        list: crate::list::node_limit(txn),
        // What has expired is read as well, and found to have expired later.
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

/// Sets value and expiry of a key, which was `found` or isn't there. [`Txn::changed`] is for the
/// caller to call.
pub fn put(txn: &mut Txn<'_>, key: &[u8], found: Option<Found>, value: Value, expiry: Option<u64>) {
    match value {
        Value::Str(text) => {
            txn.set(key, found, encode(&text), expiry);
        }
        Value::List(value) => txn.keep(key, found, expiry, value),
        Value::Hash(value) => txn.keep(key, found, expiry, value),
        Value::Set(value) => txn.keep(key, found, expiry, value),
        Value::Zset(value) => txn.keep(key, found, expiry, value),
        Value::Stream(value) => txn.keep(key, found, expiry, value),
    }
}

/// Has a key look as if it was last used so long ago, or so often, where that was told.
pub fn set_use(txn: &mut Txn<'_>, key: &[u8], idle_seconds: Option<u64>, frequency: Option<u8>) {
    if let (Some(seconds), Some(found)) = (idle_seconds, txn.peek(key)) {
        txn.set_idle_seconds(found, seconds);
    }
    if let (Some(frequency), Some(found)) = (frequency, txn.peek(key)) {
        txn.set_frequency(found, frequency);
    }
}
