//! DEBUG DIGEST and DIGEST-VALUE: a signature of the data that doesn't depend on the order in which
//! keys are visited, equal to Redis's for the same data. Keys and members that have expired don't
//! count.

use commands::CommandError;
use data::packed::{Digits, Elem};
use data::types::hash::HashRef;
use data::types::list::{End, ListRef};
use data::types::set::SetRef;
use data::types::stream::Id;
use data::types::zset::ZsetRef;
use data::{Collection, Hash, Kind, List, Set, Stream, Value, ValueRef, Zset};
use protocol::Reply;
use protocol::number::format_double;
use sha1::{Digest as _, Sha1};
use store::Txn;

use crate::admin::hex;
use crate::session::Call;

/// What Redis numbers the types with.
const STRING: u32 = 0;
const LIST: u32 = 1;
const SET: u32 = 2;
const ZSET: u32 = 3;
const HASH: u32 = 4;
const STREAM: u32 = 6;

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

    fn append_value(&mut self, value: ValueRef<'_>, expiry: Option<u64>, now_ms: u64) {
        match value {
            ValueRef::Str(bytes) | ValueRef::Raw(bytes) => self.append_string(bytes),
            ValueRef::Int(int) => self.append_string(int.to_string().as_bytes()),
            ValueRef::Packed(Kind::List, bytes) => self.append_list(List::view_packed(bytes)),
            ValueRef::Packed(Kind::Set, bytes) => self.append_set(Set::view_packed(bytes), now_ms),
            ValueRef::Packed(Kind::Zset, bytes) => self.append_zset(Zset::view_packed(bytes)),
            ValueRef::Packed(_, bytes) => self.append_hash(Hash::view_packed(bytes), now_ms),
            ValueRef::External(Value::Str(bytes)) => self.append_string(bytes),
            ValueRef::External(Value::List(list)) => self.append_list(list.view()),
            ValueRef::External(Value::Set(set)) => self.append_set(set.view(), now_ms),
            ValueRef::External(Value::Zset(zset)) => self.append_zset(zset.view()),
            ValueRef::External(Value::Hash(hash)) => self.append_hash(hash.view(), now_ms),
            ValueRef::External(Value::Stream(stream)) => self.append_stream(stream),
        }
        if expiry.is_some() {
            self.add(b"!!expire!!");
        }
    }

    fn append_list(&mut self, list: ListRef<'_>) {
        self.append_kind(LIST);
        for elem in list.iter_from(End::Front, 0) {
            self.append(elem.text(&mut Digits::new()));
        }
    }

    fn append_set(&mut self, set: SetRef<'_>, now_ms: u64) {
        self.append_kind(SET);
        for member in set.iter(now_ms) {
            self.add(member.text(&mut Digits::new()));
        }
    }

    fn append_zset(&mut self, zset: ZsetRef<'_>) {
        self.append_kind(ZSET);
        for (member, score) in zset.iter() {
            self.add_pair(member, format_double(score).as_bytes());
        }
    }

    fn append_hash(&mut self, hash: HashRef<'_>, now_ms: u64) {
        self.append_kind(HASH);
        for pair in hash.iter(now_ms) {
            self.add_pair(pair.field, pair.value.text(&mut Digits::new()));
        }
    }

    fn append_stream(&mut self, stream: &Stream) {
        self.append_kind(STREAM);
        for entry in stream.range(Id::MIN, Id::MAX) {
            self.append(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
            for (name, value) in entry.pairs() {
                self.append(name.text(&mut Digits::new()));
                self.append(value.text(&mut Digits::new()));
            }
        }
    }

    /// Adds two things that belong together, in this order.
    fn add_pair(&mut self, first: Elem<'_>, second: &[u8]) {
        let mut pair = Digest::default();
        pair.append(first.text(&mut Digits::new()));
        pair.append(second);
        self.add(&pair.0);
    }

    fn append_kind(&mut self, kind: u32) {
        self.append(&kind.to_be_bytes());
    }

    fn append_string(&mut self, bytes: &[u8]) {
        self.append_kind(STRING);
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
    let now_ms = txn.now_ms;
    for shard in 0..txn.store().shard_count() {
        let mut position = Some(0);
        while let Some(at) = position {
            position = txn.in_shard(shard, |txn| {
                txn.scan(shard, at, |dict, record| {
                    if is_spent(dict.value_of(record), now_ms) {
                        return;
                    }
                    let mut one = Digest::default();
                    one.append(record.key());
                    one.append_value(dict.value_of(record), record.expiry(), now_ms);
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

/// Whether all members of a collection have expired and nobody has removed them yet.
fn is_spent(value: ValueRef<'_>, now_ms: u64) -> bool {
    let is_empty = |hash: HashRef<'_>| hash.iter(now_ms).next().is_none();
    match value {
        ValueRef::Packed(Kind::Hash, bytes) => is_empty(Hash::view_packed(bytes)),
        ValueRef::External(Value::Hash(hash)) => is_empty(hash.view()),
        ValueRef::External(Value::Set(set)) => set.view().iter(now_ms).next().is_none(),
        _ => false,
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
                let (expiry, now_ms) = (txn.expiry(found), txn.now_ms);
                if !is_spent(txn.value(found), now_ms) {
                    digest.append_value(txn.value(found), expiry, now_ms);
                }
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
            digest.append_value(value, expiry, 0);
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
