//! How often keys are used, for the LFU policies. As in Redis: a counter grows the more seldom the
//! larger it is, and shrinks with time.
//!
//! Only while such a policy is chosen, a record's access field is not its clock but
//!
//! ```text
//! [ 15 bits: minutes at its last use ][ 8 bits: counter ]
//! ```
//!
//! After a change between such a policy and others the fields of keys tell nonsense until they are
//! used again.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use data::record::CLOCK_MASK;

/// See the module.
#[derive(Debug)]
pub struct Uses {
    are_counted: AtomicBool,
    log_factor: AtomicU32,
    decay_minutes: AtomicU32,
}

/// What a new key begins with, so that it doesn't go before it could be used.
const NEW: u32 = 5;
const COUNTER_BITS: u32 = 8;
const COUNTER_MAX: u32 = (1 << COUNTER_BITS) - 1;
const MINUTES_MASK: u32 = CLOCK_MASK >> COUNTER_BITS;
const MS_PER_MINUTE: u64 = 60_000;

impl Default for Uses {
    fn default() -> Self {
        Self {
            are_counted: AtomicBool::new(false),
            log_factor: AtomicU32::new(10),
            decay_minutes: AtomicU32::new(1),
        }
    }
}

impl Uses {
    /// Whether an LFU policy is chosen.
    #[inline(always)]
    pub fn are_counted(&self) -> bool {
        self.are_counted.load(Ordering::Relaxed)
    }

    /// Sets whether it is, how many uses saturate a counter (`lfu-log-factor`), and the minutes in
    /// which one loses 1 (`lfu-decay-time`; 0 = never).
    pub fn set(&self, are_counted: bool, log_factor: u32, decay_minutes: u32) {
        self.are_counted.store(are_counted, Ordering::Relaxed);
        self.log_factor.store(log_factor, Ordering::Relaxed);
        self.decay_minutes.store(decay_minutes, Ordering::Relaxed);
    }

    /// The counter of a field, up to 255.
    pub fn count(&self, field: u32, now_ms: u64) -> u32 {
        let count = field & COUNTER_MAX;
        let every = self.decay_minutes.load(Ordering::Relaxed);
        let idle = minutes(now_ms).wrapping_sub(field >> COUNTER_BITS) & MINUTES_MASK;
        count.saturating_sub(idle.checked_div(every).unwrap_or(0))
    }

    /// The field of a key that has just been used; `random` is a random number.
    pub(crate) fn after_use(&self, field: u32, now_ms: u64, random: u64) -> u32 {
        let count = self.count(field, now_ms);
        let above = u64::from(count.saturating_sub(NEW));
        let one_in = above * u64::from(self.log_factor.load(Ordering::Relaxed)) + 1;
        let grows = count < COUNTER_MAX && random.is_multiple_of(one_in);
        field_of(count + u32::from(grows), now_ms)
    }
}

/// The field of a new key.
pub(crate) fn of_new(now_ms: u64) -> u32 {
    field_of(NEW, now_ms)
}

/// The field of a key with this counter.
pub(crate) fn field_of(count: u32, now_ms: u64) -> u32 {
    minutes(now_ms) << COUNTER_BITS | count
}

fn minutes(now_ms: u64) -> u32 {
    (now_ms / MS_PER_MINUTE) as u32 & MINUTES_MASK
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a minute.
    const NOW: u64 = 28_333_334 * MS_PER_MINUTE;

    #[test]
    fn counters_grow_ever_more_seldom() {
        let uses = Uses::default();
        let (mut field, mut random) = (of_new(NOW), 0x9e37_79b9_7f4a_7c15_u64);
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
        let field = field_of(100, NOW);
        assert_eq!(uses.count(field, NOW + MS_PER_MINUTE - 1), 100);
        assert_eq!(uses.count(field, NOW + 7 * MS_PER_MINUTE), 93);
        assert_eq!(uses.count(field, NOW + 200 * MS_PER_MINUTE), 0);
        uses.set(true, 10, 0);
        assert_eq!(uses.count(field, NOW + 200 * MS_PER_MINUTE), 100);
        assert!(uses.are_counted());
    }

    #[test]
    fn counters_end_at_255() {
        let uses = Uses::default();
        let field = field_of(COUNTER_MAX, NOW);
        assert_eq!(uses.after_use(field, NOW, 0), field);
    }
}
