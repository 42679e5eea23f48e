//! Whole files: facts, libraries of functions, and the keys of all databases.
//!
//! ```text
//! "REDIS" and 4 digits of the version, or "VALKEY" and 3
//! [ mark ][ what belongs to it ]                        facts, functions, databases
//! [ marks of expiry and use ] [ type ][ key ][ value ]  a key
//! [ 255 ][ checksum of all before (8), or 0 ]
//! ```
//!
//! All of it may stand in a frame of zstd or LZ4.

mod frame;
mod reader;
mod source;
mod writer;

pub use frame::{Compression, FrameReader, FrameWriter};
pub use reader::{Item, Key, Reader};
pub use writer::{KeyRef, Options, Writer, append_key};

/// Magic and version.
const HEAD: usize = 9;
const MAGIC_REDIS: &str = "REDIS";
const MAGIC_VALKEY: &str = "VALKEY";
