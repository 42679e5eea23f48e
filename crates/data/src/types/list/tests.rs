//! Lists against a `VecDeque` of texts.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Push(End, Vec<Vec<u8>>),
    Remove(End, usize),
    Insert(usize, Vec<u8>),
    Set(usize, Vec<u8>),
    RemoveEqual(Vec<u8>, usize, End),
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => "[ab]{0,2}".prop_map(String::into_bytes),
        8 => (-200_i64..200).prop_map(|int| int.to_string().into_bytes()),
        4 => prop::collection::vec(any::<u8>(), 0..300),
        1 => (1000_usize..20_000).prop_map(|len| vec![b'x'; len]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let end = || prop_oneof![Just(End::Front), Just(End::Back)];
    prop_oneof![
        6 => (end(), prop::collection::vec(text(), 1..60))
            .prop_map(|(end, texts)| Op::Push(end, texts)),
        3 => (end(), 0_usize..50).prop_map(|(end, n)| Op::Remove(end, n)),
        4 => (any::<usize>(), text()).prop_map(|(index, text)| Op::Insert(index, text)),
        2 => (any::<usize>(), text()).prop_map(|(index, text)| Op::Set(index, text)),
        2 => (text(), 1_usize..20, end())
            .prop_map(|(text, max, end)| Op::RemoveEqual(text, max, end)),
    ]
}

fn apply(op: &Op, list: &mut List, model: &mut VecDeque<Vec<u8>>, limit: NodeLimit) {
    match op {
        Op::Push(end, texts) => {
            for text in texts {
                list.push(*end, Elem::of(text), limit);
                match end {
                    End::Front => model.push_front(text.clone()),
                    End::Back => model.push_back(text.clone()),
                }
            }
        }
        Op::Remove(end, n) => {
            let n = (*n).min(model.len());
            list.remove_at(*end, n);
            match end {
                End::Front => drop(model.drain(..n)),
                End::Back => model.truncate(model.len() - n),
            }
        }
        Op::Insert(index, text) => {
            let index = index % (model.len() + 1);
            list.insert(index, Elem::of(text), limit);
            model.insert(index, text.clone());
        }
        Op::Set(index, text) if !model.is_empty() => {
            let index = index % model.len();
            list.set(index, Elem::of(text), limit);
            model[index].clone_from(text);
        }
        Op::Set(..) => {}
        Op::RemoveEqual(text, max, from) => {
            let mut equal: Vec<usize> = (0..model.len()).filter(|&i| model[i] == *text).collect();
            if *from == End::Back {
                equal.reverse();
            }
            equal.truncate(*max);
            equal.sort_unstable();
            let removed = list.remove_equal(Elem::of(text), *max, *from, limit);
            assert_eq!(removed, equal.len());
            for i in equal.into_iter().rev() {
                model.remove(i);
            }
        }
    }
}

fn texts(list: &List, from: End, skipped: usize) -> Vec<Vec<u8>> {
    let elems = list.view().iter_from(from, skipped);
    elems.map(Elem::to_vec).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn does_what_a_deque_does(
        ops in prop::collection::vec(op(), 1..60),
        setting in prop_oneof![Just(-2_i64), Just(-1), Just(1), Just(3), Just(50)],
        skipped in 0_usize..100,
    ) {
        let limit = NodeLimit::new(setting);
        let (mut list, mut model) = (List::default(), VecDeque::new());
        for op in &ops {
            apply(op, &mut list, &mut model, limit);
            prop_assert_eq!(list.len(), model.len());
        }
        let expected: Vec<_> = model.iter().cloned().collect();
        prop_assert_eq!(texts(&list, End::Front, 0), &expected[..]);
        let rest = &expected[skipped.min(expected.len())..];
        prop_assert_eq!(texts(&list, End::Front, skipped), rest);
        let backwards: Vec<_> = expected.iter().rev().skip(skipped).cloned().collect();
        prop_assert_eq!(texts(&list, End::Back, skipped), backwards);
        let each: Vec<_> = (0..list.len()).map(|i| list.view().get(i).unwrap().to_vec()).collect();
        prop_assert_eq!(each, expected);
        if let List::Large(large) = &list {
            large.check(limit);
        }
    }
}

#[test]
fn node_limits_are_redis_s() {
    let bytes = |setting| NodeLimit::new(setting).bytes;
    assert_eq!(bytes(-1), 4 << 10);
    assert_eq!(bytes(-2), 8 << 10);
    assert_eq!(bytes(-5), 64 << 10);
    assert_eq!(bytes(i64::MIN), 64 << 10);
    assert_eq!((NodeLimit::new(0).entries, bytes(128)), (1, 8 << 10));
}

#[test]
#[cfg_attr(miri, ignore)] // Minutes there, and no unsafe code of its own.
fn a_queue_stays_small_and_gives_back() {
    let limit = NodeLimit::new(-2);
    let mut list = List::default();
    for i in 0..100_000 {
        list.push(End::Front, Elem::Bytes(b"0123456789abcdef"), limit);
        if i >= 1000 {
            list.remove_at(End::Back, 1);
        }
    }
    assert!(
        list.heap_bytes() < 18 * 1000 + 3 * 8192,
        "{}",
        list.heap_bytes()
    );
    list.remove_at(End::Front, 999);
    assert!(list.heap_bytes() < 2 * 1024, "{}", list.heap_bytes());
}

#[test]
#[cfg_attr(miri, ignore)] // Minutes there, and no unsafe code of its own.
fn small_neighbours_are_joined() {
    let limit = NodeLimit::new(-2);
    let mut list = List::default();
    for i in 0..100_000 {
        let text = if i % 100 == 0 {
            &b"kept"[..]
        } else {
            b"0123456789abcdef"
        };
        list.push(End::Back, Elem::Bytes(text), limit);
    }
    assert_eq!(list.encoding(), "quicklist");
    list.remove_equal(
        Elem::Bytes(b"0123456789abcdef"),
        usize::MAX,
        End::Back,
        limit,
    );
    assert_eq!(list.len(), 1000);
    assert!(list.drop_cost() <= 3, "{} chunks", list.drop_cost());
}
