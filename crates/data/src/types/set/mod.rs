//! Sets: a sorted array while all members are integers and few, a packed list while they are few
//! and short, else a hash table.

pub mod ints;
#[cfg(test)]
mod tests;

use ints::{Ints, IntsRef};
use protocol::number::parse_i64;

use super::{Collection, Limits};
use crate::entries::{Entries, Shape, below, shuffle_front};
use crate::hash::KeyHasher;
use crate::packed::{Digits, Elem, Packed, PackedRef};
use crate::record::Kind;
use crate::value::Value;

/// An entry of a large set is the member and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Member;

impl Shape for Member {
    #[inline(always)]
    fn name(payload: &[u8]) -> &[u8] {
        payload
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub enum Set {
    /// Integers side by side.
    Ints(Ints),
    /// Members side by side.
    Packed(Packed),
    /// Members in a hash table; each may have an expiry.
    Large(Box<Entries<Member>>),
}

/// See [`Set`]; to be read.
#[derive(Clone, Copy, Debug)]
pub enum SetRef<'a> {
    /// Integers side by side.
    Ints(IntsRef<'a>),
    /// Members side by side.
    Packed(PackedRef<'a>),
    /// Members in a hash table.
    Large(&'a Entries<Member>),
}

/// What a change has to know.
#[derive(Clone, Debug)]
pub struct SetRules {
    /// Most integers that are kept as such.
    pub ints: usize,
    /// Up to where other members stay packed.
    pub packed: Limits,
    /// What members are hashed with.
    pub hasher: KeyHasher,
    /// Unix time in milliseconds.
    pub now_ms: u64,
}

impl Default for Set {
    fn default() -> Self {
        Self::Packed(Packed::new())
    }
}

impl Set {
    /// Starts loading the bucket of a member, where there are buckets.
    pub fn prefetch_bucket(&self, member: &[u8]) {
        if let Self::Large(large) = self {
            large.prefetch_bucket(member);
        }
    }

    /// Starts loading the entry of a member, once its bucket is there.
    pub fn prefetch_entry(&self, member: &[u8]) {
        if let Self::Large(large) = self {
            large.prefetch_entry(member);
        }
    }

    /// How it is kept, as OBJECT ENCODING names it.
    pub fn encoding(&self) -> &'static str {
        self.view().encoding()
    }

    /// Bytes of memory behind it, without its own size. O(1).
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Ints(ints) => ints.heap_bytes(),
            Self::Packed(packed) => packed.heap_bytes(),
            Self::Large(entries) => size_of::<Entries<Member>>() + entries.heap_bytes(),
        }
    }

    /// How many steps dropping it takes. O(1).
    pub fn drop_cost(&self) -> usize {
        match self {
            Self::Ints(_) | Self::Packed(_) => 1,
            Self::Large(entries) => entries.drop_cost(),
        }
    }

    /// Adds a member; whether it is new. O(1), O(n) while packed.
    pub fn add(&mut self, member: &[u8], rules: &SetRules) -> bool {
        match self {
            Self::Large(entries) => match entries.find(member) {
                None => {
                    entries.insert(member, &[member], None);
                    true
                }
                Some(spot) if entries.is_live(spot.handle(), rules.now_ms) => false,
                Some(spot) => {
                    entries.replace(spot, &[member], None);
                    true
                }
            },
            Self::Ints(ints) => {
                let Some(int) = parse_i64(member) else {
                    self.leave_ints(member, rules);
                    return self.add(member, rules);
                };
                let is_new = ints.insert(int);
                if is_new && ints.view().len() > rules.ints {
                    self.enlarge(rules);
                }
                is_new
            }
            Self::Packed(packed) => {
                let elem = Elem::of(member);
                if packed.is_empty() && rules.ints > 0 && matches!(elem, Elem::Int(_)) {
                    *self = Self::Ints(Ints::new(std::mem::take(packed).into_bytes()));
                    return self.add(member, rules);
                }
                if packed.view().run().find(elem, 1).is_some() {
                    return false;
                }
                if !rules.packed.admit(packed.len() + 1, member.len()) {
                    self.enlarge(rules);
                    return self.add(member, rules);
                }
                packed.push(elem);
                true
            }
        }
    }

    /// Adds a member that expires at `at`, or gives one that is there this expiry. Whether it is
    /// new. O(1) once the set is large, which it gets.
    pub fn add_expiring(&mut self, member: &[u8], at: u64, rules: &SetRules) -> bool {
        let entries = self.enlarge(rules);
        match entries.find(member) {
            None => {
                entries.insert(member, &[member], Some(at));
                true
            }
            Some(spot) => {
                let was_live = entries.is_live(spot.handle(), rules.now_ms);
                entries.replace(spot, &[member], Some(at));
                !was_live
            }
        }
    }

    /// Sets or removes the expiry of a member that is there.
    pub fn set_expiry(&mut self, member: &[u8], at: Option<u64>, rules: &SetRules) {
        let entries = match self {
            Self::Large(entries) => entries,
            _ if at.is_none() => return,
            _ => self.enlarge(rules),
        };
        if let Some(spot) = entries.find(member) {
            entries.replace(spot, &[member], at);
        }
    }

    /// Removes a member; whether it was there. O(1), O(n) while packed.
    pub fn remove(&mut self, member: &[u8], now_ms: u64) -> bool {
        match self {
            Self::Ints(ints) => parse_i64(member).is_some_and(|int| ints.remove(int)),
            Self::Packed(packed) => {
                let found = packed.view().run().find(Elem::of(member), 1);
                if let Some(at) = found {
                    packed.remove(at, 1);
                }
                found.is_some()
            }
            Self::Large(entries) => entries.find(member).is_some_and(|spot| {
                let was_live = entries.is_live(spot.handle(), now_ms);
                entries.remove(spot);
                was_live
            }),
        }
    }

    /// Removes some members that are due by `now_ms`; whether there may be more. Tells of each.
    pub fn remove_expired(&mut self, now_ms: u64, removed: impl FnMut(&[u8])) -> bool {
        match self {
            Self::Large(entries) => {
                entries.remove_expired(now_ms, removed) == crate::table::EXPIRED_MAX
            }
            Self::Ints(_) | Self::Packed(_) => false,
        }
    }

    /// Leaves the form of integers for one that can take `member`.
    fn leave_ints(&mut self, member: &[u8], rules: &SetRules) {
        let view = self.view();
        let longest = view.iter(0).map(Elem::text_len).max().unwrap_or(0);
        if !rules
            .packed
            .admit(view.len() + 1, longest.max(member.len()))
        {
            self.enlarge(rules);
            return;
        }
        let mut packed = Packed::new();
        for elem in view.iter(0) {
            packed.push(elem);
        }
        *self = Self::Packed(packed);
    }

    /// Makes it large.
    fn enlarge(&mut self, rules: &SetRules) -> &mut Entries<Member> {
        if !matches!(self, Self::Large(_)) {
            let mut entries = Box::new(Entries::new(rules.hasher.clone()));
            let mut digits = Digits::new();
            for elem in self.view().iter(0) {
                let member = elem.text(&mut digits);
                entries.insert(member, &[member], None);
            }
            *self = Self::Large(entries);
        }
        let Self::Large(entries) = self else {
            unreachable!("it was just made large")
        };
        entries
    }
}

impl<'a> SetRef<'a> {
    /// How it is kept, as OBJECT ENCODING names it.
    pub fn encoding(self) -> &'static str {
        match self {
            Self::Ints(_) => "intset",
            Self::Packed(_) => "listpack",
            Self::Large(_) => "hashtable",
        }
    }

    /// How many members it has, expired ones that nobody has removed included. O(1).
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::Ints(ints) => ints.len(),
            Self::Packed(packed) => packed.len(),
            Self::Large(entries) => entries.len(),
        }
    }

    /// True when it has none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether some members may have an expiry.
    pub fn has_expiries(self) -> bool {
        matches!(self, Self::Large(entries) if entries.expiring() > 0)
    }

    /// Whether this is a member. O(1), O(n) while packed.
    #[inline]
    pub fn contains(self, member: &[u8], now_ms: u64) -> bool {
        match self {
            Self::Ints(ints) => parse_i64(member).is_some_and(|int| ints.contains(int)),
            Self::Packed(packed) => packed.run().find(Elem::of(member), 1).is_some(),
            Self::Large(entries) => {
                let spot = entries.find(member);
                spot.is_some_and(|spot| entries.is_live(spot.handle(), now_ms))
            }
        }
    }

    /// When a member expires: `None` when there is none such, `Some(None)` when never.
    #[allow(clippy::option_option)] // Two questions are answered at once.
    pub fn expiry(self, member: &[u8], now_ms: u64) -> Option<Option<u64>> {
        let is_there = self.contains(member, now_ms);
        is_there.then(|| match self {
            Self::Large(entries) => {
                let spot = entries.find(member);
                spot.and_then(|spot| entries.expiry(spot.handle()))
            }
            Self::Ints(_) | Self::Packed(_) => None,
        })
    }

    /// Its members that live at `now_ms`.
    pub fn iter(self, now_ms: u64) -> impl Iterator<Item = Elem<'a>> + use<'a> {
        let (ints, packed, large) = match self {
            Self::Ints(ints) => (Some(ints), None, None),
            Self::Packed(packed) => (None, Some(packed), None),
            Self::Large(entries) => (None, None, Some(entries)),
        };
        let ints = ints.into_iter().flat_map(IntsRef::iter).map(Elem::Int);
        let packed = packed.into_iter().flat_map(PackedRef::iter);
        let live = move |entries: &'a Entries<Member>| {
            let handles = entries.live(now_ms);
            handles.map(move |handle| Elem::Bytes(entries.payload(handle)))
        };
        ints.chain(packed).chain(large.into_iter().flat_map(live))
    }

    /// A random member. O(1), O(n) while packed.
    pub fn sample(self, now_ms: u64, random: &mut impl FnMut() -> u64) -> Option<Elem<'a>> {
        match self {
            Self::Large(entries) => {
                let drawn = entries.sample(now_ms, random)?;
                Some(Elem::Bytes(entries.payload(drawn)))
            }
            Self::Packed(packed) if packed.is_empty() => None,
            Self::Ints(ints) if ints.is_empty() => None,
            Self::Packed(packed) => packed.get(below(packed.len(), random)),
            Self::Ints(ints) => Some(Elem::Int(ints.get(below(ints.len(), random)))),
        }
    }

    /// `count` different random members, or all. O(count), O(n) while packed.
    pub fn draw(
        self,
        count: usize,
        now_ms: u64,
        random: &mut impl FnMut() -> u64,
    ) -> Vec<Elem<'a>> {
        if let Self::Large(entries) = self {
            let drawn = entries.draw(count, now_ms, random).into_iter();
            return drawn
                .map(|handle| Elem::Bytes(entries.payload(handle)))
                .collect();
        }
        let mut members: Vec<Elem<'a>> = self.iter(now_ms).collect();
        shuffle_front(&mut members, count, random);
        members
    }

    /// Visits the members at `position` of a scan; returns the position at which to go on, `None`
    /// at the end. See [`crate::table::Table::scan`] for what a whole scan guarantees. O(1), O(n)
    /// while packed.
    pub fn scan(self, position: u64, now_ms: u64, mut visit: impl FnMut(Elem<'a>)) -> Option<u64> {
        let Self::Large(entries) = self else {
            self.iter(now_ms).for_each(visit);
            return None;
        };
        entries.scan(position, |handle| {
            if entries.is_live(handle, now_ms) {
                visit(Elem::Bytes(entries.payload(handle)));
            }
        })
    }
}

impl Collection for Set {
    const PACKED: Option<Kind> = Some(Kind::Set);

    type Ref<'a> = SetRef<'a>;

    fn from_packed(bytes: Vec<u8>) -> Self {
        if IntsRef::of(&bytes).is_some() {
            Self::Ints(Ints::from_bytes(bytes))
        } else {
            Self::Packed(Packed::from_bytes(bytes))
        }
    }

    fn as_packed(&self) -> Option<&[u8]> {
        match self {
            Self::Ints(ints) => Some(ints.as_bytes()),
            Self::Packed(packed) => Some(packed.as_bytes()),
            Self::Large(_) => None,
        }
    }

    fn into_packed(self) -> Option<Vec<u8>> {
        match self {
            Self::Ints(ints) => Some(ints.into_bytes()),
            Self::Packed(packed) => Some(packed.into_bytes()),
            Self::Large(_) => None,
        }
    }

    #[inline]
    fn view(&self) -> SetRef<'_> {
        match self {
            Self::Ints(ints) => SetRef::Ints(ints.view()),
            Self::Packed(packed) => SetRef::Packed(packed.view()),
            Self::Large(entries) => SetRef::Large(entries),
        }
    }

    #[inline]
    fn view_packed(bytes: &[u8]) -> SetRef<'_> {
        match IntsRef::of(bytes) {
            Some(ints) => SetRef::Ints(ints),
            None => SetRef::Packed(PackedRef::new(bytes)),
        }
    }

    fn is_spent(&self) -> bool {
        self.view().is_empty()
    }

    fn next_expiry(&self) -> Option<u64> {
        match self {
            Self::Large(entries) => entries.next_expiry(),
            Self::Ints(_) | Self::Packed(_) => None,
        }
    }

    fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::Set(value) => Some(value),
            _ => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Set(value) => Some(value),
            _ => None,
        }
    }

    fn into_value(self) -> Value {
        Value::Set(self)
    }
}
