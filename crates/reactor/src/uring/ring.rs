//! The two queues shared with the kernel: setting them up as well as this kernel allows, queueing
//! requests, and the one system call that submits and waits.

use crate::sys;
use io_uring::{EnterFlags, IoUring, cqueue, squeue};
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// From the kernel's interface: register the ring's own descriptor.
const REGISTER_RING_FDS: libc::c_uint = 20;

pub(crate) struct Ring {
    queues: IoUring,
    /// What to pass as the ring: its descriptor, or the index under which that is registered.
    handle: libc::c_int,
    /// Flags of every enter.
    flags: EnterFlags,
}

/// One finished request, or one result of a request that goes on.
#[derive(Clone, Copy)]
pub(crate) struct Completion {
    pub(crate) user_data: u64,
    pub(crate) result: i32,
    flags: u32,
}

impl Completion {
    /// Whether more results of the same request will come.
    pub(crate) fn more(&self) -> bool {
        cqueue::more(self.flags)
    }

    /// The provided buffer that holds the result.
    pub(crate) fn buffer(&self) -> Option<u16> {
        cqueue::buffer_select(self.flags)
    }
}

impl Ring {
    /// Sets up the queues, to be used from this thread only.
    pub(crate) fn new(entries: u32) -> io::Result<Ring> {
        let ring = build(entries)?;
        let mut flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
        if !ring.params().is_feature_ext_arg() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // A wait counts as I/O wait otherwise, and an idle server shows up as a loaded disk.
        if ring.params().is_feature_no_iowait() {
            flags |= EnterFlags::NO_IOWAIT;
        }
        let handle = match register_own_fd(&ring) {
            Ok(index) => {
                flags |= EnterFlags::REGISTERED_RING;
                index
            }
            Err(_) => ring.as_raw_fd(),
        };
        Ok(Ring {
            queues: ring,
            handle,
            flags,
        })
    }

    pub(crate) fn submitter(&self) -> io_uring::Submitter<'_> {
        self.queues.submitter()
    }

    /// Queues a request, submitting what is queued if there is no room.
    ///
    /// # Safety
    /// What the request points to must stay valid until its completion (the last one, if it has
    /// several) has been reaped.
    pub(crate) unsafe fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        loop {
            // SAFETY: the caller's promise.
            if unsafe { self.queues.submission().push(entry) }.is_ok() {
                return Ok(());
            }
            self.enter(0, None)?;
        }
    }

    /// Submits everything queued and waits for a completion, at most for `timeout`.
    ///
    /// Sends nearly always complete while they are being submitted, and so end the wait. To wait
    /// for that many more was tried, with the kernel's minimum wait time as the way out when one
    /// does not: arming its timer costs more than the second system call it saves.
    pub(crate) fn submit_and_wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) {
            return self.enter(0, None);
        }
        let mut wait = Wait::default();
        let timespec = timeout.map(|timeout| Timespec {
            seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            nanos: i64::from(timeout.subsec_nanos()),
        });
        if let Some(timespec) = &timespec {
            wait.timespec = std::ptr::from_ref(timespec) as u64;
        }
        self.enter(1, Some(&wait))
    }

    fn enter(&mut self, want: u32, wait: Option<&Wait>) -> io::Result<()> {
        let to_submit = self.queues.submission().len() as libc::c_uint;
        let none = Wait::default();
        let wait = std::ptr::from_ref(wait.unwrap_or(&none));
        let size = size_of::<Wait>();
        // SAFETY: `handle` is this ring; `wait` and the timespec it points to outlive the call;
        // what the queued requests point to is the promise of `push`.
        let result = unsafe {
            let enter = libc::SYS_io_uring_enter;
            libc::syscall(
                enter,
                self.handle,
                to_submit,
                want,
                self.flags.bits(),
                wait,
                size,
            )
        };
        if result >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            // Time is up; a signal; or the kernel wants completions reaped before it takes more.
            Some(libc::ETIME | libc::EINTR | libc::EAGAIN | libc::EBUSY) => Ok(()),
            _ => Err(error),
        }
    }

    /// Moves all completions into `into`.
    pub(crate) fn reap(&mut self, into: &mut Vec<Completion>) {
        into.extend(self.queues.completion().map(|entry| Completion {
            user_data: entry.user_data(),
            result: entry.result(),
            flags: entry.flags(),
        }));
    }
}

/// The kernel's `io_uring_getevents_arg`.
#[repr(C)]
#[derive(Default)]
struct Wait {
    signal_mask: u64,
    signal_mask_size: u32,
    min_wait_us: u32,
    timespec: u64,
}

/// The kernel's `__kernel_timespec`.
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanos: i64,
}

/// The best set-up this kernel knows: work is deferred until this thread asks for completions, so
/// that nothing interrupts it (Linux 6.1), and there is no index array (6.6).
fn build(entries: u32) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder
        .setup_cqsize(entries * 8)
        .setup_clamp()
        .setup_submit_all();
    let plain = builder.clone();
    builder.setup_coop_taskrun();
    let cooperative = builder.clone();
    builder.setup_single_issuer().setup_defer_taskrun();
    let deferred = builder.clone();
    builder.setup_no_sqarray();
    let mut last = io::ErrorKind::Unsupported.into();
    for attempt in [builder, deferred, cooperative, plain] {
        match attempt.build(entries) {
            Ok(ring) => return Ok(ring),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Registers the ring's descriptor with itself, which spares each enter the look-up; returns the
/// index to use instead.
fn register_own_fd(ring: &IoUring) -> io::Result<libc::c_int> {
    #[repr(C)]
    struct Update {
        offset: u32,
        reserved: u32,
        data: u64,
    }
    let fd = ring.as_raw_fd();
    let mut update = Update {
        offset: u32::MAX,
        reserved: 0,
        data: fd as u64,
    };
    let place = &raw mut update;
    // SAFETY: `update` is one writable element of the kind this registration takes.
    let result =
        unsafe { libc::syscall(libc::SYS_io_uring_register, fd, REGISTER_RING_FDS, place, 1) };
    sys::check(result as libc::c_int)?;
    Ok(update.offset as libc::c_int)
}
