//! A client's side of it: what it has asked for, what its reads register, and how it is told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use commands::spec::{Scope, flags};
use commands::{Args, keys};
use protocol::Reply;

use crate::clients::{ClientInfo, flag};
use crate::conn::{Conn, State, Token};
use crate::message::Message;
use crate::session::Call;
use crate::table::Entry;
use crate::thread::Thread;
use crate::tracking::prefixes::Listener;
use crate::tracking::{Invalidation, Reader};

/// Which keys a client is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Those that it reads.
    Reads,
    /// Those that it reads with the command after CLIENT CACHING YES.
    OptIn,
    /// Those that it reads, but for the command after CLIENT CACHING NO.
    OptOut,
    /// All that begin with one of these.
    Broadcast(Vec<Vec<u8>>),
}

/// What a client has asked for with CLIENT TRACKING.
#[derive(Clone, Debug)]
pub(crate) struct ClientTracking {
    pub(crate) mode: Mode,
    /// It isn't told of what it has changed itself.
    pub(crate) no_loop: bool,
    /// The client that is told in its place, or 0.
    pub(crate) redirect: u64,
    /// That one is gone.
    pub(crate) is_broken: bool,
    /// CLIENT CACHING was given for the next command.
    pub(crate) caching: bool,
}

impl ClientTracking {
    /// The prefixes of broadcasting mode.
    pub(crate) fn prefixes(&self) -> &[Vec<u8>] {
        match &self.mode {
            Mode::Broadcast(prefixes) => prefixes,
            _ => &[],
        }
    }

    /// Bytes of memory, about: each prefix is here and in the register of all.
    pub(crate) fn heap_bytes(&self) -> usize {
        let prefixes = self.prefixes().iter();
        let bytes = prefixes.map(|prefix| 2 * (size_of::<Vec<u8>>() + prefix.len()));
        bytes.sum()
    }

    /// Whether the keys are noted that a command reads now.
    fn remembers(&self) -> bool {
        match self.mode {
            Mode::Reads => true,
            Mode::OptIn => self.caching,
            Mode::OptOut => !self.caching,
            Mode::Broadcast(_) => false,
        }
    }

    /// Whether a client that has asked for this is told of something.
    fn wants(&self, invalidation: &Invalidation, client: u64) -> bool {
        let is_broadcast = matches!(self.mode, Mode::Broadcast(_));
        invalidation.keys.is_none()
            || invalidation.is_broadcast == is_broadcast
                && !(self.no_loop && invalidation.author == client)
    }
}

/// Notes which keys a client has read with a command, while these are locked.
#[cold]
pub(crate) fn after(call: &mut Call<'_, '_>, entry: &Entry, args: Args<'_>) {
    let session = &mut call.conn.session;
    let mut reads = entry.spec.has(flags::READONLY);
    if session.in_script {
        session.script_reads |= reads;
        return;
    }
    // Of a script that reads something, the keys that it declares count as read.
    if entry.spec.scope == Scope::Script {
        reads = std::mem::take(&mut session.script_reads);
    }
    let Some(tracking) = &mut session.tracking else {
        return;
    };
    if reads && tracking.remembers() {
        let reader = Reader {
            thread: call.thread.number,
            token: Token(call.conn.info.token()),
        };
        for at in keys::positions(&entry.spec, args) {
            call.shared.tracking.remember(args.at(at), reader);
        }
    }
    // CLIENT CACHING holds for one command, or for one transaction.
    let is_inside = session.multi.is_some() || session.in_exec;
    tracking.caching &= is_inside || entry.full_name.starts_with("client|");
}

impl Thread {
    /// From now on a client is told of changes as it has asked for.
    pub(crate) fn track(&mut self, conn: &mut Conn, tracking: ClientTracking) {
        let listener = self.listener(conn, &tracking);
        if let Some(old) = conn.session.tracking.take() {
            self.forget_prefixes(conn, &old);
        } else {
            self.count_tracking(true);
        }
        for prefix in tracking.prefixes() {
            self.shared.tracking.prefixes.add(prefix, listener);
        }
        let session = &mut conn.session;
        session.set(flag::TRACKING, true);
        session.set(flag::TRACKING_BROKEN, false);
        let is_broadcast = matches!(tracking.mode, Mode::Broadcast(_));
        session.set(flag::TRACKING_BROADCAST, is_broadcast);
        session.tracking = Some(Box::new(tracking));
    }

    /// A client is told of changes no more.
    pub(crate) fn untrack(&mut self, conn: &mut Conn) {
        let all = flag::TRACKING | flag::TRACKING_BROKEN | flag::TRACKING_BROADCAST;
        conn.session.set(all, false);
        if let Some(old) = conn.session.tracking.take() {
            self.forget_prefixes(conn, &old);
            self.count_tracking(false);
        }
    }

    /// Has clients told of the keys that this thread has changed; false when there are none.
    #[inline]
    pub(crate) fn tell_of_changes(&self) -> bool {
        self.shared.tracking.tell(self.number)
    }

    fn forget_prefixes(&self, conn: &Conn, tracking: &ClientTracking) {
        let listener = self.listener(conn, tracking);
        for prefix in tracking.prefixes() {
            self.shared.tracking.prefixes.remove(prefix, listener);
        }
    }

    fn listener(&self, conn: &Conn, tracking: &ClientTracking) -> Listener {
        Listener {
            thread: self.number,
            token: Token(conn.info.token()),
            client: conn.info.id,
            no_loop: tracking.no_loop,
        }
    }

    fn count_tracking(&self, more: bool) {
        let observers = self.shared.store.observers();
        let changed = |any| observers.track(any);
        self.shared.tracking.count_clients(more, changed);
    }

    /// A client of this thread is told of something, which is sent at the end of the tick.
    pub(crate) fn begin_telling(&mut self, invalidation: &Invalidation) {
        self.told_bytes += invalidation.told_bytes();
    }

    /// What was told in the tick before is sent.
    pub(crate) fn end_telling(&mut self) {
        if self.told_bytes > 0 {
            let bytes = std::mem::take(&mut self.told_bytes);
            let posted = &self.shared.tracking.posted_bytes;
            posted.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Tells a client of a change.
    pub(crate) fn invalidate(&mut self, token: Token, invalidation: &Arc<Invalidation>) {
        if let Some(mut conn) = self.take(token) {
            self.tell(&mut conn, invalidation);
            self.put_back(conn);
        }
    }

    /// Tells all clients of this thread that all keys have changed.
    pub(crate) fn invalidate_all(&mut self) {
        let invalidation = Arc::new(Invalidation {
            keys: None,
            author: 0,
            is_broadcast: false,
        });
        let conns = self.conns.iter().flatten();
        let tracked = conns.filter(|conn| conn.session.has(flag::TRACKING));
        let tokens: Vec<Token> = tracked.map(|conn| Token(conn.info.token())).collect();
        for token in tokens {
            self.invalidate(token, &invalidation);
        }
    }

    /// Tells a client of a change that another client reads for it.
    pub(crate) fn write_redirected(&mut self, token: Token, invalidation: &Invalidation) {
        self.push(token, |session, reply| {
            if reply.is_resp3() {
                reply.push(2);
                reply.bulk(b"invalidate");
            } else if session.has(flag::PUBSUB) {
                reply.array(3);
                reply.bulk(b"message");
                reply.bulk(b"__redis__:invalidate");
            } else {
                // It couldn't tell this from a reply.
                return;
            }
            write_keys(reply, invalidation);
        });
    }

    /// Has the thread of a client tell it of a change in the place of another.
    pub(crate) fn post_redirected(&self, target: &ClientInfo, invalidation: &Arc<Invalidation>) {
        let message = Message::Redirected(target.id, Arc::clone(invalidation));
        self.shared.tracking.post(target.thread(), message);
    }

    fn tell(&mut self, conn: &mut Conn, invalidation: &Arc<Invalidation>) {
        let session = &mut conn.session;
        let Some(tracking) = &mut session.tracking else {
            return;
        };
        if !tracking.wants(invalidation, conn.info.id) || conn.state == State::Closing {
            return;
        }
        let mut reply = Reply::new(&mut conn.out, session.resp3);
        if tracking.redirect == 0 {
            if session.resp3 {
                reply.push(2);
                reply.bulk(b"invalidate");
                write_keys(&mut reply, invalidation);
            }
            return;
        }
        let target = self.shared.clients.get(tracking.redirect);
        if let Some(target) = target.filter(|target| target.is_here()) {
            self.post_redirected(&target, invalidation);
            return;
        }
        tracking.is_broken = true;
        if session.resp3 {
            reply.push(2);
            reply.bulk(b"tracking-redir-broken");
            reply.int(tracking.redirect as i64);
        }
        session.set(flag::TRACKING_BROKEN, true);
        let flags = &conn.info.flags;
        flags.fetch_or(flag::TRACKING_BROKEN, Ordering::Relaxed);
    }
}

fn write_keys(reply: &mut Reply<'_>, invalidation: &Invalidation) {
    match &invalidation.keys {
        Some(keys) => reply.raw(keys),
        None => reply.null(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracking(mode: Mode) -> ClientTracking {
        ClientTracking {
            mode,
            no_loop: true,
            redirect: 0,
            is_broken: false,
            caching: false,
        }
    }

    #[test]
    fn opting_turns_around_what_is_noted() {
        let noted = |mode, caching| {
            let tracking = ClientTracking {
                caching,
                ..tracking(mode)
            };
            tracking.remembers()
        };
        assert!(noted(Mode::Reads, false));
        assert!(noted(Mode::OptIn, true) && !noted(Mode::OptIn, false));
        assert!(!noted(Mode::OptOut, true) && noted(Mode::OptOut, false));
        assert!(!noted(Mode::Broadcast(Vec::new()), false));
    }

    #[test]
    fn who_is_told() {
        let told = |keys: Option<&[u8]>, author, is_broadcast| Invalidation {
            keys: keys.map(<[u8]>::to_vec),
            author,
            is_broadcast,
        };
        let reads = tracking(Mode::Reads);
        let broadcast = tracking(Mode::Broadcast(vec![Vec::new()]));
        let wire = Some(&b"*1\r\n$1\r\na\r\n"[..]);
        assert!(reads.wants(&told(wire, 2, false), 1));
        assert!(!reads.wants(&told(wire, 1, false), 1), "its own change");
        assert!(!reads.wants(&told(wire, 2, true), 1));
        assert!(!broadcast.wants(&told(wire, 2, false), 1));
        assert!(broadcast.wants(&told(wire, 0, true), 1));
        for tracking in [reads, broadcast] {
            assert!(tracking.wants(&told(None, 1, false), 1));
        }
    }
}
