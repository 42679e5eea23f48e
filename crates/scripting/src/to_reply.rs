//! What a script returns, as a reply.

use protocol::Reply;

use crate::raw::{Kind, Stack};

/// How deep the tables of a reply may lie in each other.
const MAX_DEPTH: usize = 1000;

/// Places of the stack that a table takes beside those of its parts.
const PLACES: i32 = 6;

/// Numbers of the constants (see [`Stack::push_constant`]) that are names of fields.
pub(crate) mod field {
    /// The names, the first of which has number `FIRST`.
    pub(crate) const NAMES: [&str; 12] = [
        "err",
        "ok",
        "double",
        "map",
        "set",
        "big_number",
        "verbatim_string",
        "format",
        "string",
        "source",
        "line",
        crate::from_reply::COUNTED,
    ];
    pub(crate) const FIRST: i32 = 1;
    pub(crate) const ERR: i32 = FIRST;
    pub(crate) const OK: i32 = FIRST + 1;
    pub(crate) const DOUBLE: i32 = FIRST + 2;
    pub(crate) const MAP: i32 = FIRST + 3;
    pub(crate) const SET: i32 = FIRST + 4;
    pub(crate) const BIG_NUMBER: i32 = FIRST + 5;
    pub(crate) const VERBATIM: i32 = FIRST + 6;
    pub(crate) const FORMAT: i32 = FIRST + 7;
    pub(crate) const STRING: i32 = FIRST + 8;
    pub(crate) const SOURCE: i32 = FIRST + 9;
    pub(crate) const LINE: i32 = FIRST + 10;
    pub(crate) const COUNTED: i32 = FIRST + 11;
    /// The number of the first constant after these.
    pub(crate) const END: i32 = FIRST + NAMES.len() as i32;
}

/// Writes values as replies. See `raw.rs` for what this code has to mind.
pub(crate) struct Writer<'a, 'r> {
    pub(crate) stack: &'a mut Stack,
    /// Whether the script has asked for RESP3.
    pub(crate) resp3: bool,
    pub(crate) reply: &'a mut Reply<'r>,
}

impl Writer<'_, '_> {
    /// Appends the topmost value, and pops it.
    pub(crate) fn write(&mut self, depth: usize) {
        match self.stack.kind(-1) {
            Kind::String => self.reply.bulk(self.stack.bytes(-1)),
            Kind::Number(number) => self.reply.int(truncate(number)),
            Kind::Boolean(truth) if self.resp3 => self.reply.bool(truth),
            Kind::Boolean(true) => self.reply.int(1),
            Kind::Table if depth == MAX_DEPTH => {
                self.reply.error("ERR reached lua stack limit");
            }
            Kind::Table => self.write_table(depth + 1),
            _ => self.reply.null(),
        }
        self.stack.pop();
    }

    /// Appends the topmost value, a table, by the first of these fields that it has, else as an
    /// array.
    fn write_table(&mut self, depth: usize) {
        self.stack.reserve(PLACES);
        let table = self.stack.len();
        for name in field::ERR..=field::VERBATIM {
            self.stack.push_field(table, name);
            let kind = self.stack.kind(-1);
            if self.write_field(name, kind, depth) {
                return self.stack.pop();
            }
            self.stack.pop();
        }
        self.write_array(table, depth);
    }

    /// Appends the topmost value, a field of a table, if it is what its name says.
    fn write_field(&mut self, name: i32, kind: Kind, depth: usize) -> bool {
        let Self { stack, reply, .. } = self;
        match (name, kind) {
            (field::ERR, Kind::String) => reply.error_bytes(stack.bytes(-1)),
            (field::OK, Kind::String) => write_status(stack.bytes(-1), reply),
            (field::DOUBLE, Kind::Number(number)) => reply.double(number),
            (field::BIG_NUMBER, Kind::String) => {
                reply.big_number(&String::from_utf8_lossy(&one_line(stack.bytes(-1))));
            }
            (field::MAP, Kind::Table) => self.write_map(depth),
            (field::SET, Kind::Table) => self.write_set(depth),
            (field::VERBATIM, Kind::Table) => self.write_verbatim(),
            _ => return false,
        }
        true
    }

    fn write_verbatim(&mut self) {
        let table = self.stack.len();
        self.stack.push_field(table, field::FORMAT);
        self.stack.push_field(table, field::STRING);
        match (self.stack.kind(-2), self.stack.kind(-1)) {
            (Kind::String, Kind::String) => {
                let mut three = [b' '; 3];
                for (to, &from) in three.iter_mut().zip(self.stack.bytes(-2)) {
                    *to = from;
                }
                let format = String::from_utf8_lossy(&three);
                self.reply.verbatim(&format, self.stack.bytes(-1));
            }
            _ => self.reply.null(),
        }
        self.stack.cut(table + 1);
    }

    fn write_map(&mut self, depth: usize) {
        let (mark, mut pairs) = (self.reply.begin_array(), 0);
        let table = self.stack.len();
        self.stack.push_nil();
        while self.stack.next(table) {
            self.stack.push_copy(table + 1);
            self.write(depth);
            self.write(depth);
            pairs += 1;
        }
        self.reply.end_map(mark, pairs);
    }

    fn write_set(&mut self, depth: usize) {
        let (mark, mut len) = (self.reply.begin_array(), 0);
        let table = self.stack.len();
        self.stack.push_nil();
        while self.stack.next(table) {
            self.stack.pop();
            self.stack.push_copy(table + 1);
            self.write(depth);
            len += 1;
        }
        self.reply.end_set(mark, len);
    }

    /// Everything before the first hole.
    fn write_array(&mut self, table: i32, depth: usize) {
        let (mark, mut len) = (self.reply.begin_array(), 0);
        loop {
            self.stack.push_element(table, len + 1);
            if self.stack.kind(-1) == Kind::Nil {
                break;
            }
            self.write(depth);
            len += 1;
        }
        self.stack.pop();
        self.reply.end_array(mark, len as usize);
    }
}

fn write_status(text: &[u8], reply: &mut Reply<'_>) {
    reply.raw(b"+");
    reply.raw(&one_line(text));
    reply.raw(b"\r\n");
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
