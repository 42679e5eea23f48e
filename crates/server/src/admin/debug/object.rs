//! DEBUG OBJECT: how a value is kept.

use commands::CommandError;
use data::record::CLOCK_MASK;
use data::{Value, ValueRef};
use protocol::Reply;

use crate::session::Call;

/// DEBUG OBJECT key
pub(super) fn object(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), CommandError> {
    let (store, key) = (&call.shared.store, call.args.at(2));
    let shard = store.shard_of(key, store.hash(key));
    let text = call.txn.in_shard(shard, |txn| {
        let found = txn.peek(key)?;
        let idle = txn.idle_seconds(found);
        let last_use = u64::from(txn.clock()).wrapping_sub(idle) & u64::from(CLOCK_MASK);
        let value = txn.value(found);
        Some(format!(
            "Value at:{:#x} refcount:1 encoding:{} serializedlength:{} lru:{last_use} \
             lru_seconds_idle:{idle}",
            address(value),
            value.encoding(),
            serialized_len(value)
        ))
    });
    reply.simple(&text.ok_or(CommandError::Text("ERR no such key"))?);
    Ok(())
}

/// Where the value lies; an integer lies nowhere in particular.
fn address(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Str(bytes) | ValueRef::Raw(bytes) | ValueRef::Packed(_, bytes) => {
            bytes.as_ptr().addr()
        }
        ValueRef::External(value) => std::ptr::from_ref(value).addr(),
        ValueRef::Int(_) => 0,
    }
}

/// Bytes that the value takes in a snapshot, uncompressed.
fn serialized_len(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Str(bytes) | ValueRef::Raw(bytes) | ValueRef::Packed(_, bytes) => {
            string_len(bytes.len())
        }
        ValueRef::External(Value::Str(bytes)) => string_len(bytes.len()),
        ValueRef::External(value) => value.heap_bytes(),
        ValueRef::Int(int) if i8::try_from(int).is_ok() => 2,
        ValueRef::Int(int) if i16::try_from(int).is_ok() => 3,
        ValueRef::Int(int) if i32::try_from(int).is_ok() => 5,
        ValueRef::Int(int) => string_len(int.to_string().len()),
    }
}

/// A string with its length before it.
fn string_len(len: usize) -> usize {
    let header = match len {
        0..0x40 => 1,
        0x40..0x4000 => 2,
        0x4000..=0xffff_ffff => 5,
        _ => 9,
    };
    header + len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_snapshots() {
        let long = [b'a'; 64];
        let cases = [
            (ValueRef::Int(1), 2),
            (ValueRef::Int(-129), 3),
            (ValueRef::Int(1 << 20), 5),
            (ValueRef::Int(1 << 40), 14),
            (ValueRef::Str(b"hello"), 6),
            (ValueRef::Raw(&long), 66),
        ];
        for (value, len) in cases {
            assert_eq!(serialized_len(value), len, "{value:?}");
        }
    }
}
