//! How often keys are used, for the policies that ask for it.
//!
//! Only while such a policy is chosen, a record's access field is not its clock but
//!
//! ```text
//! [ 15 bits: time of its last use ][ 8 bits: counter ]
//! ```
//!
//! - **LFU**, as in Redis: the counter grows the more seldom the larger it is, and loses one for
//!   each `lfu-decay-time` of minutes without use.
//! - **Cache mode**: it counts exactly as long as it is small, for there it has to tell keys apart,
//!   and time is counted in uses of the whole keyspace. A key that wasn't used while each key could
//!   have been used 16 times is worth half. So what a scan brings, used once, goes before what is
//!   used again, and what was hot once goes when others are hot, however fast or slow the server
//!   is worked. Simulated (Zipf 0.99 with and without scans, and with hot keys that move) against
//!   LFU, LRU, hyperbolic caching and Dragonfly's ranks; half-lives of 4 to 64 uses a key.
//!
//! After a change between such a policy and others the fields of keys tell nonsense until they are
//! used again.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use data::record::CLOCK_MASK;

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Counting {
    /// Nothing: records know when they were used.
    #[default]
    Nothing,
    /// For the LFU policies of Redis.
    Frequency,
    /// For cache mode.
    Cache,
}

/// See the module.
#[derive(Debug)]
pub struct Uses {
    counting: AtomicU8,
    log_factor: AtomicU32,
    decay_minutes: AtomicU32,
    /// The time of cache mode, and how many uses there had been when it last went on.
    steps: AtomicU32,
    before_step: AtomicU64,
}

const COUNTER_BITS: u32 = 8;
const COUNTER_MAX: u32 = (1 << COUNTER_BITS) - 1;
const TIME_MASK: u32 = CLOCK_MASK >> COUNTER_BITS;
const MS_PER_MINUTE: u64 = 60_000;

/// What a new key begins with under LFU, so that it doesn't go before it could be used.
const LFU_NEW: u32 = 5;
/// Cache mode counts exactly up to here.
const EXACT_MAX: u32 = 16;
/// Steps in which the counter of cache mode is halved, and uses of each key in one of them.
const STEPS_PER_HALVING: u32 = 64;
const STEPS_PER_USE: u64 = 4;

impl Default for Uses {
    fn default() -> Self {
        Self {
            counting: AtomicU8::new(Counting::Nothing as u8),
            log_factor: AtomicU32::new(10),
            decay_minutes: AtomicU32::new(1),
            steps: AtomicU32::new(0),
            before_step: AtomicU64::new(0),
        }
    }
}

impl Uses {
    /// Whether uses are counted.
    #[inline(always)]
    pub fn are_counted(&self) -> bool {
        self.counting.load(Ordering::Relaxed) != Counting::Nothing as u8
    }

    pub(crate) fn is_cache(&self) -> bool {
        self.counting.load(Ordering::Relaxed) == Counting::Cache as u8
    }

    /// Sets what is counted, how many uses saturate a counter of LFU (`lfu-log-factor`), and the
    /// minutes in which one loses 1 (`lfu-decay-time`; 0 = never).
    pub fn set(&self, counting: Counting, log_factor: u32, decay_minutes: u32) {
        self.counting.store(counting as u8, Ordering::Relaxed);
        self.log_factor.store(log_factor, Ordering::Relaxed);
        self.decay_minutes.store(decay_minutes, Ordering::Relaxed);
    }

    /// Has the time of cache mode go on to where there were so many `uses` in all, each of one of
    /// `keys`. One thread calls it.
    pub(crate) fn advance(&self, uses: u64, keys: u64) {
        let per_step = (keys / STEPS_PER_USE).max(1);
        // There are fewer than before when statistics have been reset.
        let before = self.before_step.load(Ordering::Relaxed).min(uses);
        let steps = (uses - before) / per_step;
        self.before_step
            .store(before + steps * per_step, Ordering::Relaxed);
        self.steps.fetch_add(steps as u32, Ordering::Relaxed);
    }

    /// The counter of a field, up to 255.
    pub fn count(&self, field: u32, now_ms: u64) -> u32 {
        let count = field & COUNTER_MAX;
        let idle = self.idle(field, now_ms);
        if self.is_cache() {
            return count >> (idle / STEPS_PER_HALVING).min(COUNTER_BITS);
        }
        let every = self.decay_minutes.load(Ordering::Relaxed);
        count.saturating_sub(idle.checked_div(every).unwrap_or(0))
    }

    /// The larger, the sooner the key of this field may go.
    pub(crate) fn coldness(&self, field: u32, now_ms: u64) -> u64 {
        let seldom = COUNTER_MAX - self.count(field, now_ms);
        u64::from(seldom) << 32 | u64::from(self.idle(field, now_ms))
    }

    /// The field of a key that has just been used; `random` is a random number.
    pub(crate) fn after_use(&self, field: u32, now_ms: u64, random: u64) -> u32 {
        let count = self.count(field, now_ms);
        let one_in = if self.is_cache() {
            u64::from(count.saturating_sub(EXACT_MAX - 1)).max(1)
        } else {
            let above = u64::from(count.saturating_sub(LFU_NEW));
            above * u64::from(self.log_factor.load(Ordering::Relaxed)) + 1
        };
        let grows = count < COUNTER_MAX && random.is_multiple_of(one_in);
        self.field_of(count + u32::from(grows), now_ms)
    }

    /// The field of a new key.
    pub(crate) fn of_new(&self, now_ms: u64) -> u32 {
        self.field_of(if self.is_cache() { 1 } else { LFU_NEW }, now_ms)
    }

    /// The field of a key with this counter.
    pub(crate) fn field_of(&self, count: u32, now_ms: u64) -> u32 {
        self.time(now_ms) << COUNTER_BITS | count
    }

    fn idle(&self, field: u32, now_ms: u64) -> u32 {
        self.time(now_ms).wrapping_sub(field >> COUNTER_BITS) & TIME_MASK
    }

    fn time(&self, now_ms: u64) -> u32 {
        if self.is_cache() {
            self.steps.load(Ordering::Relaxed) & TIME_MASK
        } else {
            (now_ms / MS_PER_MINUTE) as u32 & TIME_MASK
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a minute.
    const NOW: u64 = 28_333_334 * MS_PER_MINUTE;

    #[test]
    fn counters_grow_ever_more_seldom() {
        let uses = Uses::default();
        let (mut field, mut random) = (uses.of_new(NOW), 0x9e37_79b9_7f4a_7c15_u64);
        let mut counts = Vec::new();
        for number in 1..=100_000 {
            random = random.wrapping_mul(0xd129_0d3c_3d6a_5b21).wrapping_add(1);
            field = uses.after_use(field, NOW, random >> 32);
            if [1, 100, 1_000, 100_000].contains(&number) {
                counts.push(uses.count(field, NOW));
            }
        }
        // Redis documents 10, 18 and 142 for 100, 1,000 and 100,000 uses.
        let expected = [6..=6, 8..=13, 14..=23, 120..=165];
        for (count, range) in counts.iter().zip(expected) {
            assert!(range.contains(count), "{counts:?}");
        }
        assert!(field <= CLOCK_MASK);
    }

    #[test]
    fn counters_shrink_with_time() {
        let uses = Uses::default();
        let field = uses.field_of(100, NOW);
        assert_eq!(uses.count(field, NOW + MS_PER_MINUTE - 1), 100);
        assert_eq!(uses.count(field, NOW + 7 * MS_PER_MINUTE), 93);
        assert_eq!(uses.count(field, NOW + 200 * MS_PER_MINUTE), 0);
        uses.set(Counting::Frequency, 10, 0);
        assert_eq!(uses.count(field, NOW + 200 * MS_PER_MINUTE), 100);
        assert!(uses.are_counted());
    }

    #[test]
    fn counters_end_at_255() {
        let uses = Uses::default();
        let field = uses.field_of(COUNTER_MAX, NOW);
        assert_eq!(uses.after_use(field, NOW, 0), field);
    }

    fn cache() -> Uses {
        let uses = Uses::default();
        uses.set(Counting::Cache, 10, 1);
        uses
    }

    #[test]
    fn cache_mode_tells_seldom_used_keys_apart() {
        let uses = cache();
        let mut field = uses.of_new(NOW);
        for count in 2..=16 {
            field = uses.after_use(field, NOW, 12_345);
            assert_eq!(uses.count(field, NOW), count);
        }
        let unlucky = uses.after_use(uses.field_of(100, NOW), NOW, 1);
        assert_eq!(uses.count(unlucky, NOW), 100);
    }

    #[test]
    fn cache_mode_forgets_with_uses_not_with_time() {
        let uses = cache();
        let (field, later) = (uses.field_of(100, NOW), NOW + 1000 * MS_PER_MINUTE);
        uses.advance(15 * 500, 500);
        assert_eq!(uses.count(field, later), 100);
        uses.advance(16 * 500, 500);
        assert_eq!(uses.count(field, later), 50);
        // Statistics were reset.
        uses.advance(0, 500);
        uses.advance(16 * 500, 500);
        assert_eq!(uses.count(field, later), 25);
        uses.advance(16 * 8 * 500, 500);
        assert_eq!(uses.count(field, later), 0);
    }

    #[test]
    fn what_a_scan_brings_is_colder_than_what_is_used_again() {
        let uses = cache();
        let used_again = uses.after_use(uses.of_new(NOW), NOW, 0);
        uses.advance(1000, 500);
        let scanned = uses.of_new(NOW);
        uses.advance(2000, 500);
        let scanned_later = uses.of_new(NOW);
        let coldness = |field| uses.coldness(field, NOW);
        assert!(coldness(scanned) > coldness(scanned_later));
        assert!(coldness(scanned_later) > coldness(used_again));
    }
}
