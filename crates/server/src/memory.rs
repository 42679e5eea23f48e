//! How much memory the process has allocated: counted by the allocator itself.
//!
//! [`Counting`] stands before jemalloc. Each data thread adds what it allocates and takes off what
//! it frees in a counter on a cache line of its own, so that counting costs a few instructions and
//! no traffic between processors; all other threads, which come and go, share one. Who asks adds
//! all counters up: each group of commands does, as there is a limit to hold it against. A block
//! that one thread allocates and another frees makes one counter grow and the other shrink, perhaps
//! below zero: the sum is right.
//!
//! Counted is the size class that jemalloc serves a request from, as far as that follows from the
//! size, so that the sum is close to the allocator's own `stats.allocated`. What C libraries
//! allocate isn't counted.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::fs;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use tikv_jemallocator::Jemalloc;

/// Threads with a counter of their own; all others share the one behind these.
const OWN_COUNTERS: usize = 255;

#[repr(align(128))]
struct Counter(AtomicI64);

static COUNTERS: [Counter; OWN_COUNTERS + 1] =
    [const { Counter(AtomicI64::new(0)) }; OWN_COUNTERS + 1];
static NEXT: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);
static AT_START: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static OWN: Cell<usize> = const { Cell::new(OWN_COUNTERS) };
}

/// Gives the running thread, which is there to stay, a counter of its own.
pub fn count_alone() {
    if OWN.get() == OWN_COUNTERS {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        OWN.set(next.min(OWN_COUNTERS));
    }
}

/// The global allocator.
#[derive(Debug)]
pub struct Counting;

// SAFETY: every method passes its arguments on to jemalloc's and returns what that returns.
unsafe impl GlobalAlloc for Counting {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by this method's own contract.
        let block = unsafe { Jemalloc.alloc(layout) };
        if !block.is_null() {
            count(class(layout.size()));
        }
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by this method's own contract.
        let block = unsafe { Jemalloc.alloc_zeroed(layout) };
        if !block.is_null() {
            count(class(layout.size()));
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: by this method's own contract.
        unsafe { Jemalloc.dealloc(block, layout) };
        count(-class(layout.size()));
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: by this method's own contract.
        let block = unsafe { Jemalloc.realloc(block, layout, new_size) };
        if !block.is_null() {
            count(class(new_size) - class(layout.size()));
        }
        block
    }
}

/// The size class of a request: multiples of 16, then four for each doubling.
#[inline(always)]
const fn class(size: usize) -> i64 {
    // `| 64` makes the step 16 for everything up to 128; a size of 0 is never asked for.
    let step_bits = (size.wrapping_sub(1) | 64).ilog2() - 2;
    let mask = (1usize << step_bits) - 1;
    ((size + mask) & !mask) as i64
}

#[inline(always)]
fn count(bytes: i64) {
    let own = OWN.get();
    if own < OWN_COUNTERS {
        // No other thread writes it.
        let counter = &COUNTERS[own].0;
        counter.store(counter.load(Ordering::Relaxed) + bytes, Ordering::Relaxed);
    } else {
        COUNTERS[OWN_COUNTERS].0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Bytes that are allocated now.
pub fn used() -> u64 {
    let own = NEXT.load(Ordering::Relaxed).min(OWN_COUNTERS);
    let counters = COUNTERS[..own].iter().chain(&COUNTERS[OWN_COUNTERS..]);
    let sum: i64 = counters
        .map(|counter| counter.0.load(Ordering::Relaxed))
        .sum();
    u64::try_from(sum).unwrap_or(0)
}

/// The most that [`used`] has been when someone looked. Looks.
pub fn peak() -> u64 {
    let used = used();
    PEAK.fetch_max(used, Ordering::Relaxed).max(used)
}

/// Notes that what is allocated now belongs to the server itself: it is about to serve.
pub fn note_start() {
    AT_START.store(used(), Ordering::Relaxed);
}

/// What was allocated when the server began to serve.
pub fn at_start() -> u64 {
    AT_START.load(Ordering::Relaxed)
}

/// Bytes of the process that are in memory, as the kernel sees it; 0 where it doesn't say.
pub fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}

/// What the allocator says about itself, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocator {
    /// Handed out, to us and to C libraries.
    pub allocated: u64,
    /// In pages of which something is handed out.
    pub active: u64,
    /// In pages that are in memory.
    pub resident: u64,
}

/// Asks the allocator. Takes up to milliseconds.
pub fn allocator() -> Allocator {
    use tikv_jemalloc_ctl::{epoch, stats};
    // The numbers are those of the last epoch; zero where the allocator keeps none.
    let _ = epoch::advance();
    Allocator {
        allocated: stats::allocated::read().unwrap_or(0) as u64,
        active: stats::active::read().unwrap_or(0) as u64,
        resident: stats::resident::read().unwrap_or(0) as u64,
    }
}

/// What the allocator tells those who know it well.
pub fn allocator_report() -> Vec<u8> {
    let mut report = Vec::new();
    // It writes to memory, which doesn't fail.
    let _ = tikv_jemalloc_ctl::stats_print::stats_print(
        &mut report,
        tikv_jemalloc_ctl::stats_print::Options::default(),
    );
    report
}

/// Has the allocator give back to the system what it keeps for later. False if it refuses.
pub fn purge() -> bool {
    // Number 4096 stands for all arenas.
    let name = c"arena.4096.purge".as_ptr();
    let (none, no_len) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the name ends with a zero byte; this control takes and gives nothing.
    unsafe { tikv_jemalloc_sys::mallctl(name, none, no_len, none, 0) == 0 }
}

/// Has the allocator's thread look for pages of this thread's arena that are to go back. It sleeps
/// until something happens, and what is freed while it is awake may not be enough.
pub fn wake_allocator() {
    // Just beyond what the allocator keeps for the thread, and a part of a huge page.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(64 << 10)));
}

/// Tells when it is time to [`purge`]: once what is used has shrunk and is at rest. What the
/// allocator keeps for the next request is little beside what was used, not beside what is left.
#[derive(Debug, Default)]
pub struct Shrinkage {
    looked_us: u64,
    last: u64,
    most: u64,
}

impl Shrinkage {
    /// Looks, once a second, at what is [`used`] now.
    pub fn is_over(&mut self, now_us: u64, used: u64) -> bool {
        if now_us < self.looked_us + 1_000_000 {
            return false;
        }
        let is_at_rest = used.abs_diff(self.last) <= used / 64;
        (self.looked_us, self.last) = (now_us, used);
        self.most = self.most.max(used);
        let is_over = is_at_rest && used < self.most - self.most / 16;
        if is_over {
            self.most = used;
        }
        is_over
    }
}

/// Which allocator it is.
pub fn allocator_name() -> String {
    let version = tikv_jemalloc_ctl::version::read().unwrap_or("unknown");
    let version = version.split('-').next().unwrap_or(version);
    format!("jemalloc-{version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_jemallocs() {
        let sizes = [
            1,
            16,
            17,
            112,
            128,
            129,
            160,
            161,
            192,
            256,
            257,
            320,
            513,
            4097,
            1 << 20,
        ];
        // SAFETY: only computes the size that an allocation would have.
        let real = |size| unsafe { tikv_jemalloc_sys::nallocx(size, 0) as i64 };
        for size in sizes {
            // For up to eight bytes jemalloc has a class of its own.
            assert_eq!(class(size), real(size).max(16), "{size}");
        }
    }

    #[test]
    fn what_is_allocated_here_and_freed_there_cancels_out() {
        // Tests run on the system's allocator, so only these calls count.
        let before = used();
        count_alone();
        let layout = Layout::from_size_align(5000, 8).unwrap();
        // SAFETY: blocks are used as they were allocated.
        unsafe {
            let block = Counting.alloc(layout);
            assert_eq!(used() - before, 5120);
            let block = Counting.realloc(block, layout, 100) as usize;
            assert_eq!(used() - before, 112);
            let freed = std::thread::spawn(move || {
                let layout = Layout::from_size_align(100, 8).unwrap();
                Counting.dealloc(block as *mut u8, layout);
            });
            freed.join().unwrap();
        }
        assert_eq!(used(), before);
        assert!(peak() >= before);
    }

    #[test]
    fn shrinkage_is_over_once_when_it_is_at_rest() {
        let mut shrinkage = Shrinkage::default();
        let mut now_us = 0;
        let mut look = |used| {
            now_us += 1_000_000;
            shrinkage.is_over(now_us, used)
        };
        assert!(!look(1000) && !look(1000), "nothing has shrunk");
        assert!(!look(500) && !look(400), "still shrinking");
        assert!(look(401) && !look(401), "once");
        assert!(!look(380) && !look(380), "too little");
        assert!(!look(370) && look(370), "little by little");
        assert!(!look(900) && !look(900), "grown");
        assert!(
            !shrinkage.is_over(now_us + 999_999, 10),
            "too early to look"
        );
        assert!(
            !shrinkage.is_over(now_us + 1_000_000, 10),
            "has just shrunk"
        );
        assert!(shrinkage.is_over(now_us + 2_000_000, 10));
    }

    #[test]
    fn the_allocator_reports_and_purges() {
        assert!(purge());
        wake_allocator();
        assert!(allocator_report().starts_with(b"___ Begin jemalloc statistics"));
    }

    #[test]
    fn the_system_knows_how_much_is_resident() {
        assert!(resident() > 100_000);
    }
}
