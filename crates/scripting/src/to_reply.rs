//! What a script returns, as a reply.

use mlua::{Lua, LuaString, Result, Table, Value};
use protocol::Reply;

use crate::interpreter::Failure;

/// How deep the tables of a reply may lie in each other.
const MAX_DEPTH: usize = 1000;

/// The fields that tell what a table stands for, once for the interpreter's life.
#[derive(Debug)]
pub(crate) struct Fields {
    err: LuaString,
    ok: LuaString,
    double: LuaString,
    map: LuaString,
    set: LuaString,
    big_number: LuaString,
    verbatim: LuaString,
}

impl Fields {
    pub(crate) fn new(lua: &Lua) -> Result<Self> {
        Ok(Self {
            err: lua.create_string("err")?,
            ok: lua.create_string("ok")?,
            double: lua.create_string("double")?,
            map: lua.create_string("map")?,
            set: lua.create_string("set")?,
            big_number: lua.create_string("big_number")?,
            verbatim: lua.create_string("verbatim_string")?,
        })
    }

    /// The failure that a table stands for; `None` if it stands for none.
    pub(crate) fn failure(&self, value: &Value) -> Result<Option<Failure>> {
        let Value::Table(table) = value else {
            return Ok(None);
        };
        let Value::String(text) = table.raw_get(&self.err)? else {
            return Ok(None);
        };
        let text = text.as_bytes();
        let text = text.strip_prefix(b"-").unwrap_or(&text).to_vec();
        let is_counted = table.raw_get("ignore_error_stats_update")?;
        Ok(Some(Failure { text, is_counted }))
    }
}

/// Writes values as replies.
pub(crate) struct Writer<'a, 'r> {
    pub(crate) fields: &'a Fields,
    /// Whether the script has asked for RESP3.
    pub(crate) resp3: bool,
    pub(crate) reply: &'a mut Reply<'r>,
}

impl Writer<'_, '_> {
    /// Appends a value.
    pub(crate) fn write(&mut self, value: &Value, depth: usize) -> Result<()> {
        match value {
            Value::String(bytes) => self.reply.bulk(&bytes.as_bytes()),
            Value::Integer(number) => self.reply.int(*number),
            Value::Number(number) => self.reply.int(truncate(*number)),
            Value::Boolean(truth) if self.resp3 => self.reply.bool(*truth),
            Value::Boolean(true) => self.reply.int(1),
            Value::Table(_) if depth == MAX_DEPTH => {
                self.reply.error("ERR reached lua stack limit");
            }
            Value::Table(table) => self.write_table(table, depth + 1)?,
            _ => self.reply.null(),
        }
        Ok(())
    }

    fn write_table(&mut self, table: &Table, depth: usize) -> Result<()> {
        let fields = self.fields;
        if let Value::String(text) = table.raw_get(&fields.err)? {
            let text = text.as_bytes();
            self.reply
                .error_bytes(text.strip_prefix(b"-").unwrap_or(&text));
        } else if let Value::String(text) = table.raw_get(&fields.ok)? {
            self.write_status(&text.as_bytes());
        } else if let Some(number) = number(&table.raw_get(&fields.double)?) {
            self.reply.double(number);
        } else if let Value::Table(map) = table.raw_get(&fields.map)? {
            self.write_map(&map, depth)?;
        } else if let Value::Table(set) = table.raw_get(&fields.set)? {
            self.write_set(&set, depth)?;
        } else if let Value::String(digits) = table.raw_get(&fields.big_number)? {
            let digits = one_line(&digits.as_bytes());
            self.reply.big_number(&String::from_utf8_lossy(&digits));
        } else if let Value::Table(verbatim) = table.raw_get(&fields.verbatim)? {
            self.write_verbatim(&verbatim)?;
        } else {
            self.write_array(table, depth)?;
        }
        Ok(())
    }

    fn write_status(&mut self, text: &[u8]) {
        self.reply.raw(b"+");
        self.reply.raw(&one_line(text));
        self.reply.raw(b"\r\n");
    }

    fn write_verbatim(&mut self, table: &Table) -> Result<()> {
        let (format, text) = (table.raw_get("format")?, table.raw_get("string")?);
        let (Value::String(format), Value::String(text)) = (format, text) else {
            self.reply.null();
            return Ok(());
        };
        let mut three = [b' '; 3];
        for (to, &from) in three.iter_mut().zip(format.as_bytes().iter()) {
            *to = from;
        }
        self.reply
            .verbatim(&String::from_utf8_lossy(&three), &text.as_bytes());
        Ok(())
    }

    fn write_map(&mut self, map: &Table, depth: usize) -> Result<()> {
        let (mark, mut pairs) = (self.reply.begin_array(), 0);
        for pair in map.pairs::<Value, Value>() {
            let (key, value) = pair?;
            self.write(&key, depth)?;
            self.write(&value, depth)?;
            pairs += 1;
        }
        self.reply.end_map(mark, pairs);
        Ok(())
    }

    fn write_set(&mut self, set: &Table, depth: usize) -> Result<()> {
        let (mark, mut len) = (self.reply.begin_array(), 0);
        for pair in set.pairs::<Value, Value>() {
            self.write(&pair?.0, depth)?;
            len += 1;
        }
        self.reply.end_set(mark, len);
        Ok(())
    }

    /// Everything before the first hole.
    fn write_array(&mut self, table: &Table, depth: usize) -> Result<()> {
        let (mark, mut len) = (self.reply.begin_array(), 0);
        loop {
            let value: Value = table.raw_get(len + 1)?;
            if value.is_nil() {
                break;
            }
            self.write(&value, depth)?;
            len += 1;
        }
        self.reply.end_array(mark, len);
        Ok(())
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

/// A number without its fraction; what isn't a 64-bit integer then is what the processor makes of
/// it, the lowest of them.
fn truncate(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

/// Text whose line ends are spaces.
fn one_line(bytes: &[u8]) -> Vec<u8> {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let spaced = |byte: &u8| if is_end(byte) { b' ' } else { *byte };
    bytes.iter().map(spaced).collect()
}
