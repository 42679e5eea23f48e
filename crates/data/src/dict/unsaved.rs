//! Which records a snapshot has yet to save: those of the era before the current one.
//!
//! A snapshot begins with a new era, in which every record is old. From then on whoever is about to
//! change or remove an old record saves it first and makes it new; what is added is new. Meanwhile
//! the snapshot goes through the table from its beginning to its end, saves what is old and makes
//! it new. So each record that there was is saved once, as it was when the era began.

use smallvec::SmallVec;

use super::{Dict, Entry, Reader};
use crate::arena::Handle;
use crate::record::{self, Record};

impl Dict {
    /// Begins an era; no record of the one before the last may be left.
    pub fn begin_era(&mut self) {
        self.era = self.era.next();
    }

    /// Whether an entry has yet to be saved.
    #[inline]
    pub fn is_unsaved(&self, entry: Entry) -> bool {
        self.record(entry).era() != self.era
    }

    /// Notes that an entry is saved.
    pub fn mark_saved(&mut self, entry: Entry) {
        record::set_era(self.arena.bytes_mut(entry.place.handle), self.era);
    }

    /// Shows those records of one bucket that have yet to be saved, and notes that they are.
    /// Returns the position at which to go on, or `None` at the end. What the table does between
    /// two calls doesn't matter, see [`crate::table::Table::scan`].
    pub fn save_bucket(
        &mut self,
        position: u64,
        mut save: impl FnMut(&Self, Record<'_>),
    ) -> Option<u64> {
        let mut seen = SmallVec::<[Handle; 32]>::new();
        let reader = Reader {
            arena: &self.arena,
            hasher: &self.hasher,
        };
        let next = self
            .table
            .scan(position, &reader, |handle| seen.push(handle));
        // The next ones are on their way from memory while these are saved.
        if let Some(next) = next {
            self.table.prefetch_at(next, &reader);
        }
        for handle in seen {
            let record = Record(self.arena.bytes(handle));
            if record.era() != self.era {
                save(self, record);
                record::set_era(self.arena.bytes_mut(handle), self.era);
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use crate::{Dict, KeyHasher, NewValue, ValueRef};

    #[derive(Clone, Debug)]
    enum Step {
        Set(u16, i64),
        Remove(u16),
        /// The snapshot goes on by a bucket.
        Save,
        Begin,
        /// Records of a slab are moved.
        Compact,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0u16..600, any::<i64>()).prop_map(|(key, value)| Step::Set(key, value)),
            2 => (0u16..600).prop_map(Step::Remove),
            3 => Just(Step::Save),
            1 => Just(Step::Begin),
            1 => Just(Step::Compact),
        ];
        prop::collection::vec(step, 0..if cfg!(miri) { 60 } else { 1500 })
    }

    /// A dictionary, and what a snapshot has saved of it.
    struct Saving {
        dict: Dict,
        hasher: KeyHasher,
        position: Option<u64>,
        saved: BTreeMap<u16, i64>,
        expected: BTreeMap<u16, i64>,
    }

    fn note(saved: &mut BTreeMap<u16, i64>, key: &[u8], value: ValueRef<'_>) {
        let (key, ValueRef::Int(value)) = (key.try_into().unwrap(), value) else {
            panic!("all values are integers")
        };
        let before = saved.insert(u16::from_le_bytes(key), value);
        assert_eq!(before, None, "saved twice");
    }

    impl Saving {
        fn save(&mut self) {
            let Some(at) = self.position else { return };
            let saved = &mut self.saved;
            self.position = self.dict.save_bucket(at, |dict, record| {
                note(saved, record.key(), dict.value_of(record));
            });
            if self.position.is_none() {
                assert_eq!(self.saved, self.expected);
            }
        }

        fn change(&mut self, key: u16, value: Option<i64>) {
            let bytes = key.to_le_bytes();
            let hash = self.hasher.hash(&bytes);
            let found = self.dict.find(hash, &bytes);
            if let Some(entry) = found
                && self.dict.is_unsaved(entry)
            {
                note(&mut self.saved, &bytes, self.dict.value(entry));
                self.dict.mark_saved(entry);
            }
            match (found, value.map(NewValue::Int)) {
                (Some(entry), Some(value)) => {
                    self.dict.replace(entry, &bytes, value, None, 1);
                }
                (None, Some(value)) => {
                    self.dict.insert(hash, &bytes, value, None, 1);
                }
                (Some(entry), None) => {
                    self.dict.remove(entry);
                }
                (None, None) => {}
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 128 }))]
        #[test]
        fn a_snapshot_is_what_there_was_when_its_era_began(steps in steps()) {
            let hasher = KeyHasher::with_seed(7);
            let mut it = Saving {
                dict: Dict::new(hasher.clone()),
                hasher,
                position: None,
                saved: BTreeMap::new(),
                expected: BTreeMap::new(),
            };
            let mut model = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Set(key, value) => {
                        it.change(key, Some(value));
                        model.insert(key, value);
                    }
                    Step::Remove(key) => {
                        it.change(key, None);
                        model.remove(&key);
                    }
                    Step::Save => it.save(),
                    Step::Begin if it.position.is_none() => {
                        it.dict.begin_era();
                        it.position = Some(0);
                        it.saved.clear();
                        it.expected.clone_from(&model);
                    }
                    Step::Begin => {}
                    Step::Compact => while it.dict.compact().is_some() {},
                }
            }
            while it.position.is_some() {
                it.save();
            }
        }
    }
}
