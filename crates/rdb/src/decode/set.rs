//! Reading sets.

use std::io::Read;

use data::entries::Entries;
use data::packed::Digits;
use data::types::set::SetRules;
use data::types::set::ints::Ints;
use data::{Kind, Set, Value};

use super::bytes::{Bytes, signed};
use super::{DOUBLE, Elements, TIME_MAX, count, dragonfly_expiry, has_doubles, longest};
use crate::Error;
use crate::input::Input;

/// Members one after the other.
pub(super) fn plain<R: Read>(input: &mut Input<R>, rules: &SetRules) -> Result<Value, Error> {
    let count = count(input)?;
    let mut set = Set::default();
    if count > rules.ints.max(rules.packed.entries) as u64 {
        set = Set::Large(Box::new(Entries::new(rules.hasher.clone())));
    }
    for _ in 0..count {
        add(&mut set, &input.string()?, rules)?;
    }
    Ok(Value::Set(set))
}

/// Members and their expiries, 0 for none.
pub(super) fn expiring<R: Read>(input: &mut Input<R>, rules: &SetRules) -> Result<Value, Error> {
    read_expiring(input, rules, Input::u64)
}

/// Members and their expiries as Dragonfly has them.
pub(super) fn expiring_dragonfly<R: Read>(
    input: &mut Input<R>,
    rules: &SetRules,
) -> Result<Value, Error> {
    read_expiring(input, rules, dragonfly_expiry)
}

fn read_expiring<R: Read>(
    input: &mut Input<R>,
    rules: &SetRules,
    expiry: impl Fn(&mut Input<R>) -> Result<u64, Error>,
) -> Result<Value, Error> {
    let mut set = Set::default();
    for _ in 0..count(input)? {
        let member = input.string()?;
        match expiry(input)? {
            0 => add(&mut set, &member, rules)?,
            at => {
                if at > TIME_MAX {
                    return Err(Error::Corrupt("the expiry of a member can't be"));
                }
                if !set.add_expiring(&member, at, rules) {
                    return Err(DOUBLE);
                }
            }
        }
    }
    Ok(Value::Set(set))
}

/// Ascending integers of the same width.
///
/// ```text
/// [ width (4) ][ how many (4) ][ integer ] …
/// ```
pub(super) fn intset(blob: &[u8], rules: &SetRules) -> Result<Value, Error> {
    const BROKEN: Error = Error::Corrupt("a set of integers is broken");
    let mut bytes = Bytes(blob);
    let (width, len) = bytes.u32().zip(bytes.u32()).ok_or(BROKEN)?;
    let numbers = bytes.0;
    if ![2, 4, 8].contains(&width) || numbers.len() as u64 != u64::from(width) * u64::from(len) {
        return Err(BROKEN);
    }
    let members = numbers.chunks_exact(width as usize).map(signed);
    if !members.clone().is_sorted_by(|a, b| a < b) {
        return Err(BROKEN);
    }
    match len as usize {
        0 => Err(Error::Empty),
        len if len <= rules.ints => {
            let bytes = Ints::of_numbers(width as u8, numbers).into_bytes();
            Ok(Value::from_packed(Kind::Set, bytes))
        }
        _ => {
            let (mut set, mut digits) = (Set::default(), Digits::new());
            for member in members {
                add(&mut set, digits.format(member).as_bytes(), rules)?;
            }
            Ok(Value::Set(set))
        }
    }
}

/// Members that were packed.
pub(super) fn packed(members: &Elements<'_>, rules: &SetRules) -> Result<Value, Error> {
    if members.is_empty() {
        return Err(Error::Empty);
    }
    if rules.packed.admit(members.len(), longest(members)) {
        if has_doubles(members.iter()) {
            return Err(DOUBLE);
        }
        return Ok(Value::from_packed(Kind::Set, members.pack()));
    }
    let mut set = Set::default();
    for member in members.iter() {
        add(&mut set, member.text(&mut Digits::new()), rules)?;
    }
    Ok(Value::Set(set))
}

fn add(set: &mut Set, member: &[u8], rules: &SetRules) -> Result<(), Error> {
    if set.add(member, rules) {
        Ok(())
    } else {
        Err(DOUBLE)
    }
}
