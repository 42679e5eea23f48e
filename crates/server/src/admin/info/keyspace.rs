//! The keyspace section: how many keys each database has.

use data::Dict;

use super::Text;
use crate::session::Call;
use crate::shared::Shared;

/// Counts of one database.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::admin) struct DbCount {
    /// Keys, expired ones that no one has noticed included.
    pub(in crate::admin) keys: u64,
    /// Of these, the ones with an expiry.
    pub(in crate::admin) expires: u64,
    /// Hashes and sets with fields or members that expire.
    expiring_members: u64,
    /// Keys that the tables have room for.
    capacity: u64,
    /// Milliseconds that those have left that were looked at, and how many that were.
    ttl_sample: (u64, u64),
}

/// Bytes of table for each key that there is room for: a pointer and a byte of its hash.
const TABLE_BYTES_PER_KEY: u64 = 9;

impl DbCount {
    /// Bytes of its tables.
    pub(in crate::admin) fn table_bytes(&self) -> u64 {
        self.capacity * TABLE_BYTES_PER_KEY
    }

    /// Milliseconds that keys with an expiry have left: the mean of a sample.
    fn average_ttl(&self) -> u64 {
        let (sum, count) = self.ttl_sample;
        sum / count.max(1)
    }

    fn add(&mut self, dict: &Dict, now_ms: u64) {
        self.keys += dict.len() as u64;
        self.expires += dict.expiring() as u64;
        self.expiring_members += dict.expiring_members() as u64;
        self.capacity += dict.capacity() as u64;
        if dict.expiring() > 0 {
            self.sample(dict, now_ms);
        }
    }

    /// Looks at the first buckets: their keys are no others than those of any other bucket.
    fn sample(&mut self, dict: &Dict, now_ms: u64) {
        const BUCKETS: usize = 32;
        let mut position = Some(0);
        for _ in 0..BUCKETS {
            let Some(at) = position else { return };
            position = dict.scan(at, |record| {
                if let Some(expiry) = record.expiry() {
                    self.ttl_sample.0 += expiry.saturating_sub(now_ms);
                    self.ttl_sample.1 += 1;
                }
            });
        }
    }
}

/// Counts of all databases; one shard after the other is locked.
pub(in crate::admin) fn count_keys(shared: &Shared, now_ms: u64) -> Vec<DbCount> {
    let mut counts = vec![DbCount::default(); shared.store.dbnum()];
    for shard in 0..shared.store.shard_count() {
        shared.store.visit(shard, |data| {
            for (number, count) in counts.iter_mut().enumerate() {
                if let Some(db) = data.used_db(number) {
                    count.add(&db.dict, now_ms);
                }
            }
        });
    }
    counts
}

pub(super) fn keyspace(call: &Call<'_, '_>, text: &mut Text) {
    let counts = count_keys(call.shared, call.thread.now_ms());
    for (number, count) in counts
        .iter()
        .enumerate()
        .filter(|(_, count)| count.keys > 0)
    {
        let DbCount { keys, expires, .. } = count;
        text.field(
            &format!("db{number}"),
            format_args!(
                "keys={keys},expires={expires},avg_ttl={},subexpiry={}",
                count.average_ttl(),
                count.expiring_members
            ),
        );
    }
}
