//! The completion backend: one system call per tick submits everything queued and waits.
//!
//! Accepts and receives are multishot: armed once, they report until they end. Received data lies
//! in buffers the kernel takes from a shared ring ([`buffers`]); it is handed on from there, and
//! the buffer goes straight back. Each connection has at most one write in flight, of its first
//! queued buffer or of several at once; buffers stay with the connection until the completion.
//!
//! A connection ends in two steps. When its end is decided (`Phase::Ended`), what is in flight is
//! cancelled; only when all its completions have come is it reported, its descriptor closed and
//! its id free, so no completion can be taken for another connection's.
//!
//! The end of a stream may be reaped together with the last request, whose reply is only sent
//! after the poll. So it takes effect one poll later.

mod buffers;
mod ring;

use crate::driver::{CloseMode, CloseReason, ConnId, Driver, Handler, ListenerId, Now};
use crate::listening::{AcceptFailure, Listeners};
use crate::net::{Listener, Socket};
use crate::outbox::Outbox;
use crate::slab::Slab;
use crate::sys::{self, MAX_IOVECS};
use crate::waker::Waker;
use buffers::Buffers;
use io_uring::types::{CancelBuilder, Fd};
use io_uring::{opcode, squeue};
use ring::{Completion, Ring};
use std::io;
use std::mem::{self, ManuallyDrop};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// What a completion belongs to: the upper half of its user data. The lower is a connection's id
/// or a listener's.
const RECEIVE: u64 = 0;
const SEND: u64 = 1 << 32;
const ACCEPT: u64 = 2 << 32;
const WAKE: u64 = 3 << 32;
const CANCEL: u64 = 4 << 32;
const KIND: u64 = !0 << 32;

/// Bytes of one buffer per send request; the request's length field has 32 bits.
const MAX_SEND: usize = 1 << 30;

/// Sizes of a [`UringDriver`].
#[derive(Clone, Copy, Debug)]
pub struct UringConfig {
    /// Length of the submission queue, a power of two.
    pub entries: u32,
    /// Receive buffers at most, a power of two; memory is used as the load asks for them.
    pub buffers: u16,
    /// Size of each.
    pub buffer_size: usize,
}

impl Default for UringConfig {
    fn default() -> Self {
        UringConfig {
            entries: 512,
            buffers: 256,
            buffer_size: 16 * 1024,
        }
    }
}

/// One thread's connections, driven by `io_uring`. Belongs to the thread that made it.
pub struct UringDriver {
    ring: Ring,
    /// Unmapped only when nothing is in flight any more.
    buffers: ManuallyDrop<Buffers>,
    /// The buffer ring ran dry in this poll.
    starved: bool,
    waker: Waker,
    conns: Slab<Conn>,
    listeners: Listeners,
    /// Connections to look at in the next poll, because of what happened outside it.
    noted: Vec<ConnId>,
    noted_now: Vec<ConnId>,
    completions: Vec<Completion>,
    #[expect(
        clippy::vec_box,
        reason = "they move in and out, and the kernel knows their address"
    )]
    spare_vectors: Vec<Box<Vector>>,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, not a state machine"
)]
struct Conn {
    socket: Socket,
    out: Outbox,
    phase: Phase,
    /// A receive is in flight; its last completion has not come.
    receiving: bool,
    /// A send is in flight.
    sending: bool,
    paused: bool,
    /// The stream's end was reaped and has not taken effect.
    at_end: bool,
    /// What the send in flight points to, if it is of several buffers.
    vector: Option<Box<Vector>>,
    /// What was received while paused or given up, before the receive could be cancelled.
    stash: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Open,
    /// To be handed back when the outbox is empty and nothing is in flight.
    Releasing,
    /// Nothing more is received; ends when the outbox is empty.
    Flushing(CloseReason),
    /// To be reported when nothing is in flight.
    Ended(CloseReason),
}

/// The description of a vectored send.
struct Vector {
    header: libc::msghdr,
    iovecs: [libc::iovec; MAX_IOVECS],
}

/// Whether `io_uring` works here: sets up a driver and moves a byte through it, because a sandbox
/// may allow the set-up and forbid the rest, and an old kernel lacks some of the operations.
pub fn probe() -> io::Result<()> {
    struct Probe(bool);
    impl Handler<Socket> for Probe {
        fn tick(&mut self, _now: Now) {}
        fn accepted(&mut self, _socket: Socket) {}
        fn received(&mut self, _conn: ConnId, data: &[u8]) {
            self.0 |= data == b"?";
        }
        fn sent(&mut self, _conn: ConnId, _buf: Vec<u8>) {}
        fn closed(&mut self, _conn: ConnId, _reason: CloseReason) {}
        fn released(&mut self, _conn: ConnId, _socket: Socket, _unread: Vec<u8>) {}
    }
    let config = UringConfig {
        entries: 8,
        buffers: 2,
        buffer_size: 4096,
    };
    let mut driver = UringDriver::new(config, Waker::new()?)?;
    let (ours, theirs) = UnixStream::pair()?;
    let conn = driver.adopt(ours.into())?;
    driver.adopt(theirs.into())?;
    driver.send(conn, b"?".to_vec());
    let mut seen = Probe(false);
    for _ in 0..10 {
        driver.poll(Some(Duration::from_millis(100)), &mut seen)?;
        if seen.0 {
            return Ok(());
        }
    }
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "io_uring accepts requests but loses them",
    ))
}

impl UringDriver {
    /// A driver for the calling thread, woken by `waker`.
    pub fn new(config: UringConfig, waker: Waker) -> io::Result<UringDriver> {
        let ring = Ring::new(config.entries)?;
        let buffers = Buffers::register(&ring.submitter(), config.buffers, config.buffer_size)?;
        let mut driver = UringDriver {
            ring,
            buffers: ManuallyDrop::new(buffers),
            starved: false,
            waker,
            conns: Slab::new(),
            listeners: Listeners::default(),
            noted: Vec::new(),
            noted_now: Vec::new(),
            completions: Vec::new(),
            spare_vectors: Vec::new(),
        };
        driver.watch_waker()?;
        Ok(driver)
    }

    /// How many connections it has.
    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    /// Each ring of the bell is one completion; the counter is never read, so it stays readable
    /// and costs nothing.
    fn watch_waker(&mut self) -> io::Result<()> {
        let bell = self.waker.event_fd().ok_or(io::ErrorKind::InvalidInput)?;
        let poll = opcode::PollAdd::new(Fd(bell), libc::POLLIN as u32).multi(true);
        // SAFETY: the request points to no memory.
        unsafe { self.ring.push(&poll.build().user_data(WAKE)) }
    }

    fn start_accept(&mut self, id: ListenerId) -> io::Result<()> {
        let Some(listening) = self.listeners.get_mut(id) else {
            return Ok(());
        };
        let fd = Fd(listening.listener.fd());
        let accept = opcode::AcceptMulti::new(fd).flags(libc::SOCK_CLOEXEC);
        // SAFETY: the request points to no memory.
        unsafe {
            self.ring
                .push(&accept.build().user_data(ACCEPT | u64::from(id.0)))
        }
    }

    fn start_receive(&mut self, id: ConnId) -> io::Result<()> {
        let Some(conn) = self.conns.get_mut(id) else {
            return Ok(());
        };
        debug_assert!(!conn.receiving, "one receive at a time");
        let receive = opcode::RecvMulti::new(Fd(conn.socket.fd()), buffers::GROUP).build();
        conn.receiving = true;
        // SAFETY: the request points to no memory; what it receives goes to the buffer ring.
        unsafe {
            self.ring
                .push(&receive.user_data(RECEIVE | u64::from(id.0)))
        }
    }

    /// Sends the outbox's first buffer, or several if there are several.
    fn start_send(&mut self, id: ConnId) -> io::Result<()> {
        let Some(conn) = self.conns.get_mut(id) else {
            return Ok(());
        };
        debug_assert!(
            !conn.sending && !conn.out.is_empty(),
            "one send at a time, of something"
        );
        conn.sending = true;
        let fd = Fd(conn.socket.fd());
        // With WAITALL the kernel goes on by itself when the socket has taken only a part.
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let request = if conn.out.buffers() == 1 {
            let front = conn.out.front();
            let len = front.len().min(MAX_SEND) as u32;
            opcode::Send::new(fd, front.as_ptr(), len)
                .flags(flags)
                .build()
        } else {
            let mut vector = self.spare_vectors.pop().unwrap_or_else(Vector::new);
            let header = vector.describe(&conn.out);
            conn.vector = Some(vector);
            opcode::SendMsg::new(fd, header).flags(flags as u32).build()
        };
        // SAFETY: the outbox's buffers and the vector are not touched while `sending` is set, and
        // the connection stays until the completion has come.
        unsafe { self.ring.push(&request.user_data(SEND | u64::from(id.0))) }
    }

    /// Asks for the end of the requests that `target` names. Says nothing if all goes well; the
    /// requests' own completions tell.
    fn cancel(&mut self, target: CancelBuilder) -> io::Result<()> {
        let cancel = opcode::AsyncCancel2::new(target).build();
        let cancel = cancel.flags(squeue::Flags::SKIP_SUCCESS).user_data(CANCEL);
        // SAFETY: the request points to no memory.
        unsafe { self.ring.push(&cancel) }
    }

    /// Decides a connection's end and stops what it has in flight.
    fn end(&mut self, id: ConnId, reason: CloseReason) -> io::Result<()> {
        let Some(conn) = self.conns.get_mut(id) else {
            return Ok(());
        };
        if matches!(conn.phase, Phase::Ended(_)) {
            return Ok(());
        }
        conn.phase = Phase::Ended(reason);
        if conn.receiving || conn.sending {
            let fd = Fd(conn.socket.fd());
            self.cancel(CancelBuilder::fd(fd).all())?;
        }
        Ok(())
    }

    /// Ends a connection that has flushed, and reports one that has ended, or was given up, and has
    /// gone quiet.
    fn settle(&mut self, id: ConnId, handler: &mut impl Handler<Socket>) -> io::Result<()> {
        let Some(conn) = self.conns.get(id) else {
            return Ok(());
        };
        if let Phase::Flushing(reason) = conn.phase
            && conn.out.is_empty()
        {
            self.end(id, reason)?;
        }
        let Some(conn) = self.conns.get(id) else {
            return Ok(());
        };
        if conn.receiving || conn.sending {
            return Ok(());
        }
        match conn.phase {
            Phase::Ended(reason) => {
                if let Some(mut conn) = self.conns.remove(id) {
                    // The kernel may hold on to the socket of a finished request until the next
                    // enter, and then closing the descriptor tells the peer nothing.
                    sys::shutdown(conn.socket.fd());
                    conn.out.drain(|buf| handler.sent(id, buf));
                    handler.closed(id, reason);
                }
            }
            Phase::Releasing if conn.out.is_empty() => {
                if let Some(conn) = self.conns.remove(id) {
                    handler.released(id, conn.socket, conn.stash);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn note(&mut self, id: ConnId) {
        self.noted.push(id);
    }

    /// Catches up with what was asked for, or seen too early, since the last poll.
    fn attend(&mut self, id: ConnId, handler: &mut impl Handler<Socket>) -> io::Result<()> {
        let Some(conn) = self.conns.get_mut(id) else {
            return Ok(());
        };
        if conn.phase == Phase::Open && !conn.paused {
            if !conn.stash.is_empty() {
                handler.received(id, &mem::take(&mut conn.stash));
            } else if conn.at_end {
                conn.phase = Phase::Flushing(CloseReason::Eof);
            }
            if conn.at_end {
                // After the stash, its replies come first.
                if conn.phase == Phase::Open {
                    self.note(id);
                }
            } else if !conn.receiving {
                self.start_receive(id)?;
            }
        }
        self.settle(id, handler)
    }

    fn complete(
        &mut self,
        completion: Completion,
        now: Now,
        handler: &mut impl Handler<Socket>,
    ) -> io::Result<()> {
        let id = ConnId(completion.user_data as u32);
        match completion.user_data & KIND {
            RECEIVE => self.received(id, completion, handler),
            SEND => self.sent(id, completion, handler),
            ACCEPT => self.accepted(ListenerId(id.0), completion, now, handler),
            WAKE if !completion.more() => self.watch_waker(),
            _ => Ok(()),
        }
    }

    fn received(
        &mut self,
        id: ConnId,
        completion: Completion,
        handler: &mut impl Handler<Socket>,
    ) -> io::Result<()> {
        let conn = self
            .conns
            .get_mut(id)
            .expect("a connection outlives its requests");
        conn.receiving = completion.more();
        let is_released = conn.phase == Phase::Releasing;
        let open = conn.phase == Phase::Open || is_released;
        if let Some(buffer) = completion.buffer() {
            let len = usize::try_from(completion.result).unwrap_or(0);
            if open && len > 0 {
                let data = self.buffers.filled(buffer, len);
                if conn.paused || is_released || !conn.stash.is_empty() {
                    conn.stash.extend_from_slice(data);
                } else {
                    handler.received(id, data);
                }
            }
            self.buffers.give_back(buffer);
        }
        if !open {
            return self.settle(id, handler);
        }
        match completion.result {
            // Who adopts it is told the same.
            0 if is_released => {}
            0 => {
                conn.at_end = true;
                self.note(id);
                return Ok(());
            }
            1.. => {}
            result => match -result {
                libc::ENOBUFS => self.starved = true,
                libc::ECANCELED | libc::EINTR | libc::EAGAIN => {}
                errno => {
                    self.end(id, sys::broken(&io::Error::from_raw_os_error(errno)))?;
                    return self.settle(id, handler);
                }
            },
        }
        if is_released {
            return self.settle(id, handler);
        }
        // It ended for a reason that is none of the connection's. By the time the new request is
        // submitted, the buffers of this poll are back.
        if conn.receiving || conn.paused {
            Ok(())
        } else {
            self.start_receive(id)
        }
    }

    fn sent(
        &mut self,
        id: ConnId,
        completion: Completion,
        handler: &mut impl Handler<Socket>,
    ) -> io::Result<()> {
        let conn = self
            .conns
            .get_mut(id)
            .expect("a connection outlives its requests");
        conn.sending = false;
        self.spare_vectors.extend(conn.vector.take());
        match completion.result {
            1.. => conn
                .out
                .advance(completion.result as usize, |buf| handler.sent(id, buf)),
            0 => self.end(id, CloseReason::Error(io::ErrorKind::WriteZero))?,
            result => match -result {
                libc::EINTR | libc::EAGAIN | libc::ECANCELED => {}
                errno => self.end(id, sys::broken(&io::Error::from_raw_os_error(errno)))?,
            },
        }
        let more = self
            .conns
            .get(id)
            .is_some_and(|conn| !matches!(conn.phase, Phase::Ended(_)) && !conn.out.is_empty());
        if more {
            self.start_send(id)
        } else {
            self.settle(id, handler)
        }
    }

    fn accepted(
        &mut self,
        id: ListenerId,
        completion: Completion,
        now: Now,
        handler: &mut impl Handler<Socket>,
    ) -> io::Result<()> {
        if let Some(socket) = accepted_socket(completion) {
            handler.accepted(socket);
        } else if AcceptFailure::classify(-completion.result) == AcceptFailure::Rest {
            if let Some(listening) = self.listeners.get_mut(id) {
                listening.rest(now);
            }
            return Ok(());
        }
        if completion.more() {
            Ok(())
        } else {
            self.start_accept(id)
        }
    }

    /// Lets listeners accept again whose rest is over.
    fn end_rests(&mut self, now: Now) -> io::Result<()> {
        let mut rested = Vec::new();
        self.listeners
            .end_rests(now, |listening| rested.push(listening.id));
        rested.into_iter().try_for_each(|id| self.start_accept(id))
    }

    /// Submits, waits and reaps.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let busy = !self.noted.is_empty();
        let timeout = if busy {
            Some(Duration::ZERO)
        } else {
            self.listeners.shorten(timeout, sys::now)
        };
        let sleeps = timeout != Some(Duration::ZERO) && self.waker.begin_sleep();
        let timeout = if sleeps {
            timeout
        } else {
            Some(Duration::ZERO)
        };
        let result = self.ring.submit_and_wait(timeout);
        self.waker.end_sleep();
        self.ring.reap(&mut self.completions);
        result
    }

    /// Cancels everything and waits until nothing is in flight; false if that takes too long.
    fn stop_everything(&mut self) -> bool {
        if self.cancel(CancelBuilder::any()).is_err() {
            return false;
        }
        for _ in 0..100 {
            if self
                .ring
                .submit_and_wait(Some(Duration::from_millis(10)))
                .is_err()
            {
                return false;
            }
            self.ring.reap(&mut self.completions);
            for completion in mem::take(&mut self.completions) {
                let conn = self.conns.get_mut(ConnId(completion.user_data as u32));
                match (completion.user_data & KIND, conn) {
                    (RECEIVE, Some(conn)) => conn.receiving = completion.more(),
                    (SEND, Some(conn)) => conn.sending = false,
                    (ACCEPT, _) => drop(accepted_socket(completion)),
                    _ => {}
                }
            }
            if !self.conns.iter().any(|conn| conn.receiving || conn.sending) {
                return true;
            }
        }
        false
    }
}

impl Driver for UringDriver {
    type Socket = Socket;
    type Listener = Listener;

    fn listen(&mut self, listener: Listener) -> io::Result<ListenerId> {
        let id = self.listeners.insert(listener);
        self.start_accept(id)?;
        Ok(id)
    }

    fn unlisten(&mut self, listener: ListenerId) {
        if self.listeners.remove(listener).is_some() {
            let accept = CancelBuilder::user_data(ACCEPT | u64::from(listener.0));
            // If the queue will not take it, whoever has shut the socket down has ended it too.
            let _ = self.cancel(accept);
        }
    }

    fn adopt(&mut self, socket: Socket) -> io::Result<ConnId> {
        let id = self.conns.insert(Conn {
            socket,
            out: Outbox::default(),
            phase: Phase::Open,
            receiving: false,
            sending: false,
            paused: false,
            at_end: false,
            vector: None,
            stash: Vec::new(),
        });
        match self.start_receive(id) {
            Ok(()) => Ok(id),
            Err(error) => {
                self.conns.remove(id);
                Err(error)
            }
        }
    }

    fn send(&mut self, id: ConnId, buf: Vec<u8>) -> Option<Vec<u8>> {
        let Some(conn) = self.conns.get_mut(id) else {
            return Some(buf);
        };
        let takes = matches!(
            conn.phase,
            Phase::Open | Phase::Releasing | Phase::Flushing(CloseReason::Eof)
        );
        if buf.is_empty() || !takes {
            return Some(buf);
        }
        conn.out.push(buf, 0);
        if !conn.sending && self.start_send(id).is_err() {
            self.note(id);
        }
        None
    }

    fn unsent(&self, id: ConnId) -> usize {
        self.conns.get(id).map_or(0, |conn| conn.out.unsent())
    }

    fn pause_recv(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if !mem::replace(&mut conn.paused, true) && conn.receiving {
            // If the queue will not take it, what comes is stashed; nothing is lost.
            let _ = self.cancel(CancelBuilder::user_data(RECEIVE | u64::from(id.0)));
        }
    }

    fn resume_recv(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if mem::replace(&mut conn.paused, false) {
            self.note(id);
        }
    }

    fn release(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if conn.phase != Phase::Open {
            return;
        }
        conn.phase = Phase::Releasing;
        if conn.receiving {
            // If the queue will not take it, it is given up as soon as something comes in.
            let _ = self.cancel(CancelBuilder::user_data(RECEIVE | u64::from(id.0)));
        }
        self.note(id);
    }

    fn close(&mut self, id: ConnId, mode: CloseMode) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if matches!(conn.phase, Phase::Ended(_)) {
            return;
        }
        conn.phase = Phase::Flushing(CloseReason::Local);
        if mode == CloseMode::Now {
            // If the queue will not take the cancellation, the peer's silence ends it later.
            let _ = self.end(id, CloseReason::Local);
        }
        self.note(id);
    }

    fn poll(
        &mut self,
        timeout: Option<Duration>,
        handler: &mut impl Handler<Socket>,
    ) -> io::Result<()> {
        self.wait(timeout)?;
        let now = sys::now();
        handler.tick(now);
        self.end_rests(now)?;
        mem::swap(&mut self.noted, &mut self.noted_now);
        while let Some(id) = self.noted_now.pop() {
            self.attend(id, handler)?;
        }
        let mut completions = mem::take(&mut self.completions);
        for completion in completions.drain(..) {
            self.complete(completion, now, handler)?;
        }
        self.completions = completions;
        if mem::take(&mut self.starved) {
            self.buffers.grow();
        }
        self.buffers.publish();
        Ok(())
    }

    fn now(&self) -> Now {
        sys::now()
    }

    fn cpu_time(&self) -> Duration {
        sys::cpu_time()
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn name(&self) -> &'static str {
        "io_uring"
    }
}

impl Drop for UringDriver {
    fn drop(&mut self) {
        if self.stop_everything() {
            // SAFETY: not used again, and nothing is in flight that could write to them.
            unsafe { ManuallyDrop::drop(&mut self.buffers) };
        } else {
            // The kernel may still read the connections' buffers and fill ours: leak them.
            mem::forget(mem::replace(&mut self.conns, Slab::new()));
        }
    }
}

/// The socket of a successful accept.
fn accepted_socket(completion: Completion) -> Option<Socket> {
    let fd: RawFd = completion.result;
    // SAFETY: a non-negative result of an accept is a new descriptor, and each completion is
    // looked at once.
    (fd >= 0).then(|| Socket::from_fd(unsafe { OwnedFd::from_raw_fd(fd) }))
}

impl Vector {
    fn new() -> Box<Vector> {
        // SAFETY: zeroes are a valid empty header and valid empty entries.
        Box::new(unsafe { mem::zeroed() })
    }

    /// Describes the outbox's buffers; the result is good while neither is touched.
    fn describe(&mut self, out: &Outbox) -> *const libc::msghdr {
        let count = out.fill(&mut self.iovecs);
        self.header.msg_iov = self.iovecs.as_mut_ptr();
        self.header.msg_iovlen = count as _;
        &raw const self.header
    }
}
