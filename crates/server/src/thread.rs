//! What one thread knows, and how it works through a connection's input.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::{Limits, Reply};
use reactor::{ConnId, Now};
use store::Txn;

use crate::admin;
use crate::batch::{Batch, Stopped};
use crate::clients::{ClientInfo, SocketDescription, USUAL_OUTPUT, flag};
use crate::conn::{Conn, State, Token};
use crate::control;
use crate::dispatch::{self, Flow};
use crate::flags::Config;
use crate::pubsub::Subscribers;
use crate::script::{Aside, PutOff, ThreadScripts};
use crate::session::{self, Session};
use crate::shared::Shared;
use crate::slow_path::Reason;
use crate::spare::{SpareBuffers, output_memory};
use crate::stats::ThreadStats;
use crate::table::Entry;
use crate::ticks::{Tick, Ticks};
use crate::tracking::Invalidation;

/// The part of a worker that has no driver: everything that commands may reach.
pub struct Thread {
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// This thread.
    pub number: usize,
    /// The settings, as of the last tick.
    pub config: Arc<Config>,
    /// The time, as of the last tick.
    pub now: Now,
    pub(crate) conns: Vec<Option<Box<Conn>>>,
    pub(crate) ticks: Ticks,
    pub(crate) last_tick: Tick,
    /// More memory was used than `maxmemory` allows when it was last looked at.
    pub(crate) is_full: bool,
    /// Nanoseconds from which a command is worth noting.
    pub(crate) observe_ns: u64,
    /// Connections with something to send, to resume or to close.
    pub(crate) dirty: Vec<ConnId>,
    /// Connections with messages that were published, in the order in which these are sent.
    pub(crate) told: VecDeque<ConnId>,
    /// Bytes of the invalidations that clients were told of in this tick.
    pub(crate) told_bytes: usize,
    /// When the waits for keys end, and whose: monotonic microseconds and token.
    pub(crate) deadlines: BTreeSet<(u64, u64)>,
    /// Connections that wait for the end of a pause.
    pub(crate) paused: Vec<Token>,
    /// Not more often than this.
    pub(crate) next_http_warning_us: u64,
    /// Which connections listen to which channels.
    pub(crate) subscribers: Subscribers,
    /// Its interpreter and what that has run.
    pub(crate) scripts: ThreadScripts,
    /// A script that takes long and was put aside.
    pub(crate) aside: Option<Box<Aside>>,
    /// What waits until no script takes long.
    pub(crate) put_off: PutOff,
    /// The commands at work run outside the gate: only to say that a script takes long.
    pub(crate) is_outside: bool,
    /// Connections that were over their soft output limit when they were last looked at.
    pub(crate) over_soft_limit: Vec<Token>,
    /// Most memory of all clients together; 0 = no limit.
    pub(crate) clients_limit: u64,
    /// No client is evicted before: monotonic microseconds.
    pub(crate) next_client_eviction_us: u64,
    /// What was redirected to clients that have not arrived yet from another thread.
    pub(crate) early: Vec<(u64, Arc<Invalidation>)>,
    /// Where the slow round through all connections goes on.
    pub(crate) next_to_look_at: usize,
    config_version: u64,
    batch: Batch,
    spare: SpareBuffers,
}

impl Thread {
    /// Thread `number` of a server.
    pub fn new(shared: Arc<Shared>, number: usize) -> Self {
        let config = shared.config();
        let mut thread = Self {
            number,
            observe_ns: admin::threshold_ns(&config),
            scripts: ThreadScripts::new(config.scripting.lua_mem_limit),
            config,
            now: Now::default(),
            conns: Vec::new(),
            ticks: Ticks::new(),
            last_tick: Ticks::now(),
            dirty: Vec::new(),
            told: VecDeque::new(),
            told_bytes: 0,
            deadlines: BTreeSet::new(),
            paused: Vec::new(),
            is_full: false,
            next_http_warning_us: 0,
            subscribers: Subscribers::default(),
            aside: None,
            put_off: PutOff::default(),
            is_outside: false,
            over_soft_limit: Vec::new(),
            clients_limit: 0,
            next_client_eviction_us: 0,
            early: Vec::new(),
            next_to_look_at: 0,
            config_version: shared.config_version(),
            batch: Batch::default(),
            spare: SpareBuffers::new(),
            shared,
        };
        thread.take_config();
        thread
    }

    /// Unix time in milliseconds.
    #[inline(always)]
    pub fn now_ms(&self) -> u64 {
        self.now.wall_us / 1000
    }

    /// This thread's counters.
    #[inline(always)]
    pub fn stats<'s>(&self, shared: &'s Shared) -> &'s ThreadStats {
        &shared.stats[self.number]
    }

    /// Whether an append-only file is being loaded: what expires or is evicted meanwhile would be
    /// missing for the commands that follow, and in no log.
    pub(crate) fn is_replaying(&self) -> bool {
        let is_loading = self.shared.slow_path.has(Reason::Loading);
        let persistence = &self.config.persistence;
        is_loading && (persistence.appendonly || self.shared.persistence.is_replaying())
    }

    /// A new tick: the time, and the settings if they have changed.
    pub(crate) fn begin_tick(&mut self, now: Now) {
        self.now = now;
        self.stats(&self.shared).ticks.add(1);
        if self.shared.config_version() != self.config_version {
            self.take_config();
        }
    }

    /// Takes the settings of this moment over.
    #[cold]
    pub(crate) fn take_config(&mut self) {
        self.config_version = self.shared.config_version();
        self.config = self.shared.config();
        self.observe_ns = admin::threshold_ns(&self.config);
        let stamps = self.config.persistence.aof_timestamp_enabled;
        self.shared.persistence.aof.note_stamps(stamps);
        self.spare.limit(self.config.memory.maxmemory);
        if !self.config.persistence.aof_disable_auto_gc {
            self.shared.persistence.aof.remove_history();
        }
        self.look_at_memory();
        self.take_clients_limit();
    }

    /// A connection was taken over; false if there are too many.
    pub(crate) fn opened(&mut self, id: ConnId, socket: SocketDescription) -> bool {
        let client_id = self.shared.shared_stats.next_client_id();
        let token = Token::new(id, client_id);
        let info = ClientInfo::new(client_id, socket, (self.number, token.0), self.now_ms());
        let info = Arc::new(info);
        let mut max = self.config.network.maxclients as usize;
        if info.socket.is_admin {
            max = max.saturating_add(control::ADMIN_CLIENTS);
        }
        if !self.shared.clients.add(&info, max) {
            return false;
        }
        self.stats(&self.shared).connections.add(1);
        let is_trusted = info.socket.is_admin && self.config.monitoring.admin_nopass;
        let session = Session::new(is_trusted || self.config.security.requirepass.is_empty());
        let conn = Box::new(Conn::new(id, info, session));
        self.make_place(id);
        self.conns[id.index()] = Some(conn);
        true
    }

    /// Makes room in the table for a connection with this id.
    pub(crate) fn make_place(&mut self, id: ConnId) {
        if self.conns.len() <= id.index() {
            self.conns.resize_with(id.index() + 1, || None);
        }
    }

    /// A connection is gone.
    pub(crate) fn closed(&mut self, id: ConnId) {
        let conn = self.conns.get_mut(id.index()).and_then(Option::take);
        if let Some(conn) = conn.and_then(|conn| self.put_off_closing(conn)) {
            self.bury(conn);
        }
    }

    /// Ends all that a connection has begun that is gone.
    pub(crate) fn bury(&mut self, mut conn: Box<Conn>) {
        self.discharge(&mut conn);
        self.leave_pause(&mut conn);
        session::end_monitor(&self.shared, &mut conn);
        self.end_wait(&mut conn);
        self.unsubscribe_all(&mut conn);
        self.untrack(&mut conn);
        if conn.session.watch.is_some() {
            self.enter_gate();
            session::drop_watches(&self.shared.store, &mut conn.session);
            self.shared.store.leave(self.number);
        }
        self.shared.clients.remove(conn.info.id);
    }

    /// Enters the gate for work that no connection can be parked for.
    pub(crate) fn enter_gate(&self) {
        // Who has closed the gate takes no shard's lock: shards are safe only from inside.
        while !self.shared.store.enter(self.number) {
            std::thread::yield_now();
        }
    }

    /// Bytes have come in.
    pub(crate) fn received(&mut self, id: ConnId, data: &[u8]) {
        let Some(mut conn) = self.conns.get_mut(id.index()).and_then(Option::take) else {
            return;
        };
        let stats = self.stats(&self.shared);
        stats.input_bytes.add(data.len() as u64);
        stats.reads.add(1);
        conn.info.net_in.add(data.len() as u64);
        conn.info.active_ms.store(self.now_ms(), Ordering::Relaxed);
        if conn.state == State::Closing {
            // What comes after QUIT is not for us.
        } else if conn.skip.is_some() {
            self.pass_over(&mut conn, data);
        } else if conn.pending.is_empty() && conn.state == State::Ready {
            let consumed = self.process(&mut conn, data);
            self.keep(&mut conn, &data[consumed..]);
        } else {
            self.keep(&mut conn, data);
            self.process_pending(&mut conn);
        }
        self.put_back(conn);
    }

    /// Takes a connection out to work on it, if it is still there; [`Thread::put_back`] follows.
    pub(crate) fn take(&mut self, token: Token) -> Option<Box<Conn>> {
        let slot = self.conns.get_mut(token.conn().index())?;
        slot.take_if(|conn| conn.info.token() == token.0)
    }

    /// A connection that waited may go on.
    pub(crate) fn wake(&mut self, token: Token, waited: State) {
        let Some(mut conn) = self.take(token) else {
            return;
        };
        if conn.state == waited {
            self.leave_pause(&mut conn);
            self.go_on(conn);
        } else {
            self.put_back(conn);
        }
    }

    /// A connection that was taken out doesn't wait any more: its other commands run.
    pub(crate) fn go_on(&mut self, mut conn: Box<Conn>) {
        if conn.state != State::Closing {
            conn.state = State::Ready;
            conn.publish(conn.pending.len());
            self.process_pending(&mut conn);
        }
        self.put_back(conn);
    }

    /// Lets the connections go on that a pause has stopped; it may stop them again.
    pub(crate) fn wake_paused(&mut self) {
        for token in std::mem::take(&mut self.paused) {
            self.wake(token, State::Paused);
        }
    }

    fn enter_pause(&mut self, conn: &mut Conn) {
        conn.state = State::Paused;
        self.paused.push(Token(conn.info.token()));
        let blocked = &self.shared.shared_stats.blocked_clients;
        blocked.fetch_add(1, Ordering::Relaxed);
    }

    fn leave_pause(&mut self, conn: &mut Conn) {
        if conn.state == State::Paused {
            let blocked = &self.shared.shared_stats.blocked_clients;
            blocked.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Writes something to a connection that isn't the reply to a command.
    pub(crate) fn push(&mut self, token: Token, write: impl FnOnce(&Session, &mut Reply<'_>)) {
        if let Some(mut conn) = self.take(token) {
            self.write_push(&mut conn, write);
            self.put_back(conn);
        }
    }

    /// As [`Thread::push`], of a message that many may be told: it is sent when it is the turn of
    /// this connection.
    pub(crate) fn push_in_turn(&mut self, token: Token, write: impl FnOnce(&mut Reply<'_>)) {
        let Some(mut conn) = self.take(token) else {
            return;
        };
        self.write_push(&mut conn, |_, reply| write(reply));
        if conn.state == State::Closing || conn.out.len() as u64 > USUAL_OUTPUT {
            self.put_back(conn);
            return;
        }
        self.charge(&mut conn);
        if !conn.is_told {
            conn.is_told = true;
            self.told.push_back(conn.id);
        }
        let id = conn.id;
        self.conns[id.index()] = Some(conn);
    }

    fn write_push(&mut self, conn: &mut Conn, write: impl FnOnce(&Session, &mut Reply<'_>)) {
        if conn.state == State::Closing {
            return;
        }
        let Conn { session, out, .. } = conn;
        if out.capacity() == 0 {
            *out = self.spare.take();
        }
        write(session, &mut Reply::new(out, session.resp3));
    }

    /// Ends the work on a connection that was taken out.
    pub(crate) fn put_back(&mut self, mut conn: Box<Conn>) {
        if conn.out.len() as u64 > USUAL_OUTPUT {
            self.keep_output_to_limit(&mut conn);
        } else {
            self.charge(&mut conn);
        }
        if conn.state == State::Http {
            control::forward(&self.shared, &mut conn);
        }
        let has_work = !conn.out.is_empty()
            || conn.state == State::Closing
            || conn.wants_recv_pause() != conn.recv_paused;
        if has_work && !conn.is_dirty {
            conn.is_dirty = true;
            self.dirty.push(conn.id);
        }
        let id = conn.id;
        self.conns[id.index()] = Some(conn);
    }

    /// Runs what is whole of the input that was kept.
    fn process_pending(&mut self, conn: &mut Conn) {
        if conn.state != State::Ready || conn.pending.len() < conn.wanted || conn.skip.is_some() {
            return;
        }
        let mut pending = std::mem::take(&mut conn.pending);
        let consumed = self.process(conn, &pending);
        if consumed < pending.len() {
            pending.drain(..consumed);
            conn.pending = pending;
        }
        // Idle connections keep no buffer.
        let capacity = conn.pending.capacity() as u64;
        conn.info.query_capacity.store(capacity, Ordering::Relaxed);
    }

    /// Runs the commands at the start of `input`; returns how much of it is done with.
    pub(crate) fn process(&mut self, conn: &mut Conn, input: &[u8]) -> usize {
        let shared = Arc::clone(&self.shared);
        if conn.is_killed() {
            conn.state = State::Closing;
            return input.len();
        }
        conn.input_len = input.len();
        // Who has put a script aside is inside already and stays there.
        while self.aside.is_none() && !shared.store.enter(self.number) {
            if shared.store.park_at_gate(conn.waiter()) {
                if self.is_busy() {
                    self.is_outside = true;
                    break;
                }
                conn.state = State::Parked;
                conn.wanted = 0;
                return 0;
            }
        }
        let mut out = std::mem::take(&mut conn.out);
        if out.capacity() == 0 {
            out = self.spare.take();
        }
        let mut batch = std::mem::take(&mut self.batch);
        let mut txn = Txn::new(&shared.store, self.number, conn.session.db, self.now_ms());
        txn.touches = !conn.session.has(flag::NO_TOUCH);
        txn.client = conn.info.id;
        txn.max_string = self.config.network.max_bulk_len;
        let done = self.run_groups(&shared, conn, &mut txn, &mut batch, input, &mut out);
        drop(txn);
        if !std::mem::take(&mut self.is_outside) && self.aside.is_none() {
            shared.store.leave(self.number);
        }
        self.batch = batch;
        conn.out = out;
        let done = if conn.state == State::Closing {
            input.len()
        } else {
            done
        };
        conn.publish(input.len() - done);
        done
    }

    /// How large a request of a client may be.
    #[inline]
    pub(crate) fn request_limits(&self, conn: &Conn) -> Limits {
        Limits {
            max_bulk_len: self.config.network.max_bulk_len,
            max_multibulk: i64::from(self.config.network.max_multi_bulk_len),
            unauthenticated: !conn.session.authenticated,
            ..Limits::default()
        }
    }

    fn run_groups<'s>(
        &mut self,
        shared: &'s Shared,
        conn: &mut Conn,
        txn: &mut Txn<'s>,
        batch: &mut Batch,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> usize {
        let mut done = 0;
        loop {
            let limits = self.request_limits(conn);
            let stopped = batch.parse(&shared.table, conn, input, done, &limits);
            let ran = self.run_group(shared, conn, txn, batch, input, out);
            if ran > 0 {
                done = batch.end(ran - 1);
                conn.info.commands.add(ran as u64);
            }
            if ran < batch.len() || conn.state != State::Ready {
                // What was parsed beyond is parsed again when it is its turn.
                conn.parser = protocol::Parser::default();
                conn.wanted = 0;
                return done;
            }
            match stopped {
                Stopped::Full => {}
                Stopped::Incomplete { wanted } => {
                    conn.wanted = wanted;
                    return done;
                }
                // What is too large for a stranger may be all right by now.
                Stopped::Error(_) if limits.unauthenticated && conn.session.authenticated => {
                    conn.parser = protocol::Parser::default();
                }
                Stopped::Error(error) => {
                    Reply::new(out, conn.session.resp3).protocol_error(&error);
                    conn.state = State::Closing;
                    return done;
                }
            }
        }
    }

    /// Runs a parsed group; returns how many of its commands are done with.
    fn run_group<'s>(
        &mut self,
        shared: &'s Shared,
        conn: &mut Conn,
        txn: &mut Txn<'s>,
        batch: &mut Batch,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> usize {
        let is_inside = self.aside.is_none() && !self.is_outside;
        if self.look_at_memory() && is_inside {
            self.make_room();
        }
        let may_lock = conn.session.is_plain() && is_inside;
        if may_lock && batch.prefetch(shared, conn, txn, input).is_err() {
            conn.state = State::Parked;
            return 0;
        }
        self.last_tick = Ticks::now();
        let is_behind = shared.pubsub.is_behind();
        let output_pause = self.output_pause();
        for number in 0..batch.len() {
            let args = batch.args(number, input);
            if args.len() == 0 {
                continue;
            }
            let entry = batch.entry(number, &shared.table);
            if is_behind && entry.is_some_and(Entry::may_publish) {
                self.enter_pause(conn);
                return number;
            }
            match dispatch::execute(shared, self, conn, txn, (entry, args), out) {
                Flow::Next if out.len() + conn.unsent <= output_pause => {}
                Flow::Next => {
                    conn.state = State::Throttled;
                    return number + 1;
                }
                Flow::Park => {
                    conn.state = State::Parked;
                    return number;
                }
                Flow::Pause => {
                    self.enter_pause(conn);
                    return number;
                }
                Flow::Block => return number + 1,
                Flow::Aside => {
                    conn.state = State::Running;
                    return number + 1;
                }
                Flow::Close => {
                    conn.state = State::Closing;
                    return number + 1;
                }
                Flow::Http => {
                    conn.state = State::Http;
                    return number;
                }
            }
        }
        batch.len()
    }

    /// A buffer of a connection has left the driver.
    pub(crate) fn sent(&mut self, id: ConnId, buffer: Vec<u8>) {
        if let Some(mut conn) = self.conns.get_mut(id.index()).and_then(Option::take) {
            conn.sent(buffer.len(), output_memory(&buffer));
            self.charge(&mut conn);
            if conn.state == State::Throttled && !conn.is_dirty {
                conn.is_dirty = true;
                self.dirty.push(id);
            }
            self.conns[id.index()] = Some(conn);
        }
        self.recycle(buffer);
    }

    /// A buffer whose bytes were sent.
    pub(crate) fn recycle(&mut self, buffer: Vec<u8>) {
        self.spare.keep(buffer);
    }
}
