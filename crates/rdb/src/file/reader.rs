//! Reading files.

use std::io::Read;

use data::Value;

use super::source::Source;
use super::{HEAD, MAGIC_REDIS, MAGIC_VALKEY};
use crate::codes::{Dialect, flag, mark, part};
use crate::input::Input;
use crate::{Error, Rules, decode};

/// From this version on there is a checksum.
const CHECKSUM_SINCE: u16 = 5;
const SEARCH: &str = "it holds data of a search index, and there are none here";
const PIECES: &str = "it holds values in pieces: have Dragonfly save it with \
                      --serialization_tagged_chunks=false, or with SAVE RDB";
const NO_FILE: Error = Error::Corrupt("it doesn't begin as an RDB file does");

/// What a file holds, one after the other.
#[derive(Debug)]
pub enum Item {
    /// A fact about the file or who wrote it, such as `redis-ver`. There may be any.
    Fact {
        /// Its name.
        name: Vec<u8>,
        /// It, as text.
        value: Vec<u8>,
    },
    /// The code of a library of functions.
    Function(Vec<u8>),
    /// The database of the keys that follow.
    Database(u64),
    /// About how many keys that database has: a hint.
    Sizes {
        /// All of them.
        keys: u64,
        /// Those that expire.
        expiring: u64,
    },
    /// A key.
    Key(Key),
}

/// A key that was read.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Value,
    /// Unix time in milliseconds at which it ceases to exist, which may be past.
    pub expiry: Option<u64>,
    /// How long it hadn't been used when the file was written.
    pub idle_seconds: Option<u64>,
    /// How often it was used, as Redis's LFU policies count.
    pub frequency: Option<u8>,
}

/// Reads a file from its beginning to its end.
#[derive(Debug)]
pub struct Reader<R> {
    input: Input<Source<R>>,
    version: u16,
    dialect: Dialect,
    rules: Rules,
    is_over: bool,
    told: u64,
}

impl<R: Read> Reader<R> {
    /// Reads magic and version. The reader needs no buffer of its own.
    pub fn open(reader: R, rules: Rules) -> Result<Self, Error> {
        let mut input = Input::new(Source::new(reader));
        let head: [u8; HEAD] = input.array().map_err(|error| match error {
            Error::Truncated => NO_FILE,
            other => other,
        })?;
        let head = std::str::from_utf8(&head).map_err(|_| NO_FILE)?;
        let redis = head.strip_prefix(MAGIC_REDIS);
        let valkey = head.strip_prefix(MAGIC_VALKEY);
        let digits = redis.or(valkey).ok_or(NO_FILE)?;
        let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
        let version = digits.parse().ok().filter(|_| is_number).ok_or(NO_FILE)?;
        let expected = match valkey {
            Some(_) => Dialect::Valkey,
            None => Dialect::Redis,
        };
        let dialect = Dialect::of_version(version).filter(|&dialect| dialect == expected);
        Ok(Self {
            input,
            version,
            dialect: dialect.ok_or(Error::Corrupt("its version isn't known"))?,
            rules,
            is_over: false,
            told: 0,
        })
    }

    /// What was read from the source and isn't part of what came so far, and the source.
    pub fn rest(&mut self) -> (&[u8], &mut R) {
        self.input.0.rest()
    }

    /// The checksum that the file ends with; 0 where it has none, or before the end.
    pub fn checksum(&self) -> u64 {
        self.told
    }

    /// What comes next; `None` at the end, when the checksum was right.
    #[allow(clippy::should_implement_trait)] // An iterator would go on after an error.
    pub fn next(&mut self) -> Result<Option<Item>, Error> {
        let (mut expiry, mut idle_seconds, mut frequency) = (None, None, None);
        while !self.is_over {
            self.input.0.leave_frame()?;
            match self.input.u8()? {
                mark::EXPIRY_MS => {
                    let at = self.input.u64()? as i64;
                    expiry = Some(at.max(1) as u64);
                }
                mark::EXPIRY_SECONDS => {
                    let at = i32::from_le_bytes(self.input.array()?);
                    expiry = Some(at.max(1) as u64 * 1000);
                }
                mark::IDLE => idle_seconds = Some(self.input.length()?),
                mark::FREQUENCY => frequency = Some(self.input.u8()?),
                mark::END => self.end()?,
                mark::DF_ZSTD | mark::DF_LZ4 => {
                    let length = self.input.length()?;
                    let frame = self.input.bytes(length)?;
                    self.input.0.enter_frame(frame)?;
                }
                other @ mark::DF_SYNC_END..=mark::DF_PIECE => self.of_dragonfly(other)?,
                other if is_mark(other) => {
                    if let Some(item) = self.marked(other)? {
                        return Ok(Some(item));
                    }
                }
                kind => {
                    let name = self.input.string()?;
                    let value = decode::value(kind, &mut self.input, self.dialect, &self.rules);
                    let value = match value {
                        // Redis has written such by mistake, and leaves it out as well.
                        Err(Error::Empty) => {
                            (expiry, idle_seconds, frequency) = (None, None, None);
                            continue;
                        }
                        value => value?,
                    };
                    return Ok(Some(Item::Key(Key {
                        name,
                        value,
                        expiry,
                        idle_seconds,
                        frequency,
                    })));
                }
            }
        }
        Ok(None)
    }

    /// What stands behind a mark that isn't a key's; `None` for what nobody needs.
    fn marked(&mut self, mark: u8) -> Result<Option<Item>, Error> {
        let input = &mut self.input;
        Ok(match mark {
            mark::AUX => Some(Item::Fact {
                name: input.string()?,
                value: input.string()?,
            }),
            mark::FUNCTION => Some(Item::Function(input.string()?)),
            mark::DATABASE => Some(Item::Database(input.length()?)),
            mark::SIZES => Some(Item::Sizes {
                keys: input.length()?,
                expiring: input.length()?,
            }),
            mark::SLOT_INFO => {
                let (_slot, _keys, _expiring) = (input.length()?, input.length()?, input.length()?);
                None
            }
            mark::MODULE => {
                skip_module(input)?;
                None
            }
            mark::SLOT_IMPORT if self.dialect == Dialect::Valkey => {
                return Err(Error::Corrupt("it was written while slots were taken over"));
            }
            unknown => return Err(Error::UnknownType(unknown)),
        })
    }

    /// Leaves out what only Dragonfly has, if that may be left out.
    fn of_dragonfly(&mut self, mark: u8) -> Result<(), Error> {
        let input = &mut self.input;
        match mark {
            mark::DF_FRAME_END => {}
            mark::DF_SYNC_END | mark::DF_JOURNAL_OFFSET => drop(input.u64()?),
            mark::DF_FLAGS => {
                let flags = u32::from_le_bytes(input.array()?);
                if flags & flag::MEMCACHED != 0 {
                    input.array::<4>()?;
                }
            }
            mark::DF_JOURNAL => {
                return Err(Error::Corrupt(
                    "it was written for a replica: it has a journal",
                ));
            }
            mark::DF_VECTOR | mark::DF_DOCUMENTS => return Err(Error::Corrupt(SEARCH)),
            mark::DF_PIECE => return Err(Error::Corrupt(PIECES)),
            unknown => return Err(Error::UnknownType(unknown)),
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        if self.input.0.is_in_frame() {
            return Err(Error::Corrupt("it ends inside of a frame"));
        }
        self.is_over = true;
        if self.version < CHECKSUM_SINCE {
            return Ok(());
        }
        let actual = self.input.0.checksum();
        // 0 is written where checksums are turned off.
        self.told = self.input.u64()?;
        match self.told {
            0 => Ok(()),
            told if told == actual => Ok(()),
            _ => Err(Error::Footer),
        }
    }
}

/// Whether this isn't the type of a value.
fn is_mark(byte: u8) -> bool {
    byte >= mark::SLOT_IMPORT
}

/// Leaves out what a module keeps beside its values: an ID, when it is to be read, and parts.
fn skip_module<R: Read>(input: &mut Input<R>) -> Result<(), Error> {
    let _id = input.length()?;
    loop {
        match input.length()? {
            part::END => return Ok(()),
            part::SIGNED | part::UNSIGNED => drop(input.length()?),
            part::FLOAT => drop(input.array::<4>()?),
            part::DOUBLE => drop(input.array::<8>()?),
            part::STRING => drop(input.string()?),
            _ => {
                return Err(Error::Corrupt(
                    "data of a module has a part of an unknown kind",
                ));
            }
        }
    }
}
