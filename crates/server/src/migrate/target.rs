//! Talking to the server that keys go to.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Parcel;
use super::request::Request;

/// Keys that are sent before the answers to them are read: these fit what sockets hold.
const WINDOW: usize = 256;
/// The longest answer.
const ANSWER_MAX: u64 = 64 << 10;

/// Sends keys to the target and notes which it has taken. The error is the one for the client; keys
/// that the target had taken before stay noted.
pub(super) fn send(request: &Request, parcels: &mut [Parcel]) -> Result<(), String> {
    let stream = connect(request)
        .map_err(|_| "IOERR error or timeout connecting to the client".to_string())?;
    let mut target = Target {
        answers: BufReader::new(stream),
    };
    target.prepare(request)?;
    let mut refused = None;
    for window in parcels.chunks_mut(WINDOW) {
        let mut sent = Vec::new();
        for parcel in window {
            if let Some(ttl_ms) = ttl_ms(parcel) {
                target.write(&restore(parcel, ttl_ms, request.replaces))?;
                sent.push(parcel);
            }
        }
        for parcel in sent {
            match target.read()? {
                Ok(()) => parcel.is_taken = true,
                // The others go all the same.
                Err(error) => refused = refused.or(Some(error)),
            }
        }
    }
    refused.map_or(Ok(()), Err)
}

fn connect(request: &Request) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (&*request.host, request.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, request.timeout) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(request.timeout))?;
                stream.set_write_timeout(Some(request.timeout))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

struct Target {
    answers: BufReader<TcpStream>,
}

impl Target {
    /// Gives the password and selects the database, without which nothing may be sent.
    fn prepare(&mut self, request: &Request) -> Result<(), String> {
        if !request.auth.is_empty() {
            let mut auth: Vec<&[u8]> = vec![b"AUTH"];
            auth.extend(request.auth.iter().map(Vec::as_slice));
            self.write(&command(&auth))?;
            self.read()??;
        }
        self.write(&command(&[b"SELECT", request.db.to_string().as_bytes()]))?;
        self.read()?
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let written = self.answers.get_mut().write_all(bytes);
        written.map_err(|_| "IOERR error or timeout writing to target instance".into())
    }

    /// The target's answer: an error is given as the one for the client. The outer error is one of
    /// the connection.
    fn read(&mut self) -> Result<Result<(), String>, String> {
        let mut line = Vec::new();
        let read = self
            .answers
            .by_ref()
            .take(ANSWER_MAX)
            .read_until(b'\n', &mut line);
        match read {
            Ok(_) if line.ends_with(b"\r\n") => {}
            _ => return Err("IOERR error or timeout reading to target instance".into()),
        }
        let text = String::from_utf8_lossy(&line[..line.len() - 2]);
        Ok(match text.strip_prefix('-') {
            Some(error) => Err(format!("ERR Target instance replied with error: {error}")),
            None => Ok(()),
        })
    }
}

/// Milliseconds that a key has to live, 0 if it never expires; `None` if it has expired.
fn ttl_ms(parcel: &Parcel) -> Option<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = now.map_or(0, |since| since.as_millis() as u64);
    match parcel.expiry {
        None => Some(0),
        Some(at) => at.checked_sub(now_ms).map(|left| left.max(1)),
    }
}

fn restore(parcel: &Parcel, ttl_ms: u64, replaces: bool) -> Vec<u8> {
    let ttl = ttl_ms.to_string();
    let mut words: Vec<&[u8]> = vec![b"RESTORE", &parcel.key, ttl.as_bytes(), &parcel.payload];
    words.extend(replaces.then_some(&b"REPLACE"[..]));
    command(&words)
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
