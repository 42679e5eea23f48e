//! What the tests of the format share: the thresholds, and values in a form that compares.

// Each test uses a part of it.
#![allow(dead_code)]

use data::packed::Elem;
use data::types::hash::HashRules;
use data::types::list::{End, NodeLimit};
use data::types::set::SetRules;
use data::types::stream::{BlockLimits, Id};
use data::types::zset::Growth;
use data::{Collection, KeyHasher, Limits, Stream, Value, ValueRef};
use rdb::Rules;

/// Thresholds that are crossed by few elements.
pub(crate) fn rules() -> Rules {
    let limits = Limits {
        entries: 8,
        text_len: 40,
    };
    let hasher = KeyHasher::with_seed(7);
    Rules {
        list: NodeLimit {
            entries: 16,
            bytes: 400,
        },
        hash: HashRules {
            packed: limits,
            hasher: hasher.clone(),
            now_ms: 0,
        },
        set: SetRules {
            ints: 12,
            packed: limits,
            hasher: hasher.clone(),
            now_ms: 0,
        },
        zset: Growth { limits, hasher },
        stream: BlockLimits {
            bytes: 300,
            entries: 5,
        },
    }
}

/// What a value holds, with the form that it has where that isn't the reader's choice.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Str(text) => format!("{:?}", String::from_utf8_lossy(text)),
        Value::List(list) => {
            let elems = list.view().iter_from(End::Front, 0).map(text);
            format!("list {:?}", elems.collect::<Vec<_>>())
        }
        Value::Set(set) => {
            let view = set.view();
            let expiry = |member: &[u8]| view.expiry(member, 0).expect("just seen");
            let members = view
                .iter(0)
                .map(|member| (text(member), expiry(&member.to_vec())));
            format!("{} {:?}", set.encoding(), sorted(members))
        }
        Value::Hash(hash) => {
            let pairs = hash.view().iter(0);
            let pairs = pairs.map(|pair| (text(pair.field), text(pair.value), pair.expiry));
            format!("{} {:?}", hash.encoding(), sorted(pairs))
        }
        Value::Zset(zset) => {
            let elems = zset
                .view()
                .iter()
                .map(|(member, score)| (text(member), score));
            format!("{} {:?}", zset.encoding(), elems.collect::<Vec<_>>())
        }
        Value::Stream(stream) => describe_stream(stream),
    }
}

fn describe_stream(stream: &Stream) -> String {
    let entries = stream.range(Id::MIN, Id::MAX).map(|entry| {
        let pairs = entry.pairs().map(|(name, value)| (text(name), text(value)));
        (entry.id, pairs.collect::<Vec<_>>())
    });
    let groups = stream.groups.iter().map(|(name, group)| {
        let consumers = group.consumers().map(|one| {
            let pending = one.pending().iter().map(|id| {
                let pending = group.pending()[id];
                (*id, pending.time_ms, pending.deliveries)
            });
            (one.name.clone(), one.seen_ms, pending.collect::<Vec<_>>())
        });
        let consumers: Vec<_> = consumers.collect();
        (name, group.last_id, group.entries_read, consumers)
    });
    format!(
        "stream {:?} {:?} {} {:?} {:?}",
        stream.last_id,
        stream.max_deleted_id,
        stream.entries_added,
        entries.collect::<Vec<_>>(),
        groups.collect::<Vec<_>>(),
    )
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort();
    items
}

fn text(elem: Elem<'_>) -> String {
    String::from_utf8_lossy(&elem.to_vec()).into_owned()
}

/// The value as the keyspace shows it.
pub(crate) fn view(value: &Value) -> ValueRef<'_> {
    ValueRef::External(value)
}
