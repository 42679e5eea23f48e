//! Strings changed in place. A large one grows where it is, with room to spare, so that appending
//! costs what is appended; a small one is written into a new record, or moves out of its record
//! when it no longer fits.

use data::record::fits_inline;
use data::{NewValue, Value, ValueRef};
use smallvec::SmallVec;
use store::{Found, Txn, WrongType};

use crate::{CommandError, CommandResult};

const TOO_LONG: CommandError =
    CommandError::Text("ERR string exceeds maximum allowed size (proto-max-bulk-len)");

/// Up to this length a string that grows doubles its room; a longer one adds this and an eighth.
const DOUBLES_MAX: usize = 1 << 20;

type Small = SmallVec<[u8; 256]>;

/// Refuses a string of `len` bytes and `more` that would be longer than is allowed.
pub(crate) fn check_len(txn: &Txn<'_>, len: usize, more: usize) -> CommandResult {
    if len as u64 + more as u64 > txn.max_string {
        return Err(TOO_LONG);
    }
    Ok(())
}

/// The bytes of the string at `key`, to be changed in place: at least `len` of them, with zeros
/// where there were none. The string is `raw` from now on; a missing one is made.
pub(crate) fn grow<'t>(
    txn: &'t mut Txn<'_>,
    key: &[u8],
    found: Option<Found>,
    len: usize,
) -> Result<&'t mut [u8], WrongType> {
    let found = match found {
        None => store_padded(txn, key, None, Small::new(), len),
        Some(found) => widen_small(txn, key, found, len)?,
    };
    if !matches!(txn.value(found), ValueRef::External(_)) {
        let bytes = txn.inline_mut(found);
        return Ok(bytes.expect("a small string lies in its record"));
    }
    let Some(Value::Str(bytes)) = txn.value_mut(found) else {
        unreachable!("its type was checked")
    };
    if let Some(more) = len.checked_sub(bytes.len()) {
        let spare = bytes.len().min(DOUBLES_MAX + bytes.len() / 8);
        if bytes.capacity() < len {
            bytes.reserve_exact(more.max(spare));
        }
        bytes.resize(len, 0);
    }
    Ok(bytes)
}

/// Brings a string that isn't large yet to at least `len` bytes.
fn widen_small(
    txn: &mut Txn<'_>,
    key: &[u8],
    found: Found,
    len: usize,
) -> Result<Found, WrongType> {
    txn.str(found)?;
    let short = match txn.value(found) {
        ValueRef::External(_) | ValueRef::Packed(..) => return Ok(found),
        ValueRef::Str(bytes) | ValueRef::Raw(bytes) if bytes.len() >= len => return Ok(found),
        ValueRef::Str(bytes) | ValueRef::Raw(bytes) => Small::from_slice(bytes),
        ValueRef::Int(value) => Small::from_slice(itoa::Buffer::new().format(value).as_bytes()),
    };
    let len = len.max(short.len());
    Ok(store_padded(txn, key, Some(found), short, len))
}

/// Stores `bytes` and zeros behind them up to `len`; the expiry stays.
fn store_padded(
    txn: &mut Txn<'_>,
    key: &[u8],
    found: Option<Found>,
    mut bytes: Small,
    len: usize,
) -> Found {
    let expiry = found.and_then(|found| txn.expiry(found));
    if fits_inline(key.len(), len) {
        bytes.resize(len, 0);
        return txn.set(key, found, NewValue::Raw(&bytes), expiry);
    }
    let mut large = vec![0; len];
    large[..bytes.len()].copy_from_slice(&bytes);
    txn.set(key, found, NewValue::External(Value::Str(large)), expiry)
}

/// Stores the bytes that a command has computed, as `raw` and without an expiry.
pub(crate) fn set_raw(txn: &mut Txn<'_>, key: &[u8], found: Option<Found>, bytes: Vec<u8>) {
    if fits_inline(key.len(), bytes.len()) {
        txn.set(key, found, NewValue::Raw(&bytes), None);
    } else {
        txn.set(key, found, NewValue::External(Value::Str(bytes)), None);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    /// From a record of its own through all sizes, by steps and by leaps.
    #[test]
    fn strings_grow_from_small_to_large() {
        let mut fixture = Fixture::new();
        let mut expected = b"12".to_vec();
        fixture.run("SET k 12 PXAT 1800000000000");
        for step in [1, 7, 50, 1, 500, 1500, 1, 4000, 1, 100_000, 3] {
            let tail = vec![b'a' + (step % 26) as u8; step];
            expected.extend_from_slice(&tail);
            let len = fixture.run_args([&b"APPEND"[..], b"k", &tail]);
            assert_eq!(len, format!(":{}\r\n", expected.len()));
            assert_eq!(
                fixture.string_at("k"),
                Some(("raw", Some(1_800_000_000_000)))
            );
        }
        let reply = format!(
            "${}\r\n{}\r\n",
            expected.len(),
            String::from_utf8(expected).unwrap()
        );
        assert_eq!(fixture.run("GET k"), reply);
    }

    #[test]
    fn large_strings_grow_with_room_to_spare() {
        let mut fixture = Fixture::new();
        let chunk = [b'x'; 1000];
        let mut moves = 0;
        let mut memory = 0;
        for _ in 0..20_000 {
            fixture.run_args([&b"APPEND"[..], b"k", &chunk]);
            let now = fixture.memory_of("k");
            moves += usize::from(now != memory);
            memory = now;
        }
        assert!(moves < 50, "{moves} moves");
        assert!(memory < 24_000_000, "{memory} bytes for 20 million");
    }
}
