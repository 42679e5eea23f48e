//! What scripts can set of cjson; as in Redis it stays set for the scripts that follow.

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Lua, MultiValue, Result, Table, Value};

use crate::libraries::given::Given;

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

type Setter = fn(&Given<'_>, &mut Settings) -> Result<MultiValue>;

const SETTERS: [(&str, Setter); 7] = [
    ("encode_sparse_array", |given, settings| {
        at_most(given, 3)?;
        set_bool(given, 1, &mut settings.sparse_convert)?;
        set_int(given, 2, 0, i32::MAX, &mut settings.sparse_ratio)?;
        set_int(given, 3, 0, i32::MAX, &mut settings.sparse_safe)?;
        let values = [
            Value::Boolean(settings.sparse_convert),
            Value::Number(f64::from(settings.sparse_ratio)),
            Value::Number(f64::from(settings.sparse_safe)),
        ];
        Ok(values.into_iter().collect())
    }),
    ("encode_max_depth", |given, settings| {
        depth(given, &mut settings.encode_depth)
    }),
    ("decode_max_depth", |given, settings| {
        depth(given, &mut settings.decode_depth)
    }),
    ("encode_number_precision", |given, settings| {
        at_most(given, 1)?;
        set_int(given, 1, 1, 14, &mut settings.precision)?;
        Ok(one(Value::Number(f64::from(settings.precision))))
    }),
    ("encode_keep_buffer", |given, settings| {
        at_most(given, 1)?;
        set_bool(given, 1, &mut settings.keep_buffer)?;
        Ok(one(Value::Boolean(settings.keep_buffer)))
    }),
    ("encode_invalid_numbers", |given, settings| {
        at_most(given, 1)?;
        match given.get(1) {
            None | Some(Value::Nil) => {}
            Some(Value::Boolean(true)) => settings.encode_invalid = Invalid::Allowed,
            Some(Value::Boolean(false)) => settings.encode_invalid = Invalid::Refused,
            Some(_) => {
                let option = given.string(1)?.to_string_lossy();
                settings.encode_invalid = match &*option {
                    "on" => Invalid::Allowed,
                    "off" => Invalid::Refused,
                    "null" => Invalid::Null,
                    _ => return Err(given.bad(1, &format!("invalid option '{option}'"))),
                };
            }
        }
        Ok(one(match settings.encode_invalid {
            Invalid::Refused => Value::Boolean(false),
            Invalid::Allowed => Value::Boolean(true),
            Invalid::Null => Value::String(given.lua.create_string("null")?),
        }))
    }),
    ("decode_invalid_numbers", |given, settings| {
        at_most(given, 1)?;
        set_bool(given, 1, &mut settings.decode_invalid)?;
        Ok(one(Value::Boolean(settings.decode_invalid)))
    }),
];

/// Adds the functions that set and tell these settings.
pub(super) fn add_functions(lua: &Lua, table: &Table, settings: &Rc<Cell<Settings>>) -> Result<()> {
    for (name, set) in SETTERS {
        let settings = Rc::clone(settings);
        let run = move |lua: &Lua, args: MultiValue| {
            let mut changed = settings.get();
            let answer = set(&Given::new(lua, name, &args), &mut changed)?;
            settings.set(changed);
            Ok(answer)
        };
        table.raw_set(name, lua.create_function(run)?)?;
    }
    Ok(())
}

fn one(value: Value) -> MultiValue {
    [value].into_iter().collect()
}

fn depth(given: &Given<'_>, depth: &mut i32) -> Result<MultiValue> {
    at_most(given, 1)?;
    set_int(given, 1, 1, i32::MAX, depth)?;
    Ok(one(Value::Number(f64::from(*depth))))
}

fn at_most(given: &Given<'_>, count: usize) -> Result<()> {
    if given.len() > count {
        return Err(given.bad(count + 1, "found too many arguments"));
    }
    Ok(())
}

fn set_bool(given: &Given<'_>, at: usize, setting: &mut bool) -> Result<()> {
    match given.get(at) {
        None | Some(Value::Nil) => {}
        Some(Value::Boolean(on)) => *setting = *on,
        Some(_) => {
            let option = given.string(at)?.to_string_lossy();
            *setting = match &*option {
                "on" => true,
                "off" => false,
                _ => return Err(given.bad(at, &format!("invalid option '{option}'"))),
            };
        }
    }
    Ok(())
}

fn set_int(given: &Given<'_>, at: usize, min: i32, max: i32, setting: &mut i32) -> Result<()> {
    if matches!(given.get(at), None | Some(Value::Nil)) {
        return Ok(());
    }
    let number = given.number(at)?;
    if !(f64::from(min)..=f64::from(max)).contains(&number) {
        let why = format!("expected integer between {min} and {max}");
        return Err(given.bad(at, &why));
    }
    *setting = number as i32;
    Ok(())
}
