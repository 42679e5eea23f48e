//! Reading streams: blocks of entries as listpacks, then numbers, then the consumer groups.
//!
//! ```text
//! block: [ entries ][ deleted ones ][ number of names ][ name ] … [ 0 ][ entry ] …
//! entry: [ flags ][ ms ][ seq ]                     as distances from the block's ID
//!        [ value ] …                                when the names are the block's, or
//!        [ number of fields ][ name ][ value ] …
//!        [ number of elements in this entry ]
//! ```

use std::collections::BTreeMap;
use std::io::Read;

use data::packed::{Digits, Elem};
use data::types::stream::{BlockLimits, Group, Id, Pending};
use data::{Stream, Value};

use super::listpack;
use crate::Error;
use crate::input::Input;

/// Which of the three forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    One,
    /// With first ID, highest deleted ID and numbers of entries added and read.
    Two,
    /// With the times at which consumers were active.
    Three,
}

const BROKEN: Error = Error::Corrupt("a block of a stream is broken");
const GROUP: Error = Error::Corrupt("a consumer group is broken");
const NUMBERS: Error = Error::Corrupt("the numbers of a stream don't fit its entries");
const DELETED: i64 = 1;
const SAME_NAMES: i64 = 2;
/// Says that it isn't known how many entries a group has read, or that a consumer never got any.
const UNKNOWN: u64 = u64::MAX;

/// A number that is counted on from here: it has to be far from its end.
fn counted(number: u64) -> Result<u64, Error> {
    const MAX: u64 = i64::MAX as u64;
    if number > MAX {
        Err(NUMBERS)
    } else {
        Ok(number)
    }
}

/// The same, where it may be unknown.
fn counted_if_known(number: u64) -> Result<Option<u64>, Error> {
    let known = (number != UNKNOWN).then_some(number);
    known.map(counted).transpose()
}

pub(super) fn read<R: Read>(
    input: &mut Input<R>,
    version: Version,
    limits: BlockLimits,
) -> Result<Value, Error> {
    let mut stream = Box::<Stream>::default();
    for _ in 0..input.length()? {
        let id = input.string()?;
        let id: [u8; 16] = id.try_into().map_err(|_| BROKEN)?;
        let blob = input.string()?;
        read_block(
            &mut stream,
            from_bytes(id),
            &listpack::parse(&blob)?,
            limits,
        )?;
    }
    read_numbers(input, &mut stream, version)?;
    for _ in 0..input.length()? {
        let name = input.string()?.into_boxed_slice();
        let group = read_group(input, &stream, version)?;
        if stream.groups.insert(name, group).is_some() {
            return Err(GROUP);
        }
    }
    Ok(Value::Stream(stream))
}

fn from_bytes(bytes: [u8; 16]) -> Id {
    let both = u128::from_be_bytes(bytes);
    Id::new((both >> 64) as u64, both as u64)
}

fn read_id<R: Read>(input: &mut Input<R>) -> Result<Id, Error> {
    Ok(Id::new(input.length()?, input.length()?))
}

/// The numbers behind the blocks: only the first two are in all versions.
fn read_numbers<R: Read>(
    input: &mut Input<R>,
    stream: &mut Stream,
    version: Version,
) -> Result<(), Error> {
    let (len, last_id) = (input.length()?, read_id(input)?);
    if len != stream.len() as u64 || last_id < stream.last_id {
        return Err(NUMBERS);
    }
    stream.last_id = last_id;
    if version > Version::One {
        let _first_id = read_id(input)?;
        stream.max_deleted_id = read_id(input)?;
        stream.entries_added = counted(input.length()?)?;
    }
    if stream.entries_added < len {
        return Err(NUMBERS);
    }
    Ok(())
}

/// The elements of a block that are still to be read.
struct Elems<'a, 'e>(std::slice::Iter<'e, Elem<'a>>);

impl<'a, 'e> Elems<'a, 'e> {
    fn int(&mut self) -> Result<i64, Error> {
        match self.0.next() {
            Some(Elem::Int(int)) => Ok(*int),
            _ => Err(BROKEN),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'e [Elem<'a>], Error> {
        let (taken, rest) = self.0.as_slice().split_at_checked(count).ok_or(BROKEN)?;
        self.0 = rest.iter();
        Ok(taken)
    }

    fn count(&mut self) -> Result<usize, Error> {
        usize::try_from(self.int()?).map_err(|_| BROKEN)
    }
}

fn read_block(
    stream: &mut Stream,
    first: Id,
    elems: &[Elem<'_>],
    limits: BlockLimits,
) -> Result<(), Error> {
    let mut elems = Elems(elems.iter());
    let (live, deleted, names) = (elems.count()?, elems.count()?, elems.count()?);
    let names = elems.take(names)?;
    if elems.int()? != 0 {
        return Err(BROKEN);
    }
    let (len, mut entries) = (stream.len(), 0usize);
    while !elems.0.as_slice().is_empty() {
        read_entry(stream, first, names, &mut elems, limits)?;
        entries += 1;
    }
    if stream.len() - len != live || live.checked_add(deleted) != Some(entries) {
        return Err(BROKEN);
    }
    Ok(())
}

fn read_entry<'a>(
    stream: &mut Stream,
    first: Id,
    names: &[Elem<'a>],
    elems: &mut Elems<'a, '_>,
    limits: BlockLimits,
) -> Result<(), Error> {
    let flags = elems.int()?;
    let (ms, seq) = (elems.int()? as u64, elems.int()? as u64);
    let id = Id::new(first.ms.wrapping_add(ms), first.seq.wrapping_add(seq));
    let (pairs, told): (Vec<Elem<'_>>, usize) = if flags & SAME_NAMES != 0 {
        let values = elems.take(names.len())?;
        let pairs = names
            .iter()
            .zip(values)
            .flat_map(|(name, value)| [*name, *value]);
        (pairs.collect(), names.len() + 3)
    } else {
        let count = elems.count()?.checked_mul(2).ok_or(BROKEN)?;
        (elems.take(count)?.to_vec(), count + 4)
    };
    if elems.count()? != told {
        return Err(BROKEN);
    }
    if flags & DELETED != 0 {
        return Ok(());
    }
    // IDs ascend and none is 0-0, with which a stream begins.
    if id <= stream.last_id || pairs.is_empty() {
        return Err(BROKEN);
    }
    push(stream, id, &pairs, limits)
}

fn push(stream: &mut Stream, id: Id, pairs: &[Elem<'_>], limits: BlockLimits) -> Result<(), Error> {
    let mut digits = vec![Digits::new(); pairs.len()];
    let texts = pairs.iter().zip(&mut digits);
    let texts: Vec<&[u8]> = texts.map(|(elem, digits)| elem.text(digits)).collect();
    if Stream::is_too_large(texts.iter().map(|text| text.len()).sum()) {
        return Err(Error::Corrupt("an entry of a stream is too large"));
    }
    stream.push(id, texts.iter().copied(), limits);
    Ok(())
}

/// Entries that were delivered, and of which it isn't known yet to whom: when, and how often.
type Deliveries = BTreeMap<Id, (u64, u64)>;

fn read_group<R: Read>(
    input: &mut Input<R>,
    stream: &Stream,
    version: Version,
) -> Result<Group, Error> {
    let last_id = read_id(input)?;
    let entries_read = if version == Version::One {
        stream.entries_up_to(last_id)
    } else {
        counted_if_known(input.length()?)?
    };
    let mut group = Group::new(last_id, entries_read);
    let mut deliveries = Deliveries::new();
    for _ in 0..input.length()? {
        let id = from_bytes(input.array()?);
        let delivery = (counted(input.u64()?)?, counted(input.length()?)?);
        if deliveries.insert(id, delivery).is_some() {
            return Err(GROUP);
        }
    }
    for _ in 0..input.length()? {
        read_consumer(input, &mut group, &mut deliveries, version)?;
    }
    // Each delivery has its consumer.
    if deliveries.is_empty() {
        Ok(group)
    } else {
        Err(GROUP)
    }
}

fn read_consumer<R: Read>(
    input: &mut Input<R>,
    group: &mut Group,
    deliveries: &mut Deliveries,
    version: Version,
) -> Result<(), Error> {
    let name = input.string()?;
    if group.find_consumer(&name).is_some() {
        return Err(GROUP);
    }
    let seen_ms = counted(input.u64()?)?;
    let consumer = group.add_consumer(&name, seen_ms);
    group.consumer_mut(consumer).active_ms = match version {
        Version::One | Version::Two => Some(seen_ms),
        Version::Three => counted_if_known(input.u64()?)?,
    };
    for _ in 0..input.length()? {
        let id = from_bytes(input.array()?);
        let (time_ms, count) = deliveries.remove(&id).ok_or(GROUP)?;
        let pending = Pending {
            consumer,
            time_ms,
            deliveries: count,
        };
        group.deliver(id, pending);
    }
    Ok(())
}
