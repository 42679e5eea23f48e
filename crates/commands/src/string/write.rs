//! What commands do to a key that they set or remove: the change, its events, its entry in the log.

use store::{Found, Txn};

use super::value::encode;

/// What becomes of the expiry of a key that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ttl {
    /// It has none afterwards.
    Clear,
    /// It stays as it is.
    Keep,
    /// It is this Unix time in milliseconds.
    At(u64),
}

/// Sets a string. If it is to expire at a time that has passed it isn't even stored; what was there
/// goes.
pub(crate) fn store(txn: &mut Txn<'_>, key: &[u8], found: Option<Found>, value: &[u8], ttl: Ttl) {
    let expiry = match ttl {
        Ttl::Clear => None,
        Ttl::Keep => found.and_then(|found| txn.expiry(found)),
        Ttl::At(at) => Some(at),
    };
    if expiry.is_some_and(|at| at <= txn.now_ms) {
        if let Some(found) = found {
            delete(txn, key, found);
        }
        return;
    }
    txn.set(key, found, encode(value), expiry);
    txn.changed(key, "set");
    if matches!(ttl, Ttl::At(_)) {
        txn.changed(key, "expire");
    }
    log_set(txn, key, value, ttl);
}

/// Removes a key.
pub(crate) fn delete(txn: &mut Txn<'_>, key: &[u8], found: Found) {
    txn.remove(found);
    txn.changed(key, "del");
    txn.replay_as(&[b"DEL", key]);
}

/// Logs a change of a string as the SET that repeats it.
pub(crate) fn log_set(txn: &mut Txn<'_>, key: &[u8], value: &[u8], ttl: Ttl) {
    if !txn.is_logged() {
        return;
    }
    let set: [&[u8]; 3] = [b"SET", key, value];
    match ttl {
        Ttl::Clear => txn.replay_as(&set),
        Ttl::Keep => txn.replay_as(&[&set[..], &[b"KEEPTTL"]].concat()),
        Ttl::At(at) => {
            let at = at.to_string();
            txn.replay_as(&[&set[..], &[b"PXAT", at.as_bytes()]].concat());
        }
    }
}
