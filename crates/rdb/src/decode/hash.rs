//! Reading hashes. An expiry of 0 is none.

use std::io::Read;

use data::entries::Entries;
use data::packed::{Digits, Elem};
use data::types::hash::HashRules;
use data::{Hash, Kind, Value};

use super::{DOUBLE, Elements, TIME_MAX, count, dragonfly_expiry, has_doubles, listpack, longest};
use crate::Error;
use crate::input::Input;

const PAIR: usize = 2;
const TRIPLE: usize = 3;
const ODD: Error = Error::Corrupt("a packed hash has a field without a value");
const TIME: Error = Error::Corrupt("the expiry of a field can't be");
/// What Valkey writes where there is no expiry.
const VALKEY_NEVER: u64 = u64::MAX;

/// Fields and values by turns.
pub(super) fn plain<R: Read>(input: &mut Input<R>, rules: &HashRules) -> Result<Value, Error> {
    read(input, rules, |input| {
        Ok((input.string()?, input.string()?, 0))
    })
}

/// Field, value and expiry.
pub(super) fn expiring_valkey<R: Read>(
    input: &mut Input<R>,
    rules: &HashRules,
) -> Result<Value, Error> {
    read(input, rules, |input| {
        let (field, value) = (input.string()?, input.string()?);
        let at = input.u64()?;
        Ok((field, value, if at == VALKEY_NEVER { 0 } else { at }))
    })
}

/// Expiry, field and value.
pub(super) fn expiring_early<R: Read>(
    input: &mut Input<R>,
    rules: &HashRules,
) -> Result<Value, Error> {
    read(input, rules, |input| {
        let at = input.length()?;
        Ok((input.string()?, input.string()?, at))
    })
}

/// Field, value and expiry as Dragonfly has it.
pub(super) fn expiring_dragonfly<R: Read>(
    input: &mut Input<R>,
    rules: &HashRules,
) -> Result<Value, Error> {
    read(input, rules, |input| {
        let (field, value) = (input.string()?, input.string()?);
        Ok((field, value, dragonfly_expiry(input)?))
    })
}

/// The least expiry; then for each field how much later it expires plus one, field and value.
pub(super) fn expiring<R: Read>(input: &mut Input<R>, rules: &HashRules) -> Result<Value, Error> {
    let first = input.u64()?;
    read(input, rules, |input| {
        let at = match input.length()? {
            0 => 0,
            later => first.checked_add(later - 1).ok_or(TIME)?,
        };
        Ok((input.string()?, input.string()?, at))
    })
}

type Triple = (Vec<u8>, Vec<u8>, u64);

fn read<R: Read>(
    input: &mut Input<R>,
    rules: &HashRules,
    mut next: impl FnMut(&mut Input<R>) -> Result<Triple, Error>,
) -> Result<Value, Error> {
    let count = count(input)?;
    let mut hash = Hash::default();
    if count > rules.packed.entries as u64 {
        hash = Hash::Large(Box::new(Entries::new(rules.hasher.clone())));
    }
    for _ in 0..count {
        let (field, value, at) = next(input)?;
        set(&mut hash, &field, &value, at, rules)?;
    }
    Ok(Value::Hash(hash))
}

/// Fields and values that were packed.
pub(super) fn packed(elems: &Elements<'_>, rules: &HashRules) -> Result<Value, Error> {
    if elems.is_empty() {
        return Err(Error::Empty);
    }
    if !elems.len().is_multiple_of(PAIR) {
        return Err(ODD);
    }
    if rules.packed.admit(elems.len() / PAIR, longest(elems)) {
        if has_doubles(elems.iter().step_by(PAIR)) {
            return Err(DOUBLE);
        }
        return Ok(Value::from_packed(Kind::Hash, elems.pack()));
    }
    let mut hash = Hash::default();
    for pair in elems.chunks_exact(PAIR) {
        set_elems(&mut hash, pair[0], pair[1], 0, rules)?;
    }
    Ok(Value::Hash(hash))
}

/// A listpack of fields, values and expiries.
pub(super) fn packed_expiring(blob: &[u8], rules: &HashRules) -> Result<Value, Error> {
    let elems = listpack::parse(blob)?;
    if elems.is_empty() {
        return Err(Error::Empty);
    }
    if !elems.len().is_multiple_of(TRIPLE) {
        return Err(ODD);
    }
    let mut hash = Hash::default();
    for triple in elems.chunks_exact(TRIPLE) {
        let Elem::Int(at @ 0..) = triple[2] else {
            return Err(TIME);
        };
        set_elems(&mut hash, triple[0], triple[1], at as u64, rules)?;
    }
    Ok(Value::Hash(hash))
}

fn set_elems(
    hash: &mut Hash,
    field: Elem<'_>,
    value: Elem<'_>,
    at: u64,
    rules: &HashRules,
) -> Result<(), Error> {
    let (mut field_digits, mut value_digits) = (Digits::new(), Digits::new());
    let (field, value) = (field.text(&mut field_digits), value.text(&mut value_digits));
    set(hash, field, value, at, rules)
}

fn set(
    hash: &mut Hash,
    field: &[u8],
    value: &[u8],
    at: u64,
    rules: &HashRules,
) -> Result<(), Error> {
    if at > TIME_MAX {
        return Err(TIME);
    }
    let expiry = (at > 0).then_some(at);
    if !hash.set(field, value, expiry, rules) {
        return Err(DOUBLE);
    }
    Ok(())
}
