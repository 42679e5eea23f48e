//! The readiness backend: works on every Linux and in every sandbox.
//!
//! Connections are registered edge-triggered for input once and for all, so a request costs no
//! `epoll_ctl`: the driver remembers who may have more to read (`ready`) and reads each of those
//! once per tick, into one buffer shared by all connections. A read that does not fill the buffer
//! emptied the socket, so the next edge will announce more. Output is written at once; only when
//! the socket is full is interest in writability added, until the backlog is gone.

use crate::driver::{CloseMode, CloseReason, ConnId, Driver, Handler, ListenerId, Now};
use crate::listening::{AcceptFailure, Listeners};
use crate::net::{Listener, Socket};
use crate::outbox::Outbox;
use crate::slab::Slab;
use crate::sys::{self, Epoll, MAX_IOVECS};
use crate::waker::Waker;
use std::io;
use std::mem;
use std::time::Duration;

/// Size of the buffer that all connections are read into.
const READ_BUFFER: usize = 64 * 1024;
/// Events taken from the kernel per poll.
const MAX_EVENTS: usize = 512;
/// Connections accepted per listener and poll.
const MAX_ACCEPTS: usize = 64;

/// Event tokens: a connection's id, or one of these ranges above.
const LISTENER: u64 = 1 << 32;
const WAKER: u64 = 1 << 33;

const INPUT: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET) as u32;
const ACCEPT: u32 = libc::EPOLLIN as u32;
const OUTPUT: u32 = libc::EPOLLOUT as u32;
/// The peer will send no more: the end of the stream must be read even after a short read.
const HANG_UP: u32 = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;

/// One thread's connections, driven by epoll.
pub struct EpollDriver {
    epoll: Epoll,
    waker: Waker,
    conns: Slab<Conn>,
    listeners: Listeners,
    /// Connections that may have more to read; each has `listed` set.
    ready: Vec<ConnId>,
    /// Last tick's `ready` list while it is being worked off; empty between polls.
    ready_now: Vec<ConnId>,
    /// Connections whose end, or release, is to be reported by the next poll.
    ended: Vec<ConnId>,
    /// Counts polls.
    tick: u64,
    events: Vec<libc::epoll_event>,
    buffer: Box<[u8]>,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, not a state machine"
)]
struct Conn {
    socket: Socket,
    out: Outbox,
    phase: Phase,
    /// May have unread input or an unread end of stream.
    readable: bool,
    /// The end of the stream is known to have come, behind whatever is unread.
    hung_up: bool,
    /// On the `ready` list.
    listed: bool,
    /// The tick of the last read. There is only one per tick, for fairness, and because the end of
    /// the stream must not be read before the replies to what came before it are sent.
    read_in: u64,
    paused: bool,
    wants_output: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Open,
    /// Nothing more is read; released when the outbox is empty.
    Releasing,
    /// On the `ended` list, to be handed back.
    Released,
    /// Nothing more is read; ends when the outbox is empty.
    Flushing(CloseReason),
    /// On the `ended` list.
    Ended(CloseReason),
}

impl EpollDriver {
    /// A driver with a waker of its own.
    pub fn new() -> io::Result<EpollDriver> {
        EpollDriver::with_waker(Waker::new()?)
    }

    /// A driver that `waker` wakes.
    pub fn with_waker(waker: Waker) -> io::Result<EpollDriver> {
        let epoll = Epoll::new()?;
        let bell = waker.event_fd().ok_or(io::ErrorKind::InvalidInput)?;
        epoll.add(bell, libc::EPOLLIN as u32, WAKER)?;
        Ok(EpollDriver {
            epoll,
            waker,
            conns: Slab::new(),
            listeners: Listeners::default(),
            ready: Vec::new(),
            ready_now: Vec::new(),
            ended: Vec::new(),
            tick: 0,
            events: vec![libc::epoll_event { events: 0, u64: 0 }; MAX_EVENTS],
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
        })
    }

    /// How many connections it has.
    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    fn end(&mut self, id: ConnId, reason: CloseReason) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if !matches!(conn.phase, Phase::Ended(_)) {
            let is_listed = conn.phase == Phase::Released;
            conn.phase = Phase::Ended(reason);
            if !is_listed {
                self.ended.push(id);
            }
        }
    }

    /// Asks to be told when the socket can take more (or no longer).
    fn want_output(&mut self, id: ConnId, want: bool) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if conn.wants_output == want {
            return;
        }
        conn.wants_output = want;
        let events = if want { INPUT | OUTPUT } else { INPUT };
        if let Err(error) = self.epoll.modify(conn.socket.fd(), events, u64::from(id.0)) {
            self.end(id, sys::broken(&error));
        }
    }

    /// How long to wait, in the milliseconds epoll counts, rounded up so as not to spin.
    fn wait_ms(&self, timeout: Option<Duration>) -> i32 {
        if !self.ready.is_empty() || !self.ended.is_empty() {
            return 0;
        }
        match self.listeners.shorten(timeout, sys::now) {
            None => -1,
            Some(wait) => i32::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX),
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let mut wait_ms = self.wait_ms(timeout);
        if wait_ms != 0 && !self.waker.begin_sleep() {
            wait_ms = 0;
        }
        let count = self.epoll.wait(&mut self.events, wait_ms);
        self.waker.end_sleep();
        count
    }

    /// Lets listeners accept again whose rest is over.
    fn end_rests(&mut self, now: Now) {
        let epoll = &self.epoll;
        self.listeners.end_rests(now, |listening| {
            let token = LISTENER | u64::from(listening.id.0);
            if epoll.add(listening.listener.fd(), ACCEPT, token).is_err() {
                listening.rest(now);
            }
        });
    }

    fn accept(&mut self, id: ListenerId, now: Now, handler: &mut impl Handler<Socket>) {
        let Some(listening) = self.listeners.get_mut(id) else {
            return;
        };
        for _ in 0..MAX_ACCEPTS {
            let error = match sys::accept(listening.listener.fd()) {
                Ok(fd) => {
                    handler.accepted(Socket::from_fd(fd));
                    continue;
                }
                Err(error) => error,
            };
            match AcceptFailure::classify(error.raw_os_error().unwrap_or(0)) {
                AcceptFailure::Drained => return,
                AcceptFailure::Skip => {}
                AcceptFailure::Rest => {
                    // Level-triggered: left in the set, it would make every poll return at once.
                    if self.epoll.remove(listening.listener.fd()).is_ok() {
                        listening.rest(now);
                    }
                    return;
                }
            }
        }
    }

    fn event(&mut self, id: ConnId, events: u32, handler: &mut impl Handler<Socket>) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if events & (INPUT | HANG_UP) != 0 {
            conn.readable = true;
            conn.hung_up |= events & HANG_UP != 0;
            if conn.read_in == self.tick {
                self.list(id);
            } else if !conn.listed {
                self.read(id, handler);
            }
        }
        if events & (OUTPUT | HANG_UP) != 0 {
            self.flush(id, handler);
        }
    }

    /// Reads once, and lists the connection for the next tick if there may be more.
    fn read(&mut self, id: ConnId, handler: &mut impl Handler<Socket>) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if conn.phase != Phase::Open || conn.paused || !conn.readable {
            return;
        }
        conn.read_in = self.tick;
        let more = match sys::recv(conn.socket.fd(), &mut self.buffer) {
            Ok(0) => {
                conn.readable = false;
                conn.phase = Phase::Flushing(CloseReason::Eof);
                self.finish_if_flushed(id);
                return;
            }
            Ok(len) => {
                handler.received(id, &self.buffer[..len]);
                len == self.buffer.len() || conn.hung_up
            }
            Err(error) if sys::would_block(&error) => false,
            Err(error) if sys::interrupted(&error) => true,
            Err(error) => {
                self.end(id, sys::broken(&error));
                return;
            }
        };
        conn.readable = more;
        self.list(id);
    }

    /// Puts a connection that may have more to read on the list for the next tick.
    fn list(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if conn.readable && !conn.paused && !conn.listed {
            conn.listed = true;
            self.ready.push(id);
        }
    }

    /// Writes the backlog until it is gone or the socket is full.
    fn flush(&mut self, id: ConnId, handler: &mut impl Handler<Socket>) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if matches!(conn.phase, Phase::Ended(_)) {
            return;
        }
        while !conn.out.is_empty() {
            let result = write(&conn.socket, &conn.out);
            match result {
                Ok(written) => conn.out.advance(written, |buf| handler.sent(id, buf)),
                Err(error) if sys::interrupted(&error) => {}
                Err(error) if sys::would_block(&error) => return,
                Err(error) => {
                    self.end(id, sys::broken(&error));
                    return;
                }
            }
        }
        self.want_output(id, false);
        self.finish_if_flushed(id);
    }

    fn finish_if_flushed(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if !conn.out.is_empty() {
            return;
        }
        match conn.phase {
            Phase::Flushing(reason) => self.end(id, reason),
            Phase::Releasing => {
                conn.phase = Phase::Released;
                self.ended.push(id);
            }
            _ => {}
        }
    }

    /// Reports the connections that came to their end or were given up.
    fn report_ended(&mut self, handler: &mut impl Handler<Socket>) {
        while let Some(id) = self.ended.pop() {
            let Some(mut conn) = self.conns.remove(id) else {
                continue;
            };
            conn.out.drain(|buf| handler.sent(id, buf));
            match conn.phase {
                Phase::Ended(reason) => handler.closed(id, reason),
                _ => match self.epoll.remove(conn.socket.fd()) {
                    Ok(()) => handler.released(id, conn.socket, Vec::new()),
                    Err(error) => handler.closed(id, sys::broken(&error)),
                },
            }
        }
    }
}

/// One write of the outbox's first buffer, or of several at once if there are several.
fn write(socket: &Socket, out: &Outbox) -> io::Result<usize> {
    if out.buffers() == 1 {
        return sys::send(socket.fd(), out.front());
    }
    let mut iovecs = [libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    }; MAX_IOVECS];
    let count = out.fill(&mut iovecs);
    // SAFETY: `fill` described `count` parts of the outbox, which is not touched meanwhile.
    unsafe { sys::send_vectored(socket.fd(), &mut iovecs[..count]) }
}

impl Driver for EpollDriver {
    type Socket = Socket;
    type Listener = Listener;

    fn listen(&mut self, listener: Listener) -> io::Result<ListenerId> {
        let fd = listener.fd();
        sys::set_nonblocking(fd, true)?;
        let id = self.listeners.insert(listener);
        if let Err(error) = self.epoll.add(fd, ACCEPT, LISTENER | u64::from(id.0)) {
            self.listeners.remove(id);
            return Err(error);
        }
        Ok(id)
    }

    fn unlisten(&mut self, listener: ListenerId) {
        if let Some(listening) = self.listeners.remove(listener) {
            // Others may have the socket open, too: closing it would leave it in the set. One that
            // rests isn't there.
            let _ = self.epoll.remove(listening.listener.fd());
        }
    }

    fn adopt(&mut self, socket: Socket) -> io::Result<ConnId> {
        let fd = socket.fd();
        let id = self.conns.insert(Conn {
            socket,
            out: Outbox::default(),
            phase: Phase::Open,
            readable: false,
            hung_up: false,
            listed: false,
            read_in: 0,
            paused: false,
            wants_output: false,
        });
        if let Err(error) = self.epoll.add(fd, INPUT, u64::from(id.0)) {
            self.conns.remove(id);
            return Err(error);
        }
        Ok(id)
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
        if !conn.out.is_empty() {
            conn.out.push(buf, 0);
            return None;
        }
        match sys::send(conn.socket.fd(), &buf) {
            Ok(written) if written == buf.len() => return Some(buf),
            Ok(written) => conn.out.push(buf, written),
            Err(error) if sys::would_block(&error) || sys::interrupted(&error) => {
                conn.out.push(buf, 0);
            }
            Err(error) => {
                self.end(id, sys::broken(&error));
                return Some(buf);
            }
        }
        self.want_output(id, true);
        None
    }

    fn unsent(&self, id: ConnId) -> usize {
        self.conns.get(id).map_or(0, |conn| conn.out.unsent())
    }

    fn pause_recv(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.paused = true;
        }
    }

    fn resume_recv(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        conn.paused = false;
        self.list(id);
    }

    fn release(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id)
            && conn.phase == Phase::Open
        {
            conn.phase = Phase::Releasing;
            self.finish_if_flushed(id);
        }
    }

    fn close(&mut self, id: ConnId, mode: CloseMode) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        match (conn.phase, mode) {
            (Phase::Ended(_), _) => {}
            (Phase::Released, _) | (_, CloseMode::Now) => self.end(id, CloseReason::Local),
            (_, CloseMode::Flush) => {
                conn.phase = Phase::Flushing(CloseReason::Local);
                self.finish_if_flushed(id);
            }
        }
    }

    fn poll(
        &mut self,
        timeout: Option<Duration>,
        handler: &mut impl Handler<Socket>,
    ) -> io::Result<()> {
        let count = self.wait(timeout)?;
        let now = self.now();
        handler.tick(now);
        self.tick += 1;
        self.end_rests(now);
        // Those left over from the last tick first; reading may list them again for the next.
        mem::swap(&mut self.ready, &mut self.ready_now);
        while let Some(id) = self.ready_now.pop() {
            if let Some(conn) = self.conns.get_mut(id) {
                conn.listed = false;
                self.read(id, handler);
            }
        }
        for index in 0..count {
            let libc::epoll_event { events, u64: token } = self.events[index];
            match token {
                WAKER => self
                    .waker
                    .event_fd()
                    .into_iter()
                    .for_each(sys::quiet_event_fd),
                _ if token & LISTENER != 0 => {
                    self.accept(ListenerId(token as u32), now, handler);
                }
                _ => self.event(ConnId(token as u32), events, handler),
            }
        }
        self.report_ended(handler);
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
        "epoll"
    }
}
