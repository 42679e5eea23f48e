//! Families of keys that running scripts have for themselves.
//!
//! A script that makes names of keys as it goes (`BullMQ` does) can't lock their shards before it
//! begins, and if it locked them as it goes, two such scripts could wait for each other with half
//! of their writes done. But such names have something in common, most often that they begin alike:
//! with the name of a queue. All keys that begin alike are a *family*, named by that beginning.
//!
//! A script takes its families before it begins, all or none, and no other script with one of them
//! runs meanwhile. Shards that it touches are reserved (see [`crate::lock`]), which keeps everyone
//! else out of them but scripts of other families: those may come and go between its commands, as
//! their keys are others. So scripts on different queues run side by side.
//!
//! A script may want a family more when it has begun. If another script has that one, it waits,
//! unless that other waits for it: [`Extended::Circle`].

use std::sync::Arc;

use smallvec::SmallVec;

use crate::lock::Holder;
use crate::sync::{Mutex, Waiter, spin_loop};

/// How often a script looks again whether it may begin before its connection is parked, and turns
/// of waiting between two looks.
const TURNS: usize = if cfg!(loom) { 1 } else { 8 };
const SPINS: usize = if cfg!(loom) { 1 } else { 25 };

/// The beginning of the names of a family's keys.
pub type Name = SmallVec<[u8; 64]>;
/// Families of one script.
pub type Names = Arc<[Name]>;

/// What has become of the wish for another family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extended {
    /// The script has it, and so has these.
    Done(Names),
    /// A script has it that will end: try again soon.
    Later,
    /// The script that has it waits for this one.
    Circle,
}

/// See the module.
#[derive(Debug)]
pub struct Families(Mutex<Vec<Running>>);

#[derive(Debug)]
struct Running {
    holder: Holder,
    names: Names,
    /// The script for whose end this one waits.
    waits_for: Option<Holder>,
    /// Connections whose scripts can't begin before this one has ended.
    waiters: Vec<Waiter>,
}

impl Default for Families {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl Families {
    /// Takes these families for a script that begins. False if another script has one of them for
    /// long: the waiter is woken when that has ended.
    pub fn begin(&self, holder: Holder, names: &Names, waiter: Waiter) -> bool {
        // Most scripts are over sooner than a connection is parked and woken by another thread.
        for _ in 0..TURNS {
            if self.try_begin(holder, names, None) {
                return true;
            }
            (0..SPINS).for_each(|_| spin_loop());
        }
        self.try_begin(holder, names, Some(waiter))
    }

    fn try_begin(&self, holder: Holder, names: &Names, waiter: Option<Waiter>) -> bool {
        let mut running = self.running();
        if let Some(other) = running.iter_mut().find(|other| meet(&other.names, names)) {
            other.waiters.extend(waiter);
            return false;
        }
        running.push(Running {
            holder,
            names: Arc::clone(names),
            waits_for: None,
            waiters: Vec::new(),
        });
        true
    }

    /// Takes one family more for a running script.
    pub fn extend(&self, holder: Holder, name: &[u8]) -> Extended {
        let mut running = self.running();
        let wanted = [Name::from_slice(name)];
        let other = running
            .iter()
            .find(|other| other.holder != holder && meet(&other.names, &wanted));
        let other = other.map(|other| other.holder);
        let is_circle = other.is_some_and(|other| waits(&running, other, holder));
        let own = running.iter_mut().find(|own| own.holder == holder);
        let own = own.expect("a running script");
        own.waits_for = other.filter(|_| !is_circle);
        match other {
            Some(_) if is_circle => Extended::Circle,
            Some(_) => Extended::Later,
            None => {
                own.names = own.names.iter().cloned().chain(wanted).collect();
                Extended::Done(Arc::clone(&own.names))
            }
        }
    }

    /// Takes families for a script that has begun without, whoever has them. Returns whether one of
    /// them is another script's.
    pub fn begin_late(&self, holder: Holder, names: Names) -> bool {
        let mut running = self.running();
        let is_taken = running.iter().any(|other| meet(&other.names, &names));
        running.push(Running {
            holder,
            names,
            waits_for: None,
            waiters: Vec::new(),
        });
        is_taken
    }

    /// Ends a script; the returned waiters are to be woken.
    #[must_use]
    pub fn end(&self, holder: Holder) -> Vec<Waiter> {
        let mut running = self.running();
        let at = running.iter().position(|own| own.holder == holder);
        running.swap_remove(at.expect("a running script")).waiters
    }

    #[cfg(not(loom))]
    fn running(&self) -> std::sync::MutexGuard<'_, Vec<Running>> {
        self.0.lock().expect("no one panics while holding it")
    }

    #[cfg(loom)]
    fn running(&self) -> loom::sync::MutexGuard<'_, Vec<Running>> {
        self.0.lock().expect("no one panics while holding it")
    }
}

/// Whether a key belongs to one of these families.
pub fn cover(names: &[Name], key: &[u8]) -> bool {
    names.iter().any(|name| key.starts_with(name))
}

/// Whether a key may belong to a family of both.
fn meet(some: &[Name], others: &[Name]) -> bool {
    some.iter().any(|name| {
        others
            .iter()
            .any(|other| name.starts_with(other) || other.starts_with(name))
    })
}

/// Whether a script waits for another, or for one that waits for it.
fn waits(running: &[Running], script: Holder, other: Holder) -> bool {
    let next = |script: Holder| {
        running
            .iter()
            .find(|own| own.holder == script)
            .and_then(|own| own.waits_for)
    };
    // There are no circles yet: each would have been found when it was about to be closed.
    std::iter::successors(Some(script), |&script| next(script)).any(|script| script == other)
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::lock::ShardLock;
    use crate::sync::yield_now;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    /// Two shards with a number each, and scripts that change them.
    struct Store {
        families: Families,
        locks: [ShardLock; 2],
        data: [UnsafeCell<usize>; 2],
    }

    impl Store {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                families: Families::default(),
                locks: Default::default(),
                data: Default::default(),
            })
        }

        /// Runs a script that has its families: one command on each shard.
        fn run(&self, holder: Holder, order: [usize; 2], mut command: impl FnMut(&mut usize)) {
            for shard in order {
                while !self.locks[shard].latch(holder, true) {
                    yield_now();
                }
                // SAFETY: the shard is latched.
                self.data[shard].with_mut(|data| command(unsafe { &mut *data }));
                self.locks[shard].unlatch();
            }
        }

        /// Ends a script; returns whom it has kept from running.
        fn end(&self, holder: Holder) -> usize {
            let at_shards: usize = self
                .locks
                .iter()
                .map(|lock| lock.unreserve(holder).len())
                .sum();
            at_shards + self.families.end(holder).len()
        }

        /// A transaction on both shards, which must not see a half of a script; false if it was
        /// parked.
        fn transact(&self, holder: Holder, waiter: Waiter) -> bool {
            for shard in 0..2 {
                while !self.locks[shard].try_lock(holder) {
                    if self.locks[shard].park(waiter) {
                        for held in &self.locks[..shard] {
                            assert!(held.unlock().is_empty());
                        }
                        return false;
                    }
                }
            }
            // SAFETY: both shards are locked.
            let [a, b] = [0, 1].map(|shard| self.data[shard].with(|data| unsafe { *data }));
            assert_eq!(a, b, "half of a script was seen");
            for lock in &self.locks {
                assert!(lock.unlock().is_empty());
            }
            true
        }
    }

    fn waiter(thread: u16) -> Waiter {
        Waiter { thread, token: 0 }
    }

    fn family(name: &str) -> Names {
        Names::from_iter([Name::from_slice(name.as_bytes())])
    }

    #[test]
    fn loom_no_transaction_sees_half_of_a_script() {
        loom::model(|| {
            let store = Store::new();
            let other = store.clone();
            let ordinary = thread::spawn(move || other.transact(Holder::new(1, 0), waiter(1)));
            let script = Holder::new(0, 0);
            assert!(store.families.begin(script, &family("a"), waiter(0)));
            store.run(script, [0, 1], |data| *data += 1);
            let woken = store.end(script);
            let has_run = ordinary.join().unwrap();
            assert_eq!(woken, usize::from(!has_run), "a waiter was forgotten");
        });
    }

    #[test]
    fn loom_scripts_of_one_family_run_one_after_the_other() {
        loom::model(|| {
            let store = Store::new();
            let other = store.clone();
            let script = move |store: &Store, thread: u16, order: [usize; 2]| {
                let holder = Holder::new(usize::from(thread), 0);
                if !store.families.begin(holder, &family("a"), waiter(thread)) {
                    return (0, 0);
                }
                // Each doubles what the first finds at 1: a mixture would give other numbers.
                let mut seen = None;
                store.run(holder, order, |data| {
                    assert!(*seen.get_or_insert(*data) == *data, "another came between");
                    *data += 1;
                });
                (1, store.end(holder))
            };
            let first = thread::spawn(move || script(&other, 0, [0, 1]));
            let (ran, woken) = script(&store, 1, [1, 0]);
            let (other_ran, other_woken) = first.join().unwrap();
            assert_eq!(ran + other_ran + woken + other_woken, 2);
        });
    }

    #[test]
    fn loom_scripts_that_want_each_others_families_end() {
        loom::model(|| {
            let store = Store::new();
            for (thread, name) in ["a", "b"].into_iter().enumerate() {
                let holder = Holder::new(thread, 0);
                assert!(store.families.begin(holder, &family(name), waiter(0)));
            }
            let script = |store: &Store, thread: usize, wanted: &[u8]| {
                let holder = Holder::new(thread, 0);
                let extended = loop {
                    match store.families.extend(holder, wanted) {
                        Extended::Later => yield_now(),
                        other => break other,
                    }
                };
                assert!(store.families.end(holder).is_empty());
                extended
            };
            let other = store.clone();
            let first = thread::spawn(move || script(&other, 0, b"b"));
            let last = script(&store, 1, b"a");
            let circles = [first.join().unwrap(), last]
                .iter()
                .filter(|&extended| *extended == Extended::Circle)
                .count();
            assert!(circles <= 1);
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> Names {
        of.iter()
            .map(|name| Name::from_slice(name.as_bytes()))
            .collect()
    }

    fn waiter(token: u64) -> Waiter {
        Waiter { thread: 0, token }
    }

    #[test]
    fn families_with_common_keys_wait_for_each_other() {
        let families = Families::default();
        let [a, b, c] = [0, 1, 2].map(|thread| Holder::new(thread, 7));
        assert!(families.begin(a, &names(&["bull:mail:"]), waiter(1)));
        assert!(families.begin(b, &names(&["bull:video:", "x"]), waiter(2)));
        for common in [
            &["bull:mail:9"][..],
            &["bull:"],
            &["y", "bull:mail:"],
            &[""],
        ] {
            assert!(!families.begin(c, &names(common), waiter(3)), "{common:?}");
        }
        assert!(families.begin(c, &names(&["bull:mailing"]), waiter(4)));
        assert_eq!(families.end(c), []);
        assert_eq!(families.end(a).len(), 4);
        assert!(families.begin(a, &names(&["bull:mail:1"]), waiter(5)));
        assert_eq!(families.end(b), []);
        assert_eq!(families.end(a), []);
    }

    #[test]
    fn a_circle_of_three_is_seen_by_who_closes_it() {
        let families = Families::default();
        let [a, b, c] = [0, 1, 2].map(|thread| Holder::new(thread, 0));
        for (script, name) in [(a, "a"), (b, "b"), (c, "c")] {
            assert!(families.begin(script, &names(&[name]), waiter(0)));
        }
        assert_eq!(families.extend(a, b"d"), Extended::Done(names(&["a", "d"])));
        assert_eq!(families.extend(a, b"b1"), Extended::Later);
        assert_eq!(families.extend(b, b"c1"), Extended::Later);
        assert_eq!(families.extend(c, b"d1"), Extended::Circle);
        assert_eq!(families.end(c), []);
        assert_eq!(
            families.extend(b, b"c1"),
            Extended::Done(names(&["b", "c1"]))
        );
        assert_eq!(families.end(b), []);
        assert_eq!(
            families.extend(a, b"b1"),
            Extended::Done(names(&["a", "d", "b1"]))
        );
    }
}
