//! Writing values: what is packed is written as it lies in memory.

mod stream;

use data::packed::{Digits, Elem, PackedRef, Run, push_entry};
use data::types::hash::{HashRef, Pair};
use data::types::list::ListRef;
use data::types::set::SetRef;
use data::types::zset::ZsetRef;
use data::{Collection, Hash, Kind, List, Set, Value, ValueRef, Zset};

use crate::codes::{VERSION, VERSION_WITH_EXPIRIES, kind, node};
use crate::output::Output;

/// Members are looked at as at this time, at which none has expired.
const ALL: u64 = 0;

/// Writes the type of a value, in one byte, and the value.
pub(crate) fn value(value: ValueRef<'_>, out: &mut Output<'_>) {
    match value {
        ValueRef::Str(text) | ValueRef::Raw(text) => string(text, out),
        ValueRef::Int(int) => string(Digits::new().format(int).as_bytes(), out),
        ValueRef::Packed(Kind::List, bytes) => list(List::view_packed(bytes), out),
        ValueRef::Packed(Kind::Hash, bytes) => hash(Hash::view_packed(bytes), out),
        ValueRef::Packed(Kind::Set, bytes) => set(Set::view_packed(bytes), out),
        ValueRef::Packed(Kind::Zset, bytes) => zset(Zset::view_packed(bytes), out),
        ValueRef::Packed(kind, _) => unreachable!("{kind:?} isn't a kind of packed collections"),
        ValueRef::External(Value::Str(text)) => string(text, out),
        ValueRef::External(Value::List(value)) => list(value.view(), out),
        ValueRef::External(Value::Hash(value)) => hash(value.view(), out),
        ValueRef::External(Value::Set(value)) => set(value.view(), out),
        ValueRef::External(Value::Zset(value)) => zset(value.view(), out),
        ValueRef::External(Value::Stream(value)) => stream::stream(value, out),
    }
}

/// The lowest version whose readers know values of this type.
pub(crate) fn version_for(kind: u8) -> u16 {
    match kind {
        kind::HASH_EXPIRING | kind::HASH_LISTPACK_EXPIRING | kind::SET_EXPIRING => {
            VERSION_WITH_EXPIRIES
        }
        _ => VERSION,
    }
}

fn string(text: &[u8], out: &mut Output<'_>) {
    out.u8(kind::STRING);
    out.string(text);
}

fn list(list: ListRef<'_>, out: &mut Output<'_>) {
    out.u8(kind::LIST_QUICKLIST_2);
    let runs = list.runs();
    out.length(runs.len() as u64);
    for (run, len) in runs {
        out.length(node::PACKED);
        out.listpack(&[run], len);
    }
}

fn packed(kind: u8, list: PackedRef<'_>, out: &mut Output<'_>) {
    out.u8(kind);
    out.listpack(&[list.run()], list.len());
}

fn set(set: SetRef<'_>, out: &mut Output<'_>) {
    if let SetRef::Ints(ints) = set {
        out.u8(kind::SET_INTSET);
        let (width, len) = (ints.width() as u32, ints.len() as u32);
        out.string(&[&width.to_le_bytes(), &len.to_le_bytes(), ints.numbers()].concat());
        return;
    }
    if let SetRef::Large(entries) = set
        && set.has_expiries()
    {
        out.u8(kind::SET_EXPIRING);
        out.length(set.len() as u64);
        for handle in entries.live(ALL) {
            out.string(entries.payload(handle));
            out.u64(entries.expiry(handle).unwrap_or(0));
        }
        return;
    }
    // Redis knows packed sets from 7.2 on only.
    out.u8(kind::SET);
    out.length(set.len() as u64);
    set.iter(ALL).for_each(|member| out.elem(member));
}

fn hash(hash: HashRef<'_>, out: &mut Output<'_>) {
    let expiries = hash.iter(ALL).filter_map(|pair| pair.expiry);
    let first = expiries
        .take(if hash.has_expiries() { usize::MAX } else { 0 })
        .min();
    match (hash, first) {
        (HashRef::Packed(_), Some(first)) => packed_expiring(hash.iter(ALL), first, out),
        (HashRef::Large(_), Some(first)) => large_expiring(hash, first, out),
        (HashRef::Packed(small), None) if !small.has_expiries() => {
            packed(kind::HASH_LISTPACK, small.as_packed(), out);
        }
        _ => {
            out.u8(kind::HASH);
            out.length(hash.len() as u64);
            for pair in hash.iter(ALL) {
                out.elem(pair.field);
                out.elem(pair.value);
            }
        }
    }
}

/// The least expiry, then fields, values and expiries in the order of these, those without at the
/// end.
fn packed_expiring<'a>(pairs: impl Iterator<Item = Pair<'a>>, first: u64, out: &mut Output<'_>) {
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_by_key(|pair| pair.expiry.unwrap_or(u64::MAX));
    let mut run = Vec::new();
    for pair in &pairs {
        push_entry(pair.field, &mut run);
        push_entry(pair.value, &mut run);
        push_entry(Elem::Int(pair.expiry.unwrap_or(0) as i64), &mut run);
    }
    out.u8(kind::HASH_LISTPACK_EXPIRING);
    out.u64(first);
    out.listpack(&[Run(&run)], pairs.len() * 3);
}

/// The least expiry, then for each field how much later it expires plus one, field and value.
fn large_expiring(hash: HashRef<'_>, first: u64, out: &mut Output<'_>) {
    out.u8(kind::HASH_EXPIRING);
    out.u64(first);
    out.length(hash.len() as u64);
    for pair in hash.iter(ALL) {
        out.length(pair.expiry.map_or(0, |at| at - first + 1));
        out.elem(pair.field);
        out.elem(pair.value);
    }
}

fn zset(zset: ZsetRef<'_>, out: &mut Output<'_>) {
    if let ZsetRef::Packed(list) = zset {
        return packed(kind::ZSET_LISTPACK, list, out);
    }
    out.u8(kind::ZSET_2);
    out.length(zset.len() as u64);
    // From the highest down, as Redis does: so it adds each at the beginning when it reads them.
    for (member, score) in zset.iter().rev() {
        out.elem(member);
        out.f64(score);
    }
}
