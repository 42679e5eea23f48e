//! The limit on the memory of all clients together (`maxmemory-clients`).
//!
//! While there is one each thread keeps a sum of what its own clients take, brought up to date
//! where a buffer changes hands, and holds the sums of all against the limit at the end of each
//! tick. Only when that is too much are the clients looked at one by one.

use crate::conn::{Conn, State, Token};
use crate::log::warn;
use crate::message::Message;
use crate::thread::Thread;

/// When those that may be evicted aren't enough, the next attempt is made after this long.
const PATIENCE_US: u64 = 10_000;

impl Thread {
    /// Counts what a client takes by now.
    #[inline]
    pub(crate) fn charge(&self, conn: &mut Conn) {
        if self.clients_limit > 0 {
            conn.publish_output();
            self.charge_with(conn, conn.info.memory());
        }
    }

    /// Counts a client no more, as it is gone.
    pub(crate) fn discharge(&self, conn: &mut Conn) {
        self.charge_with(conn, 0);
    }

    fn charge_with(&self, conn: &mut Conn, bytes: u64) {
        let sum = &self.stats(&self.shared).client_bytes;
        sum.add(bytes.wrapping_sub(conn.charged));
        conn.charged = bytes;
    }

    /// Takes the limit over from the settings.
    pub(crate) fn take_clients_limit(&mut self) {
        let share = self.config.network.maxmemory_clients;
        let limit = share.of(self.config.memory.maxmemory);
        if limit == self.clients_limit {
            return;
        }
        self.clients_limit = limit;
        let mut conns = std::mem::take(&mut self.conns);
        for conn in conns.iter_mut().flatten() {
            self.charge(conn);
        }
        self.conns = conns;
        if limit > 0 {
            // Whatever the sums are that the other threads are about to make.
            self.evict_clients();
        }
    }

    /// Looks at the limit before the end of the tick, as this client's input has grown.
    #[inline]
    pub(crate) fn keep_input_to_limit(&mut self, conn: &mut Conn) {
        if self.clients_limit > 0 {
            self.charge(conn);
            self.keep_clients_to_limit();
            if conn.is_killed() {
                conn.strip();
            }
        }
    }

    /// The same with replies that have grown. Who is to be closed for these alone goes first.
    #[inline]
    pub(crate) fn keep_output_to_limit(&mut self, conn: &mut Conn) {
        if self.clients_limit > 0 {
            self.charge(conn);
            if self.has_too_large_clients() {
                self.limit_output(conn, conn.out.len() + conn.unsent);
            }
            self.keep_input_to_limit(conn);
        }
    }

    /// Has clients closed if all together take more than they may.
    #[inline]
    pub(crate) fn keep_clients_to_limit(&mut self) {
        let may_evict = self.now.mono_us >= self.next_client_eviction_us;
        if self.clients_limit > 0 && may_evict && self.has_too_large_clients() {
            self.evict_clients();
        }
    }

    /// Whether the clients of all threads together take more than they may.
    fn has_too_large_clients(&self) -> bool {
        let sums = self.shared.stats.iter();
        let sums = sums.map(|stats| stats.client_bytes.get());
        sums.fold(0, u64::wrapping_add) > self.clients_limit
    }

    #[cold]
    fn evict_clients(&mut self) {
        let (evicted, is_enough) = self.shared.clients.evict(self.clients_limit);
        if !is_enough {
            self.next_client_eviction_us = self.now.mono_us + PATIENCE_US;
        }
        for client in evicted {
            let (id, addr, memory) = (client.id, &client.socket.addr, client.memory());
            warn(&format!(
                "client {id} at {addr} is closed: it has {memory} bytes, the most of all, and \
                 together they have more than maxmemory-clients"
            ));
            self.stats(&self.shared).evicted_clients.add(1);
            self.shared
                .post(client.thread(), Message::Kill(client.token()));
            if client.thread() == self.number
                && let Some(mut conn) = self.take(Token(client.token()))
            {
                conn.strip();
                self.put_back(conn);
            }
        }
    }
}

impl Conn {
    /// Frees its buffers, as it is about to be closed and their memory is wanted now. Those of a
    /// client that waits for something go with the wait.
    fn strip(&mut self) {
        if matches!(self.state, State::Ready | State::Throttled) {
            self.doom();
        }
    }
}
