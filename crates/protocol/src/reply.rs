//! Replies, written once, in wire form, for the session's protocol version.
//!
//! Each method appends one reply, or the header of one with many parts. What RESP2 has no type
//! for is written the way Redis 7.0 writes it to a RESP2 client.

use crate::error::ProtocolError;
use crate::number::format_double;

/// Writes replies to a connection's output buffer.
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    resp3: bool,
}

/// Where a reply whose length is not known yet begins.
#[derive(Debug)]
#[must_use = "the header has to be written with one of the end_ methods"]
pub struct Mark {
    start: usize,
}

/// Stands in for a header; fits one with a single digit.
const PLACEHOLDER: &[u8; 4] = b"*0\r\n";

impl<'a> Reply<'a> {
    /// Appends to `out`, in RESP3 if `resp3`, else in RESP2.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, resp3: bool) -> Self {
        Self { out, resp3 }
    }

    /// Whether the session speaks RESP3.
    #[inline]
    pub fn is_resp3(&self) -> bool {
        self.resp3
    }

    /// From here on in RESP3 or in RESP2 (HELLO).
    pub fn speak(&mut self, resp3: bool) {
        self.resp3 = resp3;
    }

    /// A status, such as `QUEUED`. The text has to be free of CR and LF.
    #[inline]
    pub fn simple(&mut self, status: &str) {
        debug_assert!(!status.contains(['\r', '\n']));
        self.out.reserve(status.len() + 3);
        self.out.push(b'+');
        self.out.extend_from_slice(status.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    /// The status `OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// An error: its whole text with the code, `ERR syntax error`.
    pub fn error(&mut self, text: &str) {
        self.error_bytes(text.as_bytes());
    }

    /// An error whose text may quote arbitrary bytes. Line ends at its end are dropped, those in
    /// its middle become spaces.
    #[cold]
    pub fn error_bytes(&mut self, text: &[u8]) {
        let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let end = text
            .iter()
            .rposition(|byte| !is_line_end(byte))
            .map_or(0, |last| last + 1);
        self.out.reserve(end + 3);
        self.out.push(b'-');
        let one_line = text[..end]
            .iter()
            .map(|byte| if is_line_end(byte) { b' ' } else { *byte });
        self.out.extend(one_line);
        self.out.extend_from_slice(b"\r\n");
    }

    /// The last word to a client that broke the protocol.
    pub fn protocol_error(&mut self, error: &ProtocolError) {
        match *error {
            // Redis sends the byte as it is, which text cannot hold.
            ProtocolError::ExpectedDollar(byte @ 0x80..) => {
                let text = b"ERR Protocol error: expected '$', got '";
                self.error_bytes(&[text, &[byte, b'\''][..]].concat());
            }
            _ => self.error(&format!("ERR {error}")),
        }
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, value: i64) {
        self.header(b':', value);
    }

    /// A string of bytes.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.out.reserve(bytes.len() + 26);
        self.header(b'$', bytes.len() as i64);
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// A string that holds the decimal digits of `value`.
    #[inline]
    pub fn bulk_int(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// No value, where a string was asked for.
    #[inline]
    pub fn null(&mut self) {
        self.out
            .extend_from_slice(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// No value, where an array was asked for.
    #[inline]
    pub fn null_array(&mut self) {
        self.out
            .extend_from_slice(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// The header of an array of `len` replies.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len as i64);
    }

    /// The header of a map of `pairs` keys and values, which follow by turns.
    #[inline]
    pub fn map(&mut self, pairs: usize) {
        if self.resp3 {
            self.header(b'%', pairs as i64);
        } else {
            self.header(b'*', pairs as i64 * 2);
        }
    }

    /// The header of a set of `len` replies.
    #[inline]
    pub fn set(&mut self, len: usize) {
        self.header(if self.resp3 { b'~' } else { b'*' }, len as i64);
    }

    /// The header of an out-of-band message of `len` replies.
    #[inline]
    pub fn push(&mut self, len: usize) {
        self.header(if self.resp3 { b'>' } else { b'*' }, len as i64);
    }

    /// The header of `pairs` attributes of the reply that follows them; RESP3 only, as RESP2 has
    /// no way to say that.
    pub fn attribute(&mut self, pairs: usize) {
        debug_assert!(self.resp3, "attributes sent to a RESP2 client");
        self.header(b'|', pairs as i64);
    }

    /// A floating point number.
    pub fn double(&mut self, value: f64) {
        let text = format_double(value);
        if self.resp3 {
            self.line(b',', text.as_bytes());
        } else {
            self.bulk(text.as_bytes());
        }
    }

    /// Yes or no.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.out.extend_from_slice(match (self.resp3, value) {
            (true, true) => b"#t\r\n",
            (true, false) => b"#f\r\n",
            (false, true) => b":1\r\n",
            (false, false) => b":0\r\n",
        });
    }

    /// An integer of any size, as its decimal digits.
    pub fn big_number(&mut self, digits: &str) {
        if self.resp3 {
            self.line(b'(', digits.as_bytes());
        } else {
            self.bulk(digits.as_bytes());
        }
    }

    /// Text for people. `format` has three letters: `txt` or `mkd`.
    pub fn verbatim(&mut self, format: &str, bytes: &[u8]) {
        debug_assert_eq!(format.len(), 3);
        if !self.resp3 {
            return self.bulk(bytes);
        }
        self.out.reserve(bytes.len() + 30);
        self.header(b'=', (format.len() + 1 + bytes.len()) as i64);
        self.out.extend_from_slice(format.as_bytes());
        self.out.push(b':');
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Bytes that are in wire form already.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Length of the output buffer, for [`Reply::truncate`].
    #[inline]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether the output buffer is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Takes back what was written since the buffer had this length.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.out.truncate(len);
    }

    /// Moves what was written since the buffer had the length `middle` before what was written
    /// since it had the length `start`: for a part that comes first but is known last, such as a
    /// cursor.
    pub fn bring_forward(&mut self, start: usize, middle: usize) {
        self.out[start..].rotate_left(middle - start);
    }

    /// Leaves room for the header of a reply whose number of parts is not known yet.
    #[inline]
    pub fn begin_array(&mut self) -> Mark {
        let mark = Mark {
            start: self.out.len(),
        };
        self.out.extend_from_slice(PLACEHOLDER);
        mark
    }

    /// Makes what was written since the mark an array of `len`. With 10 parts or more they are
    /// moved along by the missing digits.
    pub fn end_array(&mut self, mark: Mark, len: usize) {
        self.end(mark, b'*', len);
    }

    /// Makes what was written since the mark a set of `len`.
    pub fn end_set(&mut self, mark: Mark, len: usize) {
        self.end(mark, if self.resp3 { b'~' } else { b'*' }, len);
    }

    /// Makes what was written since the mark a map of `pairs`.
    pub fn end_map(&mut self, mark: Mark, pairs: usize) {
        if self.resp3 {
            self.end(mark, b'%', pairs);
        } else {
            self.end(mark, b'*', pairs * 2);
        }
    }

    fn end(&mut self, Mark { start }: Mark, kind: u8, len: usize) {
        let parts = start + PLACEHOLDER.len();
        if parts > self.out.len() {
            debug_assert!(false, "the mark was truncated away");
            return;
        }
        let mut number = itoa::Buffer::new();
        let digits = number.format(len).as_bytes();
        let more = digits.len() - 1;
        if more > 0 {
            let end = self.out.len();
            self.out.resize(end + more, 0);
            self.out.copy_within(parts..end, parts + more);
        }
        self.out[start] = kind;
        self.out[start + 1..start + 1 + digits.len()].copy_from_slice(digits);
        self.out[start + 1 + digits.len()..parts + more].copy_from_slice(b"\r\n");
    }

    /// `kind`, the number and CR LF, in one piece where the number is small.
    #[inline]
    fn header(&mut self, kind: u8, value: i64) {
        match value {
            0..10 => self
                .out
                .extend_from_slice(&[kind, b'0' + value as u8, b'\r', b'\n']),
            10..100 => {
                let (tens, ones) = (b'0' + (value / 10) as u8, b'0' + (value % 10) as u8);
                self.out
                    .extend_from_slice(&[kind, tens, ones, b'\r', b'\n']);
            }
            _ => self.line(kind, itoa::Buffer::new().format(value).as_bytes()),
        }
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.reserve(text.len() + 3);
        self.out.push(kind);
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same reply to a RESP2 and to a RESP3 client.
    fn both(write: impl Fn(&mut Reply)) -> (String, String) {
        let text = |resp3| {
            let mut out = b"before".to_vec();
            write(&mut Reply::new(&mut out, resp3));
            out.strip_prefix(b"before")
                .unwrap()
                .escape_ascii()
                .to_string()
        };
        (text(false), text(true))
    }

    fn same(write: impl Fn(&mut Reply)) -> String {
        let (resp2, resp3) = both(write);
        assert_eq!(resp2, resp3);
        resp2
    }

    #[test]
    #[allow(clippy::redundant_closure_for_method_calls)] // the path alone is not general enough
    fn same_in_both() {
        assert_eq!(same(|r| r.simple("PONG")), r"+PONG\r\n");
        assert_eq!(same(|r| r.ok()), r"+OK\r\n");
        assert_eq!(
            same(|r| r.error("ERR syntax error")),
            r"-ERR syntax error\r\n"
        );
        assert_eq!(same(|r| r.error("ERR a\r\nb\n\r\n")), r"-ERR a  b\r\n");
        assert_eq!(same(|r| r.error("\n")), r"-\r\n");
        assert_eq!(same(|r| r.bulk(b"")), r"$0\r\n\r\n");
        assert_eq!(same(|r| r.bulk(b"\0\r\n")), r"$3\r\n\x00\r\n\r\n");
        assert_eq!(same(|r| r.bulk(&[b'x'; 12])), r"$12\r\nxxxxxxxxxxxx\r\n");
        assert_eq!(
            same(|r| r.bulk_int(i64::MIN)),
            r"$20\r\n-9223372036854775808\r\n"
        );
        assert_eq!(same(|r| r.array(0)), r"*0\r\n");
        assert_eq!(same(|r| r.raw(b"x")), "x");
        let error = ProtocolError::UnbalancedQuotes;
        let text = r"-ERR Protocol error: unbalanced quotes in request\r\n";
        assert_eq!(same(|r| r.protocol_error(&error)), text);
        let error = ProtocolError::ExpectedDollar(0xff);
        let text = r"-ERR Protocol error: expected \'$\', got \'\xff\'\r\n";
        assert_eq!(same(|r| r.protocol_error(&error)), text);
    }

    #[test]
    fn ints() {
        for value in [0, 9, 10, 99, 100, 12345, -1, -10, i64::MAX, i64::MIN] {
            assert_eq!(same(|r| r.int(value)), format!(r":{value}\r\n"));
        }
    }

    #[test]
    #[allow(clippy::redundant_closure_for_method_calls)]
    fn different_in_resp3() {
        let pair = |resp2: &str, resp3: &str| (resp2.to_string(), resp3.to_string());
        assert_eq!(both(|r| r.null()), pair(r"$-1\r\n", r"_\r\n"));
        assert_eq!(both(|r| r.null_array()), pair(r"*-1\r\n", r"_\r\n"));
        assert_eq!(both(|r| r.map(3)), pair(r"*6\r\n", r"%3\r\n"));
        assert_eq!(both(|r| r.set(100)), pair(r"*100\r\n", r"~100\r\n"));
        assert_eq!(both(|r| r.push(2)), pair(r"*2\r\n", r">2\r\n"));
        assert_eq!(both(|r| r.double(1.5)), pair(r"$3\r\n1.5\r\n", r",1.5\r\n"));
        assert_eq!(both(|r| r.bool(true)), pair(r":1\r\n", r"#t\r\n"));
        assert_eq!(both(|r| r.bool(false)), pair(r":0\r\n", r"#f\r\n"));
        assert_eq!(
            both(|r| r.big_number("123")),
            pair(r"$3\r\n123\r\n", r"(123\r\n")
        );
        assert_eq!(
            both(|r| r.verbatim("txt", b"hi")),
            pair(r"$2\r\nhi\r\n", r"=6\r\ntxt:hi\r\n")
        );
    }

    #[test]
    fn attributes() {
        let mut out = Vec::new();
        Reply::new(&mut out, true).attribute(1);
        assert_eq!(out, b"|1\r\n");
    }

    #[test]
    fn headers_written_afterwards() {
        for len in [0, 1, 9, 10, 99, 100, 12345] {
            let deferred = same(|r| {
                let mark = r.begin_array();
                (0..len).for_each(|i| r.int(i));
                r.end_array(mark, len as usize);
                r.ok();
            });
            let direct = same(|r| {
                r.array(len as usize);
                (0..len).for_each(|i| r.int(i));
                r.ok();
            });
            assert_eq!(deferred, direct);
        }
        let nested = both(|r| {
            let outer = r.begin_array();
            let inner = r.begin_array();
            r.ok();
            r.end_set(inner, 11);
            r.end_map(outer, 5);
        });
        assert_eq!(nested.0, r"*10\r\n*11\r\n+OK\r\n");
        assert_eq!(nested.1, r"%5\r\n~11\r\n+OK\r\n");
    }

    #[test]
    fn what_is_known_last_may_come_first() {
        let mut out = b"+OK\r\n".to_vec();
        let mut reply = Reply::new(&mut out, false);
        let start = reply.len();
        reply.array(1);
        reply.bulk(b"key");
        let middle = reply.len();
        reply.array(2);
        reply.int(7);
        reply.bring_forward(start, middle);
        assert_eq!(out, b"+OK\r\n*2\r\n:7\r\n*1\r\n$3\r\nkey\r\n");
    }

    #[test]
    fn truncate_takes_back() {
        let mut out = b"+OK\r\n".to_vec();
        let mut reply = Reply::new(&mut out, false);
        let before = reply.len();
        reply.array(2);
        reply.truncate(before);
        reply.null();
        assert_eq!(out, b"+OK\r\n$-1\r\n");
    }
}
