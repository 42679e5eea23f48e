//! One thread's loop: poll, work through what came in, send, look after time.

mod moves;
mod pace;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use reactor::{
    CloseMode, CloseReason, ConnId, Driver, Endpoint, Handler, ListenerId, Mailbox, Now,
};

use crate::admin;
use crate::balance::{Course, Share};
use crate::clients::SocketDescription;
use crate::conn::{Conn, State, Token};
use crate::control;
use crate::listening::tcp_options;
use crate::log::warn;
use crate::memory;
use crate::message::Message;
use crate::pause::Paused;
use crate::persistence::Loading;
use crate::shared::Shared;
use crate::spare::output_memory;
use crate::thread::Thread;
use moves::{Moved, Released};
use pace::Pace;

/// The search for expired keys may take one part in so many of a thread's time.
const EXPIRE_SHARE: u32 = 50;
/// Moving records out of sparse memory may take one part in so many.
const COMPACT_SHARE: u32 = 50;

/// Bytes of published messages that subscribers are given in one tick, before what they have is
/// sent.
const DELIVERY: usize = 4 << 20;

/// So many subscribers are sent what they have in one tick, or as many as other clients, and at
/// least this share of all who have something. In between others are served, and those whose turn
/// is yet to come get what is published meanwhile with the same system call.
const TOLD_IN_A_TICK: usize = 16;
const TOLD_SHARE: usize = 8;

/// When the disk is behind, what was sent to it is looked at so often.
const DISK_WAIT_US: u64 = 500;

/// What a stranger hears in protected mode.
const PROTECTED: &str = "-DENIED Darner is running in protected mode: there is no password, so \
     only clients on the same machine are served. To open it, connect from there and give it a \
     password (CONFIG SET requirepass, or requirepass in the configuration), or turn \
     protected-mode off (CONFIG SET protected-mode no, or --protected_mode=no) if only trusted \
     machines can reach it. CONFIG REWRITE keeps what was set.\r\n";

/// What a thread is given by another to take over.
#[derive(Debug)]
pub enum Handover<S, L> {
    /// A socket that was accepted.
    Socket(S),
    /// A connection of another thread.
    Client(Box<Moved<S>>),
    /// Where all threads take something over, by their numbers.
    Peers(Vec<reactor::Sender<Handover<S, L>>>),
    /// The TCP listeners that it is to have instead of those that it has.
    Listeners(Vec<L>),
}

type HandoverOf<D> = Handover<<D as Driver>::Socket, <D as Driver>::Listener>;

/// A thread's event loop.
pub struct Worker<D: Driver> {
    driver: D,
    core: Core<D::Socket>,
    mailbox: Mailbox<Message>,
    /// What other threads hand over.
    handovers: Mailbox<HandoverOf<D>>,
    /// The same of all threads, by their numbers.
    peers: Vec<reactor::Sender<HandoverOf<D>>>,
    /// What it knows of its load.
    share: Share,
    /// As the first thread, how many are to serve.
    course: Course,
    tcp_listeners: Vec<ListenerId>,
    next_thread: usize,
    next_cron_us: u64,
    shrinkage: memory::Shrinkage,
    /// A snapshot that is being loaded.
    loading: Option<Loading>,
    /// When it goes on with a snapshot.
    pace: Pace,
    /// The `tcp-keepalive` that accepted sockets have inherited.
    inherited_keepalive: u32,
    stopping: bool,
}

/// What the driver reports to.
struct Core<S> {
    thread: Thread,
    accepted: Vec<S>,
    released: Vec<Released<S>>,
}

impl<S> Handler<S> for Core<S> {
    fn tick(&mut self, now: Now) {
        self.thread.begin_tick(now);
    }

    fn accepted(&mut self, socket: S) {
        self.accepted.push(socket);
    }

    fn received(&mut self, conn: ConnId, data: &[u8]) {
        self.thread.received(conn, data);
    }

    fn sent(&mut self, conn: ConnId, buf: Vec<u8>) {
        self.thread.sent(conn, buf);
    }

    fn closed(&mut self, conn: ConnId, _: CloseReason) {
        self.thread.closed(conn);
    }

    fn released(&mut self, id: ConnId, socket: S, unread: Vec<u8>) {
        self.released.push(Released { id, socket, unread });
    }
}

impl<D: Driver> Worker<D>
where
    D::Socket: Endpoint,
{
    /// The loop of thread `number` over this driver.
    pub fn new(shared: Arc<Shared>, number: usize, driver: D) -> Self {
        let mailbox = Mailbox::new(driver.waker());
        let handovers = Mailbox::new(driver.waker());
        shared.set_mailbox(number, mailbox.sender());
        let wake = mailbox.sender();
        shared
            .store
            .set_waker(number, move |token| wake.post(Message::Wake(token)));
        let mut thread = Thread::new(shared, number);
        thread.begin_tick(driver.now());
        let inherited_keepalive = thread.config.network.tcp_keepalive;
        Self {
            driver,
            core: Core {
                thread,
                accepted: Vec::new(),
                released: Vec::new(),
            },
            mailbox,
            handovers,
            peers: Vec::new(),
            share: Share::default(),
            course: Course::default(),
            tcp_listeners: Vec::new(),
            next_thread: 0,
            next_cron_us: 0,
            shrinkage: memory::Shrinkage::default(),
            loading: None,
            pace: Pace::default(),
            inherited_keepalive,
            stopping: false,
        }
    }

    /// The driver, to add listeners.
    pub fn driver(&mut self) -> &mut D {
        &mut self.driver
    }

    /// Where this thread takes over what others hand it.
    pub fn handover_sender(&self) -> reactor::Sender<HandoverOf<D>> {
        self.handovers.sender()
    }

    /// Listens on these TCP sockets, and no more on those of before.
    pub fn listen(&mut self, listeners: Vec<D::Listener>) -> io::Result<()> {
        for listener in self.tcp_listeners.drain(..) {
            self.driver.unlisten(listener);
        }
        for listener in listeners {
            self.tcp_listeners.push(self.driver.listen(listener)?);
        }
        Ok(())
    }

    /// These are all threads, by their numbers: the first hands them what it accepts, and each
    /// hands its connections to others.
    pub fn meet(&mut self, peers: Vec<reactor::Sender<HandoverOf<D>>>) {
        self.peers = peers;
    }

    /// Loads a snapshot before clients are served.
    pub(crate) fn load(&mut self, loading: Loading) {
        self.core.thread.shared.begin_loading(&loading.progress);
        self.loading = Some(loading);
    }

    /// Begins an append-only file where there is nothing to load.
    pub(crate) fn begin_aof(&mut self) -> io::Result<()> {
        self.core.thread.resume_aof()
    }

    /// Runs until the server shuts down.
    pub fn run(&mut self) -> io::Result<()> {
        while !self.stopping {
            self.tick(None)?;
        }
        Ok(())
    }

    /// One turn of the loop, waiting at most `max_wait`.
    pub fn tick(&mut self, max_wait: Option<Duration>) -> io::Result<()> {
        let mut wait = max_wait.map_or(self.wait(), |max| max.min(self.wait()));
        let may_sleep = self.mailbox.prepare_sleep() && self.handovers.prepare_sleep();
        if !may_sleep {
            wait = Duration::ZERO;
        }
        let polled = self.driver.poll(Some(wait), &mut self.core);
        self.mailbox.awake();
        self.handovers.awake();
        polled?;
        self.hand_over_released();
        self.core.thread.end_telling();
        self.read_mail();
        if self.core.thread.aside.is_some() {
            return self.run_script();
        }
        self.take_over();
        self.end_pause();
        if !self.core.thread.is_busy() {
            for message in self.core.thread.catch_up() {
                self.take_message(message);
            }
            self.core.thread.end_overdue_waits();
        }
        let is_cron_due = self.core.thread.now.mono_us >= self.next_cron_us;
        if is_cron_due {
            self.cron();
        }
        if self.core.thread.tell_of_changes() {
            // Own clients hear with this tick's replies, behind them.
            self.read_mail();
        }
        self.flush();
        // What ran meanwhile may have changed keys as well.
        self.core.thread.tell_of_changes();
        if !is_cron_due {
            self.note_tick();
        }
        self.load_slice()?;
        self.save_slice();
        Ok(())
    }

    fn load_slice(&mut self) -> io::Result<()> {
        if let Some(loading) = &mut self.loading
            && !loading.slice(&mut self.core.thread)?
        {
            self.loading = None;
            let thread = &mut self.core.thread;
            if thread.config.persistence.appendonly {
                thread.resume_aof()?;
            }
            thread.shared.end_loading();
        }
        Ok(())
    }

    /// Goes on with a snapshot for a moment, if one is under way.
    fn save_slice(&mut self) {
        let thread = &self.core.thread;
        if !thread.shared.store.is_saving() || thread.is_busy() {
            self.pace.stop();
            return;
        }
        let commands = thread.stats(&thread.shared).commands.get();
        let budget = self
            .pace
            .slice(commands, thread.now.mono_us, self.driver.now().mono_us);
        if thread.save_slice(budget) {
            self.pace.rest(self.driver.now().mono_us);
        } else {
            self.pace.stop();
        }
    }

    /// A tick while a script takes long: nothing else touches the keyspace.
    fn run_script(&mut self) -> io::Result<()> {
        self.core.thread.go_on_with_script();
        self.take_over();
        self.flush();
        Ok(())
    }

    /// How long there is nothing to do.
    fn wait(&self) -> Duration {
        let thread = &self.core.thread;
        let has_output = !thread.dirty.is_empty() || !thread.told.is_empty();
        if has_output || self.loading.is_some() || thread.aside.is_some() {
            return Duration::ZERO;
        }
        let mut until_us = self.next_cron_us;
        if thread.shared.store.is_saving() {
            let disk_us = thread.now.mono_us + DISK_WAIT_US;
            until_us = until_us.min(self.pace.next_us().unwrap_or(disk_us));
        }
        if !thread.paused.is_empty() && !thread.shared.pubsub.is_behind() {
            until_us = until_us.min(thread.shared.pause_end_us());
        }
        if let Some(&(deadline_us, _)) = thread.deadlines.first() {
            until_us = until_us.min(deadline_us);
        }
        Duration::from_micros(until_us.saturating_sub(self.driver.now().mono_us))
    }

    fn read_mail(&mut self) {
        let mut delivered = 0;
        while delivered < DELIVERY
            && let Some(message) = self.mailbox.pop()
        {
            if let Some(message) = self.core.thread.put_off(message) {
                delivered += self.take_message(message);
            }
        }
    }

    /// Does what a message asks; how much was delivered.
    fn take_message(&mut self, message: Message) -> usize {
        let thread = &mut self.core.thread;
        match message {
            Message::Wake(token) => thread.wake(Token(token), State::Parked),
            Message::Kill(token) => self.kill(Token(token)),
            Message::Push(token, bytes) => {
                thread.push(Token(token), |_, reply| reply.raw(&bytes));
            }
            Message::Answer(token, bytes) => control::answer(thread, Token(token), bytes),
            Message::Publish(publication) => return thread.deliver(&publication),
            Message::Served(token, reply) => thread.served(Token(token), &reply),
            Message::Unblock(token, error) => thread.unblocked(Token(token), error),
            Message::Migrated(migration) => thread.migrated(&migration),
            Message::Serve(unserved) => thread.serve(&unserved),
            Message::Invalidate(token, invalidation) => {
                thread.begin_telling(&invalidation);
                thread.invalidate(Token(token), &invalidation);
            }
            Message::InvalidateAll => thread.invalidate_all(),
            Message::Redirected(client, invalidation) => {
                thread.begin_telling(&invalidation);
                thread.redirected(client, &invalidation);
            }
            Message::PauseChanged => thread.wake_paused(),
            Message::Saving => {}
            Message::Shutdown => self.stopping = true,
            Message::SaveAndShutdown => thread.save_and_shut_down(),
        }
        0
    }

    /// Wakes the connections that waited for the end of a pause, when it has come.
    fn end_pause(&mut self) {
        let thread = &mut self.core.thread;
        if thread.paused.is_empty() || thread.shared.pubsub.is_behind() {
            return;
        }
        if thread.shared.paused(thread.now.mono_us) == Paused::Nothing {
            thread.shared.forget_pause(thread.now.mono_us);
            thread.wake_paused();
        }
    }

    fn kill(&mut self, token: Token) {
        let slot = self.core.thread.conns.get(token.conn().index());
        if slot.is_some_and(|c| c.as_ref().is_some_and(|c| c.info.token() == token.0)) {
            self.driver.close(token.conn(), CloseMode::Now);
        }
    }

    fn take_over(&mut self) {
        for socket in std::mem::take(&mut self.core.accepted) {
            if self.peers.is_empty() {
                self.adopt(socket);
            } else {
                let serving = self.core.thread.shared.balance.serving();
                self.next_thread = (self.next_thread + 1) % serving;
                self.peers[self.next_thread].post(Handover::Socket(socket));
            }
        }
        while let Some(handover) = self.handovers.pop() {
            match handover {
                Handover::Socket(socket) => self.adopt(socket),
                Handover::Client(moved) => self.arrive(*moved),
                Handover::Peers(peers) => self.meet(peers),
                Handover::Listeners(listeners) => {
                    if let Err(error) = self.listen(listeners) {
                        warn(&format!("can't listen any more: {error}"));
                    }
                }
            }
        }
        self.tell_the_arrived();
    }

    fn adopt(&mut self, socket: D::Socket) {
        let description = SocketDescription {
            addr: socket.peer(),
            laddr: socket.local(),
            fd: socket.fd(),
            is_unix: socket.is_unix(),
            is_admin: control::is_admin(&self.core.thread.config, &socket.local()),
        };
        let network = &self.core.thread.config.network;
        if network.tcp_keepalive != self.inherited_keepalive && !description.is_unix {
            // Fails only when the peer is gone already.
            let _ = socket.set_options(&tcp_options(network));
        }
        // A socket that broke before it got here is nobody's loss.
        let Ok(id) = self.driver.adopt(socket) else {
            return;
        };
        if let Some(refusal) = self.open(id, description) {
            self.driver.send(id, refusal.as_bytes().to_vec());
            self.driver.close(id, CloseMode::Flush);
            let rejected = &self.core.thread.shared.shared_stats.rejected_connections;
            rejected.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Makes a socket a client, or tells why it can't be one.
    fn open(&mut self, id: ConnId, socket: SocketDescription) -> Option<&'static str> {
        let thread = &mut self.core.thread;
        let has_password = !thread.config.security.requirepass.is_empty();
        if thread.config.network.protected_mode && !has_password && !socket.is_local() {
            return Some(PROTECTED);
        }
        let is_open = thread.opened(id, socket);
        (!is_open).then_some("-ERR max number of clients reached\r\n")
    }

    fn cron(&mut self) {
        let thread = &mut self.core.thread;
        let hz = thread.config.process.hz.clamp(1, 500);
        let period = Duration::from_secs(1) / hz;
        self.next_cron_us = thread.now.mono_us + period.as_micros() as u64;
        self.balance();
        let thread = &mut self.core.thread;
        if thread.shared.admin.cron_paused.load(Ordering::Relaxed) {
            return;
        }
        thread.ticks.calibrate();
        let interpreter = thread.scripts.used_memory() as u64;
        let shown = &thread.stats(&thread.shared).interpreter_bytes;
        shown.store(interpreter, Ordering::Relaxed);
        let (store, now_us) = (&thread.shared.store, thread.now.mono_us);
        thread.shared.forget_pause(now_us);
        let is_paused = thread.shared.paused(now_us) != Paused::Nothing || thread.is_replaying();
        if !is_paused && store.enter_patiently(thread.number) {
            let start = Instant::now();
            store.expire_cycle(thread.number, thread.now_ms(), period / EXPIRE_SHARE);
            store.compact_cycle(thread.number, period / COMPACT_SHARE);
            if thread.number == 0 {
                store.count_uses();
            }
            store.leave(thread.number);
            let took = (thread.now_ms() / 1000, start.elapsed().as_nanos() as u64);
            admin::note_event(&thread.shared, &thread.config, "expire-cycle", took);
        }
        // A lower limit takes effect without a command.
        let is_over = thread.look_at_memory();
        if thread.number == 0 {
            let stats = &thread.shared.shared_stats;
            stats.note_limit(period.as_micros() as u64, is_over);
        }
        if !is_paused && is_over {
            thread.keep_to_limit();
        }
        if thread.number == 0 {
            admin::cron(&thread.shared, now_us);
            thread.see_to_aof();
            thread.save_if_due();
        }
        if self.shrinkage.is_over(now_us, memory::used()) {
            if thread.number == 0 {
                memory::purge();
            }
            memory::wake_allocator();
        }
        let driver = &self.driver;
        thread.look_at_the_slow(|id| driver.unsent(id));
        thread.look_at_the_silent(hz as usize);
    }

    /// Sends what the tick's commands have answered, once what is promised to last does.
    fn flush(&mut self) {
        let thread = &self.core.thread;
        let policy = thread.config.persistence.appendfsync;
        thread.shared.persistence.aof.end_tick(policy);
        let mut dirty = std::mem::take(&mut self.core.thread.dirty);
        let answered = dirty.len();
        for id in dirty.drain(..) {
            self.flush_one(id);
        }
        self.flush_told(answered);
        let thread = &mut self.core.thread;
        if thread.dirty.is_empty() {
            thread.dirty = dirty;
        }
        // Last, so that who is closed for its own unread replies costs nobody else the connection.
        thread.keep_clients_to_limit();
    }

    /// Sends some of those who are told what was published what they have.
    fn flush_told(&mut self, answered: usize) {
        let all = self.core.thread.told.len();
        let turns = if self.stopping {
            all
        } else {
            answered.max(TOLD_IN_A_TICK).max(all / TOLD_SHARE).min(all)
        };
        for _ in 0..turns {
            let Some(id) = self.core.thread.told.pop_front() else {
                return;
            };
            let slot = self.core.thread.conns.get_mut(id.index());
            if let Some(conn) = slot.and_then(Option::as_mut) {
                conn.is_told = false;
                self.flush_one(id);
            }
        }
    }

    /// Sends what a connection has to say, and does what its state asks of the driver.
    fn flush_one(&mut self, id: ConnId) {
        let slot = self.core.thread.conns.get_mut(id.index());
        let Some(mut conn) = slot.and_then(Option::take) else {
            return;
        };
        conn.is_dirty = false;
        let mut waiting = conn.out.len();
        if conn.unsent > 0 {
            waiting += self.driver.unsent(id);
        }
        // Before anything of it is sent: a reply that is too long isn't sent in part.
        self.core.thread.limit_output(&mut conn, waiting);
        if conn.is_killed() {
            self.driver.close(id, CloseMode::Now);
        } else {
            self.send(&mut conn);
            if conn.state == State::Closing {
                self.driver.close(id, CloseMode::Flush);
            } else if conn.state == State::Ready && conn.unsent > self.core.thread.output_pause() {
                conn.state = State::Throttled;
            }
        }
        let pause = conn.wants_recv_pause();
        if pause != conn.recv_paused {
            conn.recv_paused = pause;
            if pause {
                self.driver.pause_recv(id);
            } else {
                self.driver.resume_recv(id);
            }
        }
        let (state, token, unsent) = (conn.state, Token(conn.info.token()), conn.unsent);
        self.share.answered(&mut conn.answered_in);
        let thread = &mut self.core.thread;
        thread.charge(&mut conn);
        thread.conns[id.index()] = Some(conn);
        if state == State::Throttled && unsent <= thread.output_pause() / 2 {
            thread.wake(token, State::Throttled);
        }
        if self.share.gives(&self.core.thread.shared.balance) {
            self.send_away(id);
        }
    }

    fn send(&mut self, conn: &mut Conn) {
        if conn.out.is_empty() {
            return;
        }
        let out = std::mem::take(&mut conn.out);
        let (len, memory) = (out.len(), output_memory(&out));
        let (thread, info) = (&mut self.core.thread, &conn.info);
        let stats = thread.stats(&thread.shared);
        stats.output_bytes.add(len as u64);
        stats.writes.add(1);
        info.net_out.add(len as u64);
        info.active_ms.store(thread.now_ms(), Ordering::Relaxed);
        if let Some(buffer) = self.driver.send(conn.id, out) {
            thread.recycle(buffer);
            return;
        }
        conn.queued(len, memory);
    }
}
