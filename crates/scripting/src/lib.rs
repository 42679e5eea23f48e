//! Lua for scripts: the interpreter of one thread, its libraries and its sandbox. What a script
//! does to the outside goes through [`Host`]; there is no keyspace here, no thread and no socket.

// The binding hands arguments over by value.
#![allow(clippy::needless_pass_by_value)]

mod api;
mod call;
mod enter;
mod fiber;
mod from_reply;
mod host;
mod interpreter;
mod key_pattern;
mod libraries;
mod library;
mod number;
mod raise;
mod raw;
mod register;
mod sandbox;
mod script;
mod to_reply;

pub use host::{Called, Host, LogLevel, Tick};
pub use interpreter::{Ended, Failure, Interpreter, Progress};
pub use key_pattern::{Beginning, Given, KeyNotes, KeyPattern, KeyWatch, up_to_colon};
pub use library::{Callee, FunctionInfo, Library, LibraryError};
pub use script::{Script, ScriptError, Sha, dragonfly_flag, flags};
