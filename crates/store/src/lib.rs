//! The keyspace that all threads share: shards under locks, transactions over them, expiry,
//! watchers and observers, the log of effects.
//!
//! Reading order: [`lock`], [`gate`] and [`families`] (who may touch what), [`shard`] (what a lock
//! guards), [`store`] (all shards), [`txn`] (what a command sees), [`blocked`] (who waits for
//! keys), [`expire`], [`evict`], [`snapshot`], [`events`], [`log`], [`reaper`].
//!
//! Invariants: a transaction never suspends while it holds a lock; a thread never sleeps on a shard
//! lock; several locks are taken in ascending order, all or none.

pub mod blocked;
pub mod events;
pub mod evict;
pub mod expire;
pub mod families;
pub mod gate;
pub mod lock;
pub mod log;
pub mod random;
pub mod reaper;
pub mod shard;
pub mod snapshot;
pub mod stats;
pub mod store;
mod sync;
pub mod thresholds;
pub mod txn;
pub mod uses;

pub use blocked::{AtEnd, Blocked, Serve, Served, Wait};
pub use events::{Author, Event, EventClasses, Observer, Observers};
pub use evict::{Eviction, Order, Room};
pub use log::LogReader;
pub use shard::{Db, WatchFlag};
pub use store::{Store, StoreOptions};
pub use sync::Waiter;
pub use thresholds::Thresholds;
pub use txn::{
    DbTotals, Found, Owned, Parked, Shards, Str, Suspended, Totals, Txn, Unserved, WrongType,
};
