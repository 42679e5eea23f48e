//! JSON as a value.

use std::ops::Range;

use super::{Given, PLACES};
use crate::libraries::native::{Refused, Result};

/// Reads the first argument, and makes its values on the stack.
pub(super) struct Decoder<'a, 'g> {
    given: &'a mut Given<'g>,
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
    String(Text),
    Number(f64),
    Boolean(bool),
    Null,
    /// None of these, and why.
    Wrong(&'static str),
}

/// Where the bytes of a string are.
enum Text {
    /// In the input.
    Plain(Range<usize>),
    /// Without its escapes in the buffer, until the next token is read.
    Unescaped,
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

impl<'a, 'g> Decoder<'a, 'g> {
    pub(super) fn new(given: &'a mut Given<'g>) -> Self {
        Self {
            given,
            at: 0,
            depth: 0,
        }
    }

    /// Pushes the value that is all of the text.
    pub(super) fn whole(mut self) -> Result<()> {
        let first = self.next();
        self.value(first)?;
        match self.next() {
            (Token::End, _) => Ok(()),
            other => Err(self.unexpected("the end", &other)),
        }
    }

    fn unexpected(&mut self, wanted: &str, (token, at): &Found) -> Refused {
        let (name, at) = (token.name(), at + 1);
        self.given.refuse(format_args!(
            "Expected {wanted} but found {name} at character {at}"
        ))
    }

    /// Pushes the value that begins with a token.
    fn value(&mut self, (token, at): Found) -> Result<()> {
        match token {
            Token::String(text) => self.push(text),
            Token::Number(number) => self.given.stack.push_number(number),
            Token::Boolean(truth) => self.given.stack.push_bool(truth),
            Token::Null => self.given.stack.push_null(),
            Token::ObjectBegin => self.nested(Self::object)?,
            Token::ArrayBegin => self.nested(Self::array)?,
            other => return Err(self.unexpected("value", &(other, at))),
        }
        Ok(())
    }

    fn push(&mut self, text: Text) {
        match text {
            Text::Plain(place) => self.given.stack.push_part(1, place),
            Text::Unescaped => self.given.push_out(),
        }
    }

    /// Pushes a table, and has it filled.
    fn nested(&mut self, fill: fn(&mut Self) -> Result<()>) -> Result<()> {
        self.depth += 1;
        if self.depth > self.given.state.decode_depth {
            let (depth, at) = (self.depth, self.at);
            return Err(self.given.refuse(format_args!(
                "Found too many nested data structures ({depth}) at character {at}"
            )));
        }
        self.given.stack.reserve(PLACES);
        self.given.stack.push_table(0, 0);
        fill(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self) -> Result<()> {
        let mut found = self.next();
        if matches!(found.0, Token::ObjectEnd) {
            return Ok(());
        }
        loop {
            match found {
                (Token::String(key), _) => self.push(key),
                other => return Err(self.unexpected("object key string", &other)),
            }
            match self.next() {
                (Token::Colon, _) => {}
                other => return Err(self.unexpected("colon", &other)),
            }
            let first = self.next();
            self.value(first)?;
            self.given.stack.set_field();
            match self.next() {
                (Token::ObjectEnd, _) => return Ok(()),
                (Token::Comma, _) => found = self.next(),
                other => return Err(self.unexpected("comma or object end", &other)),
            }
        }
    }

    fn array(&mut self) -> Result<()> {
        let mut found = self.next();
        if matches!(found.0, Token::ArrayEnd) {
            return Ok(());
        }
        for index in 1.. {
            self.value(found)?;
            self.given.stack.set_element(index);
            match self.next() {
                (Token::ArrayEnd, _) => break,
                (Token::Comma, _) => found = self.next(),
                other => return Err(self.unexpected("comma or array end", &other)),
            }
        }
        Ok(())
    }

    /// The next token. The text ends with a zero, as C's strings do.
    fn next(&mut self) -> Found {
        let text = self.given.stack.bytes(1);
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        while text.get(self.at).is_some_and(is_blank) {
            self.at += 1;
        }
        let start = self.at;
        let single = match text.get(start) {
            None | Some(0) => return (Token::End, start),
            Some(b'{') => Token::ObjectBegin,
            Some(b'}') => Token::ObjectEnd,
            Some(b'[') => Token::ArrayBegin,
            Some(b']') => Token::ArrayEnd,
            Some(b':') => Token::Colon,
            Some(b',') => Token::Comma,
            Some(b'"') => return self.string(),
            Some(b'-' | b'+' | b'0'..=b'9' | b'i' | b'I' | b'N') => return self.number(),
            Some(b'n') if text[start..].starts_with(b"nan") => return self.number(),
            Some(_) => return (self.word(), start),
        };
        self.at += 1;
        (single, start)
    }

    fn word(&mut self) -> Token {
        let rest = &self.given.stack.bytes(1)[self.at..];
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
        let (start, text) = (self.at, self.given.stack.bytes(1));
        let token = match number(&text[start..]) {
            Some((value, len)) if value.is_finite() || self.given.state.decode_invalid => {
                self.at += len;
                Token::Number(value)
            }
            None if !matches!(text[start], b'-' | b'+' | b'0'..=b'9') => {
                Token::Wrong("invalid token")
            }
            _ => Token::Wrong("invalid number"),
        };
        (token, start)
    }

    /// A string; an error stands where the escape begins that is wrong, or the end.
    fn string(&mut self) -> Found {
        let Given { stack, out, .. } = &mut *self.given;
        let (start, text) = (self.at, stack.bytes(1));
        let first = start + 1;
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0);
        let plain = text[first..].iter().position(is_special);
        let mut at = first + plain.unwrap_or(text.len() - first);
        if text.get(at) == Some(&b'"') {
            self.at = at + 1;
            return (Token::String(Text::Plain(first..at)), start);
        }
        out.clear();
        out.extend_from_slice(&text[first..at]);
        loop {
            match text.get(at) {
                None | Some(0) => return (Token::Wrong("unexpected end of string"), at),
                Some(b'"') => break,
                Some(b'\\') => match escape(&text[at..], out) {
                    Ok(len) => at += len,
                    Err(why) => return (Token::Wrong(why), at),
                },
                Some(&byte) => {
                    out.push(byte);
                    at += 1;
                }
            }
        }
        self.at = at + 1;
        (Token::String(Text::Unescaped), start)
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
