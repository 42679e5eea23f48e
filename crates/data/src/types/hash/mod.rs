//! Hashes: a packed list of fields and values while these are few and short, else a hash table.
//! Fields may have an expiry; one that has expired is stored until somebody removes it.

pub mod field;
pub mod small;
#[cfg(test)]
mod tests;

use field::{Field, split};
use small::{Small, SmallRef};

pub use small::Pair;

use super::{Collection, Limits};
use crate::arena::Handle;
use crate::entries::{Entries, below, shuffle_front};
use crate::hash::KeyHasher;
use crate::packed::{Digits, Elem};
use crate::record::Kind;
use crate::value::Value;

/// See the module.
#[derive(Clone, Debug)]
pub enum Hash {
    /// Fields and values side by side.
    Packed(Small),
    /// Fields in a hash table.
    Large(Box<Entries<Field>>),
}

/// See [`Hash`]; to be read.
#[derive(Clone, Copy, Debug)]
pub enum HashRef<'a> {
    /// Fields and values side by side.
    Packed(SmallRef<'a>),
    /// Fields in a hash table.
    Large(&'a Entries<Field>),
}

/// What a change has to know.
#[derive(Clone, Debug)]
pub struct HashRules {
    /// Up to where a hash stays packed.
    pub packed: Limits,
    /// What fields are hashed with.
    pub hasher: KeyHasher,
    /// Unix time in milliseconds.
    pub now_ms: u64,
}

impl Default for Hash {
    fn default() -> Self {
        Self::Packed(Small::default())
    }
}

impl Hash {
    /// Starts loading the bucket of a field, where there are buckets.
    pub fn prefetch_bucket(&self, field: &[u8]) {
        if let Self::Large(large) = self {
            large.prefetch_bucket(field);
        }
    }

    /// Starts loading the entry of a field, once its bucket is there.
    pub fn prefetch_entry(&self, field: &[u8]) {
        if let Self::Large(large) = self {
            large.prefetch_entry(field);
        }
    }

    /// How it is kept, as OBJECT ENCODING names it.
    pub fn encoding(&self) -> &'static str {
        self.view().encoding()
    }

    /// Bytes of memory behind it, without its own size. O(1).
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Packed(small) => small.heap_bytes(),
            Self::Large(entries) => size_of::<Entries<Field>>() + entries.heap_bytes(),
        }
    }

    /// How many steps dropping it takes. O(1).
    pub fn drop_cost(&self) -> usize {
        match self {
            Self::Packed(_) => 1,
            Self::Large(entries) => entries.drop_cost(),
        }
    }

    /// Sets value and expiry of a field; whether it is new. O(1), O(n) while packed.
    pub fn set(
        &mut self,
        field: &[u8],
        value: &[u8],
        expiry: Option<u64>,
        rules: &HashRules,
    ) -> bool {
        match self {
            Self::Large(entries) => match entries.find(field) {
                None => {
                    field::insert(entries, field, value, expiry);
                    true
                }
                Some(spot) => {
                    let was_live = entries.is_live(spot.handle(), rules.now_ms);
                    field::replace(entries, spot, field, value, expiry);
                    !was_live
                }
            },
            Self::Packed(small) => {
                let text_len = field.len().max(value.len());
                let len = small.view().len();
                // One more than there is may be one too many only if the field is new.
                let fits = rules.packed.admit(len + 1, text_len)
                    || rules.packed.admit(len, text_len) && small.view().get(field).is_some();
                if !fits {
                    self.enlarge(rules);
                    return self.set(field, value, expiry, rules);
                }
                let old = small.put(field, value, expiry);
                old.is_none_or(|expiry| expiry.is_some_and(|at| at <= rules.now_ms))
            }
        }
    }

    /// Sets or removes the expiry of a field that is there. O(1), O(n) while packed.
    pub fn set_expiry(&mut self, field: &[u8], expiry: Option<u64>) {
        let Some(pair) = self.view().stored(field) else {
            return;
        };
        let value = pair.value.to_vec();
        match self {
            Self::Packed(small) => {
                small.put(field, &value, expiry);
            }
            Self::Large(entries) => {
                let spot = entries.find(field).expect("just seen");
                field::replace(entries, spot, field, &value, expiry);
            }
        }
    }

    /// Removes a field; whether it was there. O(1), O(n) while packed.
    pub fn remove(&mut self, field: &[u8], now_ms: u64) -> bool {
        match self {
            Self::Packed(small) => {
                let removed = small.remove(field);
                removed.is_some_and(|expiry| expiry.is_none_or(|at| at > now_ms))
            }
            Self::Large(entries) => entries.find(field).is_some_and(|spot| {
                let was_live = entries.is_live(spot.handle(), now_ms);
                entries.remove(spot);
                was_live
            }),
        }
    }

    /// Removes some fields that are due by `now_ms`; whether there may be more. Tells of each.
    pub fn remove_expired(&mut self, now_ms: u64, mut removed: impl FnMut(&[u8])) -> bool {
        match self {
            Self::Large(entries) => {
                let removed = entries.remove_expired(now_ms, |payload| removed(split(payload).0));
                removed == crate::table::EXPIRED_MAX
            }
            Self::Packed(small) => {
                let due = small.view().iter().filter(|pair| !pair.is_live(now_ms));
                for field in due.map(|pair| pair.field.to_vec()).collect::<Vec<_>>() {
                    removed(&field);
                    small.remove(&field);
                }
                false
            }
        }
    }

    /// Makes it large.
    fn enlarge(&mut self, rules: &HashRules) {
        let Self::Packed(small) = self else { return };
        let mut entries = Box::new(Entries::new(rules.hasher.clone()));
        let (mut field_digits, mut value_digits) = (Digits::new(), Digits::new());
        for pair in small.view().iter() {
            let field = pair.field.text(&mut field_digits);
            let value = pair.value.text(&mut value_digits);
            field::insert(&mut entries, field, value, pair.expiry);
        }
        *self = Self::Large(entries);
    }
}

impl<'a> HashRef<'a> {
    /// How it is kept, as OBJECT ENCODING names it.
    pub fn encoding(self) -> &'static str {
        match self {
            Self::Packed(small) if small.has_expiries() => "listpackex",
            Self::Packed(_) => "listpack",
            Self::Large(_) => "hashtable",
        }
    }

    /// How many fields it has, expired ones that nobody has removed included. O(1).
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::Packed(small) => small.len(),
            Self::Large(entries) => entries.len(),
        }
    }

    /// True when it has none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether some fields may have an expiry.
    pub fn has_expiries(self) -> bool {
        match self {
            Self::Packed(small) => small.has_expiries(),
            Self::Large(entries) => entries.expiring() > 0,
        }
    }

    /// Whether a field may have expired by `now_ms` and not been removed. O(1), O(n) while packed.
    pub fn may_be_due(self, now_ms: u64) -> bool {
        let next = match self {
            Self::Packed(small) => small.next_expiry(),
            Self::Large(entries) => entries.next_expiry(),
        };
        next.is_some_and(|at| at <= now_ms)
    }

    /// Whether a field has expired by `now_ms` and not been removed. O(1), O(n) while packed.
    pub fn has_expired(self, field: &[u8], now_ms: u64) -> bool {
        let stored = self.stored(field);
        stored.is_some_and(|pair| !pair.is_live(now_ms))
    }

    /// A field, expired or not.
    #[inline]
    fn stored(self, field: &[u8]) -> Option<Pair<'a>> {
        match self {
            Self::Packed(small) => small.get(field),
            Self::Large(entries) => {
                let spot = entries.find(field)?;
                Some(pair(entries, spot.handle()))
            }
        }
    }

    /// The field of this name. O(1), O(n) while packed.
    #[inline]
    pub fn get(self, field: &[u8], now_ms: u64) -> Option<Pair<'a>> {
        self.stored(field).filter(|pair| pair.is_live(now_ms))
    }

    /// Its fields that live at `now_ms`.
    pub fn iter(self, now_ms: u64) -> impl Iterator<Item = Pair<'a>> + use<'a> {
        let (small, large) = match self {
            Self::Packed(small) => (Some(small), None),
            Self::Large(entries) => (None, Some(entries)),
        };
        let small = small.into_iter().flat_map(SmallRef::iter);
        let small = small.filter(move |pair| pair.is_live(now_ms));
        let live = move |entries: &'a Entries<Field>| {
            let handles = entries.live(now_ms);
            handles.map(move |handle| pair(entries, handle))
        };
        small.chain(large.into_iter().flat_map(live))
    }

    /// A random field. O(1), O(n) while packed.
    pub fn sample(self, now_ms: u64, random: &mut impl FnMut() -> u64) -> Option<Pair<'a>> {
        match self {
            Self::Large(entries) => {
                let drawn = entries.sample(now_ms, random)?;
                Some(pair(entries, drawn))
            }
            Self::Packed(small) if small.has_expiries() => {
                self.draw(1, now_ms, random).into_iter().next()
            }
            Self::Packed(small) => {
                (!small.is_empty()).then(|| small.nth(below(small.len(), random)))
            }
        }
    }

    /// `count` different random fields, or all. O(count), O(n) while packed.
    pub fn draw(
        self,
        count: usize,
        now_ms: u64,
        random: &mut impl FnMut() -> u64,
    ) -> Vec<Pair<'a>> {
        if let Self::Large(entries) = self {
            let drawn = entries.draw(count, now_ms, random).into_iter();
            return drawn.map(|handle| pair(entries, handle)).collect();
        }
        let mut pairs: Vec<Pair<'a>> = self.iter(now_ms).collect();
        shuffle_front(&mut pairs, count, random);
        pairs
    }

    /// Visits the fields at `position` of a scan; returns the position at which to go on, `None`
    /// at the end. See [`crate::table::Table::scan`] for what a whole scan guarantees. O(1), O(n)
    /// while packed.
    pub fn scan(self, position: u64, now_ms: u64, mut visit: impl FnMut(Pair<'a>)) -> Option<u64> {
        let Self::Large(entries) = self else {
            self.iter(now_ms).for_each(visit);
            return None;
        };
        entries.scan(position, |handle| {
            if entries.is_live(handle, now_ms) {
                visit(pair(entries, handle));
            }
        })
    }
}

#[inline]
fn pair(entries: &Entries<Field>, handle: Handle) -> Pair<'_> {
    let (field, value) = split(entries.payload(handle));
    Pair {
        field: Elem::Bytes(field),
        value: Elem::Bytes(value),
        expiry: entries.expiry(handle),
    }
}

impl Collection for Hash {
    const PACKED: Option<Kind> = Some(Kind::Hash);

    type Ref<'a> = HashRef<'a>;

    fn from_packed(bytes: Vec<u8>) -> Self {
        Self::Packed(Small::from_bytes(bytes))
    }

    fn as_packed(&self) -> Option<&[u8]> {
        match self {
            Self::Packed(small) => Some(small.as_bytes()),
            Self::Large(_) => None,
        }
    }

    fn into_packed(self) -> Option<Vec<u8>> {
        match self {
            Self::Packed(small) => Some(small.into_bytes()),
            Self::Large(_) => None,
        }
    }

    #[inline]
    fn view(&self) -> HashRef<'_> {
        match self {
            Self::Packed(small) => HashRef::Packed(small.view()),
            Self::Large(entries) => HashRef::Large(entries),
        }
    }

    #[inline]
    fn view_packed(bytes: &[u8]) -> HashRef<'_> {
        HashRef::Packed(SmallRef::new(bytes))
    }

    fn is_spent(&self) -> bool {
        self.view().is_empty()
    }

    fn next_expiry(&self) -> Option<u64> {
        match self {
            Self::Packed(small) => small.view().next_expiry(),
            Self::Large(entries) => entries.next_expiry(),
        }
    }

    fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::Hash(value) => Some(value),
            _ => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Hash(value) => Some(value),
            _ => None,
        }
    }

    fn into_value(self) -> Value {
        Value::Hash(self)
    }
}
