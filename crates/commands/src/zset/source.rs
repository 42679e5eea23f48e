//! The sets, sorted or not, that unions, intersections and differences are made of.

use data::packed::Digits;
use data::types::set::SetRef;
use data::types::zset::ZsetRef;
use data::{Set, Zset};
use store::{Found, Txn};

use crate::CommandError;

/// A set of either kind; the members of a plain one have score 1.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    Sorted(ZsetRef<'a>),
    /// As of this Unix time in milliseconds: members may expire.
    Plain(SetRef<'a>, u64),
}

impl<'a> Source<'a> {
    /// The set at `key`.
    pub(super) fn find(txn: &'a mut Txn<'_>, key: &[u8]) -> Result<Option<Self>, CommandError> {
        match txn.find(key) {
            Some(found) => Self::of(txn, found).map(Some),
            None => Ok(None),
        }
    }

    /// The set that a key holds.
    pub(super) fn of(txn: &'a mut Txn<'_>, found: Found) -> Result<Self, CommandError> {
        Ok(if txn.value(found).type_name() == "set" {
            let now_ms = txn.now_ms;
            Self::Plain(txn.view::<Set>(found)?, now_ms)
        } else {
            Self::Sorted(txn.view::<Zset>(found)?)
        })
    }

    /// How many members it has. O(1).
    pub(super) fn len(self) -> usize {
        match self {
            Self::Sorted(zset) => zset.len(),
            Self::Plain(set, _) => set.len(),
        }
    }

    /// The score of a member.
    pub(super) fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Sorted(zset) => zset.score(member),
            Self::Plain(set, now_ms) => set.contains(member, now_ms).then_some(1.0),
        }
    }

    /// Shows all members with their scores.
    pub(super) fn each(self, mut visit: impl FnMut(&[u8], f64)) {
        let mut digits = Digits::new();
        match self {
            Self::Sorted(zset) => zset
                .iter()
                .for_each(|(member, score)| visit(member.text(&mut digits), score)),
            Self::Plain(set, now_ms) => set
                .iter(now_ms)
                .for_each(|member| visit(member.text(&mut digits), 1.0)),
        }
    }
}
