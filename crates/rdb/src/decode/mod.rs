//! Reading values.
//!
//! A value is built by the same operations that commands use, so whatever was read is a value as
//! any other, in the form that the thresholds say.

mod bytes;
mod hash;
mod list;
mod listpack;
mod set;
mod stream;
mod ziplist;
mod zset;

use std::collections::HashSet;
use std::io::Read;
use std::ops::Deref;

use data::Value;
use data::packed::{Elem, Packed, Run};
use data::types::hash::HashRules;
use data::types::list::NodeLimit;
use data::types::set::SetRules;
use data::types::stream::BlockLimits;
use data::types::zset::Growth;
use foldhash::fast::RandomState;
use protocol::number::parse_i64;

use crate::Error;
use crate::codes::{Dialect, kind};
use crate::input::Input;

/// Up to where values take their compact forms.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Of lists.
    pub list: NodeLimit,
    /// Of hashes. With time 0: what has expired is read as it is, for others to find.
    pub hash: HashRules,
    /// Of sets; the time as with hashes.
    pub set: SetRules,
    /// Of sorted sets.
    pub zset: Growth,
    /// Of streams.
    pub stream: BlockLimits,
}

/// Reads a value of this type.
pub(crate) fn value<R: Read>(
    kind: u8,
    input: &mut Input<R>,
    dialect: Dialect,
    rules: &Rules,
) -> Result<Value, Error> {
    match (kind, dialect) {
        (kind::STRING, _) => input.string().map(Value::Str),
        (kind::LIST, _) => list::plain(input, rules.list),
        (kind::LIST_ZIPLIST, _) => list::ziplist(&input.string()?, rules.list),
        (kind::LIST_QUICKLIST, _) => list::quicklist(input, rules.list),
        (kind::LIST_QUICKLIST_2, _) => list::quicklist_2(input, rules.list),
        (kind::SET, _) => set::plain(input, &rules.set),
        (kind::SET_INTSET, _) => set::intset(&input.string()?, &rules.set),
        (kind::SET_LISTPACK, _) => set::packed(&listpack::parse(&input.string()?)?, &rules.set),
        (kind::SET_EXPIRING, _) => set::expiring(input, &rules.set),
        (kind::SET_EXPIRING_DRAGONFLY, _) => set::expiring_dragonfly(input, &rules.set),
        (kind::HASH, _) => hash::plain(input, &rules.hash),
        (kind::HASH_ZIPMAP, _) => {
            hash::packed(&ziplist::parse_zipmap(&input.string()?)?, &rules.hash)
        }
        (kind::HASH_ZIPLIST, _) => hash::packed(&ziplist::parse(&input.string()?)?, &rules.hash),
        (kind::HASH_LISTPACK, _) => hash::packed(&listpack::parse(&input.string()?)?, &rules.hash),
        (kind::HASH_EXPIRING_VALKEY, Dialect::Valkey) => hash::expiring_valkey(input, &rules.hash),
        (kind::HASH_EXPIRING_EARLY, _) => hash::expiring_early(input, &rules.hash),
        (kind::HASH_EXPIRING_DRAGONFLY, _) => hash::expiring_dragonfly(input, &rules.hash),
        (kind::HASH_EXPIRING, Dialect::Redis) => hash::expiring(input, &rules.hash),
        (kind::HASH_LISTPACK_EXPIRING_EARLY, Dialect::Redis) => {
            hash::packed_expiring(&input.string()?, &rules.hash)
        }
        (kind::HASH_LISTPACK_EXPIRING, Dialect::Redis) => {
            input.u64()?;
            hash::packed_expiring(&input.string()?, &rules.hash)
        }
        (kind::ZSET, _) => zset::plain(input, &rules.zset, zset::score_as_text),
        (kind::ZSET_2, _) => zset::plain(input, &rules.zset, Input::f64),
        (kind::ZSET_ZIPLIST, _) => zset::packed(&ziplist::parse(&input.string()?)?, &rules.zset),
        (kind::ZSET_LISTPACK, _) => zset::packed(&listpack::parse(&input.string()?)?, &rules.zset),
        (kind::STREAM, _) => stream::read(input, stream::Version::One, rules.stream),
        (kind::STREAM_2, _) => stream::read(input, stream::Version::Two, rules.stream),
        (kind::STREAM_3, _) => stream::read(input, stream::Version::Three, rules.stream),
        (kind::MODULE_1 | kind::MODULE_2, _) => Err(Error::Module(module_name(input.length()?))),
        (other, _) if kind::DRAGONFLY.contains(&other) => Err(Error::Dragonfly(other)),
        (other, _) => Err(Error::UnknownType(other)),
    }
}

/// When a field or a member expires, as Dragonfly writes it: in seconds, as text, from a time of
/// its own on; 0 if it doesn't.
fn dragonfly_expiry<R: Read>(input: &mut Input<R>) -> Result<u64, Error> {
    const SINCE_S: i64 = 1_675_209_600;
    const NEVER: i64 = -1;
    let seconds = parse_i64(&input.string()?).filter(|&seconds| seconds >= NEVER);
    match seconds.ok_or(Error::Corrupt("an expiry is no number"))? {
        NEVER => Ok(0),
        seconds => {
            let at_s = seconds.checked_add(SINCE_S);
            let at_ms = at_s.and_then(|at_s| at_s.checked_mul(1000));
            Ok(at_ms.ok_or(Error::Corrupt("an expiry is too late"))? as u64)
        }
    }
}

/// The name of a module's type, nine characters of 6 bits each above 10 bits of a version.
pub(crate) fn module_name(id: u64) -> String {
    const CHARACTERS: &[u8; 64] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let character = |shift: u32| char::from(CHARACTERS[(id >> shift & 63) as usize]);
    (0..9).map(|i| character(58 - 6 * i)).collect()
}

/// The number of elements of a collection, none of which is empty.
fn count<R: Read>(input: &mut Input<R>) -> Result<u64, Error> {
    match input.length()? {
        0 => Err(Error::Empty),
        count => Ok(count),
    }
}

/// The elements of a packed list.
#[derive(Debug)]
struct Elements<'a> {
    elems: Vec<Elem<'a>>,
    /// The list as it lies there, if it is to the letter as we would have packed it.
    run: Option<&'a [u8]>,
}

impl<'a> Deref for Elements<'a> {
    type Target = [Elem<'a>];

    fn deref(&self) -> &[Elem<'a>] {
        &self.elems
    }
}

impl Elements<'_> {
    /// The packed list that they make.
    fn pack(&self) -> Vec<u8> {
        if let Some(run) = self.run {
            return Packed::of_run(Run(run), self.len()).into_bytes();
        }
        let mut packed = Packed::new();
        for &elem in &self.elems {
            packed.push(elem);
        }
        packed.into_bytes()
    }
}

/// The length of the longest of these texts.
fn longest(elems: &[Elem<'_>]) -> usize {
    elems.iter().map(|elem| elem.text_len()).max().unwrap_or(0)
}

/// Whether an element occurs twice.
fn has_doubles<'a>(elems: impl Iterator<Item = &'a Elem<'a>>) -> bool {
    let mut seen = HashSet::with_hasher(RandomState::default());
    let mut elems = elems;
    !elems.all(|elem| seen.insert(*elem))
}

const DOUBLE: Error = Error::Corrupt("an element occurs twice");
/// The latest expiry of a member or field: packed, it has to fit a signed integer.
const TIME_MAX: u64 = i64::MAX as u64;
