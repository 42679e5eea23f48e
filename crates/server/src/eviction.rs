//! The memory limit: what counts against it, and making room when it is reached.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use store::{Eviction, Order, Room, Store};

use crate::flags::values::{MaxmemoryPolicy, MemoryFlags};
use crate::memory;
use crate::shared::Shared;
use crate::thread::Thread;

/// Room in arenas is free for records to come and so doesn't count, but only up to this share of
/// the limit: what is used beyond is too much even if it is room.
const SPARE_SHARE: u64 = 8;
/// More keys than that aren't looked at for each one evicted.
const SAMPLES_MAX: u32 = 64;
/// In cache mode at least so many are, see `bench/hitratio`: with 10 it has 1 % fewer hits, with 16
/// it has 0.4 % fewer, more gain next to nothing.
const CACHE_SAMPLES: usize = 24;
/// How long one group's eviction may take when even that is used up.
const MUCH: Duration = Duration::from_millis(100);

/// What is lacking.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lack {
    Nothing,
    /// There is room, but between records.
    Order,
    /// There is no room.
    Room,
}

/// What is in use; what is about to be freed isn't.
fn used(store: &Store) -> u64 {
    let pending = &store.reaper().stats().pending_bytes;
    memory::used().saturating_sub(pending.load(Ordering::Relaxed))
}

fn is_beyond_spare(used: u64, limit: u64) -> bool {
    used > limit.saturating_add(limit / SPARE_SHARE)
}

fn lack(store: &Store, limit: u64) -> Lack {
    let used = used(store);
    if used <= limit {
        Lack::Nothing
    } else if used.saturating_sub(data::spare_bytes()) > limit {
        Lack::Room
    } else if is_beyond_spare(used, limit) {
        Lack::Order
    } else {
        Lack::Nothing
    }
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
        self.is_full = limit > 0 && lack(&self.shared.store, limit) != Lack::Nothing;
        self.is_full
    }

    /// As [`Thread::make_room`] if there is need to, from outside the gate.
    pub(crate) fn keep_to_limit(&mut self) {
        if self.look_at_memory() && self.shared.store.enter_patiently(self.number) {
            self.make_room();
            self.shared.store.leave(self.number);
        }
    }

    /// Whether so many bytes more fit once keys are evicted for them as the policy says. The caller
    /// is outside the gate.
    #[cold]
    pub(crate) fn has_room_for(&mut self, bytes: u64) -> bool {
        let limit = self.config.memory.maxmemory;
        let Some(left) = limit.checked_sub(bytes) else {
            return limit == 0;
        };
        if limit == 0 || lack(&self.shared.store, left) == Lack::Nothing {
            return true;
        }
        let store = &self.shared.store;
        let how = eviction(&self.config.memory);
        // While a script takes long its thread is inside the gate.
        if self.is_replaying() || self.aside.is_some() || !store.enter(self.number) {
            return how.is_some();
        }
        let room = self.make_room_within(MUCH, how, || lack(store, left));
        store.leave(self.number);
        room != Room::None
    }

    /// Moves records together and evicts keys as the policy says, until there is room or for as
    /// long as that may take. The caller is inside the gate and holds no lock. Writes are refused
    /// only if nothing may go.
    #[cold]
    pub(crate) fn make_room(&mut self) {
        if self.is_replaying() {
            return;
        }
        let settings = &self.config.memory;
        let limit = settings.maxmemory;
        let budget = if is_beyond_spare(used(&self.shared.store), limit) {
            MUCH
        } else {
            budget(settings.maxmemory_eviction_tenacity)
        };
        let how = eviction(settings);
        // What clients are told of evicted keys is gone in a moment: it would have all keys evicted
        // if it counted.
        let Shared {
            store, tracking, ..
        } = &*self.shared;
        let unsent = || tracking.unsent_bytes(self.number) as u64;
        let lack = || lack(store, limit.saturating_add(unsent()));
        let room = self.make_room_within(budget, how, lack);
        self.is_full = room == Room::None;
    }

    fn make_room_within(
        &self,
        budget: Duration,
        how: Option<Eviction>,
        lack: impl Fn() -> Lack,
    ) -> Room {
        let (store, number, now_ms) = (&self.shared.store, self.number, self.now_ms());
        let start = Instant::now();
        let left = || budget.saturating_sub(start.elapsed());
        let mut is_in_order = false;
        loop {
            let room = match (lack(), how) {
                (Lack::Nothing, _) => return Room::Made,
                (Lack::Order, _) if !is_in_order => {
                    let room = store.compact(number, left(), || lack() == Lack::Order);
                    is_in_order = room == Room::None;
                    if is_in_order { Room::Made } else { room }
                }
                (_, None) => return Room::None,
                (_, Some(how)) => store.evict(number, now_ms, how, left(), || match lack() {
                    Lack::Nothing => false,
                    Lack::Order => is_in_order,
                    Lack::Room => true,
                }),
            };
            if room != Room::Made {
                return room;
            }
        }
    }
}

/// How keys are chosen; `None` if none are evicted.
fn eviction(settings: &MemoryFlags) -> Option<Eviction> {
    use MaxmemoryPolicy as Policy;
    let samples = settings.maxmemory_samples.min(SAMPLES_MAX) as usize;
    if settings.cache_mode {
        return Some(Eviction {
            only_expiring: false,
            order: Order::LeastFrequent,
            samples: samples.max(CACHE_SAMPLES),
        });
    }
    let (only_expiring, order) = match settings.maxmemory_policy {
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
        samples,
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
        let mut settings = MemoryFlags {
            maxmemory_samples: u32::MAX,
            ..MemoryFlags::default()
        };
        assert!(eviction(&settings).is_none());
        settings.maxmemory_policy = MaxmemoryPolicy::AllKeysLru;
        assert_eq!(eviction(&settings).unwrap().samples, 64);
        (settings.maxmemory_samples, settings.cache_mode) = (1, true);
        assert_eq!(eviction(&settings).unwrap().samples, CACHE_SAMPLES);
    }
}
