//! DEBUG DIGEST and DIGEST-VALUE: a signature of the data that doesn't depend on the order in which
//! keys are visited, equal to Redis's for the same data. Keys that have expired don't count.

use commands::CommandError;
use data::{Value, ValueRef};
use protocol::Reply;
use sha1::{Digest as _, Sha1};
use store::Txn;

use crate::admin::hex;
use crate::session::Call;

/// SHA-1 values that are combined with exclusive or.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Digest([u8; 20]);

impl Digest {
    /// Adds something whose place among others doesn't matter.
    fn add(&mut self, bytes: &[u8]) {
        let hash = Sha1::digest(bytes);
        for (sum, byte) in self.0.iter_mut().zip(hash) {
            *sum ^= byte;
        }
    }

    /// Adds something that has its place in an order.
    fn append(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    fn append_value(&mut self, value: ValueRef<'_>, expiry: Option<u64>) {
        /// What Redis numbers strings with.
        const STRING: u32 = 0;
        match value {
            ValueRef::Str(bytes) | ValueRef::Raw(bytes) => self.append_string(STRING, bytes),
            ValueRef::Int(int) => self.append_string(STRING, int.to_string().as_bytes()),
            ValueRef::External(Value::Str(bytes)) => self.append_string(STRING, bytes),
            ValueRef::Packed(..) | ValueRef::External(_) => {}
        }
        if expiry.is_some() {
            self.add(b"!!expire!!");
        }
    }

    fn append_string(&mut self, kind: u32, bytes: &[u8]) {
        self.append(&kind.to_be_bytes());
        self.append(bytes);
    }
}

/// DEBUG DIGEST
pub(super) fn all(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), CommandError> {
    let mut digest = Digest::default();
    for db in 0..call.shared.store.dbnum() {
        call.txn.in_db(db, |txn| append_db(&mut digest, txn));
    }
    reply.simple(&hex(&digest.0));
    Ok(())
}

fn append_db(digest: &mut Digest, txn: &mut Txn<'_>) {
    let mut sum = Digest::default();
    let mut keys = 0;
    for shard in 0..txn.store().shard_count() {
        let mut position = Some(0);
        while let Some(at) = position {
            position = txn.in_shard(shard, |txn| {
                txn.scan(shard, at, |dict, record| {
                    let mut one = Digest::default();
                    one.append(record.key());
                    one.append_value(dict.value_of(record), record.expiry());
                    sum.add(&one.0);
                    keys += 1;
                })
            });
        }
    }
    if keys > 0 {
        digest.append(&(txn.db as u32).to_be_bytes());
        for (byte, other) in digest.0.iter_mut().zip(sum.0) {
            *byte ^= other;
        }
    }
}

/// DEBUG DIGEST-VALUE key [key ...]
pub(super) fn values(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), CommandError> {
    let store = &call.shared.store;
    let keys = call.args.from(2);
    reply.array(keys.len());
    for key in keys {
        let shard = store.shard_of(key, store.hash(key));
        let digest = call.txn.in_shard(shard, |txn| {
            let mut digest = Digest::default();
            if let Some(found) = txn.peek(key) {
                let expiry = txn.expiry(found);
                digest.append_value(txn.value(found), expiry);
            }
            digest
        });
        reply.simple(&hex(&digest.0));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a Redis 7.0.15 server answered.
    #[test]
    fn digests_are_redis_s() {
        let of = |value, expiry| {
            let mut digest = Digest::default();
            digest.append_value(value, expiry);
            hex(&digest.0)
        };
        assert_eq!(
            of(ValueRef::Int(1), None),
            "b4fc66738120fba0b5aa500ab5c2bf89cea1c5da"
        );
        assert_eq!(
            of(ValueRef::Str(b"hello"), None),
            "36b23a1456b2dce2c3ed252c456761301dba8060"
        );
        assert_eq!(
            of(ValueRef::Str(b"1"), Some(1)),
            "5279988c5d1911f474bcbbf2f0a87012d40f8459"
        );
    }

    #[test]
    fn the_order_matters_only_where_it_should() {
        let (mut ab, mut ba) = (Digest::default(), Digest::default());
        ab.add(b"a");
        ab.add(b"b");
        ba.add(b"b");
        ba.add(b"a");
        assert_eq!(ab, ba);
        let (mut ab, mut ba) = (Digest::default(), Digest::default());
        ab.append(b"a");
        ab.append(b"b");
        ba.append(b"b");
        ba.append(b"a");
        assert_ne!(ab, ba);
    }
}
