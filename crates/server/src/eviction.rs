//! The memory limit: what counts against it, and making room when it is reached.

use std::time::Duration;

use store::{Eviction, Order, Room};

use crate::flags::values::MaxmemoryPolicy;
use crate::memory;
use crate::thread::Thread;

/// Room in arenas is free for records to come and so doesn't count, but only up to this share of
/// the limit: what is used beyond is too much even if it is room.
const SPARE_SHARE: u64 = 8;
/// How long one group's eviction may take when even that is used up.
const MUCH: Duration = Duration::from_millis(100);

fn is_beyond_spare(limit: u64) -> bool {
    memory::used() > limit.saturating_add(limit / SPARE_SHARE)
}

fn is_over(limit: u64) -> bool {
    let used = memory::used();
    used > limit && (used.saturating_sub(data::spare_bytes()) > limit || is_beyond_spare(limit))
}

/// How long eviction may take: Redis's measure.
fn budget(tenacity: u32) -> Duration {
    match tenacity {
        0..=10 => Duration::from_micros(50 * u64::from(tenacity)),
        100.. => MUCH,
        _ => {
            let micros = 500.0 * 1.15f64.powi(tenacity as i32 - 10);
            Duration::from_micros(micros as u64).min(MUCH)
        }
    }
}

impl Thread {
    /// Looks whether more memory is used than `maxmemory` allows.
    #[inline]
    pub(crate) fn look_at_memory(&mut self) -> bool {
        let limit = self.config.memory.maxmemory;
        self.is_full = limit > 0 && is_over(limit);
        self.is_full
    }

    /// Evicts keys as the policy says until there is room, or for as long as that may take. The
    /// caller is inside the gate and holds no lock. Writes are refused only if nothing may go.
    #[cold]
    pub(crate) fn make_room(&mut self) {
        if self.is_replaying() {
            return;
        }
        let settings = &self.config.memory;
        let Some(how) = eviction(settings.maxmemory_policy, settings.maxmemory_samples) else {
            return;
        };
        let limit = settings.maxmemory;
        let budget = if is_beyond_spare(limit) {
            MUCH
        } else {
            budget(settings.maxmemory_eviction_tenacity)
        };
        let (store, number) = (&self.shared.store, self.number);
        let room = store.evict(number, self.now_ms(), how, budget, || is_over(limit));
        self.is_full = room == Room::None;
    }
}

/// How a policy chooses keys; `None` if it doesn't evict.
fn eviction(policy: MaxmemoryPolicy, samples: u32) -> Option<Eviction> {
    use MaxmemoryPolicy as Policy;
    let (only_expiring, order) = match policy {
        Policy::VolatileLru => (true, Order::LeastRecent),
        Policy::VolatileRandom => (true, Order::Random),
        Policy::VolatileTtl => (true, Order::SoonestExpiry),
        Policy::AllKeysLru => (false, Order::LeastRecent),
        Policy::AllKeysRandom => (false, Order::Random),
        Policy::VolatileLfu => (true, Order::LeastFrequent),
        Policy::AllKeysLfu => (false, Order::LeastFrequent),
        Policy::NoEviction => return None,
    };
    Some(Eviction {
        only_expiring,
        order,
        samples: samples.min(64) as usize,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenacity_is_redis_measure() {
        assert_eq!(budget(0), Duration::ZERO);
        assert_eq!(budget(10), Duration::from_micros(500));
        assert!(budget(11) > budget(10) && budget(99) == MUCH && budget(100) == MUCH);
    }

    #[test]
    fn samples_are_bounded() {
        let how = eviction(MaxmemoryPolicy::AllKeysLru, u32::MAX).unwrap();
        assert_eq!(how.samples, 64);
        assert!(eviction(MaxmemoryPolicy::NoEviction, 5).is_none());
    }
}
