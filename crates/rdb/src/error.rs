//! Why something could not be read.

use std::io;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The footer's version is unknown or its checksum is another.
    #[error("version or checksum are wrong")]
    Footer,
    /// It ends in the middle of something.
    #[error("it ends too early")]
    Truncated,
    /// Something that can't be.
    #[error("{0}")]
    Corrupt(&'static str),
    /// A value of a type that nobody has told us of.
    #[error("type {0} is unknown")]
    UnknownType(u8),
    /// A value that belongs to a module of Redis.
    #[error("it holds a value of the module {0}, which isn't here")]
    Module(String),
    /// A value of a type of Dragonfly's that isn't here.
    #[error("it holds a value of Dragonfly's type {}, which isn't here", dragonfly(*.0))]
    Dragonfly(u8),
    /// A collection without elements: no key has such a value.
    #[error("a collection is empty")]
    Empty,
    /// Reading failed.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Io(error),
        }
    }
}

/// What Dragonfly's types of values are called.
fn dragonfly(kind: u8) -> String {
    let name = match kind {
        30 => "JSON",
        33 | 34 => "Bloom filter",
        35 => "count-min sketch",
        _ => return kind.to_string(),
    };
    name.to_owned()
}
