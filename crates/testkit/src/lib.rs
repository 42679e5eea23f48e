//! What tests are made of: a blocking client, a server under test, recorded histories, models, and
//! a checker that says whether a history could have happened one command at a time.
//!
//! For tests only: nothing that ships depends on this crate, and it depends on the standard library
//! alone.

pub mod client;
pub mod history;
pub mod linearizability;
pub mod log;
pub mod model;
pub mod random;
pub mod server;
