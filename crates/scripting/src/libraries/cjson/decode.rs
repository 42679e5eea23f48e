//! JSON as a value.

use mlua::{Error, Result, Value};

use super::NULL;
use super::settings::Settings;
use crate::libraries::given::Given;

/// See the module.
pub(super) struct Decoder<'a> {
    given: &'a Given<'a>,
    settings: Settings,
    text: &'a [u8],
    /// Where the next token begins.
    at: usize,
    depth: i32,
}

/// A piece of JSON.
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Colon,
    Comma,
    End,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    /// None of these, and why.
    Wrong(&'static str),
}

impl Token {
    /// As errors name it.
    fn name(&self) -> &'static str {
        match self {
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::ArrayBegin => "T_ARR_BEGIN",
            Self::ArrayEnd => "T_ARR_END",
            Self::Colon => "T_COLON",
            Self::Comma => "T_COMMA",
            Self::End => "T_END",
            Self::String(_) => "T_STRING",
            Self::Number(_) => "T_NUMBER",
            Self::Boolean(_) => "T_BOOLEAN",
            Self::Null => "T_NULL",
            Self::Wrong(why) => why,
        }
    }
}

/// A token and where it begins, from 0.
type Found = (Token, usize);

impl<'a> Decoder<'a> {
    pub(super) fn new(given: &'a Given<'a>, settings: Settings, text: &'a [u8]) -> Self {
        Self {
            given,
            settings,
            text,
            at: 0,
            depth: 0,
        }
    }

    /// The value that is all of the text.
    pub(super) fn whole(mut self) -> Result<Value> {
        let first = self.next();
        let value = self.value(first)?;
        match self.next() {
            (Token::End, _) => Ok(value),
            other => Err(self.unexpected("the end", &other)),
        }
    }

    fn unexpected(&self, wanted: &str, (token, at): &Found) -> Error {
        let (name, at) = (token.name(), at + 1);
        self.given.error(&format!(
            "Expected {wanted} but found {name} at character {at}"
        ))
    }

    /// The value that begins with a token.
    fn value(&mut self, (token, at): Found) -> Result<Value> {
        Ok(match token {
            Token::String(text) => Value::String(self.given.lua.create_string(text)?),
            Token::Number(number) => Value::Number(number),
            Token::Boolean(truth) => Value::Boolean(truth),
            Token::Null => NULL,
            Token::ObjectBegin => self.nested(Self::object)?,
            Token::ArrayBegin => self.nested(Self::array)?,
            other => return Err(self.unexpected("value", &(other, at))),
        })
    }

    fn nested(&mut self, parse: fn(&mut Self) -> Result<Value>) -> Result<Value> {
        self.depth += 1;
        if self.depth > self.settings.decode_depth {
            let (depth, at) = (self.depth, self.at);
            return Err(self.given.error(&format!(
                "Found too many nested data structures ({depth}) at character {at}"
            )));
        }
        let value = parse(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value> {
        let table = self.given.lua.create_table()?;
        let mut found = self.next();
        if matches!(found.0, Token::ObjectEnd) {
            return Ok(Value::Table(table));
        }
        loop {
            let (Token::String(key), _) = found else {
                return Err(self.unexpected("object key string", &found));
            };
            let key = self.given.lua.create_string(key)?;
            match self.next() {
                (Token::Colon, _) => {}
                other => return Err(self.unexpected("colon", &other)),
            }
            let first = self.next();
            table.raw_set(key, self.value(first)?)?;
            match self.next() {
                (Token::ObjectEnd, _) => return Ok(Value::Table(table)),
                (Token::Comma, _) => found = self.next(),
                other => return Err(self.unexpected("comma or object end", &other)),
            }
        }
    }

    fn array(&mut self) -> Result<Value> {
        let table = self.given.lua.create_table()?;
        let mut found = self.next();
        if matches!(found.0, Token::ArrayEnd) {
            return Ok(Value::Table(table));
        }
        for index in 1.. {
            table.raw_set(index, self.value(found)?)?;
            match self.next() {
                (Token::ArrayEnd, _) => break,
                (Token::Comma, _) => found = self.next(),
                other => return Err(self.unexpected("comma or array end", &other)),
            }
        }
        Ok(Value::Table(table))
    }

    /// The next token. The text ends with a zero, as C's strings do.
    fn next(&mut self) -> Found {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        while self.text.get(self.at).is_some_and(is_blank) {
            self.at += 1;
        }
        let start = self.at;
        let single = match self.text.get(start) {
            None | Some(0) => return (Token::End, start),
            Some(b'{') => Token::ObjectBegin,
            Some(b'}') => Token::ObjectEnd,
            Some(b'[') => Token::ArrayBegin,
            Some(b']') => Token::ArrayEnd,
            Some(b':') => Token::Colon,
            Some(b',') => Token::Comma,
            Some(b'"') => return self.string(),
            Some(b'-' | b'+' | b'0'..=b'9' | b'i' | b'I' | b'N') => return self.number(),
            Some(b'n') if self.text[start..].starts_with(b"nan") => return self.number(),
            Some(_) => return (self.word(), start),
        };
        self.at += 1;
        (single, start)
    }

    fn word(&mut self) -> Token {
        let rest = &self.text[self.at..];
        let words = [
            (&b"true"[..], Token::Boolean(true)),
            (b"false", Token::Boolean(false)),
            (b"null", Token::Null),
        ];
        for (word, token) in words {
            if rest.starts_with(word) {
                self.at += word.len();
                return token;
            }
        }
        Token::Wrong("invalid token")
    }

    fn number(&mut self) -> Found {
        let start = self.at;
        let token = match number(&self.text[start..]) {
            Some((value, len)) if value.is_finite() || self.settings.decode_invalid => {
                self.at += len;
                Token::Number(value)
            }
            None if !matches!(self.text[start], b'-' | b'+' | b'0'..=b'9') => {
                Token::Wrong("invalid token")
            }
            _ => Token::Wrong("invalid number"),
        };
        (token, start)
    }

    /// A string; an error stands where the escape begins that is wrong, or the end.
    fn string(&mut self) -> Found {
        let (start, mut bytes) = (self.at, Vec::new());
        let mut at = start + 1;
        loop {
            match self.text.get(at) {
                None | Some(0) => return (Token::Wrong("unexpected end of string"), at),
                Some(b'"') => break,
                Some(b'\\') => match escape(&self.text[at..], &mut bytes) {
                    Ok(len) => at += len,
                    Err(why) => return (Token::Wrong(why), at),
                },
                Some(&byte) => {
                    bytes.push(byte);
                    at += 1;
                }
            }
        }
        self.at = at + 1;
        (Token::String(bytes), start)
    }
}

/// Appends what an escape at the start of `text` stands for; its length, or what is wrong with it.
fn escape(text: &[u8], bytes: &mut Vec<u8>) -> std::result::Result<usize, &'static str> {
    let byte = match text.get(1) {
        Some(&byte @ (b'"' | b'\\' | b'/')) => byte,
        Some(b'b') => 8,
        Some(b't') => b'\t',
        Some(b'n') => b'\n',
        Some(b'f') => 12,
        Some(b'r') => b'\r',
        Some(b'u') => {
            return unicode(text, bytes).ok_or("invalid unicode escape code");
        }
        _ => return Err("invalid escape code"),
    };
    bytes.push(byte);
    Ok(2)
}

/// As [`escape`], for a character of four hexadecimal digits or a pair of surrogates.
fn unicode(text: &[u8], bytes: &mut Vec<u8>) -> Option<usize> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
        let digits = std::str::from_utf8(digits).ok().filter(|_| is_hex)?;
        u32::from_str_radix(digits, 16).ok()
    };
    let first = unit(0)?;
    let (code, len) = if first & 0xf800 == 0xd800 {
        let second = unit(6).filter(|low| low & 0xfc00 == 0xdc00)?;
        if first & 0xfc00 != 0xd800 {
            return None;
        }
        (0x10000 + ((first & 0x3ff) << 10 | second & 0x3ff), 12)
    } else {
        (first, 6)
    };
    let character = char::from_u32(code)?;
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Some(len)
}

/// The number that `text` begins with as C reads it, and its length: also hexadecimal, infinite or
/// none.
fn number(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let rest = &text[sign..];
    let signed = |value: f64| if text[0] == b'-' { -value } else { value };
    let starts = |word: &[u8]| {
        rest.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    for (word, value) in [
        (&b"infinity"[..], f64::INFINITY),
        (b"inf", f64::INFINITY),
        (b"nan", f64::NAN),
    ] {
        if starts(word) {
            return Some((signed(value), sign + word.len()));
        }
    }
    if starts(b"0x") && rest.get(2).is_some_and(u8::is_ascii_hexdigit) {
        let digits = rest[2..].iter().take_while(|b| b.is_ascii_hexdigit());
        let value = digits.clone().fold(0.0, |value, &digit| {
            value * 16.0 + f64::from((digit as char).to_digit(16).unwrap_or(0))
        });
        return Some((signed(value), sign + 2 + digits.count()));
    }
    let digits = |from: usize| {
        rest[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let mut len = digits(0);
    let mut has_digits = len > 0;
    if rest.get(len) == Some(&b'.') {
        let fraction = digits(len + 1);
        has_digits |= fraction > 0;
        len += 1 + fraction;
    }
    if !has_digits {
        return None;
    }
    if matches!(rest.get(len), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(len + 1), Some(b'-' | b'+')));
        if rest.get(len + 1 + sign).is_some_and(u8::is_ascii_digit) {
            len += 1 + sign + digits(len + 1 + sign);
        }
    }
    let value: f64 = std::str::from_utf8(&rest[..len]).ok()?.parse().ok()?;
    Some((signed(value), sign + len))
}
