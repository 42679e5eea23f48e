//! The commands that work on keys: for each, its declaration, its syntax and its effect in one
//! place. No sockets, no threads: a command sees a [`store::Txn`], its [`Args`] and a
//! [`protocol::Reply`].
//!
//! Adding a command is one file and one line: write `<family>/<name>.rs` with a `pub const` of type
//! [`DataCommand`] and name it in the family's `COMMANDS`. Locks, COMMAND replies, access control
//! and documentation follow from the declaration.

// All run functions have the same type, whether or not they can fail.
#![allow(clippy::unnecessary_wraps)]

mod args;
pub mod bitmap;
mod elem;
mod error;
mod field_ttl;
pub mod generic;
pub mod geo;
pub mod hash;
mod help;
pub mod hyperloglog;
pub mod keys;
pub mod list;
mod member_scan;
#[cfg(test)]
mod peer_tests;
pub mod restored;
pub mod set;
pub mod spec;
pub mod stream;
pub mod string;
pub mod syntax;
#[cfg(test)]
mod testing;
mod timeout;
pub mod zset;

pub use args::{Args, OwnedArgs};
pub use error::{CommandError, CommandResult};
pub use spec::{Command, Spec};

/// What runs a data command: the transaction holds the locks of the command's keys.
pub type DataRun = fn(&mut store::Txn<'_>, Args<'_>, &mut protocol::Reply<'_>) -> CommandResult;

/// A command that works on keys.
pub type DataCommand = Command<DataRun>;

/// All data commands, by family.
pub const FAMILIES: &[&[DataCommand]] = &[
    string::COMMANDS,
    generic::COMMANDS,
    bitmap::COMMANDS,
    hyperloglog::COMMANDS,
    list::COMMANDS,
    hash::COMMANDS,
    set::COMMANDS,
    zset::COMMANDS,
    geo::COMMANDS,
    stream::COMMANDS,
];
