//! HyperLogLogs in the keyspace: found, checked, changed in place, stored.

use data::hll::{self, Corrupt, Encoding};
use data::{NewValue, Value};
use store::{Found, Str, Txn};

use crate::CommandError;

const NOT_ONE: CommandError =
    CommandError::Text("WRONGTYPE Key is not a valid HyperLogLog string value.");
const CORRUPT: CommandError = CommandError::Text("INVALIDOBJ Corrupted HLL object detected");

impl From<Corrupt> for CommandError {
    fn from(_: Corrupt) -> Self {
        CORRUPT
    }
}

/// The bytes of a key's HyperLogLog, and how they are encoded.
pub(super) fn read<'a>(
    txn: &'a mut Txn<'_>,
    found: Found,
) -> Result<(&'a [u8], Encoding), CommandError> {
    match txn.str(found)? {
        Str::Bytes(bytes) => {
            let encoding = hll::encoding(bytes).ok_or(NOT_ONE)?;
            Ok((bytes, encoding))
        }
        Str::Int(_) => Err(NOT_ONE),
    }
}

/// The same bytes, to be changed in place.
pub(super) fn bytes_mut<'a>(txn: &'a mut Txn<'_>, found: Found) -> &'a mut [u8] {
    if txn.inline_mut(found).is_some() {
        return txn.inline_mut(found).expect("just seen");
    }
    match txn.value_mut(found) {
        Some(Value::Str(bytes)) => bytes,
        _ => unreachable!("a string that is no integer is kept here or there"),
    }
}

/// Stores bytes that became longer or shorter; the expiry stays.
pub(super) fn store(txn: &mut Txn<'_>, key: &[u8], found: Option<Found>, bytes: Vec<u8>) {
    let expiry = found.and_then(|found| txn.expiry(found));
    let value = if bytes.len() == hll::DENSE_LEN {
        NewValue::External(Value::Str(bytes))
    } else {
        NewValue::Raw(&bytes)
    };
    txn.set(key, found, value, expiry);
}

/// See [`store::Thresholds::hll_sparse_bytes`].
pub(super) fn sparse_max(txn: &Txn<'_>) -> usize {
    txn.store().thresholds.hll_sparse_bytes.get()
}
