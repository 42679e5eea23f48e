//! How many threads serve, and how many of their connections are to go to other threads.
//!
//! Two threads that work on the same keys cost more than one: what they have in common travels
//! between their cores, scripts have to lock what they touch, and each wakes and calls the kernel
//! for itself. So connections gather on as few threads as have room for them, and spread when these
//! have none and there are cores to spare. A connection moves when it has just been answered
//! (`worker/moves.rs`); who is silent stays where it is.
//!
//! Ten times a second each thread says how busy it has been ([`Balance`]), the first decides how
//! many are to serve ([`Course`]), and each finds out how many connections to give away, and to
//! whom ([`Share`]).

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

/// Thousandths of a core.
type Permille = u32;

/// A thread that is busier than this has no room.
const FULL: Permille = 850;
/// There is a thread too many when the others would not be busier than this.
const ROOMY: Permille = 600;
/// Cores that must be idle before another thread serves: without them it would only take time from
/// whoever makes the load.
const SPARE: f64 = 0.75;
/// Idle time is counted in hundredths of a second, so it is looked at for so long.
const SPARE_SPAN_US: u64 = 150_000;
/// A thread that is less busy than this has nothing worth giving away.
const WORTH_MOVING: Permille = 20;
/// What each of the others may do beside one that is alone: periodic work.
const NOT_WORTH_MENTION: Permille = 30;
/// Who was in one tick for so long has made others wait who needn't.
const SLOW_TICK_US: u64 = 10_000;

/// How often all this is looked at.
const PERIOD_US: u64 = 100_000;
/// Periods with a thread too many before one is given up: less than this after the load has gone
/// it may be back.
const CALM: i32 = 10;
/// The same after a tick that was slow.
const CALM_AFTER_SLOW: i32 = 100;
/// Periods in which a slow tick is remembered: until it is known whether a core is idle.
const SLOW_MEMORY: u32 = 3;
/// Periods for which who found no core to spare doesn't look again.
const NO_SPARE_REST: u32 = 10;
/// Periods for which who has given connections away sees what came of it.
const GIVING_REST: u32 = 5;

/// What the threads know of each other.
#[derive(Debug)]
pub(crate) struct Balance {
    /// The threads below this number serve.
    serving: AtomicUsize,
    /// One serves, and the others do nothing worth mention.
    is_one_alone: AtomicBool,
    /// So many are to serve, whatever the load is; 0 if nothing was said.
    fixed: AtomicUsize,
    /// Connections move at all.
    moves: bool,
    loads: Box<[Load]>,
    /// The CPUs that the threads may run on; empty if that isn't known.
    pub(crate) cpus: Vec<usize>,
}

/// How busy a thread was in its last period.
#[derive(Debug, Default)]
struct Load {
    busy: AtomicU32,
    /// Some of what it does others could do.
    is_full: AtomicBool,
    slow_ticks: AtomicU32,
}

impl Balance {
    /// Of so many threads; one of them serves at first, or all if connections may not move.
    pub(crate) fn new(threads: usize, may_move: bool) -> Self {
        let moves = may_move && threads > 1;
        Self {
            serving: AtomicUsize::new(if moves { 1 } else { threads }),
            is_one_alone: AtomicBool::new(false),
            fixed: AtomicUsize::new(0),
            moves,
            loads: (0..threads).map(|_| Load::default()).collect(),
            cpus: Vec::new(),
        }
    }

    /// How many threads serve, the first ones.
    #[inline(always)]
    pub(crate) fn serving(&self) -> usize {
        self.serving.load(Ordering::Relaxed)
    }

    /// Whether one of several threads has as good as all the work: hardly anyone else is inside the
    /// gate then, so it is closed sooner than locks are taken.
    #[inline(always)]
    pub(crate) fn is_one_alone(&self) -> bool {
        self.is_one_alone.load(Ordering::Relaxed)
    }

    /// Whether connections move.
    pub(crate) fn moves(&self) -> bool {
        self.moves
    }

    /// Has so many threads serve, whatever the load is; 0 to go by the load.
    pub(crate) fn fix(&self, threads: usize) {
        self.fixed.store(threads, Ordering::Relaxed);
    }

    fn busy(&self) -> Vec<Permille> {
        let busy = |load: &Load| load.busy.load(Ordering::Relaxed);
        self.loads.iter().map(busy).collect()
    }

    /// Lets the first thread decide how many serve from now on. `idle` tells how long the CPUs have
    /// been idle so far, all together.
    pub(crate) fn steer(
        &self,
        course: &mut Course,
        now_us: u64,
        idle: impl FnOnce() -> Option<Duration>,
    ) {
        let serving = self.serving();
        let mut strain = Strain::default();
        for (number, load) in self.loads.iter().enumerate() {
            strain.is_full |= number < serving && load.is_full.load(Ordering::Relaxed);
            strain.was_slow |= load.slow_ticks.swap(0, Ordering::Relaxed) > 0;
        }
        let busy = self.busy();
        let next = match self.fixed.load(Ordering::Relaxed) {
            0 => course.next(serving, &busy, strain, now_us, idle),
            fixed => fixed,
        };
        self.serving.store(next, Ordering::Relaxed);
        // Connections that can't move may have stayed with others.
        let mut others = busy.iter().skip(1);
        let is_one_alone = next == 1 && others.all(|&busy| busy <= NOT_WORTH_MENTION);
        self.is_one_alone.store(is_one_alone, Ordering::Relaxed);
    }
}

/// Why more threads might have to serve.
#[derive(Clone, Copy, Debug, Default)]
struct Strain {
    /// One of those that do is full.
    is_full: bool,
    /// There was a slow tick.
    was_slow: bool,
}

/// What the first thread remembers from one decision to the next.
#[derive(Debug, Default)]
pub(crate) struct Course {
    /// Periods with a thread too many.
    calm: i32,
    /// Periods in which a slow tick is remembered.
    slow: u32,
    /// When there was no room, and how long the CPUs had been idle until then.
    found_full: Option<(u64, Option<Duration>)>,
    /// Periods for which more threads would be of no use.
    rest: u32,
}

impl Course {
    /// How many threads are to serve, now that `serving` do.
    fn next(
        &mut self,
        serving: usize,
        busy: &[Permille],
        Strain { is_full, was_slow }: Strain,
        now_us: u64,
        idle: impl FnOnce() -> Option<Duration>,
    ) -> usize {
        if was_slow {
            self.calm = -CALM_AFTER_SLOW;
            self.slow = SLOW_MEMORY;
        }
        let is_slow = self.slow > 0;
        self.slow = self.slow.saturating_sub(1);
        if (is_full || is_slow) && serving < busy.len() {
            if self.rest == 0 {
                return self.grow(serving, busy.len(), now_us, idle());
            }
        } else {
            self.found_full = None;
        }
        self.rest = self.rest.saturating_sub(1);
        let total: Permille = busy.iter().sum();
        if serving == 1 || is_full || total > ROOMY * (serving - 1) as Permille {
            self.calm = self.calm.min(0);
            return serving;
        }
        self.calm += 1;
        if self.calm < CALM {
            return serving;
        }
        self.calm = 0;
        serving - 1
    }

    /// Twice as many, if there was a core to spare since it was first seen that there is no room.
    fn grow(&mut self, serving: usize, all: usize, now_us: u64, idle: Option<Duration>) -> usize {
        let &mut (since_us, idle_then) = self.found_full.get_or_insert((now_us, idle));
        if now_us - since_us < SPARE_SPAN_US {
            return serving;
        }
        self.found_full = None;
        if let (Some(idle), Some(idle_then)) = (idle, idle_then) {
            let spare = idle.saturating_sub(idle_then);
            let passed = Duration::from_micros(now_us.saturating_sub(since_us));
            if spare < passed.mul_f64(SPARE) {
                self.rest = NO_SPARE_REST;
                return serving;
            }
        }
        all.min(serving * 2)
    }
}

/// What a thread knows of its own load, and what it gives away.
#[derive(Debug, Default)]
pub(crate) struct Share {
    since_us: u64,
    /// CPU time that the thread had used by then.
    used: Duration,
    slow_ticks: u32,
    /// The number of the period, to tell who has been heard of in it.
    period: u32,
    /// Connections that were.
    talking: u32,
    /// Periods for which it gives nothing away.
    rest: u32,
    /// So many of the connections that it answers next go to these threads in turn.
    gives: u32,
    /// While so many threads serve.
    serving: usize,
    targets: Vec<usize>,
    next_target: usize,
}

impl Share {
    /// Notes how long a tick took that served clients.
    #[inline]
    pub(crate) fn served_for(&mut self, tick_us: u64) {
        // Who has only one client has made nobody wait.
        if tick_us >= SLOW_TICK_US && self.talking > 1 {
            self.slow_ticks += 1;
        }
    }

    /// Notes that a connection was answered; `period` is when it last was.
    #[inline]
    pub(crate) fn answered(&mut self, period: &mut u32) {
        self.talking += u32::from(*period != self.period);
        *period = self.period;
    }

    /// Whether a period is over.
    pub(crate) fn is_due(&self, now_us: u64) -> bool {
        now_us.saturating_sub(self.since_us) >= PERIOD_US
    }

    /// Ends a period in which thread `number` came to have used `used` of CPU time.
    pub(crate) fn end_period(
        &mut self,
        balance: &Balance,
        number: usize,
        now_us: u64,
        used: Duration,
    ) {
        let passed_us = u128::from(now_us.saturating_sub(self.since_us).max(1));
        let used_us = used.saturating_sub(self.used).as_micros();
        let load = &balance.loads[number];
        let busy = (used_us * 1000 / passed_us).min(1000) as Permille;
        load.busy.store(busy, Ordering::Relaxed);
        // From one connection there is nothing to give away.
        let is_full = busy >= FULL && self.talking > 1;
        load.is_full.store(is_full, Ordering::Relaxed);
        let slow_ticks = std::mem::take(&mut self.slow_ticks);
        load.slow_ticks.fetch_add(slow_ticks, Ordering::Relaxed);
        (self.since_us, self.used) = (now_us, used);
    }

    /// Decides what is given away in the next period, from what was seen in the last one.
    pub(crate) fn plan(&mut self, balance: &Balance, number: usize) {
        let talking = std::mem::take(&mut self.talking);
        self.period = self.period.wrapping_add(1);
        self.serving = balance.serving();
        let (gives, targets) = planned(number, self.serving, &balance.busy(), talking);
        if number < self.serving && self.rest > 0 {
            self.rest -= 1;
            self.gives = 0;
        } else {
            self.rest = if gives > 0 { GIVING_REST } else { 0 };
            self.give(gives, targets);
        }
    }

    /// Gives so many of the connections that are answered next to these threads in turn.
    pub(crate) fn give(&mut self, gives: u32, targets: Vec<usize>) {
        self.gives = if targets.is_empty() { 0 } else { gives };
        self.targets = targets;
    }

    /// Whether a connection that has been answered should go.
    #[inline(always)]
    pub(crate) fn gives(&mut self, balance: &Balance) -> bool {
        self.gives > 0 && self.is_up_to_date(balance)
    }

    /// A plan is void when the number of threads that serve has changed: who was to give all away
    /// may have to serve again, and would send back what it was given.
    fn is_up_to_date(&mut self, balance: &Balance) -> bool {
        if balance.moves() && self.serving != balance.serving() {
            self.gives = 0;
        }
        self.gives > 0
    }

    /// Where the connection goes that is given away next.
    pub(crate) fn next_target(&mut self) -> usize {
        self.gives -= 1;
        self.next_target = (self.next_target + 1) % self.targets.len();
        self.targets[self.next_target]
    }
}

/// How many of the connections that talk a thread gives away, and to whom: all if it doesn't serve,
/// else so many that it would be no busier than the others, if all were alike.
fn planned(number: usize, serving: usize, busy: &[Permille], talking: u32) -> (u32, Vec<usize>) {
    let sum: Permille = busy.iter().take(serving).sum();
    let mean = sum / serving as Permille;
    let gives = if number >= serving {
        u32::MAX
    } else if busy[number] < WORTH_MOVING || busy[number] < mean + mean / 4 {
        0
    } else {
        let surplus = u64::from(busy[number] - mean);
        (u64::from(talking) * surplus / u64::from(busy[number])) as u32
    };
    let targets = (0..serving).filter(|&to| to != number && busy[to] <= mean);
    (gives, targets.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1000;
    const IS_FULL: Strain = Strain {
        is_full: true,
        was_slow: false,
    };
    const WAS_SLOW: Strain = Strain {
        is_full: false,
        was_slow: true,
    };

    /// Decides for some periods, in each of which so many cores were idle.
    fn after(
        course: &mut Course,
        mut serving: usize,
        periods: u64,
        busy: &[Permille],
        idle_cores: f64,
    ) -> usize {
        for period in 0..periods {
            let now_us = period * 100 * MS;
            let idle = Duration::from_micros(now_us).mul_f64(idle_cores);
            let strain = if busy.iter().any(|&busy| busy >= FULL) {
                IS_FULL
            } else {
                Strain::default()
            };
            serving = course.next(serving, busy, strain, now_us, || Some(idle));
        }
        serving
    }

    #[test]
    fn more_threads_serve_when_one_is_full_and_cores_are_idle() {
        let full = [950, 0, 0, 0];
        assert_eq!(after(&mut Course::default(), 1, 1, &full, 3.0), 1);
        assert_eq!(after(&mut Course::default(), 1, 2, &full, 3.0), 1);
        assert_eq!(after(&mut Course::default(), 1, 3, &full, 3.0), 2);
        assert_eq!(after(&mut Course::default(), 1, 10, &full, 3.0), 4);
        assert_eq!(after(&mut Course::default(), 1, 100, &full, 0.2), 1);
        assert_eq!(after(&mut Course::default(), 1, 100, &[800, 0], 1.0), 1);
        // Where nothing is known of idle cores there are some.
        let mut course = Course::default();
        assert_eq!(course.next(1, &full, IS_FULL, 0, || None), 1);
        assert_eq!(course.next(1, &full, IS_FULL, 200 * MS, || None), 2);
    }

    #[test]
    fn a_core_that_becomes_idle_is_found() {
        let mut course = Course::default();
        assert_eq!(after(&mut course, 1, 20, &[950, 0], 0.0), 1);
        assert_eq!(after(&mut course, 1, 20, &[950, 0], 1.0), 2);
    }

    #[test]
    fn fewer_threads_serve_when_they_have_had_room_for_a_while() {
        let calm = u64::from(CALM.unsigned_abs());
        assert_eq!(after(&mut Course::default(), 2, calm, &[300, 200], 1.0), 1);
        assert_eq!(
            after(&mut Course::default(), 2, calm - 1, &[300, 200], 1.0),
            2
        );
        assert_eq!(after(&mut Course::default(), 2, 1000, &[400, 300], 1.0), 2);
        assert_eq!(after(&mut Course::default(), 4, 3 * calm, &[50; 4], 1.0), 1);
        assert_eq!(after(&mut Course::default(), 1, 1000, &[0, 0], 1.0), 1);
    }

    #[test]
    fn slow_commands_are_kept_apart_from_others() {
        let mut course = Course::default();
        let idle = |at_us| move || Some(Duration::from_micros(at_us));
        let loads = [100, 0];
        let calm = Strain::default();
        assert_eq!(course.next(1, &loads, WAS_SLOW, 0, idle(0)), 1);
        assert_eq!(course.next(1, &loads, calm, 100 * MS, idle(100 * MS)), 1);
        assert_eq!(course.next(1, &loads, calm, 200 * MS, idle(200 * MS)), 2);
        let patience = u64::from((CALM_AFTER_SLOW + CALM).unsigned_abs());
        assert_eq!(after(&mut course, 2, patience - 1, &[50, 50], 1.0), 2);
        assert_eq!(after(&mut course, 2, 1, &[50, 50], 1.0), 1);
    }

    #[test]
    fn one_is_alone_when_the_others_do_nothing() {
        let balance = Balance::new(3, true);
        let is_alone = |busy: [Permille; 3]| {
            for (load, busy) in balance.loads.iter().zip(busy) {
                load.busy.store(busy, Ordering::Relaxed);
            }
            balance.steer(&mut Course::default(), 0, || None);
            balance.is_one_alone()
        };
        assert!(!balance.is_one_alone(), "nothing is known yet");
        assert!(is_alone([900, 20, 10]));
        assert!(!is_alone([300, 10, 40]), "some are tied to the others");
        balance.fix(2);
        assert!(!is_alone([300, 0, 0]));
        balance.fix(0);
    }

    #[test]
    fn what_is_given_away() {
        assert_eq!(planned(1, 1, &[100, 50], 7), (u32::MAX, vec![0]));
        assert_eq!(planned(0, 2, &[950, 0], 50), (25, vec![1]));
        assert_eq!(planned(0, 4, &[800, 0, 0, 0], 50), (37, vec![1, 2, 3]));
        assert_eq!(planned(3, 3, &[600, 100, 500, 9], 50), (u32::MAX, vec![1]));
        // About even, nothing to speak of, or one connection that makes all the load.
        assert_eq!(planned(0, 2, &[600, 400], 50).0, 0);
        assert_eq!(planned(0, 2, &[10, 0], 50).0, 0);
        assert_eq!(planned(0, 2, &[950, 0], 1).0, 0);
    }

    #[test]
    fn a_thread_gives_and_then_rests() {
        let balance = Balance::new(2, true);
        balance.serving.store(2, Ordering::Relaxed);
        let mut share = Share::default();
        let mut periods = vec![u32::MAX; 10];
        let mut used = Duration::ZERO;
        let mut period = |share: &mut Share, at: u64| {
            for period in &mut periods {
                share.answered(period);
                share.answered(period);
            }
            used += Duration::from_millis(90);
            assert!(share.is_due(at * 100 * MS) && !share.is_due(at * 100 * MS - 1));
            share.end_period(&balance, 0, at * 100 * MS, used);
            share.plan(&balance, 0);
        };
        period(&mut share, 1);
        assert_eq!(balance.busy(), [900, 0]);
        assert!(balance.loads[0].is_full.load(Ordering::Relaxed));
        for _ in 0..5 {
            assert!(share.gives(&balance));
            assert_eq!(share.next_target(), 1);
        }
        assert!(!share.gives(&balance));
        for at in 0..u64::from(GIVING_REST) {
            period(&mut share, 2 + at);
            assert!(!share.gives(&balance));
        }
        period(&mut share, 2 + u64::from(GIVING_REST));
        assert!(share.gives(&balance));
    }
}
