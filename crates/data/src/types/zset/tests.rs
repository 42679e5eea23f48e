//! Sorted sets in either form against a sorted vector.

use super::*;
use proptest::prelude::*;

fn growth(entries: usize) -> Growth {
    Growth {
        limits: Limits {
            entries,
            text_len: 8,
        },
        hasher: KeyHasher::with_seed(1),
    }
}

type Model = Vec<(f64, Vec<u8>)>;

#[derive(Clone, Debug)]
enum Step {
    Set(Vec<u8>, f64),
    Remove(Vec<u8>),
    Cut(usize, usize),
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0u16..400).prop_map(|n| n.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..10),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-5i32..5).prop_map(f64::from),
        -1e9..1e9,
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        (0u64..10).prop_map(|n| 1.7e12 + n as f64),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (member(), score()).prop_map(|(member, score)| Step::Set(member, score)),
        2 => member().prop_map(Step::Remove),
        1 => (any::<usize>(), 0usize..20).prop_map(|(at, n)| Step::Cut(at, n)),
    ]
}

fn listed<'a>(elements: impl Iterator<Item = (Elem<'a>, f64)>) -> Model {
    elements
        .map(|(member, score)| (score, member.to_vec()))
        .collect()
}

fn compare_all(zset: ZsetRef<'_>, model: &Model) {
    assert_eq!(&listed(zset.iter()), model);
    let mut reversed = listed(zset.iter().rev());
    reversed.reverse();
    assert_eq!(&reversed, model);
    for (rank, (score, member)) in model.iter().enumerate() {
        assert_eq!(zset.rank(member), Some((rank, *score)));
        let below = model.iter().filter(|other| other.0 < *score).count();
        let upto = model.iter().filter(|other| other.0 <= *score).count();
        assert_eq!(zset.rank_of_score(*score, false), below);
        assert_eq!(zset.rank_of_score(*score, true), upto);
    }
    let (mut seen, mut position) = (Vec::new(), Some(0));
    while let Some(at) = position {
        position = zset.scan(at, |member, score| seen.push((score, member.to_vec())));
    }
    seen.sort_by(|a, b| a.partial_cmp(b).unwrap());
    assert_eq!(&seen, model);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 48 }))]
    #[test]
    fn is_a_sorted_vector(
        steps in prop::collection::vec(step(), 1..700),
        entries in prop::sample::select(vec![0usize, 10, 1000]),
    ) {
        let (mut zset, mut model, growth) = (Zset::default(), Model::new(), growth(entries));
        for step in steps {
            match step {
                Step::Set(member, score) => {
                    let old = model.iter().position(|(_, other)| *other == member);
                    let old = old.map(|at| model.remove(at).0);
                    zset.update(&member, &growth, |found| {
                        assert_eq!(found, old);
                        Some(score)
                    });
                    let element = (score, member);
                    let at = model.partition_point(|other| *other < element);
                    model.insert(at, element);
                }
                Step::Remove(member) => {
                    let old = model.iter().position(|(_, other)| *other == member);
                    let old = old.map(|at| model.remove(at).0);
                    prop_assert_eq!(zset.remove(&member), old);
                }
                Step::Cut(at, n) => {
                    let start = at % (model.len() + 1);
                    let end = (start + n).min(model.len());
                    zset.remove_range(start..end);
                    model.drain(start..end);
                }
            }
            prop_assert_eq!(zset.view().len(), model.len());
        }
        compare_all(zset.view(), &model);
        compare_all(zset.clone().view(), &model);
    }
}

#[test]
fn takes_the_large_form_above_its_limits() {
    let growth = growth(2);
    let mut zset = Zset::default();
    zset.set(b"12345678", 1.0, &growth);
    zset.set(b"b", 2.5, &growth);
    zset.set(b"b", 3.5, &growth);
    assert_eq!(zset.encoding(), "listpack");
    let mut long = zset.clone();
    long.remove(b"b");
    long.set(b"123456789", 1.0, &growth);
    assert_eq!(long.encoding(), "skiplist");
    zset.set(b"c", 1.0, &growth);
    assert_eq!(zset.encoding(), "skiplist");
    let before = |member: Elem<'_>| compare(member, b"b").is_lt();
    assert_eq!(zset.view().rank_of_member(before), 1);
    zset.remove_range(0..3);
    assert!(zset.is_spent());
}
