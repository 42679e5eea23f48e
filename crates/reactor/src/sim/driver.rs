//! The driver of one simulated thread.

use super::wire::{EndId, Interest};
use super::{Shared, SimListener, SimSocket};
use crate::driver::{CloseMode, CloseReason, ConnId, Driver, Handler, ListenerId, Now};
use crate::outbox::Outbox;
use crate::slab::Slab;
use crate::waker::Waker;
use std::io;
use std::time::Duration;

/// One simulated thread's connections.
pub struct SimDriver {
    net: Shared,
    thread: usize,
    waker: Waker,
    conns: Slab<Conn>,
    /// Ids in use.
    live: Vec<ConnId>,
}

struct Conn {
    end: EndId,
    out: Outbox,
    phase: Phase,
    paused: bool,
    /// What was received after it was given up.
    stash: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Open,
    Releasing,
    Flushing(CloseReason),
    Ended(CloseReason),
}

/// What a poll has to report, collected first: a callback may use the network.
enum Report {
    Accepted(SimSocket),
    Received(ConnId, Vec<u8>),
    Sent(ConnId, Vec<u8>),
    Closed(ConnId, CloseReason),
    Released(ConnId, SimSocket, Vec<u8>),
}

impl SimDriver {
    pub(super) fn new(net: Shared) -> SimDriver {
        let waker = Waker::silent();
        let thread = net.lock().add_thread(waker.clone());
        SimDriver {
            net,
            thread,
            waker,
            conns: Slab::new(),
            live: Vec::new(),
        }
    }

    /// Its index in [`Turn::Thread`](super::Turn::Thread).
    pub fn index(&self) -> usize {
        self.thread
    }

    /// How many connections it has.
    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    fn accept(&mut self, reports: &mut Vec<Report>) {
        let mut net = self.net.lock();
        while let Some(end) = net.next_accept(self.thread) {
            net.record(
                || format!("thread {} accepts connection {}", self.thread, end / 2),
                1,
            );
            let net = self.net.clone();
            reports.push(Report::Accepted(SimSocket {
                net,
                end,
                adopted: false,
            }));
        }
    }

    /// Writes and reads on one connection what the network and the seed allow.
    fn serve(&mut self, id: ConnId, reports: &mut Vec<Report>) {
        let mut net = self.net.lock();
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if let Some(kind) = net.broken(conn.end)
            && !matches!(conn.phase, Phase::Ended(_))
        {
            conn.phase = Phase::Ended(CloseReason::Error(kind));
        }
        if !conn.out.is_empty() && !matches!(conn.phase, Phase::Ended(_)) {
            match net.send(conn.end, conn.out.front()) {
                Ok(taken) => conn
                    .out
                    .advance(taken, |buf| reports.push(Report::Sent(id, buf))),
                Err(kind) => conn.phase = Phase::Ended(CloseReason::Error(kind)),
            }
        }
        if conn.phase == Phase::Open && !conn.paused {
            let mut available = net.readable(conn.end);
            if available == 0 && net.at_end(conn.end) {
                conn.phase = Phase::Flushing(CloseReason::Eof);
            } else if available > 0 {
                if net.random().one_in(3) {
                    available = 1 + net.random().below(available as u64) as usize;
                }
                let data = net.read(conn.end, available);
                let (thread, len) = (self.thread, data.len());
                let what = || format!("thread {thread} receives {len} bytes on {}", id.0);
                net.record(what, (id.0 as u64) << 32 | len as u64);
                reports.push(Report::Received(id, data));
            }
        }
        if let Phase::Flushing(reason) = conn.phase
            && conn.out.is_empty()
        {
            conn.phase = Phase::Ended(reason);
        }
        if let Phase::Ended(reason) = conn.phase {
            net.record(
                || format!("thread {} closes {}: {reason:?}", self.thread, id.0),
                2,
            );
            net.close(conn.end);
            conn.out.drain(|buf| reports.push(Report::Sent(id, buf)));
            reports.push(Report::Closed(id, reason));
            self.conns.remove(id);
        } else if conn.phase == Phase::Releasing {
            // Like io_uring, which may receive once more before it can stop.
            let available = net.readable(conn.end);
            if available > 0 && net.random().one_in(2) {
                let len = 1 + net.random().below(available as u64) as usize;
                conn.stash.extend(net.read(conn.end, len));
            }
            if conn.out.is_empty() {
                net.record(|| format!("thread {} releases {}", self.thread, id.0), 3);
                drop(net);
                self.hand_back(id, reports);
            }
        }
    }

    fn hand_back(&mut self, id: ConnId, reports: &mut Vec<Report>) {
        if let Some(conn) = self.conns.remove(id) {
            let socket = SimSocket {
                net: self.net.clone(),
                end: conn.end,
                adopted: false,
            };
            reports.push(Report::Released(id, socket, conn.stash));
        }
    }

    fn interests(&self) -> Vec<Interest> {
        let interest = |id: &ConnId| {
            let conn = self.conns.get(*id)?;
            let read = conn.phase == Phase::Open && !conn.paused;
            Some(Interest {
                end: conn.end,
                read,
                write: !conn.out.is_empty(),
            })
        };
        self.live.iter().filter_map(interest).collect()
    }

    /// What the worker did between polls changes what it waits for.
    fn changed(&self) {
        self.net.lock().make_eager(self.thread);
    }
}

impl Driver for SimDriver {
    type Socket = SimSocket;
    type Listener = SimListener;

    fn listen(&mut self, listener: SimListener) -> io::Result<ListenerId> {
        self.net.lock().listen(listener.port, self.thread);
        Ok(ListenerId(u32::from(listener.port)))
    }

    fn unlisten(&mut self, listener: ListenerId) {
        self.net.lock().unlisten(listener.0 as u16, self.thread);
    }

    fn adopt(&mut self, mut socket: SimSocket) -> io::Result<ConnId> {
        socket.adopted = true;
        self.net.lock().adopt(socket.end);
        let conn = Conn {
            end: socket.end,
            out: Outbox::default(),
            phase: Phase::Open,
            paused: false,
            stash: Vec::new(),
        };
        let id = self.conns.insert(conn);
        self.live.push(id);
        self.changed();
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
        self.net.lock().make_eager(self.thread);
        // Like epoll half of the time, like io_uring the other half.
        let mut written = 0;
        if conn.out.is_empty() && self.net.lock().random().one_in(2) {
            match self.net.lock().send(conn.end, &buf) {
                Ok(taken) => written = taken,
                Err(kind) => {
                    conn.phase = Phase::Ended(CloseReason::Error(kind));
                    return Some(buf);
                }
            }
            if written == buf.len() {
                return Some(buf);
            }
        }
        conn.out.push(buf, written);
        None
    }

    fn unsent(&self, id: ConnId) -> usize {
        self.conns.get(id).map_or(0, |conn| conn.out.unsent())
    }

    fn pause_recv(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.paused = true;
            self.changed();
        }
    }

    fn resume_recv(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.paused = false;
            self.changed();
        }
    }

    fn release(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id)
            && conn.phase == Phase::Open
        {
            conn.phase = Phase::Releasing;
            self.changed();
        }
    }

    fn close(&mut self, id: ConnId, mode: CloseMode) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if !matches!(conn.phase, Phase::Ended(_)) {
            conn.phase = match mode {
                CloseMode::Flush => Phase::Flushing(CloseReason::Local),
                CloseMode::Now => Phase::Ended(CloseReason::Local),
            };
            self.changed();
        }
    }

    /// Never waits. A poll that has nothing to report stands for the beginning of a wait, and the
    /// scheduler remembers when it would end; the one after it stands for the wait's end.
    fn poll(
        &mut self,
        timeout: Option<Duration>,
        handler: &mut impl Handler<SimSocket>,
    ) -> io::Result<()> {
        let now = self.now();
        let ended = self.net.lock().wait_ended(self.thread);
        self.waker.end_sleep();
        let mut reports = Vec::new();
        self.accept(&mut reports);
        let mut order = self.live.clone();
        self.net.lock().random().shuffle(&mut order);
        for id in order {
            self.serve(id, &mut reports);
        }
        self.live.retain(|id| self.conns.get(*id).is_some());
        let eager = ended || !reports.is_empty();
        let timeout_us = timeout.map(|wait| u64::try_from(wait.as_micros()).unwrap_or(u64::MAX));
        let deadline_us = timeout_us.map(|wait| now.mono_us.saturating_add(wait));
        self.net
            .lock()
            .rest(self.thread, eager, deadline_us, self.interests());

        handler.tick(now);
        for report in reports {
            match report {
                Report::Accepted(socket) => handler.accepted(socket),
                Report::Received(id, data) => handler.received(id, &data),
                Report::Sent(id, buf) => handler.sent(id, buf),
                Report::Closed(id, reason) => handler.closed(id, reason),
                Report::Released(id, socket, unread) => handler.released(id, socket, unread),
            }
        }
        Ok(())
    }

    fn now(&self) -> Now {
        self.net.lock().now()
    }

    /// None at all.
    fn cpu_time(&self) -> Duration {
        Duration::ZERO
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn name(&self) -> &'static str {
        "simulated"
    }
}

impl Drop for SimDriver {
    fn drop(&mut self) {
        let mut net = self.net.lock();
        for end in net.stop_listening(self.thread) {
            net.close(end);
        }
        for id in &self.live {
            if let Some(conn) = self.conns.get(*id) {
                net.close(conn.end);
            }
        }
    }
}
