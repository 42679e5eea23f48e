//! The memory engine: how keys and values lie in memory. No locks, no I/O, no clock of its own.
//!
//! Reading order: [`hash`] (where a key belongs), [`table`] (buckets of record handles), [`arena`]
//! (where records live), [`record`] (the bytes of one record), [`dict`] (the three together: a map
//! from key to value with expiry), [`value`] (values too large for a record); then the types with
//! bytes of their own: [`hll`], [`packed`] (many small elements in one run of bytes), [`entries`]
//! (many elements in a hash table), [`types`] (lists, hashes, sets, sorted sets and streams).

pub mod arena;
pub mod dict;
pub mod entries;
pub mod hash;
pub mod hll;
pub mod packed;
pub mod prefetch;
pub mod record;
mod spare;
pub mod table;
pub mod types;
pub mod value;

pub use dict::{Dict, Entry, ExpiredMembers, NewValue, ValueRef};
pub use hash::{KeyHash, KeyHasher};
pub use record::Kind;
pub use spare::spare_bytes;
pub use types::{Collection, Hash, Limits, List, Set, Stream, Zset};
pub use value::Value;
