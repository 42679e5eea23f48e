//! A value as JSON.

use mlua::{Error, Result, Table, Value};

use super::settings::{Invalid, Settings};
use crate::libraries::given::{Given, type_name};
use crate::number::format_general;

/// See the module.
pub(super) struct Encoder<'a> {
    pub(super) given: &'a Given<'a>,
    pub(super) settings: Settings,
    pub(super) out: Vec<u8>,
}

impl Encoder<'_> {
    /// Appends a value that lies in so many tables.
    pub(super) fn value(&mut self, value: &Value, depth: i32) -> Result<()> {
        match value {
            Value::String(text) => self.string(&text.as_bytes()),
            Value::Integer(number) => self.number(*number as f64)?,
            Value::Number(number) => self.number(*number)?,
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => {
                self.out.extend_from_slice(b"null");
            }
            Value::Table(table) => self.table(table, depth + 1)?,
            _ => return Err(self.refuse(value, "type not supported")),
        }
        Ok(())
    }

    fn refuse(&self, value: &Value, why: &str) -> Error {
        let name = type_name(value);
        self.given.error(&format!("Cannot serialise {name}: {why}"))
    }

    fn table(&mut self, table: &Table, depth: i32) -> Result<()> {
        if depth > self.settings.encode_depth {
            let text = format!("Cannot serialise, excessive nesting ({depth})");
            return Err(self.given.error(&text));
        }
        match self.array_length(table)? {
            Some(length) => self.array(table, length, depth),
            None => self.object(table, depth),
        }
    }

    /// The last index of a table that is an array; `None` for one that isn't.
    fn array_length(&self, table: &Table) -> Result<Option<i64>> {
        let (mut last, mut items) = (0, 0);
        for pair in table.pairs::<Value, Value>() {
            let index = match pair?.0 {
                Value::Integer(index) => index,
                Value::Number(index) if index.fract() == 0.0 => index as i64,
                _ => return Ok(None),
            };
            if index < 1 {
                return Ok(None);
            }
            last = last.max(index);
            items += 1;
        }
        let Settings {
            sparse_ratio,
            sparse_safe,
            ..
        } = self.settings;
        let is_sparse = sparse_ratio > 0
            && last > items * i64::from(sparse_ratio)
            && last > i64::from(sparse_safe);
        if is_sparse && !self.settings.sparse_convert {
            let table = Value::Table(table.clone());
            return Err(self.refuse(&table, "excessively sparse array"));
        }
        Ok((last > 0 && !is_sparse).then_some(last))
    }

    fn array(&mut self, table: &Table, length: i64, depth: i32) -> Result<()> {
        self.out.push(b'[');
        for index in 1..=length {
            if index > 1 {
                self.out.push(b',');
            }
            self.value(&table.raw_get(index)?, depth)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, table: &Table, depth: i32) -> Result<()> {
        self.out.push(b'{');
        let mut is_first = true;
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            if !std::mem::replace(&mut is_first, false) {
                self.out.push(b',');
            }
            match &key {
                Value::String(text) => self.string(&text.as_bytes()),
                Value::Integer(_) | Value::Number(_) => {
                    self.out.push(b'"');
                    self.value(&key, depth)?;
                    self.out.push(b'"');
                }
                _ => return Err(self.refuse(&key, "table key must be a number or string")),
            }
            self.out.push(b':');
            self.value(&value, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn number(&mut self, number: f64) -> Result<()> {
        if number.is_finite() {
            let text = format_general(number, self.settings.precision as usize);
            self.out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        match self.settings.encode_invalid {
            Invalid::Refused => {
                return Err(self.refuse(&Value::Number(number), "must not be NaN or Inf"));
            }
            Invalid::Null => self.out.extend_from_slice(b"null"),
            Invalid::Allowed if number.is_nan() => self.out.extend_from_slice(b"nan"),
            Invalid::Allowed if number > 0.0 => self.out.extend_from_slice(b"inf"),
            Invalid::Allowed => self.out.extend_from_slice(b"-inf"),
        }
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        self.out.reserve(text.len() + 2);
        self.out.push(b'"');
        for &byte in text {
            match byte {
                b'"' | b'\\' | b'/' => self.out.extend([b'\\', byte]),
                8 => self.out.extend_from_slice(b"\\b"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                12 => self.out.extend_from_slice(b"\\f"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                0..32 | 127 => self
                    .out
                    .extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => self.out.push(byte),
            }
        }
        self.out.push(b'"');
    }
}
