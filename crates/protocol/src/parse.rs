//! Requests: `*N\r\n` and N times `$len\r\ndata\r\n`, or an inline command on one line.
//!
//! The usual case, a whole command in the buffer with lengths of up to three digits, is read by
//! comparing bytes directly, and nothing is allocated. A command that arrives in pieces leaves its
//! progress in the [`Parser`], so that each byte is looked at once however small the pieces are.
//!
//! On malformed input this behaves as Redis 7.0 does, down to what Redis lets pass: the two bytes
//! after an argument and the byte after a `\r` are skipped unseen, and a NUL in a header line
//! hides the rest of it.

mod skip;

use crate::error::ProtocolError;
use crate::inline;
use crate::number::parse_i64;

pub use skip::Skip;

/// One argument: a range of the buffer given to [`Parser::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg {
    /// Offset of the first byte.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Arg {
    /// The argument's bytes in the buffer it was parsed from (empty if that is not the one).
    #[inline]
    pub fn of<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        let start = self.start as usize;
        buf.get(start..start + self.len as usize)
            .unwrap_or_default()
    }
}

/// How large a request may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest argument (`proto-max-bulk-len`).
    pub max_bulk_len: u64,
    /// Most arguments of one command.
    pub max_multibulk: i64,
    /// Longest header line or inline command that is waited for.
    pub max_inline: usize,
    /// A client that has still to authenticate gets no more than 10 arguments of 16 KiB.
    pub unauthenticated: bool,
}

const UNAUTHENTICATED_MAX_MULTIBULK: i64 = 10;
const UNAUTHENTICATED_MAX_BULK_LEN: i64 = 16 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bulk_len: 512 * 1024 * 1024,
            max_multibulk: i32::MAX as i64,
            max_inline: 64 * 1024,
            unauthenticated: false,
        }
    }
}

/// What [`Parser::parse`] found at the start of the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// `consumed` bytes make one command whose arguments were appended. With no argument at all
    /// (an empty line, `*0`, `*-1`) there is nothing to run and nothing to answer.
    Command {
        /// Bytes from the start of the buffer that belong to the command.
        consumed: usize,
    },
    /// An inline command with quotes: its words are not ranges of the buffer.
    Inline {
        /// Bytes from the start of the buffer that belong to the command.
        consumed: usize,
        /// The words, at least one.
        argv: Vec<Vec<u8>>,
    },
    /// Not whole yet.
    Incomplete {
        /// Total number of bytes at which it is worth calling again; exact where the length of
        /// the argument that is under way is known.
        wanted: usize,
    },
}

/// Reads one connection's requests. Holds nothing but the progress in a partly received command.
#[derive(Debug, Default)]
pub struct Parser {
    resume: Option<Box<Resume>>,
}

#[derive(Debug)]
struct Resume {
    at: Progress,
    args: Vec<Arg>,
}

/// Offsets are relative to the start of the command.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Everything before this is understood.
    pos: usize,
    /// No line end between `pos` and here.
    scanned: usize,
    /// Arguments to come; 0 means that the `*` line has still to be read.
    remaining: u64,
    /// Length of the argument at `pos`, once its header is read.
    bulk_len: Option<usize>,
}

/// Offsets are 32 bits wide, so a command ends below this.
const MAX_COMMAND: usize = u32::MAX as usize;

/// Room that a count is believed to need before its arguments are there: a liar gets no memory.
const MAX_RESERVE: u64 = 1024;

impl Parser {
    /// Reads the command at the start of `buf`. After `Incomplete` the next call must be given the
    /// same bytes again with more behind them.
    #[inline]
    pub fn parse(
        &mut self,
        buf: &[u8],
        limits: &Limits,
        args: &mut Vec<Arg>,
    ) -> Result<Parsed, ProtocolError> {
        let buf = if buf.len() > MAX_COMMAND {
            &buf[..MAX_COMMAND]
        } else {
            buf
        };
        if let Some(resume) = self.resume.take() {
            return self.go_on(resume, buf, limits, args);
        }
        match buf.first() {
            Some(b'*') => {
                let first = args.len();
                let mut at = Progress::default();
                match multibulk(&mut at, buf, limits, args) {
                    Ok(None) => Ok(Parsed::Command { consumed: at.pos }),
                    Ok(Some(wanted)) => {
                        let args = args.drain(first..).collect();
                        self.suspend(Box::new(Resume { at, args }), wanted)
                    }
                    Err(error) => {
                        args.truncate(first);
                        Err(error)
                    }
                }
            }
            Some(_) => self.inline(0, buf, limits, args),
            None => Ok(Parsed::Incomplete { wanted: 1 }),
        }
    }

    /// Whether the last call ended inside a command.
    pub fn is_mid_command(&self) -> bool {
        self.resume.is_some()
    }

    /// How many bytes are understood of a command that isn't whole yet.
    #[inline]
    pub fn understood(&self) -> usize {
        self.resume.as_ref().map_or(0, |resume| resume.at.pos)
    }

    #[cold]
    fn go_on(
        &mut self,
        mut resume: Box<Resume>,
        buf: &[u8],
        limits: &Limits,
        args: &mut Vec<Arg>,
    ) -> Result<Parsed, ProtocolError> {
        if buf.len() < resume.at.pos.max(resume.at.scanned) {
            let wanted = buf.len() + 1;
            return self.suspend(resume, wanted);
        }
        if buf.first() != Some(&b'*') {
            return self.inline(resume.at.scanned, buf, limits, args);
        }
        match multibulk(&mut resume.at, buf, limits, &mut resume.args)? {
            None => {
                args.append(&mut resume.args);
                Ok(Parsed::Command {
                    consumed: resume.at.pos,
                })
            }
            Some(wanted) => self.suspend(resume, wanted),
        }
    }

    #[cold]
    fn suspend(&mut self, resume: Box<Resume>, wanted: usize) -> Result<Parsed, ProtocolError> {
        if wanted > MAX_COMMAND {
            return Err(ProtocolError::InvalidBulkLength);
        }
        self.resume = Some(resume);
        Ok(Parsed::Incomplete { wanted })
    }

    #[inline(never)]
    fn inline(
        &mut self,
        scanned: usize,
        buf: &[u8],
        limits: &Limits,
        args: &mut Vec<Arg>,
    ) -> Result<Parsed, ProtocolError> {
        let newline = match find_line_end(b'\n', buf, 0, scanned, limits) {
            Line::Ends(newline) => newline,
            Line::TooLong => return Err(ProtocolError::TooBigInline),
            Line::Open { scanned } => {
                let at = Progress {
                    scanned,
                    ..Progress::default()
                };
                let resume = Box::new(Resume {
                    at,
                    args: Vec::new(),
                });
                return self.suspend(resume, buf.len() + 1);
            }
        };
        let line = &buf[..newline];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let consumed = newline + 1;
        if memchr::memchr2(b'"', b'\'', line).is_none() {
            inline::split_plain(line, args);
            return Ok(Parsed::Command { consumed });
        }
        let argv = inline::split_args(line).ok_or(ProtocolError::UnbalancedQuotes)?;
        Ok(Parsed::Inline { consumed, argv })
    }
}

/// Takes in as much of a `*` command as there is: `None` when it is whole, else how many bytes
/// are wanted.
#[inline]
fn multibulk(
    at: &mut Progress,
    buf: &[u8],
    limits: &Limits,
    args: &mut Vec<Arg>,
) -> Result<Option<usize>, ProtocolError> {
    if at.remaining == 0 {
        let (count, pos) = match short_header(b'*', buf) {
            Some((count, len)) => (count as i64, len),
            None => match long_header(at, buf, limits)? {
                Header::Read { value, end } => (value.map_err(|()| bad_count())?, end),
                Header::Open => return Ok(Some(buf.len() + 1)),
            },
        };
        check_count(count, limits)?;
        at.pos = pos;
        at.scanned = pos;
        if count <= 0 {
            return Ok(None);
        }
        at.remaining = count as u64;
        args.reserve(at.remaining.min(MAX_RESERVE) as usize);
    }
    bulks(at, buf, limits, args)
}

/// The arguments, from wherever `at` stands.
#[inline]
fn bulks(
    at: &mut Progress,
    buf: &[u8],
    limits: &Limits,
    args: &mut Vec<Arg>,
) -> Result<Option<usize>, ProtocolError> {
    loop {
        if at.bulk_len.is_none() {
            short_bulks(at, buf, limits, args);
        }
        if at.remaining == 0 {
            return Ok(None);
        }
        if let Some(wanted) = long_bulk(at, buf, limits, args)? {
            return Ok(Some(wanted));
        }
    }
}

/// The arguments up to the first that is long or not whole. The progress is kept in registers.
#[inline]
fn short_bulks(at: &mut Progress, buf: &[u8], limits: &Limits, args: &mut Vec<Arg>) {
    let (mut pos, mut remaining) = (at.pos, at.remaining);
    while remaining > 0 {
        let rest = buf.get(pos..).unwrap_or_default();
        let Some((len, header)) = short_header(b'$', rest) else {
            break;
        };
        let whole = header + len + 2;
        if whole > rest.len() || len as u64 > limits.max_bulk_len {
            break;
        }
        args.push(Arg {
            start: (pos + header) as u32,
            len: len as u32,
        });
        pos += whole;
        remaining -= 1;
    }
    (at.pos, at.remaining) = (pos, remaining);
}

/// One argument of any kind: `None` when it is whole, else how many bytes are wanted.
#[inline(never)]
fn long_bulk(
    at: &mut Progress,
    buf: &[u8],
    limits: &Limits,
    args: &mut Vec<Arg>,
) -> Result<Option<usize>, ProtocolError> {
    let len = match at.bulk_len {
        Some(len) => len,
        None => match long_header(at, buf, limits)? {
            Header::Read { value, end } => {
                let len = bulk_len(buf[at.pos], value, limits)?;
                at.pos = end;
                len
            }
            Header::Open => return Ok(Some(buf.len() + 1)),
        },
    };
    let end = at.pos + len + 2;
    if end > buf.len() {
        at.bulk_len = Some(len);
        return Ok(Some(end));
    }
    args.push(Arg {
        start: at.pos as u32,
        len: len as u32,
    });
    at.bulk_len = None;
    at.pos = end;
    at.remaining -= 1;
    Ok(None)
}

/// A header line of one to three digits: its number and its length. `None` for anything else,
/// which is not an error yet.
#[inline(always)]
fn short_header(mark: u8, buf: &[u8]) -> Option<(usize, usize)> {
    let digit = |byte: u8| (byte - b'0') as usize;
    match *buf {
        [m, a @ b'0'..=b'9', b'\r', b'\n', ..] if m == mark => Some((digit(a), 4)),
        [m, a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', b'\n', ..] if m == mark => {
            Some((digit(a) * 10 + digit(b), 5))
        }
        [
            m,
            a @ b'1'..=b'9',
            b @ b'0'..=b'9',
            c @ b'0'..=b'9',
            b'\r',
            b'\n',
            ..,
        ] if m == mark => Some((digit(a) * 100 + digit(b) * 10 + digit(c), 6)),
        _ => None,
    }
}

enum Header {
    /// The line is there; `value` is an error where it holds no number.
    Read {
        value: Result<i64, ()>,
        end: usize,
    },
    Open,
}

/// Any header line, read the way Redis reads it; plain digits need no search for the line's end.
fn long_header(at: &mut Progress, buf: &[u8], limits: &Limits) -> Result<Header, ProtocolError> {
    if let Some((value, len)) = digits_line(buf.get(at.pos + 1..).unwrap_or_default()) {
        return Ok(Header::Read {
            value: Ok(value),
            end: at.pos + 1 + len,
        });
    }
    match find_line_end(b'\r', buf, at.pos, at.scanned, limits) {
        Line::Ends(cr) if cr + 1 < buf.len() => {
            let value = buf.get(at.pos + 1..cr).and_then(parse_i64).ok_or(());
            Ok(Header::Read { value, end: cr + 2 })
        }
        Line::Ends(scanned) | Line::Open { scanned } => {
            at.scanned = scanned;
            Ok(Header::Open)
        }
        Line::TooLong if at.remaining == 0 => Err(ProtocolError::TooBigMultibulkCount),
        Line::TooLong => Err(ProtocolError::TooBigBulkCount),
    }
}

/// The number and the length of a line of up to nine digits.
fn digits_line(line: &[u8]) -> Option<(i64, usize)> {
    if line.first() == Some(&b'0') {
        return None;
    }
    let mut value = 0;
    for (i, &byte) in line.iter().take(10).enumerate() {
        match byte {
            b'0'..=b'9' => value = value * 10 + i64::from(byte - b'0'),
            b'\r' if i > 0 && i + 1 < line.len() => return Some((value, i + 2)),
            _ => return None,
        }
    }
    None
}

enum Line {
    Ends(usize),
    Open { scanned: usize },
    TooLong,
}

/// Looks for the end of the line that begins at `start`, of which the bytes before `scanned` are
/// known to hold none. A NUL hides whatever follows it.
fn find_line_end(end: u8, buf: &[u8], start: usize, scanned: usize, limits: &Limits) -> Line {
    let from = scanned.max(start);
    let rest = buf.get(from..).unwrap_or_default();
    let scanned = match memchr::memchr2(end, 0, rest) {
        Some(found) if rest[found] == end => return Line::Ends(from + found),
        Some(nul) => from + nul,
        None => from + rest.len(),
    };
    if buf.len().saturating_sub(start) > limits.max_inline {
        return Line::TooLong;
    }
    Line::Open { scanned }
}

fn bad_count() -> ProtocolError {
    ProtocolError::InvalidMultibulkLength
}

#[inline]
fn check_count(count: i64, limits: &Limits) -> Result<(), ProtocolError> {
    if count > limits.max_multibulk {
        return Err(bad_count());
    }
    if limits.unauthenticated && count > UNAUTHENTICATED_MAX_MULTIBULK {
        return Err(ProtocolError::UnauthenticatedMultibulkLength);
    }
    Ok(())
}

fn bulk_len(mark: u8, value: Result<i64, ()>, limits: &Limits) -> Result<usize, ProtocolError> {
    if mark != b'$' {
        return Err(ProtocolError::ExpectedDollar(mark));
    }
    let len = value.map_err(|()| ProtocolError::InvalidBulkLength)?;
    if len < 0 || len as u64 > limits.max_bulk_len {
        return Err(ProtocolError::InvalidBulkLength);
    }
    if limits.unauthenticated && len > UNAUTHENTICATED_MAX_BULK_LEN {
        return Err(ProtocolError::UnauthenticatedBulkLength);
    }
    usize::try_from(len)
        .ok()
        .filter(|&len| len < MAX_COMMAND)
        .ok_or(ProtocolError::InvalidBulkLength)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(buf: &[u8]) -> Result<(Parsed, Vec<Vec<u8>>), ProtocolError> {
        parse_within(buf, &Limits::default())
    }

    fn parse_within(buf: &[u8], limits: &Limits) -> Result<(Parsed, Vec<Vec<u8>>), ProtocolError> {
        let mut args = Vec::new();
        let parsed = Parser::default().parse(buf, limits, &mut args)?;
        Ok((
            parsed,
            args.iter().map(|arg| arg.of(buf).to_vec()).collect(),
        ))
    }

    fn command(buf: &[u8]) -> Vec<Vec<u8>> {
        match parse(buf).unwrap() {
            (Parsed::Command { consumed }, argv) => {
                assert_eq!(consumed, buf.len());
                argv
            }
            (other, _) => panic!("{other:?}"),
        }
    }

    fn wanted(buf: &[u8]) -> usize {
        match parse(buf).unwrap() {
            (Parsed::Incomplete { wanted }, argv) if argv.is_empty() => wanted,
            other => panic!("{other:?}"),
        }
    }

    fn error(buf: &[u8]) -> String {
        parse(buf).unwrap_err().to_string()
    }

    #[test]
    fn whole_commands() {
        assert_eq!(command(b"*1\r\n$4\r\nPING\r\n"), [b"PING"]);
        assert_eq!(
            command(b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n"),
            [&b"GET"[..], b""]
        );
    }

    #[test]
    fn only_the_first_command_is_consumed() {
        let (parsed, argv) = parse(b"*1\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n").unwrap();
        assert_eq!(parsed, Parsed::Command { consumed: 11 });
        assert_eq!(argv, [b"a"]);
    }

    #[test]
    fn nothing_to_run() {
        for buf in [
            &b"*0\r\n"[..],
            b"*-1\r\n",
            b"*-12345\r\n",
            b"\n",
            b"\r\n",
            b"  \r\n",
        ] {
            assert_eq!(command(buf), [b""; 0], "{}", buf.escape_ascii());
        }
    }

    #[test]
    fn bytes_redis_does_not_look_at() {
        assert_eq!(command(b"*1\rX$4\rYPINGZZ"), [b"PING"]);
    }

    #[test]
    fn wanted_bytes() {
        assert_eq!(wanted(b""), 1);
        assert_eq!(wanted(b"*"), 2);
        assert_eq!(wanted(b"*1\r"), 4);
        assert_eq!(wanted(b"*1\r\n"), 5);
        assert_eq!(wanted(b"*1\r\n$3\r\n"), 13);
        assert_eq!(wanted(b"*1\r\n$3\r\nabc\r"), 13);
        assert_eq!(wanted(b"*2\r\n$1000\r\n"), 4 + 7 + 1002);
        assert_eq!(wanted(b"PING"), 5);
        assert_eq!(wanted(b"*1\r\nfoo"), 8);
    }

    #[test]
    fn malformed() {
        let count = "Protocol error: invalid multibulk length";
        for buf in [
            &b"*\r\n"[..],
            b"*a\r\n",
            b"*+1\r\n",
            b"* 1\r\n",
            b"*-0\r\n",
            b"*2147483648\r\n",
        ] {
            assert_eq!(error(buf), count, "{}", buf.escape_ascii());
        }
        let bulk = "Protocol error: invalid bulk length";
        for len in ["", "-1", "a", "01", "536870913", "99999999999999999999"] {
            assert_eq!(error(format!("*1\r\n${len}\r\n").as_bytes()), bulk, "{len}");
        }
        assert_eq!(
            error(b"*1\r\nfoo\r\n"),
            "Protocol error: expected '$', got 'f'"
        );
        assert_eq!(
            error(b"*1\r\n\r\n"),
            "Protocol error: expected '$', got ' '"
        );
        assert_eq!(
            error(b"get \"a\n"),
            "Protocol error: unbalanced quotes in request"
        );
    }

    #[test]
    fn lines_that_do_not_end() {
        let long = |head: &str| [head.as_bytes(), &vec![b'1'; 64 * 1024]].concat();
        assert_eq!(
            error(&long("*")),
            "Protocol error: too big mbulk count string"
        );
        assert_eq!(
            error(&long("*1\r\n$")),
            "Protocol error: too big bulk count string"
        );
        assert_eq!(error(&long("x")), "Protocol error: too big inline request");
        assert_eq!(
            error(&long("*\0\r\n")),
            "Protocol error: too big mbulk count string"
        );
        assert_eq!(wanted(&vec![b'x'; 64 * 1024]), 64 * 1024 + 1);
    }

    #[test]
    fn before_authentication() {
        let limits = Limits {
            unauthenticated: true,
            ..Limits::default()
        };
        let error = |buf: &[u8]| parse_within(buf, &limits).unwrap_err().to_string();
        assert_eq!(
            error(b"*11\r\n"),
            "Protocol error: unauthenticated multibulk length"
        );
        assert_eq!(
            error(b"*1\r\n$16385\r\n"),
            "Protocol error: unauthenticated bulk length"
        );
        assert!(parse_within(b"*10\r\n$16384\r\n", &limits).is_ok());
    }

    #[test]
    fn inline() {
        assert_eq!(command(b"PING\n"), [b"PING"]);
        assert_eq!(command(b" GET  k \r\n"), [&b"GET"[..], b"k"]);
        let (parsed, _) = parse(b"SET \"a\\x41\" ''\r\nrest").unwrap();
        let argv = vec![b"SET".to_vec(), b"aA".to_vec(), vec![]];
        assert_eq!(parsed, Parsed::Inline { consumed: 16, argv });
    }

    #[test]
    fn resuming_keeps_other_args_and_forgets_after_the_end() {
        let mut parser = Parser::default();
        let mut args = vec![Arg { start: 7, len: 7 }];
        let limits = Limits::default();
        let buf = b"*2\r\n$1\r\na\r\n$1\r\nb\r\n";
        for end in 1..buf.len() {
            let parsed = parser.parse(&buf[..end], &limits, &mut args).unwrap();
            assert!(matches!(parsed, Parsed::Incomplete { wanted } if wanted > end));
            assert!(parser.is_mid_command());
            assert_eq!(args.len(), 1);
        }
        let parsed = parser.parse(buf, &limits, &mut args).unwrap();
        assert_eq!(
            parsed,
            Parsed::Command {
                consumed: buf.len()
            }
        );
        assert!(!parser.is_mid_command());
        assert_eq!(
            args[1..],
            [Arg { start: 8, len: 1 }, Arg { start: 15, len: 1 }]
        );
    }
}
