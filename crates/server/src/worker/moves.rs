//! Connections that move from one thread to another.
//!
//! A connection goes when it has just been answered and nothing ties it to its thread. Its driver
//! stops receiving and gives the socket back; then it is the other thread's. Whoever has to tell it
//! something meanwhile finds it by its client's id.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use reactor::{CloseMode, ConnId, Driver, Endpoint};

use super::{Handover, Worker};
use crate::clients::flag;
use crate::conn::{Conn, State, Token};
use crate::machine;
use crate::thread::Thread;
use crate::tracking::Invalidation;

/// A connection on its way to another thread.
#[derive(Debug)]
pub struct Moved<S> {
    socket: S,
    conn: Box<Conn>,
    /// What came in before its driver could stop receiving.
    unread: Vec<u8>,
}

/// A connection that its driver has given back.
pub(super) struct Released<S> {
    pub(super) id: ConnId,
    pub(super) socket: S,
    pub(super) unread: Vec<u8>,
}

impl<D: Driver> Worker<D>
where
    D::Socket: Endpoint,
{
    /// So many of the connections that this thread answers next go to that thread, whatever the
    /// load is.
    pub fn give(&mut self, connections: u32, to: usize) {
        self.share.give(connections, vec![to]);
    }

    /// Notes how long a tick has taken that did nothing but serve clients.
    pub(super) fn note_tick(&mut self) {
        let thread = &self.core.thread;
        if thread.shared.balance.moves() {
            let tick_us = self.driver.now().mono_us - thread.now.mono_us;
            self.share.served_for(tick_us);
        }
    }

    /// Looks at the load, and decides which connections go.
    pub(super) fn balance(&mut self) {
        let thread = &self.core.thread;
        let (number, balance) = (thread.number, &thread.shared.balance);
        let now_us = thread.now.mono_us;
        if !balance.moves() || !self.share.is_due(now_us) {
            return;
        }
        let used = self.driver.cpu_time();
        self.share.end_period(balance, number, now_us, used);
        if number == 0 {
            let idle = || machine::idle_time(&balance.cpus);
            balance.steer(&mut self.course, now_us, idle);
        }
        self.share.plan(balance, number);
    }

    /// Has a connection that was answered go, if it can.
    pub(super) fn send_away(&mut self, id: ConnId) {
        let slot = self.core.thread.conns.get_mut(id.index());
        if let Some(Some(conn)) = slot
            && conn.moves_to.is_none()
            && conn.may_move()
        {
            conn.moves_to = Some(self.share.next_target());
            self.driver.release(id);
        }
    }

    /// Hands over those that the driver has given back.
    pub(super) fn hand_over_released(&mut self) {
        for Released { id, socket, unread } in std::mem::take(&mut self.core.released) {
            let thread = &mut self.core.thread;
            let slot = thread.conns.get_mut(id.index());
            let Some(mut conn) = slot.and_then(Option::take) else {
                continue;
            };
            thread.discharge(&mut conn);
            // Its token is none before it has arrived.
            let to = conn.moves_to.take().unwrap_or(thread.number);
            conn.info.move_to(to, Token::NONE.0);
            thread.stats(&thread.shared).moved_connections.add(1);
            self.peers[to].post(Handover::Client(Box::new(Moved {
                socket,
                conn,
                unread,
            })));
        }
    }

    /// Takes over a connection that comes from another thread.
    pub(super) fn arrive(&mut self, moved: Moved<D::Socket>) {
        let thread = &mut self.core.thread;
        let Ok(id) = self.driver.adopt(moved.socket) else {
            thread.bury(moved.conn);
            return;
        };
        let info = Arc::clone(&moved.conn.info);
        thread.arrived(id, moved.conn, &moved.unread);
        // Who told it to be gone may have told the thread that it came from.
        if info.killed.load(Ordering::Relaxed) {
            self.driver.close(id, CloseMode::Now);
        }
    }

    /// Tells those that have arrived what came before they had.
    pub(super) fn tell_the_arrived(&mut self) {
        let thread = &mut self.core.thread;
        for (id, invalidation) in std::mem::take(&mut thread.early) {
            thread.redirected(id, &invalidation);
        }
    }
}

impl Thread {
    fn arrived(&mut self, id: ConnId, mut conn: Box<Conn>, unread: &[u8]) {
        conn.id = id;
        // It was on the lists of the other thread.
        (conn.is_dirty, conn.is_told) = (false, false);
        conn.info
            .move_to(self.number, Token::new(id, conn.info.id).0);
        self.make_place(id);
        self.put_back(conn);
        if !unread.is_empty() {
            self.received(id, unread);
        }
    }

    /// Has the client with this id told of a change in the place of another, on whatever thread it
    /// is.
    pub(crate) fn redirected(&mut self, client: u64, invalidation: &Arc<Invalidation>) {
        let Some(info) = self.shared.clients.get(client) else {
            return;
        };
        if info.thread() != self.number {
            self.post_redirected(&info, invalidation);
        } else if info.token() == Token::NONE.0 {
            self.early.push((client, Arc::clone(invalidation)));
        } else {
            self.write_redirected(Token(info.token()), invalidation);
        }
    }
}

impl Conn {
    /// Whether nothing ties it to its thread: it waits for nothing, nothing of it waits, and nobody
    /// tells it anything unasked (but for what is redirected to it).
    fn may_move(&self) -> bool {
        let session = &self.session;
        self.state == State::Ready
            && self.pending.is_empty()
            && self.skip.is_none()
            && self.out.is_empty()
            && !(self.is_dirty || self.is_told || self.recv_paused)
            && session.flags & (flag::MONITOR | flag::PUBSUB) == 0
            && session.watch.is_none()
            && session.tracking.is_none()
            && !self.is_killed()
    }
}
