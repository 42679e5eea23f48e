//! The table against a model, with records that are just hashes.

use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

/// Record `i` has hash `self.0[i]`.
struct Hashes(Vec<u64>);

impl Records for Hashes {
    fn hash(&self, handle: Handle) -> KeyHash {
        KeyHash(self.0[handle.0 as usize])
    }

    fn prefetch(&self, _: Handle) {}
}

fn hashes(n: usize) -> Hashes {
    let hasher = crate::KeyHasher::with_seed(7);
    Hashes(
        (0..n as u64)
            .map(|i| hasher.hash(&i.to_le_bytes()).0)
            .collect(),
    )
}

fn insert(table: &mut Table, records: &Hashes, i: u32) {
    table.insert(records.hash(Handle(i)), Handle(i), None, records);
}

fn remove(table: &mut Table, records: &Hashes, i: u32) -> bool {
    let hash = records.hash(Handle(i));
    let Some(place) = table.find(hash, |h| h.0 == i) else {
        return false;
    };
    table.remove(hash, place, records);
    true
}

#[test]
fn a_table_with_room_does_not_grow() {
    const N: usize = if cfg!(miri) { 1_800 } else { 100_000 };
    let records = hashes(N);
    for count in [1, 9, 500, 1_200, N] {
        let mut table = Table::default();
        table.reserve(count);
        let room = table.capacity();
        assert!(room < 3 * count + 20, "{count}: room for {room}");
        for i in 0..count as u32 {
            insert(&mut table, &records, i);
        }
        // Chance may fill one part or another earlier.
        assert!(table.capacity() < room + room / 50 + 50, "{count}");
        for i in 0..count as u32 {
            assert!(table.find(records.hash(Handle(i)), |h| h.0 == i).is_some());
        }
        table.reserve(2 * N);
        assert_eq!(table.len(), count, "it isn't empty");
        for i in 0..count as u32 {
            assert!(remove(&mut table, &records, i));
        }
        assert!(table.is_empty());
    }
}

#[test]
fn grows_and_shrinks_with_bounded_memory() {
    const N: usize = if cfg!(miri) { 1_800 } else { 200_000 };
    let records = hashes(N);
    let mut table = Table::default();
    for i in 0..N as u32 {
        insert(&mut table, &records, i);
        if i > 2_000 && i % 5_000 == 0 {
            let load = table.len() as f64 / table.capacity() as f64;
            assert!(load > 0.68, "load {load} at {i}");
        }
    }
    for i in 0..N as u32 {
        assert!(table.find(records.hash(Handle(i)), |h| h.0 == i).is_some());
    }
    for i in 0..N as u32 {
        assert!(remove(&mut table, &records, i));
        assert!(!remove(&mut table, &records, i));
    }
    assert!(table.is_empty());
    assert!(
        table.segment_count() < 4 + N / 2_000,
        "{} segments left",
        table.segment_count()
    );
}

#[test]
fn equal_positions_share_a_bucket_chain() {
    let records = Hashes((0..300).map(|i| 0xabcd_ef01_2300_0000 | i).collect());
    let mut table = Table::default();
    for i in 0..300 {
        insert(&mut table, &records, i);
    }
    for i in 0..300 {
        assert!(remove(&mut table, &records, i), "{i}");
    }
    assert!(table.is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u32),
    Remove(u32),
    ScanSome(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let n = if cfg!(miri) { 60u32 } else { 4_000 };
    let one = prop_oneof![
        4 => (0..n).prop_map(Step::Insert),
        3 => (0..n).prop_map(Step::Remove),
        1 => (1usize..9).prop_map(Step::ScanSome),
    ];
    prop::collection::vec(one, 1..if cfg!(miri) { 100 } else { 6_000 })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 64 }))]

    /// The table holds what a map would; and a scan that runs meanwhile returns every entry that
    /// was there from its beginning to its end.
    #[test]
    fn behaves_as_a_map_and_scans_keep_their_promise(steps in steps()) {
        let records = hashes(4_000);
        let mut table = Table::default();
        let mut model: HashSet<u32> = HashSet::new();
        let mut cursor = 0;
        let mut seen = HashSet::new();
        let mut steady: HashSet<u32> = HashSet::new();
        for step in steps {
            match step {
                Step::Insert(i) => {
                    if model.insert(i) {
                        insert(&mut table, &records, i);
                    }
                }
                Step::Remove(i) => {
                    prop_assert_eq!(remove(&mut table, &records, i), model.remove(&i));
                    steady.remove(&i);
                }
                Step::ScanSome(n) => {
                    for _ in 0..n {
                        if cursor == 0 {
                            seen.clear();
                            steady = model.clone();
                        }
                        cursor = table
                            .scan(cursor, &records, |h| { seen.insert(h.0); })
                            .unwrap_or(0);
                        if cursor == 0 {
                            prop_assert!(steady.is_subset(&seen));
                        }
                    }
                }
            }
            prop_assert_eq!(table.len(), model.len());
        }
        for i in 0..4_000 {
            let found = table.find(records.hash(Handle(i)), |h| h.0 == i).is_some();
            prop_assert_eq!(found, model.contains(&i));
        }
        if let Some(handle) = table.any_from(0, &records) {
            prop_assert!(model.contains(&handle.0));
        }
    }
}
