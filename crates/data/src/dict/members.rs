//! The register of keys whose fields or members expire, by the time of the first, so that what is
//! due is found without a look at anything else.
//!
//! A key is registered by its hash (with the time, 16 bytes): a name would cost more than a small
//! hash does. Every change of a value keeps the register true.

use std::collections::BTreeSet;

use super::{Dict, Entry, NewValue, ValueRef};
use crate::hash::KeyHash;
use crate::record::Kind;
use crate::types::hash::small::SmallRef;
use crate::types::{Collection, Hash};
use crate::value::Value;

/// When members are due, first things first: Unix time in milliseconds, and the hash of their key.
pub(super) type Register = BTreeSet<(u64, u64)>;

/// What [`Dict::remove_expired_members`] has done at one key.
#[derive(Debug)]
pub struct ExpiredMembers {
    /// The key.
    pub key: Vec<u8>,
    /// Whether it holds a set, not a hash.
    pub is_set: bool,
    /// The fields or members that were removed.
    pub members: Vec<Vec<u8>>,
    /// Nothing was left, so the key was removed: the large value to dispose of, if it had one.
    pub emptied: Option<Option<Value>>,
}

impl Dict {
    /// How many keys have fields or members with an expiry.
    pub fn expiring_members(&self) -> usize {
        self.member_expiries.len()
    }

    /// When the first field or member of an entry expires, or before that.
    pub fn members_expire(&self, entry: Entry) -> Option<u64> {
        if self.member_expiries.is_empty() {
            return None;
        }
        self.first_expiry(entry)
    }

    /// Tells that the large value of an entry was changed; `before` is what
    /// [`Dict::members_expire`] said.
    pub fn members_changed(&mut self, entry: Entry, before: Option<u64>) {
        self.register(entry.hash, before, self.first_expiry(entry));
    }

    /// Removes up to 64 fields or members of one key that are due by `now_ms`, if any are.
    pub fn remove_expired_members(&mut self, now_ms: u64) -> Option<ExpiredMembers> {
        let &(at, hash) = self.member_expiries.first()?;
        if at > now_ms {
            return None;
        }
        let entry = self.find_hash(KeyHash(hash));
        let entry = entry.expect("a registered key is in the table");
        Some(self.remove_expired_members_of(entry, now_ms))
    }

    /// As [`Dict::remove_expired_members`], of a certain key that has such.
    pub fn remove_expired_members_of(&mut self, entry: Entry, now_ms: u64) -> ExpiredMembers {
        let before = self.first_expiry(entry);
        let key = self.record(entry).key().to_vec();
        let mut gone = ExpiredMembers {
            key,
            is_set: false,
            members: Vec::new(),
            emptied: None,
        };
        let spent = match self.value_mut(entry) {
            Some(Value::Set(set)) => {
                gone.is_set = true;
                set.remove_expired(now_ms, |member| gone.members.push(member.to_vec()));
                set.is_spent()
            }
            Some(Value::Hash(hash)) => {
                hash.remove_expired(now_ms, |field| gone.members.push(field.to_vec()));
                hash.is_spent()
            }
            _ => return self.remove_expired_fields(entry, now_ms, gone),
        };
        self.members_changed(entry, before);
        if spent {
            gone.emptied = Some(self.remove(entry));
        }
        gone
    }

    /// The same in a packed hash.
    fn remove_expired_fields(
        &mut self,
        entry: Entry,
        now_ms: u64,
        mut gone: ExpiredMembers,
    ) -> ExpiredMembers {
        let record = self.record(entry);
        let (expiry, clock) = (record.expiry(), record.clock());
        let mut hash = Hash::from_packed(record.value().to_vec());
        hash.remove_expired(now_ms, |field| gone.members.push(field.to_vec()));
        match hash.as_packed() {
            Some(bytes) if !hash.is_spent() => {
                let value = NewValue::Packed(Kind::Hash, bytes);
                self.replace(entry, &gone.key, value, expiry, clock);
            }
            _ => gone.emptied = Some(self.remove(entry)),
        }
        gone
    }

    /// Keeps the register when the first expiry of a key becomes another.
    #[inline]
    pub(super) fn register(&mut self, hash: KeyHash, before: Option<u64>, after: Option<u64>) {
        if before == after {
            return;
        }
        if let Some(at) = before {
            self.member_expiries.remove(&(at, hash.0));
        }
        if let Some(at) = after {
            self.member_expiries.insert((at, hash.0));
        }
    }

    /// The same with an entry that holds a collection from now on.
    #[inline]
    pub(super) fn register_entry(&mut self, entry: Entry, before: Option<u64>) {
        let kind = self.record(entry).kind();
        let may_expire = matches!(kind, Kind::Hash | Kind::External);
        let after = may_expire.then(|| self.first_expiry(entry)).flatten();
        self.register(entry.hash, before, after);
    }

    fn first_expiry(&self, entry: Entry) -> Option<u64> {
        match self.value(entry) {
            ValueRef::External(value) => value.next_expiry(),
            ValueRef::Packed(Kind::Hash, bytes) => SmallRef::new(bytes).next_expiry(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::KeyHasher;
    use crate::types::hash::HashRules;
    use crate::types::set::SetRules;
    use crate::types::{Limits, Set};
    use proptest::prelude::*;

    const LIMITS: Limits = Limits {
        entries: 4,
        text_len: 64,
    };

    fn hash_of(times: &[Option<u64>]) -> Hash {
        let rules = HashRules {
            packed: LIMITS,
            hasher: KeyHasher::with_seed(1),
            now_ms: 0,
        };
        let mut hash = Hash::default();
        for (field, at) in times.iter().enumerate() {
            hash.set(field.to_string().as_bytes(), b"v", *at, &rules);
        }
        hash
    }

    fn set_of(times: &[Option<u64>]) -> Set {
        let rules = SetRules {
            ints: 4,
            packed: LIMITS,
            hasher: KeyHasher::with_seed(1),
            now_ms: 0,
        };
        let mut set = Set::default();
        for (member, at) in times.iter().enumerate() {
            let member = member.to_string();
            set.add(member.as_bytes(), &rules);
            set.set_expiry(member.as_bytes(), *at, &rules);
        }
        set
    }

    fn put(dict: &mut Dict, key: &[u8], value: NewValue<'_>) {
        let hash = dict.hasher.hash(key);
        match dict.find(hash, key) {
            Some(entry) => drop(dict.replace(entry, key, value, Some(1000), 0)),
            None => drop(dict.insert(hash, key, value, Some(1000), 0)),
        }
    }

    /// The times of a key's members, of those that live at `now_ms`.
    fn times_at(dict: &Dict, key: &[u8], now_ms: u64) -> Option<usize> {
        let entry = dict.find(dict.hasher.hash(key), key)?;
        Some(match dict.value(entry) {
            ValueRef::External(Value::Hash(hash)) => hash.view().iter(now_ms).count(),
            ValueRef::External(Value::Set(set)) => set.view().iter(now_ms).count(),
            ValueRef::Packed(_, bytes) => Hash::view_packed(bytes).iter(now_ms).count(),
            _ => 0,
        })
    }

    fn step() -> impl Strategy<Value = (u8, u8, Vec<Option<u64>>, u64)> {
        let times = prop::collection::vec(prop::option::of(1u64..90), 1..8);
        (0u8..5, 0u8..8, times, 0u64..10)
    }

    proptest! {
        /// Whatever happens to the keys, all that is due is found, and nothing else.
        #[test]
        fn all_that_is_due_goes(
            steps in prop::collection::vec(step(), 0..if cfg!(miri) { 30 } else { 60 })
        ) {
            let mut dict = Dict::new(KeyHasher::with_seed(5));
            let mut now = 0;
            for (what, key, times, pause) in steps {
                let key = [key];
                let times: Vec<_> = times.iter().map(|at| at.map(|at| at + now)).collect();
                match what {
                    0 => put(&mut dict, &key, NewValue::External(set_of(&times).into_value())),
                    1 | 2 => {
                        let hash = hash_of(&times);
                        match hash.as_packed() {
                            Some(bytes) => {
                                put(&mut dict, &key, NewValue::Packed(Kind::Hash, bytes));
                            }
                            None => put(&mut dict, &key, NewValue::External(hash.into_value())),
                        }
                    }
                    3 => put(&mut dict, &key, NewValue::Str(b"a string")),
                    _ => {
                        if let Some(entry) = dict.find(dict.hasher.hash(&key), &key) {
                            dict.remove(entry);
                        }
                    }
                }
                now += pause;
                let live: Vec<_> = (0..8).map(|key| times_at(&dict, &[key], now)).collect();
                while dict.remove_expired_members(now).is_some() {}
                for (key, live) in live.into_iter().enumerate() {
                    let key = [key as u8];
                    let left = times_at(&dict, &key, 0);
                    let is_string = dict.find(dict.hasher.hash(&key), &key)
                        .is_some_and(|entry| dict.record(entry).kind() == Kind::Str);
                    prop_assert_eq!(left, live.filter(|&live| live > 0 || is_string));
                }
            }
            while dict.remove_expired_members(u64::MAX).is_some() {}
            prop_assert_eq!(dict.expiring_members(), 0);
        }
    }
}
