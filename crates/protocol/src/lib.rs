//! RESP2, RESP3 and inline commands: bytes in, bytes out, no I/O.
//!
//! - [`parse`]: requests to ranges of the input buffer, without allocation on the usual path.
//! - [`inline`]: the quoting rules of inline commands (and of `redis.conf`).
//! - [`reply`]: replies written straight into an output buffer.
//! - [`number`]: numbers from and to text exactly as Redis has them.
//! - [`glob`]: the patterns of KEYS, PSUBSCRIBE and CONFIG GET.
//! - [`error`]: what a malformed request is answered with.

pub mod error;
pub mod glob;
pub mod inline;
pub mod number;
pub mod parse;
pub mod reply;

pub use error::ProtocolError;
pub use parse::{Arg, Limits, Parsed, Parser, Skip};
pub use reply::{Mark, Reply};
