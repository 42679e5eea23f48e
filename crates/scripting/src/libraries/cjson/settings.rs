//! What scripts can set of cjson; as in Redis it stays set for the scripts that follow.

use std::ops::RangeInclusive;

use super::Given;
use crate::libraries::native::{Library, Refused, Result};
use crate::raw::Kind;

/// What is made of numbers that JSON doesn't know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    Refused,
    Allowed,
    Null,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Sparse arrays become objects rather than errors.
    pub(super) sparse_convert: bool,
    /// An array is sparse when its last index is more than so many times its length; 0: never.
    pub(super) sparse_ratio: i32,
    /// Unless the last index is at most this.
    pub(super) sparse_safe: i32,
    pub(super) encode_depth: i32,
    pub(super) decode_depth: i32,
    /// Significant digits.
    pub(super) precision: i32,
    pub(super) encode_invalid: Invalid,
    pub(super) decode_invalid: bool,
    keep_buffer: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth: 1000,
            decode_depth: 1000,
            precision: 14,
            encode_invalid: Invalid::Refused,
            decode_invalid: true,
            keep_buffer: true,
        }
    }
}

/// Adds the functions that set and tell these settings.
pub(super) fn add_functions(library: &Library<'_, Settings>) -> mlua::Result<()> {
    library.add("encode_sparse_array", encode_sparse_array)?;
    library.add("encode_max_depth", |given| {
        depth(given, |settings| &mut settings.encode_depth)
    })?;
    library.add("decode_max_depth", |given| {
        depth(given, |settings| &mut settings.decode_depth)
    })?;
    library.add("encode_number_precision", |given| {
        at_most(given, 1)?;
        set_int(given, 1, 1..=14, |settings| &mut settings.precision)?;
        given.stack.push_number(given.state.precision.into());
        Ok(1)
    })?;
    library.add("encode_keep_buffer", |given| {
        switch(given, |settings| &mut settings.keep_buffer)
    })?;
    library.add("encode_invalid_numbers", encode_invalid_numbers)?;
    library.add("decode_invalid_numbers", |given| {
        switch(given, |settings| &mut settings.decode_invalid)
    })
}

fn encode_sparse_array(given: &mut Given<'_>) -> Result<i32> {
    at_most(given, 3)?;
    set_bool(given, 1, |settings| &mut settings.sparse_convert)?;
    set_int(given, 2, 0..=i32::MAX, |settings| {
        &mut settings.sparse_ratio
    })?;
    set_int(given, 3, 0..=i32::MAX, |settings| &mut settings.sparse_safe)?;
    let Given { stack, state, .. } = given;
    stack.push_bool(state.sparse_convert);
    stack.push_number(state.sparse_ratio.into());
    stack.push_number(state.sparse_safe.into());
    Ok(3)
}

fn encode_invalid_numbers(given: &mut Given<'_>) -> Result<i32> {
    at_most(given, 1)?;
    match given.stack.kind(1) {
        Kind::Nil => {}
        Kind::Boolean(true) => given.state.encode_invalid = Invalid::Allowed,
        Kind::Boolean(false) => given.state.encode_invalid = Invalid::Refused,
        _ => {
            given.string(1)?;
            given.state.encode_invalid = match given.stack.bytes(1) {
                b"on" => Invalid::Allowed,
                b"off" => Invalid::Refused,
                b"null" => Invalid::Null,
                _ => return Err(invalid_option(given, 1)),
            };
        }
    }
    match given.state.encode_invalid {
        Invalid::Refused => given.stack.push_bool(false),
        Invalid::Allowed => given.stack.push_bool(true),
        Invalid::Null => given.stack.push_bytes(b"null"),
    }
    Ok(1)
}

/// Which of the settings is meant.
type Setting<T> = fn(&mut Settings) -> &mut T;

fn depth(given: &mut Given<'_>, setting: Setting<i32>) -> Result<i32> {
    at_most(given, 1)?;
    set_int(given, 1, 1..=i32::MAX, setting)?;
    given.stack.push_number((*setting(given.state)).into());
    Ok(1)
}

fn switch(given: &mut Given<'_>, setting: Setting<bool>) -> Result<i32> {
    at_most(given, 1)?;
    set_bool(given, 1, setting)?;
    given.stack.push_bool(*setting(given.state));
    Ok(1)
}

fn at_most(given: &mut Given<'_>, count: i32) -> Result<()> {
    if given.stack.len() > count {
        return Err(given.bad(count + 1, "found too many arguments"));
    }
    Ok(())
}

fn invalid_option(given: &mut Given<'_>, at: i32) -> Refused {
    let option = String::from_utf8_lossy(given.stack.bytes(at)).into_owned();
    given.bad(at, format_args!("invalid option '{option}'"))
}

fn set_bool(given: &mut Given<'_>, at: i32, setting: Setting<bool>) -> Result<()> {
    match given.stack.kind(at) {
        Kind::Nil => {}
        Kind::Boolean(on) => *setting(given.state) = on,
        _ => {
            given.string(at)?;
            *setting(given.state) = match given.stack.bytes(at) {
                b"on" => true,
                b"off" => false,
                _ => return Err(invalid_option(given, at)),
            };
        }
    }
    Ok(())
}

fn set_int(
    given: &mut Given<'_>,
    at: i32,
    range: RangeInclusive<i32>,
    setting: Setting<i32>,
) -> Result<()> {
    if given.is_none(at) {
        return Ok(());
    }
    let number = given.number(at)?;
    let (min, max) = (*range.start(), *range.end());
    if !(f64::from(min)..=f64::from(max)).contains(&number) {
        return Err(given.bad(at, format_args!("expected integer between {min} and {max}")));
    }
    *setting(given.state) = number as i32;
    Ok(())
}
