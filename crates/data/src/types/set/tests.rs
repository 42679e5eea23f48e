//! Sets of every form against a model.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn rules(ints: usize, entries: usize) -> SetRules {
    SetRules {
        ints,
        packed: Limits {
            entries,
            text_len: 20,
        },
        hasher: KeyHasher::with_seed(3),
        now_ms: 0,
    }
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    let int = prop_oneof![-40i64..40, -70_000i64..70_000, any::<i64>()];
    prop_oneof![
        3 => int.prop_map(|int| int.to_string().into_bytes()),
        1 => prop::collection::vec(b'a'..b'd', 0..3),
        1 => prop::collection::vec(any::<u8>(), 18..23),
    ]
}

fn members(set: &Set) -> BTreeSet<Vec<u8>> {
    set.view().iter(0).map(Elem::to_vec).collect()
}

fn random() -> impl FnMut() -> u64 {
    let mut seed = 0u64;
    move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (seed ^ seed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }
}

proptest! {
    #[test]
    fn does_what_a_set_does(
        steps in prop::collection::vec((member(), 0..4), 0..120),
        (ints, entries) in (0usize..60, 0usize..60),
    ) {
        let rules = rules(ints, entries);
        let (mut set, mut model) = (Set::default(), BTreeSet::new());
        for (member, what) in steps {
            if what == 0 {
                prop_assert_eq!(set.remove(&member, 0), model.remove(&member));
            } else {
                prop_assert_eq!(set.add(&member, &rules), model.insert(member.clone()));
                prop_assert!(set.view().contains(&member, 0));
            }
            prop_assert_eq!(set.view().len(), model.len());
            prop_assert_eq!(set.is_spent(), model.is_empty());
            if let Some(bytes) = set.as_packed() {
                set = Set::from_packed(bytes.to_vec());
            }
        }
        prop_assert_eq!(members(&set), model.clone());
        let mut scanned = BTreeSet::new();
        let mut at = Some(0);
        while let Some(position) = at {
            at = set.view().scan(position, 0, |elem| { scanned.insert(elem.to_vec()); });
        }
        prop_assert_eq!(&scanned, &model);
        for count in [0, 1, model.len() / 4, model.len() + 1] {
            let drawn = set.view().draw(count, 0, &mut random());
            let drawn: BTreeSet<_> = drawn.into_iter().map(Elem::to_vec).collect();
            prop_assert_eq!(drawn.len(), count.min(model.len()));
            prop_assert!(drawn.is_subset(&model));
        }
        let sampled = set.view().sample(0, &mut random()).map(Elem::to_vec);
        prop_assert_eq!(sampled.is_some(), !model.is_empty());
    }
}

#[test]
fn forms_follow_the_limits() {
    let rules = rules(3, 4);
    let encoding = |members: &[&str]| {
        let mut set = Set::default();
        for member in members {
            set.add(member.as_bytes(), &rules);
        }
        set.encoding()
    };
    assert_eq!(encoding(&["1", "2", "300000"]), "intset");
    assert_eq!(encoding(&["1", "2", "3", "4"]), "hashtable");
    assert_eq!(encoding(&["1", "2", "a"]), "listpack");
    assert_eq!(encoding(&["a", "1", "2", "3"]), "listpack");
    assert_eq!(encoding(&["a", "b", "c", "d", "e"]), "hashtable");
    assert_eq!(encoding(&["a234567890123456789012345"]), "hashtable");
}

#[test]
fn an_emptied_set_of_integers_gives_no_member() {
    let mut set = Set::default();
    set.add(b"7", &rules(1, 0));
    set.remove(b"7", 0);
    assert!(set.view().sample(0, &mut || 0).is_none());
}

#[test]
fn expired_members_are_not_there() {
    let mut rules = rules(9, 9);
    let mut set = Set::default();
    set.add(b"1", &rules);
    assert!(set.add_expiring(b"a", 10, &rules));
    assert!(!set.add_expiring(b"1", 20, &rules));
    assert_eq!(set.next_expiry(), Some(10));
    let view = set.view();
    assert!(view.contains(b"a", 9) && !view.contains(b"a", 10));
    assert_eq!(view.expiry(b"1", 0), Some(Some(20)));
    assert_eq!(view.iter(10).map(Elem::to_vec).collect::<Vec<_>>(), [b"1"]);
    assert_eq!(view.draw(5, 10, &mut random()).len(), 1);
    rules.now_ms = 10;
    assert!(set.add(b"a", &rules), "an expired member is new");
    assert_eq!(set.view().expiry(b"a", 10), Some(None));
    let mut removed = Vec::new();
    assert!(!set.remove_expired(20, |member| removed.push(member.to_vec())));
    assert_eq!(removed, [b"1"]);
    assert_eq!(set.next_expiry(), None);
}
