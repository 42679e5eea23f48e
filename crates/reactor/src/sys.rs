//! The system calls the backends share, each as a safe function.

use crate::driver::{CloseReason, Now};
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// How many buffers one vectored write covers at most.
pub(crate) const MAX_IOVECS: usize = 64;

/// Turns the -1 of a system call into its error.
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn check_len(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Reads both clocks.
pub(crate) fn now() -> Now {
    Now {
        mono_us: clock_us(libc::CLOCK_MONOTONIC),
        wall_us: clock_us(libc::CLOCK_REALTIME),
    }
}

/// CPU time that the calling thread has used.
pub(crate) fn cpu_time() -> Duration {
    Duration::from_micros(clock_us(libc::CLOCK_THREAD_CPUTIME_ID))
}

fn clock_us(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for the result; both clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}

/// A new event counter, non-blocking.
pub(crate) fn event_fd() -> io::Result<OwnedFd> {
    // SAFETY: no pointers; a non-negative result is a descriptor that nobody else owns.
    unsafe {
        let fd = check(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Makes an event counter readable.
pub(crate) fn ring_event_fd(fd: RawFd) {
    let one = 1u64.to_ne_bytes();
    // SAFETY: `one` is 8 readable bytes. The write fails only if the counter is full, and then the
    // descriptor is readable as wanted.
    unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
}

/// Makes an event counter unreadable again.
pub(crate) fn quiet_event_fd(fd: RawFd) {
    let mut count = [0u8; 8];
    // SAFETY: `count` is 8 writable bytes. Failing (nothing to read) is fine.
    unsafe { libc::read(fd, count.as_mut_ptr().cast(), count.len()) };
}

/// One read from a socket, never waiting.
pub(crate) fn recv(fd: RawFd, buf: &mut [u8]) -> io::Result<usize> {
    // SAFETY: `buf` is writable for its length.
    check_len(unsafe { libc::recv(fd, buf.as_mut_ptr().cast(), buf.len(), libc::MSG_DONTWAIT) })
}

/// One write to a socket, never waiting, never raising SIGPIPE.
pub(crate) fn send(fd: RawFd, buf: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `buf` is readable for its length.
    check_len(unsafe { libc::send(fd, buf.as_ptr().cast(), buf.len(), flags) })
}

/// One vectored write to a socket, never waiting, never raising SIGPIPE.
///
/// # Safety
/// Every entry of `iovecs` must describe readable memory.
pub(crate) unsafe fn send_vectored(fd: RawFd, iovecs: &mut [libc::iovec]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: a zeroed msghdr is a valid empty one.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = iovecs.as_mut_ptr();
    message.msg_iovlen = iovecs.len() as _;
    // SAFETY: the header points at `iovecs`, whose entries the caller vouches for.
    check_len(unsafe { libc::sendmsg(fd, &raw const message, flags) })
}

/// Ends both directions of a connection, after what has been written; or a socket's listening.
pub(crate) fn shutdown(fd: RawFd) {
    // SAFETY: integers only. It fails if the peer was quicker, which is fine.
    unsafe { libc::shutdown(fd, libc::SHUT_RDWR) };
}

/// Sets an integer socket option.
pub(crate) fn set_option(
    fd: RawFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let size = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` is a readable int of the stated size.
    check(unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), size) })?;
    Ok(())
}

/// Sets or clears `O_NONBLOCK`.
pub(crate) fn set_nonblocking(fd: RawFd, nonblocking: bool) -> io::Result<()> {
    // SAFETY: fcntl with integer arguments.
    let old = check(unsafe { libc::fcntl(fd, libc::F_GETFL) })?;
    let new = if nonblocking {
        old | libc::O_NONBLOCK
    } else {
        old & !libc::O_NONBLOCK
    };
    if new != old {
        // SAFETY: as above.
        check(unsafe { libc::fcntl(fd, libc::F_SETFL, new) })?;
    }
    Ok(())
}

/// Accepts one connection. The descriptor is a blocking one: the drivers ask for non-blocking
/// behaviour per call, and `io_uring` would give up early on an `O_NONBLOCK` socket.
pub(crate) fn accept(listener: RawFd) -> io::Result<OwnedFd> {
    let nowhere = std::ptr::null_mut();
    // SAFETY: null address pointers ask for no address; a non-negative result is a new descriptor.
    unsafe {
        let fd = libc::accept4(listener, nowhere, std::ptr::null_mut(), libc::SOCK_CLOEXEC);
        Ok(OwnedFd::from_raw_fd(check(fd)?))
    }
}

/// The reason a connection ends with when a system call on it failed.
pub(crate) fn broken(error: &io::Error) -> CloseReason {
    CloseReason::Error(error.kind())
}

/// Whether a non-blocking call would have had to wait.
pub(crate) fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Whether a call was cut short by a signal and can be repeated.
pub(crate) fn interrupted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}

/// An epoll instance.
pub(crate) struct Epoll(OwnedFd);

impl Epoll {
    pub(crate) fn new() -> io::Result<Epoll> {
        // SAFETY: no pointers; a non-negative result is a descriptor that nobody else owns.
        unsafe {
            Ok(Epoll(OwnedFd::from_raw_fd(check(libc::epoll_create1(
                libc::EPOLL_CLOEXEC,
            ))?)))
        }
    }

    pub(crate) fn add(&self, fd: RawFd, events: u32, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, events, token)
    }

    pub(crate) fn modify(&self, fd: RawFd, events: u32, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, events, token)
    }

    pub(crate) fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    fn control(&self, op: libc::c_int, fd: RawFd, events: u32, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: `event` is valid for the call.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), op, fd, &raw mut event) })?;
        Ok(())
    }

    /// Waits for events; a signal counts as none. Returns how many of `events` were filled.
    pub(crate) fn wait(&self, events: &mut [libc::epoll_event], ms: i32) -> io::Result<usize> {
        let (place, room) = (events.as_mut_ptr(), events.len() as libc::c_int);
        // SAFETY: `events` is writable for its length.
        match check(unsafe { libc::epoll_wait(self.0.as_raw_fd(), place, room, ms) }) {
            Ok(count) => Ok(count as usize),
            Err(error) if interrupted(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }
}
