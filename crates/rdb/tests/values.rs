//! Values that are dumped come back as they were, and payloads that were damaged are refused or
//! read as something else, but never do harm.

mod support;

use data::packed::Elem;
use data::types::list::End;
use data::types::stream::{Group, Id, Pending};
use data::{Collection, Hash, List, Set, Stream, Value, Zset};
use proptest::collection::vec;
use proptest::prelude::*;
use rdb::payload::{self, Payload};
use support::{describe, rules, view};

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-d]{0,3}".prop_map(String::into_bytes),
        4 => (-20_i64..20).prop_map(|int| int.to_string().into_bytes()),
        2 => any::<i64>().prop_map(|int| int.to_string().into_bytes()),
        1 => vec(any::<u8>(), 0..30),
        1 => (30_usize..200).prop_map(|len| b"ab".repeat(len)),
    ]
}

fn expiry() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![Just(None), (1_u64..1 << 45).prop_map(Some)]
}

fn list() -> impl Strategy<Value = Value> {
    vec(text(), 1..60).prop_map(|texts| {
        let mut list = List::default();
        for (i, text) in texts.iter().enumerate() {
            let end = if i % 3 == 0 { End::Front } else { End::Back };
            list.push(end, Elem::of(text), rules().list);
        }
        Value::List(list)
    })
}

fn set() -> impl Strategy<Value = Value> {
    let member = prop_oneof![text().boxed(), Just(b"7".to_vec()).boxed()];
    let ints = vec(
        (
            any::<i32>().prop_map(|int| int.to_string().into_bytes()),
            Just(None),
        ),
        1..14,
    );
    let mixed = vec((member, expiry()), 1..20);
    let plain = vec((text(), Just(None)), 1..20);
    prop_oneof![ints, mixed, plain].prop_map(|members| {
        let (mut set, rules) = (Set::default(), rules().set);
        for (member, expiry) in members {
            match expiry {
                Some(at) => set.add_expiring(&member, at, &rules),
                None => set.add(&member, &rules),
            };
        }
        Value::Set(set)
    })
}

fn hash() -> impl Strategy<Value = Value> {
    let plain = vec((text(), text(), Just(None)), 1..20);
    let expiring = vec((text(), text(), expiry()), 1..20);
    prop_oneof![plain, expiring].prop_map(|pairs| {
        let mut hash = Hash::default();
        for (field, value, expiry) in pairs {
            // What was overwritten may have left its mark on the form, which doesn't come back.
            if hash.view().get(&field, 0).is_none() {
                hash.set(&field, &value, expiry, &rules().hash);
            }
        }
        Value::Hash(hash)
    })
}

fn zset() -> impl Strategy<Value = Value> {
    let score = prop_oneof![
        any::<f64>().prop_filter("NaN is no score", |score| !score.is_nan()),
        (-5_i32..5).prop_map(f64::from),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
    ];
    vec((text(), score), 1..20).prop_map(|members| {
        let mut zset = Zset::default();
        for (member, score) in members {
            // No set tells -0 from 0.
            zset.set(&member, score + 0.0, &rules().zset);
        }
        Value::Zset(zset)
    })
}

fn group() -> impl Strategy<Value = Group> {
    let delivery = (0_u64..30, 0_u64..3, 0_u64..1 << 40, 1_u64..5);
    let numbers = (0_u64..40, prop::option::of(0_u64..40));
    (numbers, vec(delivery, 0..12)).prop_map(|((last, read), deliveries)| {
        let mut group = Group::new(Id::new(last, 0), read);
        for (ms, name, time_ms, deliveries) in deliveries {
            let name = name.to_string().into_bytes();
            let found = group.find_consumer(&name);
            let consumer = found.unwrap_or_else(|| group.add_consumer(&name, time_ms));
            let pending = Pending {
                consumer,
                time_ms,
                deliveries,
            };
            group.deliver(Id::new(ms, 1), pending);
        }
        group
    })
}

fn stream() -> impl Strategy<Value = Value> {
    let entry = (1_u64..4, any::<u64>(), vec((text(), text()), 1..4));
    let deleted = vec(any::<prop::sample::Index>(), 0..6);
    let groups = vec((text(), group()), 0..3);
    (vec(entry, 0..30), deleted, groups).prop_map(|(entries, deleted, groups)| {
        let mut stream = Box::<Stream>::default();
        let mut ids = Vec::new();
        for (later, seq, pairs) in entries {
            let id = Id::new(stream.last_id.ms + later, seq);
            let texts: Vec<&[u8]> = pairs.iter().flat_map(|(n, v)| [&n[..], v]).collect();
            stream.push(id, texts.iter().copied(), rules().stream);
            ids.push(id);
        }
        for index in deleted.iter().filter(|_| !ids.is_empty()) {
            stream.delete(*index.get(&ids));
        }
        for (name, group) in groups {
            stream.groups.insert(name.into(), group);
        }
        Value::Stream(stream)
    })
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::Str),
        list(),
        set(),
        hash(),
        zset(),
        stream()
    ]
}

fn read(payload: &[u8]) -> Result<Value, rdb::Error> {
    Payload::open(payload)?.value(&rules())
}

/// The payload with another body and the footer that belongs to it.
fn with_body(payload: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = payload[..payload.len() - 10].to_vec();
    change(&mut body);
    payload::finish(body, 12)
}

#[test]
fn a_single_element_of_a_list_is_not_empty() {
    let list = |nodes: &[u8]| read(&payload::finish([&[18], nodes].concat(), 12));
    let mut two = List::default();
    for text in [b"a", b"b"] {
        two.push(End::Back, Elem::of(text), rules().list);
    }
    let read = list(b"\x02\x01\x01a\x01\x01b").expect("two elements");
    assert_eq!(describe(&read), describe(&Value::List(two)));
    for nodes in [
        &b"\x01\x01\x00"[..],
        b"\x02\x01\x01a\x01\x00",
        b"\x02\x01\x00\x01\x01a",
    ] {
        assert!(list(nodes).is_err(), "Redis refuses {nodes:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn values_come_back(value in value(), compress: bool) {
        let payload = payload::dump(view(&value), compress);
        let back = read(&payload).expect("we wrote it");
        prop_assert_eq!(describe(&back), describe(&value));
    }

    #[test]
    fn damage_is_harmless(
        value in value(),
        at in any::<prop::sample::Index>(),
        byte: u8,
        compress: bool,
    ) {
        let payload = payload::dump(view(&value), compress);
        let changed = with_body(&payload, |body| *at.get_mut(body) = byte);
        if let Ok(value) = read(&changed) {
            // What was accepted is a value as any other.
            let again = payload::dump(view(&value), compress);
            prop_assert_eq!(describe(&read(&again).expect("we wrote it")), describe(&value));
        }
        let cut = with_body(&payload, |body| body.truncate(at.index(body.len())));
        prop_assert!(read(&cut).is_err());
    }
}
