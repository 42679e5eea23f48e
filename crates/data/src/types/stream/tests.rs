//! Streams against a simple model: a map from ID to fields, every entry of which is kept. Blocks
//! are kept tiny so that the random steps cross their borders all the time.

use proptest::prelude::*;

use super::*;
use crate::packed::Elem;

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;
type Model = BTreeMap<Id, Pairs>;

const TINY: BlockLimits = BlockLimits {
    bytes: 120,
    entries: 4,
};

#[derive(Clone, Debug)]
enum Step {
    Push(u64, u64, Pairs),
    Delete(prop::sample::Index),
    DeleteId(u64),
    MaxLen(u64, Option<usize>),
    MinId(u64, Option<usize>),
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::sample::select(&["f", "name", "12"]).prop_map(Vec::from),
        1 => prop::collection::vec(any::<u8>(), 0..80),
        1 => any::<i32>().prop_map(|int| int.to_string().into_bytes()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let pairs = prop::collection::vec((text(), text()), 1..4);
    let limit = prop::option::of(0usize..10);
    prop_oneof![
        10 => (0u64..3, 0u64..3, pairs).prop_map(|(ms, seq, pairs)| Step::Push(ms, seq, pairs)),
        4 => any::<prop::sample::Index>().prop_map(Step::Delete),
        1 => (0u64..40).prop_map(Step::DeleteId),
        1 => (0u64..20, limit.clone()).prop_map(|(max, limit)| Step::MaxLen(max, limit)),
        1 => (0u64..40, limit).prop_map(|(min, limit)| Step::MinId(min, limit)),
    ]
}

fn pairs(entry: Entry<'_>) -> (Id, Pairs) {
    let pairs: Pairs = entry
        .pairs()
        .map(|(name, value)| (Elem::to_vec(name), Elem::to_vec(value)))
        .collect();
    assert_eq!(pairs.len(), entry.fields);
    (entry.id, pairs)
}

fn push(stream: &mut Stream, model: &mut Model, (ms, seq): (u64, u64), fields: Pairs) {
    let last = stream.last_id;
    let id = match ms {
        0 => Id::new(last.ms, last.seq + seq + 1),
        _ => Id::new(last.ms + ms, seq),
    };
    let texts: Vec<&[u8]> = fields.iter().flat_map(|(n, v)| [&n[..], &v[..]]).collect();
    stream.push(id, texts.into_iter(), TINY);
    model.insert(id, fields);
}

/// What trimming takes away exactly, or at most where it is approximate.
fn too_old(model: &Model, trim: Trim) -> usize {
    match trim {
        Trim::MaxLen(max) => model.len().saturating_sub(max as usize),
        Trim::MinId(min) => model.range(..min).count(),
    }
}

fn trim(stream: &mut Stream, model: &mut Model, trim: Trim, limit: Option<usize>) {
    let most = too_old(model, trim);
    let removed = stream.trim(trim, limit);
    match limit {
        None => assert_eq!(removed, most),
        Some(0) => assert!(removed <= most && most - removed < 4),
        Some(limit) => assert!(removed <= most.min(limit)),
    }
    for _ in 0..removed {
        model.pop_first();
    }
}

fn apply(stream: &mut Stream, model: &mut Model, step: Step) {
    match step {
        Step::Push(ms, seq, fields) => push(stream, model, (ms, seq), fields),
        Step::Delete(index) if !model.is_empty() => {
            let id = *model.keys().nth(index.index(model.len())).unwrap();
            model.remove(&id);
            assert!(stream.delete(id) && !stream.delete(id));
        }
        Step::Delete(_) => {}
        Step::DeleteId(ms) => {
            let id = Id::new(ms, 1);
            assert_eq!(stream.delete(id), model.remove(&id).is_some());
        }
        Step::MaxLen(max, limit) => trim(stream, model, Trim::MaxLen(max), limit),
        Step::MinId(ms, limit) => trim(stream, model, Trim::MinId(Id::new(ms, 0)), limit),
    }
}

proptest! {
    #[test]
    fn behaves_as_a_map(
        steps in prop::collection::vec(step(), 1..80),
        from in 0u64..60,
        to in 0u64..60,
    ) {
        let (mut stream, mut model) = (Stream::default(), Model::new());
        for step in steps {
            apply(&mut stream, &mut model, step);
            prop_assert_eq!(stream.len(), model.len());
            prop_assert_eq!(stream.first_id(), model.keys().next().copied().unwrap_or_default());
            let last = stream.last().map(|entry| entry.id);
            prop_assert_eq!(last, model.keys().next_back().copied());
        }
        let all: Vec<_> = stream.range(Id::MIN, Id::MAX).map(pairs).collect();
        let expected: Vec<_> = model.iter().map(|(id, f)| (*id, f.clone())).collect();
        prop_assert_eq!(&all, &expected);
        let (from, to) = (Id::new(from, 1), Id::new(to, 1));
        let within = |(id, _): &&(Id, Pairs)| (from..=to).contains(id);
        let part: Vec<_> = expected.iter().filter(within).cloned().collect();
        prop_assert_eq!(&stream.range(from, to).map(pairs).collect::<Vec<_>>(), &part);
        let mut backwards: Vec<_> = stream.range(from, to).rev().map(pairs).collect();
        backwards.reverse();
        prop_assert_eq!(&backwards, &part);
        let bytes: usize = stream.sealed.values().map(Block::heap_bytes).sum();
        prop_assert_eq!(stream.sealed_bytes, bytes);
    }

    #[test]
    fn each_pending_entry_is_one_consumer_s(
        steps in prop::collection::vec((0u8..5, 0u64..12, 0u8..4), 1..80)
    ) {
        let mut group = Group::default();
        let mut model: BTreeMap<Id, u8> = BTreeMap::new();
        let mut names = std::collections::BTreeSet::new();
        for (step, id, name) in steps {
            let id = Id::new(id, 0);
            match step {
                0 => prop_assert_eq!(group.acknowledge(id), model.remove(&id).is_some()),
                1 => {
                    let before = model.len();
                    model.retain(|_, consumer| *consumer != name);
                    let removed = names.remove(&name).then_some(before - model.len());
                    prop_assert_eq!(group.delete_consumer(&[name]), removed);
                }
                _ => {
                    let found = group.find_consumer(&[name]);
                    let consumer = found.unwrap_or_else(|| group.add_consumer(&[name], 0));
                    let pending = Pending { consumer, time_ms: 0, deliveries: 1 };
                    group.deliver(id, pending);
                    names.insert(name);
                    model.insert(id, name);
                }
            }
            let of = |pending: &Pending| group.consumer(pending.consumer).name[0];
            let all: Vec<_> = group.pending().iter().map(|(id, p)| (*id, of(p))).collect();
            prop_assert_eq!(all, model.iter().map(|(id, c)| (*id, *c)).collect::<Vec<_>>());
            let seen: Vec<_> = group.consumers().map(|consumer| consumer.name[0]).collect();
            prop_assert_eq!(seen, names.iter().copied().collect::<Vec<_>>());
            for consumer in group.consumers() {
                let of_name = model.iter().filter(|(_, name)| **name == consumer.name[0]);
                let ids: Vec<_> = of_name.map(|(id, _)| *id).collect();
                let own: Vec<_> = consumer.pending().iter().copied().collect();
                prop_assert_eq!(own, ids);
            }
        }
    }
}

#[test]
fn names_are_kept_once_a_block() {
    let mut stream = Stream::default();
    let name = [b'n'; 100];
    let limits = BlockLimits {
        bytes: 4096,
        entries: 100,
    };
    for ms in 1..=1000 {
        stream.push(Id::new(ms, 0), [&name[..], b"1"].into_iter(), limits);
    }
    assert_eq!(stream.blocks(), 10);
    assert!(stream.heap_bytes() < 20_000, "{}", stream.heap_bytes());
}
