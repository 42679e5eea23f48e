//! The walk through the selected database that SCAN, RM and KEYS share.
//!
//! ```text
//! cursor   [ shard (12 of 24 used) | position in its table (40) ]
//! ```
//!
//! Below 2^53, so that JavaScript clients keep it exact; 0 is both the beginning and the end. A
//! shard's table is a row of buckets in the order of the key hash, whatever their number, so a key
//! that stays is met however the table grows or shrinks between calls (see `data::table`), and the
//! shard of a key never changes.

use data::record::Record;
use data::{Dict, hash};
use store::store::hashtag;
use store::{Store, Txn};

use crate::{Args, CommandError};
use protocol::glob;

/// Buckets that are visited before a shard is given back for a moment.
const SLICE: usize = 64;

/// How far a walk has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor(pub(super) u64);

impl Cursor {
    /// Beginning and end.
    pub(super) const START: Self = Self(0);

    fn new(shard: usize, position: u64) -> Self {
        Self((shard as u64) << hash::POSITION_BITS | position)
    }

    /// A cursor as clients give it.
    pub(super) fn parse(text: &[u8]) -> Result<Self, CommandError> {
        let text = std::str::from_utf8(text).ok();
        text.and_then(|text| text.parse().ok())
            .map(Self)
            .ok_or(CommandError::Text("ERR invalid cursor"))
    }

    fn shard(self) -> usize {
        (self.0 >> hash::POSITION_BITS) as usize
    }

    fn position(self) -> u64 {
        self.0 & ((1 << hash::POSITION_BITS) - 1)
    }
}

/// Which keys are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Filter<'a> {
    /// MATCH.
    pub(super) pattern: Option<&'a [u8]>,
    /// TYPE, in any case.
    pub(super) type_name: Option<&'a [u8]>,
    /// Those that expire, or those that don't.
    pub(super) expires: Option<bool>,
    /// Those that take at least so many bytes.
    pub(super) bytes_min: usize,
}

impl Filter<'_> {
    #[inline]
    fn accepts(&self, dict: &Dict, record: Record<'_>) -> bool {
        let is_type = |name: &[u8]| {
            let found = dict.value_of(record).type_name();
            name.eq_ignore_ascii_case(found.as_bytes())
        };
        self.pattern
            .is_none_or(|pattern| pattern == b"*" || glob::matches(pattern, record.key(), false))
            && self.type_name.is_none_or(is_type)
            && self
                .expires
                .is_none_or(|expires| expires == record.expiry().is_some())
            && (self.bytes_min == 0 || dict.record_bytes(record) >= self.bytes_min)
    }
}

/// How much work a walk may do: it ends with the bucket in which one of these is used up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Keys to be looked at, whether wanted or not.
    keys: usize,
    /// Buckets to be looked at, whether there is a key in them or not.
    buckets: usize,
}

impl Budget {
    /// Everything.
    pub(super) const ALL: Self = Self {
        keys: usize::MAX,
        buckets: usize::MAX,
    };

    /// What a COUNT of so many keys stands for in Redis.
    pub(super) fn count(keys: usize) -> Self {
        Self {
            keys,
            buckets: keys.saturating_mul(10),
        }
    }

    /// Up to the first key that there is.
    pub(super) fn one_key() -> Self {
        Self {
            keys: 1,
            ..Self::ALL
        }
    }

    fn is_spent(&self) -> bool {
        self.keys == 0 || self.buckets == 0
    }
}

/// What is done with the keys of a walk.
pub(super) trait Visitor {
    /// A key that is wanted; its shard is locked.
    fn visit(&mut self, key: &[u8]);

    /// Some buckets have been visited; their shard is still locked.
    fn end_slice(&mut self, _: &mut Txn<'_>) {}
}

/// Where the keys that a pattern matches can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Anywhere,
    /// All have one hashtag.
    Shard(usize),
    /// There is only one such key.
    Bucket(usize, u64),
}

impl Place {
    fn of(pattern: Option<&[u8]>, store: &Store) -> Self {
        let Some(pattern) = pattern else {
            return Self::Anywhere;
        };
        let is_special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
        let Some(special) = pattern.iter().position(is_special) else {
            let hash = store.hash(pattern);
            return Self::Bucket(store.shard_of(pattern, hash), hash.position());
        };
        // All keys begin with what stands before the first special byte, so a hashtag that is
        // complete there is theirs.
        let start = &pattern[..special];
        match hashtag(start) {
            Some(_) => Self::Shard(store.shard_of(start, store.hash(start))),
            None => Self::Anywhere,
        }
    }
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk<'a> {
    start: Cursor,
    filter: Filter<'a>,
    budget: Budget,
}

impl<'a> Walk<'a> {
    /// A walk from `start` on.
    pub(super) fn new(start: Cursor, filter: Filter<'a>, budget: Budget) -> Self {
        Self {
            start,
            filter,
            budget,
        }
    }

    /// Reads a cursor at argument 1 and the options that follow; `other` gets what isn't one of
    /// these, as the option's place among the arguments, and may take it and the next argument.
    pub(super) fn parse(
        args: Args<'a>,
        other: impl Fn(&mut Filter<'a>, usize) -> Result<(), CommandError>,
    ) -> Result<Self, CommandError> {
        let start = Cursor::parse(args.at(1))?;
        let mut filter = Filter::default();
        let mut count = 10;
        for at in (2..args.len()).step_by(2) {
            let value = args.get(at + 1).ok_or(CommandError::Syntax)?;
            if args.is(at, "COUNT") {
                count = args.int(at + 1)?;
                if count < 1 {
                    return Err(CommandError::Syntax);
                }
            } else if args.is(at, "MATCH") {
                filter.pattern = Some(value);
            } else if args.is(at, "TYPE") {
                filter.type_name = Some(value);
            } else {
                other(&mut filter, at)?;
            }
        }
        Ok(Self::new(start, filter, Budget::count(count as usize)))
    }

    /// Shows the keys to `visitor`; returns where to go on, which is the start again at the end.
    pub(super) fn run(self, txn: &mut Txn<'_>, visitor: &mut impl Visitor) -> Cursor {
        let shards = txn.store().shard_count();
        let mut at = self.start;
        let end = match Place::of(self.filter.pattern, txn.store()) {
            Place::Bucket(shard, position) if at == Cursor::START => {
                let (at, budget) = (
                    Cursor::new(shard, position),
                    Budget {
                        keys: 1,
                        buckets: 1,
                    },
                );
                Self { budget, ..self }.slice(txn, at, visitor);
                return Cursor::START;
            }
            Place::Bucket(shard, _) | Place::Shard(shard) => {
                if at.shard() < shard {
                    at = Cursor::new(shard, 0);
                }
                shard + 1
            }
            Place::Anywhere => shards,
        };
        let mut walk = self;
        while at.shard() < end && !walk.budget.is_spent() {
            at = match walk.slice(txn, at, visitor) {
                Some(position) => Cursor::new(at.shard(), position),
                None => Cursor::new(at.shard() + 1, 0),
            };
        }
        if at.shard() < end { at } else { Cursor::START }
    }

    /// Visits some buckets under their shard's lock; returns the position of the next.
    fn slice(&mut self, txn: &mut Txn<'_>, at: Cursor, visitor: &mut impl Visitor) -> Option<u64> {
        let Self { filter, budget, .. } = self;
        let shard = at.shard();
        txn.in_shard(shard, |txn| {
            // Shards without keys cost next to nothing, so they aren't charged: with many shards
            // and few keys a client would have to call dozens of times for an empty reply.
            if txn.keys_in(shard) == 0 {
                return None;
            }
            let mut next = Some(at.position());
            for _ in 0..SLICE {
                let Some(position) = next.filter(|_| !budget.is_spent()) else {
                    break;
                };
                budget.buckets -= 1;
                next = txn.scan(shard, position, |dict, record| {
                    budget.keys = budget.keys.saturating_sub(1);
                    if filter.accepts(dict, record) {
                        visitor.visit(record.key());
                    }
                });
            }
            visitor.end_slice(txn);
            next
        })
    }
}
