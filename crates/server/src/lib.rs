//! The Darner server: connections, dispatch, sessions, administration.
//!
//! Reading order: [`shared`] (what all threads share), [`worker`] (one thread's loop), [`thread`]
//! and [`dispatch`] (a command's life), [`conn`] and [`session`] (what a client is), [`flags`]
//! (what the server can be told) and [`machine`] (how much of the machine there is), then the rest.

pub mod admin;
mod balance;
mod batch;
mod blocking;
mod calendar;
mod client_memory;
pub mod clients;
pub mod conn;
mod control;
mod cron;
pub mod dispatch;
mod eviction;
pub mod flags;
pub mod identity;
mod limits;
mod listening;
pub mod log;
pub mod machine;
pub mod mailboxes;
pub mod memory;
pub mod message;
mod migrate;
mod monitor;
mod observer;
mod oom_score;
pub mod pause;
mod persistence;
mod process;
pub mod pubsub;
pub mod rates;
mod refusal;
mod script;
pub mod secrets;
pub mod session;
mod sharded;
pub mod shared;
pub mod slow_path;
mod spare;
pub mod start;
pub mod stats;
pub mod table;
pub mod thread;
pub mod ticks;
pub mod tracking;
pub mod worker;
