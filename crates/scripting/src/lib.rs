//! Lua for scripts: the interpreter of one thread, its libraries and its sandbox. What a script does
//! to the outside goes through [`Host`]; this crate knows no keyspace, no threads and no sockets.

mod api;
mod from_reply;
mod host;
mod interpreter;
mod position;
mod sandbox;
mod script;
mod to_reply;

pub use host::{Host, LogLevel};
pub use interpreter::{Ended, Failure, Interpreter};
pub use script::{Script, ScriptError, Sha, flags};
