//! Sorted sets: members in the order of their scores, those of one score in the order of their
//! bytes. A rank is a place in that order, counted from 0.

// Scores are equal when they are, not when they are close.
#![allow(clippy::float_cmp)]

mod large;
mod node;
mod score;
mod small;
mod tree;

use std::ops::Range;

pub use score::compare;

use super::{Collection, Limits};
use crate::hash::KeyHasher;
use crate::packed::{self, Elem, Packed, PackedRef};
use crate::record::Kind;
use crate::value::Value;
use large::Large;
use score::is_before;

/// See the module.
#[derive(Clone, Debug)]
pub enum Zset {
    /// Member and score by turns, in order.
    Packed(Packed),
    /// A table and a tree.
    Large(Box<Large>),
}

/// See [`Zset`]; to be read.
#[derive(Clone, Copy, Debug)]
pub enum ZsetRef<'a> {
    /// Member and score by turns, in order.
    Packed(PackedRef<'a>),
    /// A table and a tree.
    Large(&'a Large),
}

/// Appends an element to a packed sorted set, given as a packed list; it has to stand behind all
/// others there.
pub fn push_packed(list: &mut Packed, member: Elem<'_>, score: f64) {
    let score = score::Packed::new(score);
    list.push(member);
    list.push(score.elem());
}

/// How far a sorted set stays packed, and what it hashes its members with from then on.
#[derive(Clone, Debug)]
pub struct Growth {
    /// Up to where it stays packed.
    pub limits: Limits,
    /// Hashes members.
    pub hasher: KeyHasher,
}

impl Default for Zset {
    fn default() -> Self {
        Self::Packed(Packed::new())
    }
}

impl Zset {
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
            Self::Packed(packed) => packed.heap_bytes(),
            Self::Large(large) => large.heap_bytes(),
        }
    }

    /// How many steps dropping it takes. O(1).
    pub fn drop_cost(&self) -> usize {
        match self {
            Self::Packed(_) => 1,
            Self::Large(large) => large.drop_cost(),
        }
    }

    /// Sets the score of a member to what `decide` makes of its present one; `None` leaves
    /// everything as it is. A score is never NaN. O(log n) in the large form.
    pub fn update(
        &mut self,
        member: &[u8],
        growth: &Growth,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) {
        let Self::Packed(packed) = self else {
            return self.large(growth).update(member, decide);
        };
        let found = small::find(packed.view(), member);
        let old = found.map(|(_, score)| score);
        let Some(score) = decide(old).filter(|&score| old != Some(score)) else {
            return;
        };
        if let Some((offset, _)) = found {
            small::remove(packed, offset, 1);
        }
        let Limits { entries, text_len } = growth.limits;
        let len = small::len(packed.view()) + 1;
        if len <= entries.min(small::MEMBERS_MAX) && member.len() <= text_len {
            small::insert(packed, member, score);
        } else {
            self.large(growth).update(member, |_| Some(score));
        }
    }

    /// Sets the score of a member. O(log n) in the large form.
    pub fn set(&mut self, member: &[u8], score: f64, growth: &Growth) {
        self.update(member, growth, |_| Some(score));
    }

    /// Removes a member and returns its score. O(log n) in the large form.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Packed(packed) => {
                let (offset, score) = small::find(packed.view(), member)?;
                small::remove(packed, offset, 1);
                Some(score)
            }
            Self::Large(large) => large.remove(member),
        }
    }

    /// Removes the elements of these ranks. O(log n) for each in the large form.
    pub fn remove_range(&mut self, range: Range<usize>) {
        match self {
            Self::Packed(packed) => {
                let (offset, members) = (packed.view().run().skip(0, range.start * 2), range.len());
                small::remove(packed, offset, members);
            }
            Self::Large(large) => range.rev().for_each(|rank| large.remove_rank(rank)),
        }
    }

    /// The large form, which it takes if it doesn't have it yet.
    fn large(&mut self, growth: &Growth) -> &mut Large {
        if let Self::Packed(_) = self {
            let mut large = Large::new(growth.hasher.clone());
            for (member, score) in self.view().iter() {
                let text = member.text(&mut packed::Digits::new()).to_vec();
                large.update(&text, |_| Some(score));
            }
            *self = Self::Large(Box::new(large));
        }
        match self {
            Self::Large(large) => large,
            Self::Packed(_) => unreachable!("just made large"),
        }
    }
}

impl<'a> ZsetRef<'a> {
    /// How it is kept, as OBJECT ENCODING names it.
    pub fn encoding(self) -> &'static str {
        match self {
            Self::Packed(_) => "listpack",
            Self::Large(_) => "skiplist",
        }
    }

    /// How many members it has. O(1).
    #[allow(clippy::len_without_is_empty)] // An empty one isn't kept.
    pub fn len(self) -> usize {
        match self {
            Self::Packed(list) => small::len(list),
            Self::Large(large) => large.tree.len(),
        }
    }

    /// The score of a member. O(1) in the large form.
    pub fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Packed(list) => small::find(list, member).map(|(_, score)| score),
            Self::Large(large) => large.score(member),
        }
    }

    /// The rank and the score of a member. O(log n) in the large form.
    pub fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(member)?;
        let rank = match self {
            Self::Packed(list) => {
                let before = |other: Elem<'_>, at| is_before((other, at), member, score);
                small::partition_point(list, before).0
            }
            Self::Large(large) => large.rank_of(member, score),
        };
        Some((rank, score))
    }

    /// How many members have a score below this one, or with `equal_too` not above it. O(log n) in
    /// the large form.
    pub fn rank_of_score(self, score: f64, equal_too: bool) -> usize {
        match self {
            Self::Packed(list) => {
                let before = |_: Elem<'_>, at| at < score || equal_too && at == score;
                small::partition_point(list, before).0
            }
            Self::Large(large) => large.rank_of_score(score, equal_too),
        }
    }

    /// How many members come before the first that isn't `before`; all scores have to be the same.
    /// O(log n) in the large form.
    pub fn rank_of_member(self, before: impl Fn(Elem<'_>) -> bool) -> usize {
        match self {
            Self::Packed(list) => small::partition_point(list, |member, _| before(member)).0,
            Self::Large(large) => large.rank_of_member(before),
        }
    }

    /// Members and scores of these ranks, from either end. O(log n + their number) in the large
    /// form.
    pub fn range(self, range: Range<usize>) -> Iter<'a> {
        match self {
            Self::Packed(list) => Iter::Packed(small::range(list, range).iter()),
            Self::Large(large) => Iter::Large(large, large.tree.range(range)),
        }
    }

    /// The member and the score of a rank that there is. O(log n) in the large form.
    pub fn element(self, rank: usize) -> (Elem<'a>, f64) {
        let mut range = self.range(rank..rank + 1);
        range.next().expect("the rank is below the length")
    }

    /// All members and scores, from either end.
    pub fn iter(self) -> Iter<'a> {
        self.range(0..self.len())
    }

    /// Shows some members and returns the position at which to go on, or `None` at the end: all
    /// that stay there from the first call, with position 0, to the last are shown. O(1), but
    /// O(length) in the packed form.
    pub fn scan(self, position: u64, mut visit: impl FnMut(Elem<'a>, f64)) -> Option<u64> {
        match self {
            Self::Packed(_) => {
                self.iter().for_each(|(member, score)| visit(member, score));
                None
            }
            Self::Large(large) => large.scan(position, visit),
        }
    }
}

/// See [`ZsetRef::range`].
#[derive(Clone, Debug)]
pub enum Iter<'a> {
    /// Of the packed form.
    Packed(packed::Iter<'a>),
    /// Of the large form.
    Large(&'a Large, tree::Range<'a>),
}

/// Entries that are loaded ahead of the one that is needed.
const AHEAD: usize = 8;

impl<'a> Iterator for Iter<'a> {
    type Item = (Elem<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Packed(iter) => {
                let member = iter.next()?;
                Some((member, score::of(iter.next()?)))
            }
            Self::Large(large, range) => {
                let item = range.next()?;
                if let Some(later) = range.ahead(AHEAD) {
                    large.prefetch(later);
                }
                Some(large.element(item))
            }
        }
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Packed(iter) => {
                let score = score::of(iter.next_back()?);
                Some((iter.next_back()?, score))
            }
            Self::Large(large, range) => Some(large.element(range.next_back()?)),
        }
    }
}

impl Collection for Zset {
    const PACKED: Option<Kind> = Some(Kind::Zset);

    type Ref<'a> = ZsetRef<'a>;

    fn from_packed(bytes: Vec<u8>) -> Self {
        Self::Packed(Packed::from_bytes(bytes))
    }

    fn as_packed(&self) -> Option<&[u8]> {
        match self {
            Self::Packed(packed) => Some(packed.as_bytes()),
            Self::Large(_) => None,
        }
    }

    fn into_packed(self) -> Option<Vec<u8>> {
        match self {
            Self::Packed(packed) => Some(packed.into_bytes()),
            Self::Large(_) => None,
        }
    }

    fn view(&self) -> ZsetRef<'_> {
        match self {
            Self::Packed(packed) => ZsetRef::Packed(packed.view()),
            Self::Large(large) => ZsetRef::Large(large),
        }
    }

    fn view_packed(bytes: &[u8]) -> ZsetRef<'_> {
        ZsetRef::Packed(PackedRef::new(bytes))
    }

    fn is_spent(&self) -> bool {
        match self {
            Self::Packed(packed) => packed.is_empty(),
            Self::Large(large) => large.tree.len() == 0,
        }
    }

    fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::Zset(value) => Some(value),
            _ => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Zset(value) => Some(value),
            _ => None,
        }
    }

    fn into_value(self) -> Value {
        Value::Zset(self)
    }
}

#[cfg(test)]
mod tests;
