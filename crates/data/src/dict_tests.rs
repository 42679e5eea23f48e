//! The dictionary against a `HashMap`.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

#[derive(Clone, Debug)]
enum Step {
    Set(u8, Content, Option<u64>),
    Remove(u8),
    Expire(u8, Option<u64>),
    Touch(u8, u32),
    Pass(u64),
    Compact,
}

#[derive(Clone, Debug, PartialEq)]
enum Content {
    Str(Vec<u8>),
    Int(i64),
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Content::Str),
        (0usize..5000, any::<u8>()).prop_map(|(n, b)| Content::Str(vec![b; n])),
        any::<i64>().prop_map(Content::Int),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let expiry = prop::option::of(1u64..1000);
    prop_oneof![
        6 => (any::<u8>(), content(), expiry.clone()).prop_map(|(k, c, e)| Step::Set(k, c, e)),
        2 => any::<u8>().prop_map(Step::Remove),
        2 => (any::<u8>(), expiry).prop_map(|(k, e)| Step::Expire(k, e)),
        1 => (any::<u8>(), 0u32..1 << 23).prop_map(|(k, c)| Step::Touch(k, c)),
        1 => (0u64..1000).prop_map(Step::Pass),
        1 => Just(Step::Compact),
    ]
}

/// Keys of all lengths, some above the one-byte length.
fn key(k: u8) -> Vec<u8> {
    let mut key = vec![
        k;
        if k.is_multiple_of(16) {
            300
        } else {
            k as usize % 24
        }
    ];
    key.push(k);
    key
}

fn content_at(dict: &Dict, entry: Entry) -> Content {
    match dict.value(entry) {
        ValueRef::Str(bytes) | ValueRef::Raw(bytes) => Content::Str(bytes.to_vec()),
        ValueRef::Int(value) => Content::Int(value),
        ValueRef::External(Value::Str(bytes)) => Content::Str(bytes.clone()),
        other => unreachable!("these tests only store strings: {other:?}"),
    }
}

fn new_value(content: &Content) -> NewValue<'_> {
    match content {
        Content::Str(bytes) => NewValue::Str(bytes),
        Content::Int(value) => NewValue::Int(*value),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 128 }))]

    #[test]
    fn behaves_as_a_map(
        steps in prop::collection::vec(step(), 1..if cfg!(miri) { 60 } else { 800 })
    ) {
        let hasher = KeyHasher::with_seed(3);
        let mut dict = Dict::new(hasher.clone());
        let mut model: HashMap<u8, (Content, Option<u64>)> = HashMap::new();
        for step in steps {
            match step {
                Step::Set(k, content, expiry) => {
                    let (key, hash) = (key(k), hasher.hash(&key(k)));
                    match dict.find(hash, &key) {
                        Some(entry) => {
                            dict.replace(entry, &key, new_value(&content), expiry, 9);
                        }
                        None => {
                            dict.insert(hash, &key, new_value(&content), expiry, 9);
                        }
                    }
                    model.insert(k, (content, expiry));
                }
                Step::Remove(k) => {
                    let found = dict.find(hasher.hash(&key(k)), &key(k));
                    prop_assert_eq!(found.is_some(), model.remove(&k).is_some());
                    found.map(|entry| dict.remove(entry));
                }
                Step::Expire(k, expiry) => {
                    if let Some(entry) = dict.find(hasher.hash(&key(k)), &key(k)) {
                        dict.set_expiry(entry, expiry);
                    }
                    if let Some(entry) = model.get_mut(&k) {
                        entry.1 = expiry;
                    }
                }
                Step::Touch(k, clock) => {
                    if let Some(entry) = dict.find(hasher.hash(&key(k)), &key(k)) {
                        dict.touch(entry, clock);
                        prop_assert_eq!(dict.record(entry).clock(), clock);
                    }
                }
                Step::Pass(now) => {
                    for part in 0..dict.parts() {
                        while part < dict.parts()
                            && dict.remove_expired(part, now, |_, _| {}).1 > 0 {}
                    }
                    model.retain(|_, (_, expiry)| expiry.is_none_or(|at| at > now));
                }
                Step::Compact => while dict.compact().is_some() {},
            }
            prop_assert_eq!(dict.len(), model.len());
            prop_assert_eq!(dict.expiring(), model.values().filter(|v| v.1.is_some()).count());
        }
        for (k, (content, expiry)) in &model {
            let entry = dict.find(hasher.hash(&key(*k)), &key(*k)).expect("in the model");
            prop_assert_eq!(dict.record(entry).expiry(), *expiry);
            prop_assert_eq!(&content_at(&dict, entry), content);
        }
        let large = model.iter().filter(|(k, (c, _))| {
            matches!(c, Content::Str(s) if !record::fits_inline(key(**k).len(), s.len()))
        });
        prop_assert_eq!(dict.large_values(), large.count());
        let mut rest = 1u64;
        let sampled = dict.sample(|| { rest = rest.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1; rest });
        prop_assert_eq!(sampled.is_some(), !model.is_empty());
    }
}

#[test]
#[cfg_attr(miri, ignore = "slow")]
fn memory_returns_when_values_change_their_size() {
    let hasher = KeyHasher::with_seed(3);
    let mut dict = Dict::new(hasher.clone());
    let value = [b'x'; 2000];
    for number in 0..40_000u32 {
        let key = number.to_le_bytes();
        dict.insert(
            hasher.hash(&key),
            &key,
            NewValue::Str(&value[..100]),
            None,
            1,
        );
    }
    let room = |dict: &Dict| dict.arena.spare_bytes() as f64 / dict.arena.slab_bytes() as f64;
    for number in (0..40_000u32).filter(|number| number % 10 != 0) {
        let key = number.to_le_bytes();
        let entry = dict.find(hasher.hash(&key), &key).expect("was added");
        if number % 3 == 0 {
            dict.replace(entry, &key, NewValue::Str(&value), None, 1);
        } else {
            dict.remove(entry);
        }
        while dict.is_sparse() && dict.compact().is_some() {}
        assert!(room(&dict) < 0.12);
    }
    for number in (0..40_000u32).step_by(10) {
        let key = number.to_le_bytes();
        let entry = dict.find(hasher.hash(&key), &key).expect("was left alone");
        assert_eq!(content_at(&dict, entry), Content::Str(vec![b'x'; 100]));
    }
}
