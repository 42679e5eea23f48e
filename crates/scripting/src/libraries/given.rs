//! What a native function was given, with the errors that Lua's own functions raise.

use mlua::{Error, Lua, LuaString, MultiValue, Result, Value};

use crate::raise;

/// The arguments of a function.
pub(super) struct Given<'a> {
    pub(super) lua: &'a Lua,
    /// As scripts call it.
    function: &'static str,
    values: &'a MultiValue,
}

impl<'a> Given<'a> {
    pub(super) fn new(lua: &'a Lua, function: &'static str, values: &'a MultiValue) -> Self {
        Self {
            lua,
            function,
            values,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Argument `at`, from 1 on.
    pub(super) fn get(&self, at: usize) -> Option<&'a Value> {
        self.values.get(at - 1)
    }

    /// A number, or a string that is one.
    pub(super) fn number(&self, at: usize) -> Result<f64> {
        match self.get(at) {
            Some(Value::Integer(number)) => Ok(*number as f64),
            Some(Value::Number(number)) => Ok(*number),
            Some(text @ Value::String(_)) => match self.lua.coerce_number(text.clone())? {
                Some(number) => Ok(number),
                None => Err(self.wrong_type(at, "number")),
            },
            _ => Err(self.wrong_type(at, "number")),
        }
    }

    /// A number, or `default` where there is none.
    pub(super) fn number_or(&self, at: usize, default: f64) -> Result<f64> {
        match self.get(at) {
            None | Some(Value::Nil) => Ok(default),
            Some(_) => self.number(at),
        }
    }

    /// A string, or a number as one.
    pub(super) fn string(&self, at: usize) -> Result<LuaString> {
        match self.get(at) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(number @ (Value::Integer(_) | Value::Number(_))) => {
                self.lua.create_string(number.to_string()?)
            }
            _ => Err(self.wrong_type(at, "string")),
        }
    }

    /// The error for an argument of another type.
    fn wrong_type(&self, at: usize, expected: &str) -> Error {
        let got = self.get(at).map_or("no value", type_name);
        self.bad(at, &format!("{expected} expected, got {got}"))
    }

    /// The error for an argument that can't be used.
    pub(super) fn bad(&self, at: usize, why: &str) -> Error {
        let function = self.function;
        self.error(&format!("bad argument #{at} to '{function}' ({why})"))
    }

    /// An error with the caller's position.
    pub(super) fn error(&self, text: &str) -> Error {
        raise::message(self.lua, text)
    }
}

/// The type's name as Lua says it: it knows one type of number.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) | Value::Number(_) => "number",
        Value::LightUserData(_) | Value::Error(_) => "userdata",
        other => other.type_name(),
    }
}
