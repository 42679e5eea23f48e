//! Keyspace events, their classes, and the observer that the server lets look at changes: for
//! notifications and for the caches in clients.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The name of an event as keyspace notifications tell it, e.g. `set`, `expire`, `del`.
pub type Event = &'static str;

/// A set of classes of events and of the channels that they are published to: what
/// `notify-keyspace-events` names with letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventClasses(u16);

impl EventClasses {
    /// Of any type of key.
    pub const GENERIC: Self = Self(1);
    /// Of strings.
    pub const STRING: Self = Self(1 << 1);
    /// Of lists.
    pub const LIST: Self = Self(1 << 2);
    /// Of sets.
    pub const SET: Self = Self(1 << 3);
    /// Of hashes.
    pub const HASH: Self = Self(1 << 4);
    /// Of sorted sets.
    pub const ZSET: Self = Self(1 << 5);
    /// A key's time has come.
    pub const EXPIRED: Self = Self(1 << 6);
    /// A key was removed for want of memory.
    pub const EVICTED: Self = Self(1 << 7);
    /// Of streams.
    pub const STREAM: Self = Self(1 << 8);
    /// Of modules' types.
    pub const MODULE: Self = Self(1 << 9);
    /// A key was added.
    pub const NEW: Self = Self(1 << 10);
    /// To the channels of the keys.
    pub const KEYSPACE: Self = Self(1 << 11);
    /// To the channels of the events.
    pub const KEYEVENT: Self = Self(1 << 12);
    /// A key was read that isn't there.
    pub const MISS: Self = Self(1 << 13);
    /// What `A` stands for: all that tells of a change, but no additions.
    pub const ALL: Self = Self((1 << 10) - 1);

    /// The letters of the classes, by bit, which is the order in which Redis shows them.
    const LETTERS: &'static [u8] = b"g$lshzxetdnKEm";

    /// The class with this letter.
    pub fn named(letter: u8) -> Option<Self> {
        let bit = Self::LETTERS.iter().position(|&known| known == letter)?;
        Some(Self(1 << bit))
    }

    /// The letters of all that are in it.
    pub fn letters(self) -> String {
        let (all, rest) = if self.0 & Self::ALL.0 == Self::ALL.0 {
            ("A", self.0 & !Self::ALL.0)
        } else {
            ("", self.0)
        };
        let by_bit = Self::LETTERS.iter().enumerate();
        let on = by_bit.filter(|(bit, _)| rest >> bit & 1 == 1);
        all.chars()
            .chain(on.map(|(_, &letter)| letter as char))
            .collect()
    }

    /// What is in one or the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether something of `other` is in it.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The class of an event. Names mean the same wherever they are told, so one list will do.
pub fn class_of(event: Event) -> EventClasses {
    match event {
        "set" | "setrange" | "append" | "prepend" | "incrby" | "incrbyfloat" | "setbit"
        | "pfadd" => EventClasses::STRING,
        "lpush" | "rpush" | "lpop" | "rpop" | "linsert" | "lset" | "lrem" | "ltrim"
        | "sortstore" => EventClasses::LIST,
        "sadd" | "srem" | "spop" | "sinterstore" | "sunionstore" | "sdiffstore" => {
            EventClasses::SET
        }
        "hset" | "hincrby" | "hincrbyfloat" | "hdel" | "hexpire" | "hexpired" | "hpersist" => {
            EventClasses::HASH
        }
        "zadd" | "zincr" | "zrem" | "zremrangebyscore" | "zremrangebyrank" | "zremrangebylex"
        | "zpopmin" | "zpopmax" | "zinterstore" | "zunionstore" | "zdiffstore" | "zrangestore"
        | "geosearchstore" | "georadiusstore" => EventClasses::ZSET,
        "expired" => EventClasses::EXPIRED,
        "evicted" => EventClasses::EVICTED,
        "new" => EventClasses::NEW,
        "keymiss" => EventClasses::MISS,
        _ if event.starts_with('x') => EventClasses::STREAM,
        _ => EventClasses::GENERIC,
    }
}

/// Whose doing a change is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Author {
    /// The thread that does it.
    pub thread: usize,
    /// The client that asked for it; 0 when none did, as when a key expires.
    pub client: u64,
}

/// Looks at changes as they happen, in their order. Called with the key's shard locked: it must be
/// quick and must not wait.
pub trait Observer: Send + Sync {
    /// An event of a class that is `wanted`.
    fn event(&self, wanted: EventClasses, db: usize, event: Event, key: &[u8]);

    /// What clients have read of `key` holds no longer.
    fn invalidated(&self, by: Author, key: &[u8]);

    /// What clients have read of any key holds no longer.
    fn all_invalidated(&self, by: Author);

    /// A key that clients wait for has expired or was evicted, as `thread` has found. Some wait for
    /// its end, so they are to be served ([`crate::Txn::note_ready`]) once its shard is free.
    fn awaited_gone(&self, thread: usize, db: usize, key: &[u8]);
}

/// Who wants to know of changes, and how they hear of them.
#[derive(Default)]
pub struct Observers {
    /// See [`Interest`]: one word, so that a write needs but one look.
    interest: AtomicU64,
    observer: OnceLock<Box<dyn Observer>>,
}

/// What someone wants to know: in the lower half the number of keys that are watched
/// or waited for, above it whether
/// clients cache what they have read, and in the highest 16 bits the [`EventClasses`] that are
/// published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest(u64);

const WATCHED_KEYS: u64 = u32::MAX as u64;
const CACHES: u64 = 1 << 32;
const CLASSES_SHIFT: u32 = 48;

impl Interest {
    /// Nobody wants to know anything.
    #[inline(always)]
    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Some keys are watched or waited for.
    pub(crate) fn has_watched_keys(self) -> bool {
        self.0 & WATCHED_KEYS != 0
    }

    #[inline(always)]
    fn classes(self) -> EventClasses {
        EventClasses((self.0 >> CLASSES_SHIFT) as u16)
    }

    /// Whether events of this class are published.
    #[inline(always)]
    pub(crate) fn wants(self, class: EventClasses) -> bool {
        self.classes().has(class)
    }
}

impl Observers {
    /// Sets who is told of events and invalidations.
    pub fn set(&self, observer: Box<dyn Observer>) {
        let set = self.observer.set(observer);
        assert!(set.is_ok(), "a store has one observer");
    }

    /// Chooses the events that are told.
    pub fn publish(&self, classes: EventClasses) {
        let channels = EventClasses::KEYSPACE.and(EventClasses::KEYEVENT);
        let bits = if classes.has(channels) { classes.0 } else { 0 };
        let others = !(u64::from(u16::MAX) << CLASSES_SHIFT);
        let set = |interest| interest & others | u64::from(bits) << CLASSES_SHIFT;
        self.interest
            .update(Ordering::Relaxed, Ordering::Relaxed, set);
    }

    /// Chooses whether invalidations are told.
    pub fn track(&self, on: bool) {
        if on {
            self.interest.fetch_or(CACHES, Ordering::Relaxed);
        } else {
            self.interest.fetch_and(!CACHES, Ordering::Relaxed);
        }
    }

    /// One key more is watched or waited for.
    pub(crate) fn watch(&self) {
        self.interest.fetch_add(1, Ordering::Relaxed);
    }

    /// One key less is watched or waited for.
    pub(crate) fn unwatch(&self) {
        self.interest.fetch_sub(1, Ordering::Relaxed);
    }

    /// What someone wants to know at the moment.
    #[inline(always)]
    pub(crate) fn interest(&self) -> Interest {
        Interest(self.interest.load(Ordering::Relaxed))
    }

    /// Tells of an event, if it is wanted. The empty event is none.
    #[cold]
    pub(crate) fn event(&self, interest: Interest, db: usize, event: Event, key: &[u8]) {
        if event.is_empty() || !interest.wants(class_of(event)) {
            return;
        }
        if let Some(observer) = self.observer.get() {
            observer.event(interest.classes(), db, event, key);
        }
    }

    /// Tells that what was read of a key holds no longer, if that is wanted.
    #[cold]
    pub(crate) fn invalidated(&self, interest: Interest, by: Author, key: &[u8]) {
        if interest.0 & CACHES != 0
            && let Some(observer) = self.observer.get()
        {
            observer.invalidated(by, key);
        }
    }

    /// Tells that what was read of any key holds no longer, if that is wanted.
    #[cold]
    pub(crate) fn all_invalidated(&self, by: Author) {
        if self.interest().0 & CACHES != 0
            && let Some(observer) = self.observer.get()
        {
            observer.all_invalidated(by);
        }
    }

    /// Tells that a key that clients wait for has gone by itself.
    #[cold]
    pub(crate) fn awaited_gone(&self, thread: usize, db: usize, key: &[u8]) {
        if let Some(observer) = self.observer.get() {
            observer.awaited_gone(thread, db, key);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn events_belong_to_classes() {
        for (event, letter) in [
            ("set", b'$'),
            ("rpush", b'l'),
            ("spop", b's'),
            ("hdel", b'h'),
            ("zincr", b'z'),
            ("xgroup-create", b't'),
            ("expire", b'g'),
            ("rename_from", b'g'),
            ("expired", b'x'),
            ("evicted", b'e'),
            ("new", b'n'),
            ("keymiss", b'm'),
        ] {
            let class = EventClasses::named(letter).expect("a class");
            assert_eq!(class_of(event), class, "{event}");
        }
    }

    #[test]
    fn interests_dont_disturb_each_other() {
        let observers = Observers::default();
        let all = EventClasses::ALL.and(EventClasses::KEYSPACE);
        observers.watch();
        observers.publish(all);
        observers.track(true);
        observers.unwatch();
        let interest = observers.interest();
        assert!(!interest.has_watched_keys() && interest.wants(EventClasses::LIST));
        assert_eq!(interest.classes(), all);
        observers.publish(EventClasses::ALL);
        assert!(!observers.interest().is_none(), "caches stay");
        observers.track(false);
        assert!(observers.interest().is_none(), "no channel, no event");
    }
}
