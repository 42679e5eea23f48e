//! Redis's RDB format: single values as DUMP and RESTORE exchange them, libraries of functions, and
//! whole files. Bytes in, bytes out: no locks, no files, no clock.
//!
//! Reading order: [`codes`] (the format's numbers), [`output`] and [`input`] (lengths and strings),
//! [`encode`] and [`decode`] (values), [`payload`] (what DUMP and FUNCTION DUMP give), [`file`].
//!
//! What is written can be read by Redis 7.0 (RDB version 10), except for what that doesn't have.
//! What is read may come from any Redis up to 8.0 and any Valkey up to 9.1, and from anybody who
//! means ill: each number in it is checked before it is believed, and memory is only taken for
//! bytes that are there.

mod checksum;
mod codes;
pub mod decode;
pub mod encode;
mod error;
pub mod file;
mod input;
mod lzf;
mod output;
pub mod payload;

pub use decode::Rules;
pub use error::Error;
