//! How much a client may leave unread or unfinished before it has to wait or is closed, and how
//! long it may be silent.
//!
//! Output has two borders. At [`OUTPUT_PAUSE`] bytes the client's commands don't run and its socket
//! isn't read until it has taken half of them: the memory it can hold is bounded, and nothing is
//! lost. `client-output-buffer-limit` is the other: whoever leaves that much unread is closed.

use std::sync::atomic::Ordering;

use reactor::ConnId;

use crate::clients::{ClientType, flag};
use crate::conn::{Conn, State, Token};
use crate::flags::values::OutputBufferLimit;
use crate::log::warn;
use crate::thread::Thread;

/// Replies of one connection that may wait to be sent before its commands stop running.
const OUTPUT_PAUSE: usize = 64 << 20;
/// The same while there is too little memory and nothing can be evicted: other clients' commands
/// need what is left.
const OUTPUT_PAUSE_WHEN_FULL: usize = 1 << 20;
/// Input of a connection that can't run that is kept before the socket is no longer read.
const PENDING_PAUSE: usize = 1 << 20;
/// What a client announces is given room up to so many times what it has sent.
const BELIEVED: usize = 8;
/// Who has sent that much is believed: buffers that grow in many steps are copied often, and what
/// they leave behind comes back to the system late.
const BELIEVED_FROM: usize = 256 << 10;
/// Input that a client may send before it has authenticated.
const UNAUTHENTICATED_QUERY: u64 = 1 << 20;
/// Replies that it may leave unread: some hundreds of times that it has to authenticate.
const UNAUTHENTICATED_OUTPUT: u64 = 17 << 10;
/// Normal clients that can't be made to wait, as it isn't their own commands alone that fill their
/// buffers.
const UNASKED: u32 = flag::MONITOR | flag::TRACKING;
/// What these may leave unread where normal clients have no limit.
const UNASKED_OUTPUT: u64 = OUTPUT_PAUSE as u64;

impl Conn {
    /// Whether its socket is better not read at the moment.
    #[inline]
    pub(crate) fn wants_recv_pause(&self) -> bool {
        match self.state {
            State::Ready | State::Closing | State::Http => false,
            State::Parked | State::Paused | State::Blocked | State::Running => {
                self.pending.len() > PENDING_PAUSE
            }
            State::Throttled => true,
        }
    }

    /// Puts input behind what is kept.
    pub(crate) fn append(&mut self, input: &[u8]) {
        let needed = self.pending.len() + input.len();
        if needed > self.pending.capacity() {
            let room = if self.wanted <= needed {
                needed.max(2 * self.pending.capacity())
            } else if needed < BELIEVED_FROM {
                self.wanted.min(BELIEVED * needed)
            } else {
                self.wanted
            };
            self.pending.reserve_exact(room - self.pending.len());
        }
        self.pending.extend_from_slice(input);
        let capacity = self.pending.capacity() as u64;
        self.info.query_capacity.store(capacity, Ordering::Relaxed);
        self.publish_input(self.pending.len());
    }

    /// Has it closed without another word.
    pub(crate) fn doom(&mut self) {
        self.info.killed.store(true, Ordering::Relaxed);
        self.state = State::Closing;
        self.out = Vec::new();
        self.pending = Vec::new();
        self.info.query_capacity.store(0, Ordering::Relaxed);
        self.publish_output();
    }
}

impl Thread {
    /// Replies of one connection that may wait to be sent before its commands stop running. They
    /// run again when half of that waits.
    #[inline]
    pub(crate) fn output_pause(&self) -> usize {
        if self.is_full {
            OUTPUT_PAUSE_WHEN_FULL
        } else {
            OUTPUT_PAUSE
        }
    }

    /// Keeps input that isn't understood yet, or closes the client if there is too much of it.
    #[inline]
    pub(crate) fn keep(&mut self, conn: &mut Conn, input: &[u8]) {
        if input.is_empty() {
            return;
        }
        if conn.state == State::Ready && self.is_too_much(conn, input) {
            self.refuse_request(conn, input);
            return;
        }
        conn.append(input);
        // Queued commands haven't been executed either.
        let queued = conn.session.multi.as_ref().map_or(0, |m| m.heap_bytes());
        let waiting = (conn.pending.len().max(conn.wanted) + queued) as u64;
        let limit = self.config.network.client_query_buffer_limit;
        let is_unknown = !conn.session.authenticated;
        if waiting > limit || is_unknown && waiting > UNAUTHENTICATED_QUERY {
            let counts = self.stats(&self.shared);
            counts.query_limit_disconnects.add(1);
            warn_of_closing(conn, "its request is longer than client-query-buffer-limit");
            conn.doom();
        }
        self.keep_input_to_limit(conn);
    }

    /// Closes a client of which so many bytes wait to be sent, if they are more than it may leave.
    #[inline]
    pub(crate) fn limit_output(&mut self, conn: &mut Conn, waiting: usize) {
        if conn.is_killed() {
            return;
        }
        let waiting = waiting as u64;
        let limit = self.output_limit(conn);
        let hard = match limit.hard {
            _ if !conn.session.authenticated => UNAUTHENTICATED_OUTPUT,
            0 if conn.session.flags & UNASKED != 0 => UNASKED_OUTPUT,
            hard => hard,
        };
        let mut is_over = hard > 0 && waiting >= hard;
        if limit.soft > 0 && waiting >= limit.soft {
            let now_us = self.now.mono_us;
            let token = Token(conn.info.token());
            if conn.over_soft_limit_since.is_none() && !self.over_soft_limit.contains(&token) {
                self.over_soft_limit.push(token);
            }
            let since = *conn.over_soft_limit_since.get_or_insert(now_us);
            is_over |= now_us - since > u64::from(limit.soft_seconds) * 1_000_000;
        } else {
            conn.over_soft_limit_since = None;
        }
        if is_over {
            let counts = self.stats(&self.shared);
            counts.output_limit_disconnects.add(1);
            warn_of_closing(conn, "it left more unread than client-output-buffer-limit");
            conn.doom();
        }
    }

    #[inline]
    fn output_limit(&self, conn: &Conn) -> OutputBufferLimit {
        let limits = &self.config.network.client_output_buffer_limit;
        match conn.info.kind() {
            ClientType::Normal | ClientType::Primary => limits.normal,
            ClientType::Replica => limits.replica,
            ClientType::PubSub => limits.pubsub,
        }
    }

    /// Looks at the clients that are over their soft limit, for which time counts even when they
    /// are sent nothing. `unsent` tells how many bytes wait for one.
    pub(crate) fn look_at_the_slow(&mut self, unsent: impl Fn(ConnId) -> usize) {
        for token in std::mem::take(&mut self.over_soft_limit) {
            let Some(mut conn) = self.take(token) else {
                continue;
            };
            if conn.over_soft_limit_since.is_some() {
                let waiting = unsent(conn.id);
                self.limit_output(&mut conn, waiting);
            }
            if conn.over_soft_limit_since.is_some() {
                self.over_soft_limit.push(token);
            }
            self.put_back(conn);
        }
    }

    /// Looks at some of the clients, at all of them in so many calls: who has been silent too long?
    pub(crate) fn look_at_the_silent(&mut self, calls: usize) {
        if self.config.network.timeout == 0 {
            return;
        }
        for _ in 0..self.conns.len().div_ceil(calls) {
            let at = self.next_to_look_at;
            self.next_to_look_at = if at + 1 < self.conns.len() { at + 1 } else { 0 };
            let slot = self.conns.get_mut(at);
            let Some(mut conn) = slot.and_then(Option::take) else {
                continue;
            };
            if self.is_silent(&conn) {
                conn.doom();
            }
            self.put_back(conn);
        }
    }

    /// Whether a client has been idle for longer than it may be; one that waits isn't idle.
    fn is_silent(&self, conn: &Conn) -> bool {
        conn.info.idle(self.now_ms()) > u64::from(self.config.network.timeout)
            && !matches!(conn.state, State::Paused | State::Parked | State::Blocked)
            && conn.session.flags & (flag::MONITOR | flag::PUBSUB) == 0
    }
}

#[cold]
fn warn_of_closing(conn: &Conn, why: &str) {
    let (id, addr) = (conn.info.id, &conn.info.socket.addr);
    warn(&format!("client {id} at {addr} is closed: {why}"));
}
