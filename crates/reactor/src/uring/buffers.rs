//! The buffers that all connections of a thread receive into.
//!
//! The kernel takes a buffer from the ring when data has come, not when a receive is armed, so an
//! idle connection holds none. Only `FIRST` buffers are in the ring at the beginning; when a tick
//! finds it empty their number doubles, up to the configured one, so a quiet server touches a few
//! pages and a busy one gets what it needs.

use io_uring::Submitter;
use io_uring::types::BufRingEntry;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

/// The one buffer group of a ring.
pub(crate) const GROUP: u16 = 0;

/// Buffers in the ring at the beginning.
const FIRST: u16 = 16;

/// Space between buffers. Small requests touch only the first lines of each, and without the skew
/// all of those would fall into the same few sets of the caches.
const SKEW: usize = 5 * 64;

pub(crate) struct Buffers {
    ring: Pages,
    data: Pages,
    /// Size of the ring, a power of two.
    entries: u16,
    /// Buffers handed to the kernel so far; the rest has never been touched.
    in_use: u16,
    size: usize,
    /// Where the next entry goes. The kernel sees it when it is published.
    tail: u16,
}

impl Buffers {
    /// Maps `entries` (a power of two) buffers of `size` bytes and registers their ring.
    pub(crate) fn register(
        submitter: &Submitter<'_>,
        entries: u16,
        size: usize,
    ) -> io::Result<Self> {
        assert!(
            entries.is_power_of_two(),
            "the ring's size is a power of two"
        );
        let ring = Pages::map(usize::from(entries) * size_of::<BufRingEntry>())?;
        let data = Pages::map(usize::from(entries) * (size + SKEW))?;
        let mut buffers = Buffers {
            ring,
            data,
            entries,
            in_use: 0,
            size,
            tail: 0,
        };
        let addr = buffers.ring.start.as_ptr() as u64;
        // SAFETY: the pages are page-aligned, large enough, and unmapped only after the driver
        // has seen all its requests end.
        unsafe { submitter.register_buf_ring_with_flags(addr, entries, GROUP, 0)? };
        buffers.extend(FIRST.min(entries));
        buffers.publish();
        Ok(buffers)
    }

    /// The first `len` bytes of a buffer that the kernel has filled and not been given back.
    pub(crate) fn filled(&self, id: u16, len: usize) -> &[u8] {
        assert!(
            id < self.in_use && len <= self.size,
            "the kernel names a buffer it was given"
        );
        // SAFETY: within the mapping, as just checked; the kernel does not write to it before it
        // is given back, which needs the same object mutably.
        unsafe { std::slice::from_raw_parts(self.start_of(id), len) }
    }

    /// Gives a buffer back to the kernel, with the next `publish`.
    pub(crate) fn give_back(&mut self, id: u16) {
        let slot = usize::from(self.tail & (self.entries - 1));
        let addr = self.start_of(id) as u64;
        // SAFETY: `slot` is within the ring. The kernel reads entries only up to the published
        // tail, and there are never more entries than buffers, so this one is not being read.
        let entry = unsafe { &mut *self.ring.start.cast::<BufRingEntry>().as_ptr().add(slot) };
        entry.set_addr(addr);
        entry.set_len(self.size as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Lets the kernel see the entries added since the last time.
    pub(crate) fn publish(&mut self) {
        // SAFETY: the pointer is to the ring's first entry; the tail lies in an unused field of it
        // and is shared with the kernel, which reads it with acquire order.
        let tail = unsafe {
            let tail = BufRingEntry::tail(self.ring.start.cast::<BufRingEntry>().as_ptr());
            AtomicU16::from_ptr(tail.cast_mut())
        };
        tail.store(self.tail, Ordering::Release);
    }

    /// Doubles the number of buffers in use, as far as there are any.
    pub(crate) fn grow(&mut self) {
        self.extend(self.in_use.min(self.entries - self.in_use));
    }

    fn extend(&mut self, count: u16) {
        for id in self.in_use..self.in_use + count {
            self.give_back(id);
        }
        self.in_use += count;
    }

    fn start_of(&self, id: u16) -> *mut u8 {
        // SAFETY: ids are below `entries`, so this stays within the mapping.
        unsafe {
            self.data
                .start
                .as_ptr()
                .add(usize::from(id) * (self.size + SKEW))
        }
    }
}

/// An anonymous private mapping, filled with zeroes and backed by memory where it is touched.
struct Pages {
    start: NonNull<u8>,
    len: usize,
}

impl Pages {
    fn map(len: usize) -> io::Result<Pages> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping wherever there is room affects no existing memory.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, access, kind, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // A huge page would make one touched byte cost two megabytes. Only a wish.
        // SAFETY: the mapping just made.
        unsafe { libc::madvise(start, len, libc::MADV_NOHUGEPAGE) };
        let start = NonNull::new(start.cast()).expect("a mapping is never at address zero");
        Ok(Pages { start, len })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `map`, which nothing points to any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}
