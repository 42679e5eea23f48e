//! The face every backend shows: what a thread may ask of its driver ([`Driver`]), and what the
//! driver reports back ([`Handler`]).

use crate::waker::Waker;
use std::io;
use std::time::Duration;

/// Dense slab index of a connection within one driver.
///
/// An id is reused only after [`Handler::closed`] returned for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ConnId(pub u32);

impl ConnId {
    /// The id as an index into a table of connections.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A listener within one driver; never used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListenerId(pub u32);

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic microseconds since an arbitrary start, the same for all threads.
    pub mono_us: u64,
    /// Unix time in microseconds.
    pub wall_us: u64,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer closed its side.
    Eof,
    /// The connection broke.
    Error(io::ErrorKind),
    /// This side asked for it with [`Driver::close`].
    Local,
}

/// What happens to queued output when this side closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseMode {
    /// Write what was queued, then close.
    Flush,
    /// Drop what was queued.
    Now,
}

/// What a driver reports during [`Driver::poll`].
///
/// A callback cannot call the driver: the worker notes what it wants done and does it after `poll`
/// returned.
pub trait Handler<S> {
    /// Called once in every poll that returns, before the other callbacks.
    fn tick(&mut self, now: Now);

    /// A listener accepted a connection. The socket belongs to no driver yet; any thread's driver
    /// of the same kind may adopt it.
    fn accepted(&mut self, socket: S);

    /// Bytes arrived. `data` is valid only during the call. May come several times for one
    /// connection in one poll.
    fn received(&mut self, conn: ConnId, data: &[u8]);

    /// This whole buffer was written, or dropped because the connection closed; it comes back for
    /// reuse. Buffers come back in the order they were queued.
    fn sent(&mut self, conn: ConnId, buf: Vec<u8>);

    /// The connection is gone. Called exactly once per adopted connection, also for local closes,
    /// and after everything else about that connection.
    fn closed(&mut self, conn: ConnId, reason: CloseReason);

    /// A connection was given up ([`Driver::release`]) and is this driver's no more; called instead
    /// of `closed`. The socket may be adopted by any driver of the same kind, which must be told of
    /// `unread`: what came in before this one could stop receiving.
    fn released(&mut self, conn: ConnId, socket: S, unread: Vec<u8>);
}

/// One thread's connections and listeners.
///
/// An id that is not, or no longer, a connection of this driver is ignored by every method, and
/// `send` hands its buffer straight back.
pub trait Driver {
    /// A connected socket that no driver has adopted.
    type Socket: Send + 'static;
    /// A bound, listening socket.
    type Listener: Send + 'static;

    /// Accept connections from `listener` from now on.
    fn listen(&mut self, listener: Self::Listener) -> io::Result<ListenerId>;

    /// Accept no more from this listener, and close it.
    fn unlisten(&mut self, listener: ListenerId);

    /// Take over a connected socket.
    fn adopt(&mut self, socket: Self::Socket) -> io::Result<ConnId>;

    /// Queue a buffer. Buffers of one connection are written in order. A buffer that was written
    /// (or refused, the connection being on its way out) at once is returned; any other comes back
    /// through [`Handler::sent`].
    fn send(&mut self, conn: ConnId, buf: Vec<u8>) -> Option<Vec<u8>>;

    /// Bytes queued and not yet taken by the kernel.
    fn unsent(&self, conn: ConnId) -> usize;

    /// Back-pressure: after this call nothing is received until [`resume_recv`](Self::resume_recv).
    /// A paused connection does not notice that its peer has left, either.
    fn pause_recv(&mut self, conn: ConnId);

    /// End a pause.
    fn resume_recv(&mut self, conn: ConnId);

    /// Close from this side. Nothing more is received, further sends are dropped, and
    /// [`Handler::closed`] follows in a later poll. `Now` may follow a `Flush` that takes too long.
    fn close(&mut self, conn: ConnId, mode: CloseMode);

    /// Give a connection up, for another driver to adopt. Nothing more is received, what is queued
    /// is written, and [`Handler::released`] follows in a later poll, or [`Handler::closed`] if the
    /// connection ends before.
    fn release(&mut self, conn: ConnId);

    /// Wait at most `timeout` (`None`: for ever; zero: only look) and report what happened.
    /// Everything queued is submitted with the same system call where the backend can.
    fn poll(
        &mut self,
        timeout: Option<Duration>,
        handler: &mut impl Handler<Self::Socket>,
    ) -> io::Result<()>;

    /// The time now. Inside a tick, prefer the reading that [`Handler::tick`] gave.
    fn now(&self) -> Now;

    /// CPU time that this thread has used so far.
    fn cpu_time(&self) -> Duration;

    /// A handle with which any thread makes a concurrent or the next poll return.
    fn waker(&self) -> Waker;

    /// `epoll`, `io_uring` or `simulated`.
    fn name(&self) -> &'static str;
}
