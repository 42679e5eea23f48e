//! Writing files.

use std::io::{self, Write};

use data::ValueRef;

use super::MAGIC_REDIS;
use crate::checksum::Checksum;
use crate::codes::{VERSION, VERSION_WITH_EXPIRIES, mark};
use crate::encode;
use crate::output::Output;

/// A large value is no reason to keep more memory than this.
const KEPT: usize = 1 << 20;

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Compress long strings.
    pub compress: bool,
    /// Write the checksum, and not 0.
    pub checksum: bool,
    /// Whether fields or members with expiries may come, which Redis 7.0 can't read.
    pub has_member_expiries: bool,
}

/// A key to be written.
#[derive(Clone, Copy, Debug)]
pub struct KeyRef<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its value.
    pub value: ValueRef<'a>,
    /// Unix time in milliseconds at which it ceases to exist.
    pub expiry: Option<u64>,
    /// How long it hasn't been used, if that is to be kept.
    pub idle_seconds: Option<u64>,
}

/// Appends a key as it stands in a file. O(size of the value).
pub fn append_key(key: KeyRef<'_>, compress: bool, bytes: &mut Vec<u8>) {
    let mut out = Output::new(bytes, compress);
    if let Some(at) = key.expiry {
        out.u8(mark::EXPIRY_MS);
        out.u64(at);
    }
    if let Some(seconds) = key.idle_seconds {
        out.u8(mark::IDLE);
        out.length(seconds);
    }
    let kind_at = bytes.len();
    encode::value(key.value, &mut Output::new(bytes, compress));
    // The name stands between the type of the value and the value.
    let (value_start, value_end) = (kind_at + 1, bytes.len());
    Output::new(bytes, compress).string(key.name);
    let name_len = bytes.len() - value_end;
    bytes[value_start..].rotate_right(name_len);
}

/// Writes a file from its beginning to its end. After an error the file is of no use.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    options: Options,
    checksum: Checksum,
    /// Memory for what is being written.
    scratch: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes magic and version. Each item is then written by one call, so the writer should have
    /// a buffer.
    pub fn begin(writer: W, options: Options) -> io::Result<Self> {
        let mut file = Self {
            out: writer,
            options,
            checksum: Checksum::new(),
            scratch: Vec::new(),
        };
        let version = if options.has_member_expiries {
            VERSION_WITH_EXPIRIES
        } else {
            VERSION
        };
        let head = format!("{MAGIC_REDIS}{version:04}");
        file.put(|out| out.raw(head.as_bytes()))?;
        Ok(file)
    }

    /// Writes a fact about the file.
    pub fn fact(&mut self, name: &str, value: &[u8]) -> io::Result<()> {
        self.put(|out| {
            out.u8(mark::AUX);
            out.string(name.as_bytes());
            out.string(value);
        })
    }

    /// Writes a library of functions.
    pub fn function(&mut self, code: &[u8]) -> io::Result<()> {
        self.put(|out| {
            out.u8(mark::FUNCTION);
            out.string(code);
        })
    }

    /// Begins a database of about so many keys.
    pub fn database(&mut self, number: u64, keys: u64, expiring: u64) -> io::Result<()> {
        self.put(|out| {
            out.u8(mark::DATABASE);
            out.length(number);
            out.u8(mark::SIZES);
            out.length(keys);
            out.length(expiring);
        })
    }

    /// Writes a key of the database that was begun last.
    pub fn key(&mut self, key: KeyRef<'_>) -> io::Result<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        append_key(key, self.options.compress, &mut scratch);
        let written = self.write(&scratch);
        scratch.shrink_to(KEPT);
        self.scratch = scratch;
        written
    }

    /// Goes on with another database.
    pub fn select(&mut self, number: u64) -> io::Result<()> {
        self.put(|out| {
            out.u8(mark::DATABASE);
            out.length(number);
        })
    }

    /// Writes keys that [`append_key`] has put together.
    pub fn keys(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes)
    }

    /// Ends the file and flushes the writer.
    pub fn finish(self) -> io::Result<W> {
        Ok(self.finish_with_checksum()?.0)
    }

    /// As [`Self::finish`]; returns the checksum as well, 0 if none is written.
    pub fn finish_with_checksum(mut self) -> io::Result<(W, u64)> {
        self.put(|out| out.u8(mark::END))?;
        let sum = if self.options.checksum {
            self.checksum.value()
        } else {
            0
        };
        self.out.write_all(&sum.to_le_bytes())?;
        self.out.flush()?;
        Ok((self.out, sum))
    }

    fn put(&mut self, write: impl FnOnce(&mut Output<'_>)) -> io::Result<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        write(&mut Output::new(&mut scratch, self.options.compress));
        let written = self.write(&scratch);
        scratch.shrink_to(KEPT);
        self.scratch = scratch;
        written
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.options.checksum {
            self.checksum.update(bytes);
        }
        self.out.write_all(bytes)
    }
}
