//! Inline commands: one line of words, as typed into telnet. The same quoting rules hold for the
//! lines of `redis.conf`: "double quotes" know \n \r \t \b \a \xHH and \ before anything else,
//! 'single quotes' know only \'. A closing quote must be followed by a blank or the end.

use crate::parse::Arg;

/// Splits a line into its words, or `None` when a quote is unbalanced. A NUL byte ends the line.
pub fn split_args(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut line = Line {
        rest: memchr::memchr(0, line).map_or(line, |nul| &line[..nul]),
    };
    let mut words = Vec::new();
    while line.skip_blanks() {
        words.push(line.word()?);
    }
    Some(words)
}

/// Appends the words of a line without quotes as ranges of it.
pub(crate) fn split_plain(line: &[u8], args: &mut Vec<Arg>) {
    let mut at = 0;
    while at < line.len() {
        if is_blank(line[at]) {
            at += 1;
            continue;
        }
        let len = line[at..]
            .iter()
            .position(|&byte| ends_word(byte))
            .unwrap_or(line.len() - at);
        args.push(Arg {
            start: at as u32,
            len: len as u32,
        });
        at += len;
    }
}

/// What C's `isspace` calls a space; such bytes are skipped between words.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// What ends a bare word. Redis leaves out the vertical tab and the form feed here.
fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

struct Line<'a> {
    rest: &'a [u8],
}

impl Line<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    /// Whether there is a word after the blanks.
    fn skip_blanks(&mut self) -> bool {
        self.rest = match self.rest.iter().position(|&byte| !is_blank(byte)) {
            Some(first) => &self.rest[first..],
            None => &[],
        };
        !self.rest.is_empty()
    }

    /// One word; quotes may begin in its middle, and a closing quote ends it.
    fn word(&mut self) -> Option<Vec<u8>> {
        let mut word = Vec::new();
        while let Some(byte) = self.next() {
            match byte {
                b'"' => return self.double_quoted(word),
                b'\'' => return self.single_quoted(word),
                byte if ends_word(byte) => break,
                byte => word.push(byte),
            }
        }
        Some(word)
    }

    fn double_quoted(&mut self, mut word: Vec<u8>) -> Option<Vec<u8>> {
        loop {
            match self.next()? {
                b'"' => return self.closed(word),
                b'\\' => word.push(self.escape()?),
                byte => word.push(byte),
            }
        }
    }

    fn single_quoted(&mut self, mut word: Vec<u8>) -> Option<Vec<u8>> {
        loop {
            match self.next()? {
                b'\'' => return self.closed(word),
                b'\\' if self.rest.first() == Some(&b'\'') => word.push(self.next()?),
                byte => word.push(byte),
            }
        }
    }

    /// The byte that a backslash in double quotes stands for.
    fn escape(&mut self) -> Option<u8> {
        if let [b'x', high, low, rest @ ..] = self.rest
            && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
        {
            self.rest = rest;
            return Some(high << 4 | low);
        }
        Some(match self.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 0x08,
            b'a' => 0x07,
            other => other,
        })
    }

    /// The finished word, provided that a blank or the end follows its closing quote.
    fn closed(&self, word: Vec<u8>) -> Option<Vec<u8>> {
        self.rest
            .first()
            .is_none_or(|&byte| is_blank(byte))
            .then_some(word)
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Option<Vec<String>> {
        let words = split_args(line.as_bytes())?;
        Some(
            words
                .iter()
                .map(|word| word.escape_ascii().to_string())
                .collect(),
        )
    }

    #[test]
    fn words_and_quotes() {
        assert_eq!(split("").unwrap(), [""; 0]);
        assert_eq!(split("  set  k\tv \r").unwrap(), ["set", "k", "v"]);
        assert_eq!(
            split(r#"set "a b" 'c d' """#).unwrap(),
            ["set", "a b", "c d", ""]
        );
        assert_eq!(split(r#"pre"fix ed""#).unwrap(), ["prefix ed"]);
        assert_eq!(
            split(r#""\n\r\t\b\a\\\"\q""#).unwrap(),
            [r#"\n\r\t\x08\x07\\\"q"#]
        );
        assert_eq!(split(r#""\x41\xfF\xg1\x4""#).unwrap(), [r"A\xffxg1x4"]);
        assert_eq!(split(r"'it\'s \n'").unwrap(), [r"it\'s \\n"]);
        assert_eq!(split("a\u{b}b \u{b}c").unwrap(), [r"a\x0bb", "c"]);
        assert_eq!(split("set k\0 v").unwrap(), ["set", "k"]);
    }

    #[test]
    fn unbalanced() {
        for line in [
            r#"""#, r#""a"#, r#""a"b"#, "'", "'a", "'a'b", r#""a\"#, r#""\""#, r"'a\'",
        ] {
            assert_eq!(split(line), None, "{line}");
        }
    }

    #[test]
    fn plain_words_are_ranges() {
        let line = b" \x0bget  key\x0c1\t";
        let mut args = Vec::new();
        split_plain(line, &mut args);
        assert_eq!(args, [Arg { start: 2, len: 3 }, Arg { start: 7, len: 5 }]);
    }
}
