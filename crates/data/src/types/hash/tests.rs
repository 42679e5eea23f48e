//! Hashes of every form against a model.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

fn rules(entries: usize, now_ms: u64) -> HashRules {
    HashRules {
        packed: Limits {
            entries,
            text_len: 30,
        },
        hasher: KeyHasher::with_seed(3),
        now_ms,
    }
}

fn random() -> impl FnMut() -> u64 {
    let mut seed = 0u64;
    move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (seed ^ seed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }
}

fn owned(pair: Pair<'_>) -> (Vec<u8>, (Vec<u8>, Option<u64>)) {
    (pair.field.to_vec(), (pair.value.to_vec(), pair.expiry))
}

fn live(model: &Model, now_ms: u64) -> Model {
    let live = model
        .iter()
        .filter(|(_, (_, at))| at.is_none_or(|at| at > now_ms));
    live.map(|(field, value)| (field.clone(), value.clone()))
        .collect()
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (-20i64..20).prop_map(|int| int.to_string().into_bytes()),
        prop::collection::vec(b'a'..b'c', 0..3),
        prop::collection::vec(any::<u8>(), 25..35),
        Just(vec![b'x'; 300]),
    ]
}

proptest! {
    #[test]
    fn does_what_a_map_does(
        steps in prop::collection::vec((text(), text(), 0..6, prop::option::of(1u64..50)), 0..100),
        entries in 0usize..60,
    ) {
        let (mut hash, mut model) = (Hash::default(), Model::new());
        for (now, (field, value, what, expiry)) in steps.into_iter().enumerate() {
            let now = now as u64;
            let rules = rules(entries, now);
            let was_live = live(&model, now).contains_key(&field);
            let expiry = expiry.filter(|_| what != 2).map(|after| now + after);
            match what {
                0 => {
                    model.remove(&field);
                    prop_assert_eq!(hash.remove(&field, now), was_live);
                }
                1 => {
                    if let Some((_, at)) = model.get_mut(&field) {
                        *at = expiry;
                    }
                    hash.set_expiry(&field, expiry);
                }
                2..5 => {
                    model.insert(field.clone(), (value.clone(), expiry));
                    prop_assert_eq!(hash.set(&field, &value, expiry, &rules), !was_live);
                }
                _ => {
                    while hash.remove_expired(now, |_| ()) {}
                    model = live(&model, now);
                }
            }
            prop_assert_eq!(hash.view().len(), model.len());
            prop_assert_eq!(hash.is_spent(), model.is_empty());
            let next = model.values().filter_map(|(_, at)| *at).min();
            prop_assert!(hash.next_expiry() <= next || next.is_none());
            let got = hash.view().get(&field, now).map(owned);
            let expected = live(&model, now).remove(&field);
            prop_assert_eq!(got, expected.map(|value| (field, value)));
            if let Some(bytes) = hash.as_packed() {
                hash = Hash::from_packed(bytes.to_vec());
            }
        }
        let model = live(&model, 100);
        let view = hash.view();
        prop_assert_eq!(&view.iter(100).map(owned).collect::<Model>(), &model);
        let (mut scanned, mut at) = (Model::new(), Some(0));
        while let Some(position) = at {
            at = view.scan(position, 100, |pair| scanned.extend([owned(pair)]));
        }
        prop_assert_eq!(&scanned, &model);
        let drawn: Model = view.draw(3, 100, &mut random()).into_iter().map(owned).collect();
        prop_assert_eq!(drawn.len(), model.len().min(3));
        let sampled = view.sample(100, &mut random()).map(owned);
        prop_assert_eq!(sampled.is_some(), !model.is_empty());
    }
}

#[test]
fn forms_follow_the_limits() {
    let rules = rules(2, 0);
    let mut hash = Hash::default();
    hash.set(b"0", b"1", None, &rules);
    hash.set(b"b", b"2", None, &rules);
    hash.set(b"b", b"3", None, &rules);
    assert_eq!(hash.encoding(), "listpack");
    hash.set_expiry(b"b", Some(9));
    assert_eq!(
        (hash.encoding(), hash.next_expiry()),
        ("listpackex", Some(9))
    );
    hash.set(b"c", b"", None, &rules);
    assert_eq!(
        (hash.encoding(), hash.next_expiry()),
        ("hashtable", Some(9))
    );
    let mut hash = Hash::default();
    hash.set(b"a", &[b'x'; 31], None, &rules);
    assert_eq!(hash.encoding(), "hashtable");
}
