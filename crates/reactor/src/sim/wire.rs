//! The simulated network's inside: connections as pairs of ends, bytes under way with their times
//! of arrival, and the scheduler that decides who runs and when it is.

use super::{SimConfig, Turn};
use crate::driver::Now;
use crate::waker::Waker;
use std::collections::VecDeque;
use std::io;

/// Index of an end; its peer's differs in the lowest bit.
pub(super) type EndId = usize;

/// The other end of the same connection.
pub(super) fn other(end: EndId) -> EndId {
    end ^ 1
}

/// 2026-01-01, where virtual time starts.
const START_WALL_US: u64 = 1_767_225_600_000_000;

pub(super) struct Net {
    config: SimConfig,
    random: Random,
    now_us: u64,
    ends: Vec<End>,
    threads: Vec<Thread>,
    listeners: Vec<(u16, usize)>,
    fingerprint: u64,
    trace: Vec<String>,
}

/// What one end of a connection can see.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, not a state machine"
)]
struct End {
    /// Under way to this end, in order of arrival.
    arriving: VecDeque<(u64, Segment)>,
    /// Bytes of `arriving` and `readable`.
    held: usize,
    /// The most the two hold.
    window: usize,
    readable: VecDeque<u8>,
    /// Bytes a client wrote that the other end's window has no room for.
    backlog: VecDeque<u8>,
    /// The peer's end of stream has arrived.
    finish_seen: bool,
    broken: Option<io::ErrorKind>,
    /// This end will send nothing more after its backlog.
    finishing: bool,
    finished: bool,
    /// Nobody holds this end any more.
    closed: bool,
    /// A driver has adopted it.
    adopted: bool,
    address: String,
}

#[derive(Debug)]
enum Segment {
    Data(Vec<u8>),
    Finish,
    Break(io::ErrorKind),
}

/// One driver, to the scheduler.
struct Thread {
    waker: Waker,
    /// Connections accepted for it.
    accepts: VecDeque<EndId>,
    /// It has something to report or to try in its next poll, whatever the network does.
    eager: bool,
    /// It sleeps until then at the latest.
    deadline_us: Option<u64>,
    /// What it has adopted and wants to read from or write to.
    interests: Vec<Interest>,
}

/// What a driver waits for on one end.
#[derive(Clone, Copy)]
pub(super) struct Interest {
    pub(super) end: EndId,
    pub(super) read: bool,
    pub(super) write: bool,
}

impl Net {
    pub(super) fn new(seed: u64, config: SimConfig) -> Net {
        Net {
            config,
            random: Random(seed),
            now_us: 0,
            ends: Vec::new(),
            threads: Vec::new(),
            listeners: Vec::new(),
            fingerprint: seed,
            trace: Vec::new(),
        }
    }

    pub(super) fn now(&self) -> Now {
        Now {
            mono_us: self.now_us,
            wall_us: START_WALL_US + self.now_us,
        }
    }

    pub(super) fn advance(&mut self, us: u64) {
        self.now_us += us;
        self.deliver();
    }

    pub(super) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// Records that something happened.
    pub(super) fn record(&mut self, what: impl FnOnce() -> String, mark: u64) {
        self.fingerprint = mix(self.fingerprint ^ mix(self.now_us ^ mark.rotate_left(32)));
        if self.config.keep_trace {
            self.trace.push(format!("{:>9} {}", self.now_us, what()));
        }
    }

    pub(super) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub(super) fn trace(&self) -> Vec<String> {
        self.trace.clone()
    }

    // Connections.

    pub(super) fn connect(&mut self, port: u16) -> (EndId, EndId) {
        let first = self.ends.len();
        let client = format!(
            "10.{}.{}.1:{}",
            first >> 16,
            (first >> 8) & 255,
            32768 + first / 2
        );
        for address in [client, format!("10.0.0.1:{port}")] {
            let window = 1 + self.random.below(self.config.window_max as u64) as usize;
            self.ends.push(End {
                arriving: VecDeque::new(),
                held: 0,
                window,
                readable: VecDeque::new(),
                backlog: VecDeque::new(),
                finish_seen: false,
                broken: None,
                finishing: false,
                finished: false,
                closed: false,
                adopted: false,
                address,
            });
        }
        (first, first + 1)
    }

    pub(super) fn dial(&mut self, port: u16) -> EndId {
        let (ours, theirs) = self.connect(port);
        let here: Vec<usize> = self
            .listeners
            .iter()
            .filter(|(p, _)| *p == port)
            .map(|(_, thread)| *thread)
            .collect();
        if here.is_empty() {
            self.ends[theirs].closed = true;
            self.ends[ours].broken = Some(io::ErrorKind::ConnectionRefused);
        } else {
            let thread = here[self.random.below(here.len() as u64) as usize];
            self.threads[thread].accepts.push_back(theirs);
        }
        ours
    }

    pub(super) fn address(&self, end: EndId) -> String {
        self.ends[end].address.clone()
    }

    /// Queues a client's bytes, as far as there is no room on the way.
    pub(super) fn write(&mut self, end: EndId, bytes: &[u8]) {
        let state = &mut self.ends[end];
        if state.finishing || state.closed {
            return;
        }
        state.backlog.extend(bytes);
        self.pump(end);
    }

    /// Sends bytes as far as there is room and the seed likes; how many were taken.
    pub(super) fn send(&mut self, end: EndId, bytes: &[u8]) -> Result<usize, io::ErrorKind> {
        if let Some(kind) = self.ends[end].broken {
            return Err(kind);
        }
        let room = self.room(end);
        let mut taken = bytes.len().min(room);
        if taken > 1 && self.random.one_in(4) {
            taken = 1 + self.random.below(taken as u64) as usize;
        }
        let mut rest = &bytes[..taken];
        while !rest.is_empty() {
            let mut len = rest.len();
            if len > 1 && self.random.one_in(2) {
                len = 1 + self.random.below(len as u64) as usize;
            }
            self.launch(end, Segment::Data(rest[..len].to_vec()));
            rest = &rest[len..];
        }
        Ok(taken)
    }

    fn room(&self, end: EndId) -> usize {
        let peer = &self.ends[other(end)];
        // A closed end swallows (and answers with a reset).
        if peer.closed {
            usize::MAX
        } else {
            peer.window.saturating_sub(peer.held)
        }
    }

    /// Puts a segment on its way from `end` to its peer, behind those already under way.
    fn launch(&mut self, end: EndId, segment: Segment) {
        if self.ends[end].broken.is_some() {
            return;
        }
        if matches!(segment, Segment::Data(_))
            && self.random.below(1_000_000) < u64::from(self.config.cuts_per_million)
        {
            self.cut(end);
            return;
        }
        let spread = self
            .config
            .delay_max_us
            .saturating_sub(self.config.delay_min_us)
            + 1;
        let at = self.now_us + self.config.delay_min_us + self.random.below(spread);
        let peer = &mut self.ends[other(end)];
        let at = peer.arriving.back().map_or(at, |(last, _)| at.max(*last));
        if let Segment::Data(data) = &segment {
            peer.held += data.len();
        }
        peer.arriving.push_back((at, segment));
    }

    /// Moves a client's backlog on, and its end of stream behind it.
    fn pump(&mut self, end: EndId) {
        while !self.ends[end].backlog.is_empty() && self.room(end) > 0 {
            let room = self.room(end);
            let next: Vec<u8> = self.ends[end].backlog.iter().copied().take(room).collect();
            let taken = self.send(end, &next).unwrap_or(0);
            // Sending may have cut the connection, and then nothing is left.
            let backlog = &mut self.ends[end].backlog;
            backlog.drain(..taken.min(backlog.len()));
            if self.ends[end].broken.is_some() {
                self.ends[end].backlog.clear();
            }
        }
        let state = &mut self.ends[end];
        if state.finishing && !state.finished && state.backlog.is_empty() {
            state.finished = true;
            self.launch(end, Segment::Finish);
        }
    }

    /// Takes up to `max` of the bytes that have arrived.
    pub(super) fn read(&mut self, end: EndId, max: usize) -> Vec<u8> {
        let state = &mut self.ends[end];
        let count = state.readable.len().min(max);
        state.held -= count;
        let data = state.readable.drain(..count).collect();
        self.pump(other(end));
        data
    }

    pub(super) fn readable(&self, end: EndId) -> usize {
        self.ends[end].readable.len()
    }

    pub(super) fn broken(&self, end: EndId) -> Option<io::ErrorKind> {
        self.ends[end].broken
    }

    /// Whether everything was read and the peer's end of stream has come.
    pub(super) fn at_end(&self, end: EndId) -> bool {
        self.ends[end].finish_seen && self.ends[end].readable.is_empty()
    }

    pub(super) fn is_over(&self, end: EndId) -> bool {
        self.at_end(end) || self.ends[end].broken.is_some() || self.ends[end].closed
    }

    pub(super) fn finish(&mut self, end: EndId) {
        self.ends[end].finishing = true;
        self.pump(end);
    }

    pub(super) fn close(&mut self, end: EndId) {
        self.ends[end].closed = true;
        self.finish(end);
    }

    /// Breaks a connection on both sides at once.
    pub(super) fn cut(&mut self, end: EndId) {
        for end in [end, other(end)] {
            let state = &mut self.ends[end];
            state.arriving.clear();
            state.readable.clear();
            state.backlog.clear();
            state.held = 0;
            state.finished = true;
            state.broken = Some(io::ErrorKind::ConnectionReset);
        }
        self.record(|| format!("connection {} cut", end / 2), end as u64);
    }

    pub(super) fn adopt(&mut self, end: EndId) {
        self.ends[end].adopted = true;
    }

    /// Lets everything arrive whose time has come; whether some of it was for a client.
    fn deliver(&mut self) -> bool {
        let mut for_client = false;
        for end in 0..self.ends.len() {
            while let Some((at, _)) = self.ends[end].arriving.front()
                && *at <= self.now_us
                && let Some((_, segment)) = self.ends[end].arriving.pop_front()
            {
                for_client |= !self.ends[end].adopted && !self.ends[end].closed;
                self.arrive(end, segment);
            }
        }
        for_client
    }

    fn arrive(&mut self, end: EndId, segment: Segment) {
        let state = &mut self.ends[end];
        match segment {
            Segment::Data(data) if state.closed => {
                state.held -= data.len();
                self.launch(end, Segment::Break(io::ErrorKind::ConnectionReset));
            }
            Segment::Data(data) => state.readable.extend(data),
            Segment::Finish => state.finish_seen = true,
            Segment::Break(kind) => {
                state.broken = Some(kind);
                state.backlog.clear();
            }
        }
    }

    // Threads.

    pub(super) fn add_thread(&mut self, waker: Waker) -> usize {
        self.threads.push(Thread {
            waker,
            accepts: VecDeque::new(),
            eager: true,
            deadline_us: None,
            interests: Vec::new(),
        });
        self.threads.len() - 1
    }

    pub(super) fn listen(&mut self, port: u16, thread: usize) {
        self.listeners.push((port, thread));
    }

    pub(super) fn unlisten(&mut self, port: u16, thread: usize) {
        self.listeners.retain(|one| *one != (port, thread));
    }

    pub(super) fn stop_listening(&mut self, thread: usize) -> Vec<EndId> {
        self.listeners.retain(|(_, listening)| *listening != thread);
        self.threads[thread].interests.clear();
        self.threads[thread].deadline_us = None;
        self.threads[thread].eager = false;
        self.threads[thread].accepts.drain(..).collect()
    }

    pub(super) fn next_accept(&mut self, thread: usize) -> Option<EndId> {
        self.threads[thread].accepts.pop_front()
    }

    /// Makes a driver's next turn certain.
    pub(super) fn make_eager(&mut self, thread: usize) {
        self.threads[thread].eager = true;
    }

    /// Whether the poll now running is a wait that ended: by a wake, a time-out or an event.
    pub(super) fn wait_ended(&self, thread: usize) -> bool {
        let state = &self.threads[thread];
        state.waker.is_notified() || state.deadline_us.is_some_and(|at| at <= self.now_us)
    }

    /// A driver's poll is over, and this is what it waits for until its next turn.
    pub(super) fn rest(
        &mut self,
        thread: usize,
        eager: bool,
        deadline_us: Option<u64>,
        interests: Vec<Interest>,
    ) {
        let state = &mut self.threads[thread];
        state.eager = eager;
        state.deadline_us = deadline_us;
        state.interests = interests;
    }

    fn is_runnable(&self, thread: &Thread) -> bool {
        thread.eager
            || thread.waker.is_notified()
            || !thread.accepts.is_empty()
            || thread.deadline_us.is_some_and(|at| at <= self.now_us)
            || thread
                .interests
                .iter()
                .any(|interest| self.is_ready(*interest))
    }

    fn is_ready(&self, interest: Interest) -> bool {
        let state = &self.ends[interest.end];
        state.broken.is_some()
            || interest.read && (state.finish_seen || !state.readable.is_empty())
            || interest.write && self.room(interest.end) > 0
    }

    pub(super) fn step(&mut self) -> Turn {
        self.now_us += self.random.below(self.config.tick_max_us + 1);
        loop {
            if self.deliver() {
                return Turn::Client;
            }
            let runnable: Vec<usize> = (0..self.threads.len())
                .filter(|&index| self.is_runnable(&self.threads[index]))
                .collect();
            if !runnable.is_empty() {
                let chosen = runnable[self.random.below(runnable.len() as u64) as usize];
                self.record(|| format!("thread {chosen} runs"), chosen as u64);
                return Turn::Thread(chosen);
            }
            let arrivals = self
                .ends
                .iter()
                .filter_map(|end| Some(end.arriving.front()?.0));
            let deadlines = self.threads.iter().filter_map(|thread| thread.deadline_us);
            match arrivals.chain(deadlines).min() {
                Some(next) => self.now_us = self.now_us.max(next),
                None => return Turn::Idle,
            }
        }
    }
}

/// A small random generator (a counter through a mixing function): all the simulation's choices
/// come from one of these.
pub(super) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `limit`; zero if that is zero.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
