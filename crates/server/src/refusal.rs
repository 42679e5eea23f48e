//! Requests for which there is no memory: they are answered before they are whole, and the rest of
//! their bytes is passed over as it comes in.
//!
//! What a client has announced is held against `maxmemory` each time that its buffer has to grow,
//! so many clients with large requests don't take more than there is.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use commands::spec::flags;
use protocol::Reply;

use crate::conn::{Conn, State};
use crate::dispatch;
use crate::table::Entry;
use crate::thread::Thread;

/// A request that may need memory to run is refused only if it is longer.
const SMALL: usize = 64 << 10;
/// One that may free some, or answers only, if it is longer than this.
const LARGE: usize = 1 << 20;

impl Thread {
    /// Whether there is no room for a request that isn't whole, of which `input` has just come in.
    #[inline]
    pub(crate) fn is_too_much(&mut self, conn: &Conn, input: &[u8]) -> bool {
        let there = conn.pending.len() + input.len();
        let len = there.max(conn.wanted);
        len > SMALL
            && there > conn.pending.capacity()
            && self.config.memory.maxmemory > 0
            && self.is_beyond_memory(conn, input, len)
    }

    #[cold]
    fn is_beyond_memory(&mut self, conn: &Conn, input: &[u8], len: usize) -> bool {
        if !conn.parser.is_mid_command() {
            return false;
        }
        let entry = self.command_under_way(conn, input);
        let is_queued = conn.session.multi.is_some();
        let needs_memory = entry.is_some_and(|entry| entry.spec.has(flags::DENYOOM)) || is_queued;
        let missing = (len - conn.pending.capacity()) as u64;
        (needs_memory || len > LARGE) && !self.has_room_for(missing)
    }

    /// Which command it is that isn't whole.
    fn command_under_way(&self, conn: &Conn, input: &[u8]) -> Option<&Entry> {
        let start = if conn.pending.is_empty() {
            input
        } else {
            &conn.pending
        };
        let name = conn.parser.args().first()?;
        self.shared.table.find(name.of(start))
    }

    /// Answers a request that isn't whole, of which `input` has just come in, and keeps none of it.
    #[cold]
    pub(crate) fn refuse_request(&mut self, conn: &mut Conn, input: &[u8]) {
        let shared = Arc::clone(&self.shared);
        let name = self.command_under_way(conn, input).map(|entry| entry.place);
        let Some((start, skip)) = conn.parser.give_up() else {
            conn.append(input);
            return;
        };
        let entry = name.map(|place| shared.table.at(place));
        dispatch::refuse_unread(self, conn, entry);
        conn.skip = Some(skip);
        conn.wanted = 0;
        let pending = std::mem::take(&mut conn.pending);
        conn.info.query_capacity.store(0, Ordering::Relaxed);
        if pending.is_empty() {
            self.pass_over(conn, &input[start..]);
        } else {
            self.pass_over(conn, &pending[start..]);
            drop(pending);
            self.pass_over(conn, input);
        }
    }

    /// Passes over what is left of a refused request; what comes behind it runs.
    #[cold]
    pub(crate) fn pass_over(&mut self, conn: &mut Conn, input: &[u8]) {
        let Some(mut skip) = conn.skip else {
            return;
        };
        let mut line = std::mem::take(&mut conn.pending);
        let input = if line.is_empty() {
            input
        } else {
            line.extend_from_slice(input);
            &line
        };
        match skip.pass(input, &self.request_limits(conn)) {
            Ok(passed) if skip.is_done() => {
                conn.skip = None;
                let rest = &input[passed..];
                let is_ready = conn.state == State::Ready;
                let done = if is_ready {
                    self.process(conn, rest)
                } else {
                    0
                };
                self.keep(conn, &rest[done..]);
            }
            Ok(passed) => {
                conn.skip = Some(skip);
                conn.pending = input[passed..].to_vec();
            }
            Err(error) => {
                let Conn { session, out, .. } = conn;
                Reply::new(out, session.resp3).protocol_error(&error);
                conn.state = State::Closing;
            }
        }
    }
}
