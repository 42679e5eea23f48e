//! Up to which sizes values keep their compact forms: settings that commands read on every write.

use std::sync::atomic::{AtomicI64, Ordering};

use data::Limits;

/// A number that any thread may change at any time.
#[derive(Debug)]
pub struct Setting(AtomicI64);

impl Setting {
    const fn new(value: i64) -> Self {
        Self(AtomicI64::new(value))
    }

    /// Its value; 0 where it is negative.
    #[inline]
    pub fn get(&self) -> usize {
        self.signed().max(0) as usize
    }

    /// Its value, which may be negative.
    #[inline]
    pub fn signed(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// Each is the setting of Redis of about that name, with Redis's default.
#[derive(Debug)]
pub struct Thresholds {
    /// `hll-sparse-max-bytes`
    pub hll_sparse_bytes: Setting,
    /// `list-max-listpack-size`: elements in a node, or if negative -1 = 4 KB … -5 = 64 KB.
    pub list_node: Setting,
    /// `hash-max-listpack-entries`
    pub hash_entries: Setting,
    /// `hash-max-listpack-value`
    pub hash_value: Setting,
    /// `set-max-intset-entries`
    pub intset_entries: Setting,
    /// `set-max-listpack-entries`
    pub set_entries: Setting,
    /// `set-max-listpack-value`
    pub set_value: Setting,
    /// `zset-max-listpack-entries`
    pub zset_entries: Setting,
    /// `zset-max-listpack-value`
    pub zset_value: Setting,
    /// `stream-node-max-bytes`
    pub stream_node_bytes: Setting,
    /// `stream-node-max-entries`
    pub stream_node_entries: Setting,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            hll_sparse_bytes: Setting::new(3000),
            list_node: Setting::new(-2),
            hash_entries: Setting::new(512),
            hash_value: Setting::new(64),
            intset_entries: Setting::new(512),
            set_entries: Setting::new(128),
            set_value: Setting::new(64),
            zset_entries: Setting::new(128),
            zset_value: Setting::new(64),
            stream_node_bytes: Setting::new(4096),
            stream_node_entries: Setting::new(100),
        }
    }
}

impl Thresholds {
    /// Up to where a hash stays packed.
    pub fn hash(&self) -> Limits {
        limits(&self.hash_entries, &self.hash_value)
    }

    /// Up to where a set that isn't all integers stays packed.
    pub fn set(&self) -> Limits {
        limits(&self.set_entries, &self.set_value)
    }

    /// Up to where a sorted set stays packed.
    pub fn zset(&self) -> Limits {
        limits(&self.zset_entries, &self.zset_value)
    }
}

fn limits(entries: &Setting, text_len: &Setting) -> Limits {
    Limits {
        entries: entries.get(),
        text_len: text_len.get(),
    }
}
