//! A blocking RESP2 client: one connection, no pool, no retry, nothing clever.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const REPLY_TIMEOUT: Duration = Duration::from_secs(30);
/// Deeper replies than this are a broken server.
const MAX_DEPTH: usize = 16;

/// A reply of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `+OK`
    Status(String),
    /// `-ERR ...`
    Error(String),
    /// `:1`
    Integer(i64),
    /// `$5 hello`
    Bulk(Vec<u8>),
    /// `$-1` or `*-1`
    Null,
    /// `*2 ...`; in RESP3 `>2 ...`, which is no reply, and `%1 ...`, keys and values in turn.
    Array(Vec<Value>),
}

impl Value {
    /// The bulk string or status as text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Status(text) => Some(text),
            Self::Bulk(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The number that an integer or a bulk string holds.
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => self.text()?.parse().ok(),
        }
    }
}

/// A connection to a server.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    /// Connects, with a limit on how long a reply may take.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
        Ok(Self {
            reader: BufReader::new(stream),
        })
    }

    /// Sends one command and waits for its reply.
    pub fn command<A: AsRef<[u8]>>(&mut self, words: &[A]) -> io::Result<Value> {
        self.send(&encode(words))?;
        self.receive()
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// Waits for the next reply.
    pub fn receive(&mut self) -> io::Result<Value> {
        read_value(&mut self.reader, 0)
    }
}

/// A command in wire form.
pub fn encode<A: AsRef<[u8]>>(words: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words.iter().map(AsRef::as_ref) {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// The first reply in `bytes` and its length, unless it isn't whole yet.
pub fn parse(mut bytes: &[u8]) -> io::Result<Option<(Value, usize)>> {
    let len = bytes.len();
    match read_value(&mut bytes, 0) {
        Ok(value) => Ok(Some((value, len - bytes.len()))),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_value(reader: &mut impl BufRead, depth: usize) -> io::Result<Value> {
    if depth > MAX_DEPTH {
        return Err(invalid("a reply is nested too deeply"));
    }
    let line = read_line(reader)?;
    let (kind, rest) = line
        .split_at_checked(1)
        .ok_or_else(|| invalid("an empty reply"))?;
    let number = || rest.parse::<i64>().map_err(|_| invalid(&line));
    match kind {
        "+" => Ok(Value::Status(rest.to_owned())),
        "-" => Ok(Value::Error(rest.to_owned())),
        ":" => Ok(Value::Integer(number()?)),
        "$" | "*" if number()? < 0 => Ok(Value::Null),
        "$" => {
            let mut bytes = vec![0; number()? as usize + 2];
            reader.read_exact(&mut bytes)?;
            bytes.truncate(bytes.len() - 2);
            Ok(Value::Bulk(bytes))
        }
        "_" => Ok(Value::Null),
        "*" | ">" | "%" => {
            let len = number()? * if kind == "%" { 2 } else { 1 };
            let values = (0..len).map(|_| read_value(reader, depth + 1));
            Ok(Value::Array(values.collect::<io::Result<_>>()?))
        }
        _ => Err(invalid(&line)),
    }
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if !line.ends_with('\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> io::Result<Value> {
        read_value(&mut text.as_bytes(), 0)
    }

    #[test]
    fn replies_are_read() {
        assert_eq!(read("+OK\r\n").unwrap(), Value::Status("OK".into()));
        assert_eq!(read("-ERR no\r\n").unwrap(), Value::Error("ERR no".into()));
        assert_eq!(read(":-7\r\n").unwrap(), Value::Integer(-7));
        assert_eq!(
            read("$4\r\na\r\nb\r\n").unwrap(),
            Value::Bulk(b"a\r\nb".to_vec())
        );
        assert_eq!(read("$-1\r\n").unwrap(), Value::Null);
        assert_eq!(read("_\r\n").unwrap(), Value::Null);
        let map = Value::Array(vec![Value::Integer(1), Value::Null]);
        assert_eq!(read("%1\r\n:1\r\n_\r\n").unwrap(), map);
        let push = Value::Array(vec![Value::Integer(1)]);
        assert_eq!(read(">1\r\n:1\r\n").unwrap(), push);
        let nested = Value::Array(vec![Value::Integer(1), Value::Array(vec![Value::Null])]);
        assert_eq!(read("*2\r\n:1\r\n*1\r\n$-1\r\n").unwrap(), nested);
    }

    #[test]
    fn broken_replies_are_errors() {
        for text in [
            "",
            "\r\n",
            "?\r\n",
            ":x\r\n",
            "$3\r\nab",
            &"*1\r\n".repeat(20),
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn replies_in_parts_are_not_whole() {
        let text = b"*2\r\n$1\r\na\r\n:1\r\n+rest";
        for end in 0..text.len() - 5 {
            assert_eq!(parse(&text[..end]).unwrap(), None);
        }
        let value = Value::Array(vec![Value::Bulk(b"a".to_vec()), Value::Integer(1)]);
        assert_eq!(parse(text).unwrap(), Some((value, text.len() - 5)));
    }

    #[test]
    fn commands_are_encoded() {
        assert_eq!(
            encode(&["GET", "é"]),
            "*2\r\n$3\r\nGET\r\n$2\r\né\r\n".as_bytes()
        );
    }
}
