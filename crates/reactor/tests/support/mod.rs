//! A small server around a driver, for the tests: it notes what the driver reports and lets each
//! test decide what to do about it between polls.

use reactor::{CloseMode, CloseReason, ConnId, Driver, Handler, Now};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What the driver reported, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    Received(ConnId, Vec<u8>),
    Sent(ConnId, usize),
    Closed(ConnId, CloseReason),
}

/// Notes everything.
pub(crate) struct Notes<S> {
    pub(crate) ticks: usize,
    pub(crate) now: Now,
    pub(crate) accepted: Vec<S>,
    pub(crate) events: Vec<Event>,
    /// Sockets that were given up, and what was unread of each.
    pub(crate) released: Vec<(ConnId, S, Vec<u8>)>,
}

impl<S> Notes<S> {
    pub(crate) fn new() -> Self {
        Notes {
            ticks: 0,
            now: Now::default(),
            accepted: Vec::new(),
            events: Vec::new(),
            released: Vec::new(),
        }
    }
}

impl<S> Handler<S> for Notes<S> {
    fn tick(&mut self, now: Now) {
        assert!(now.mono_us >= self.now.mono_us);
        self.ticks += 1;
        self.now = now;
    }

    fn accepted(&mut self, socket: S) {
        self.accepted.push(socket);
    }

    fn received(&mut self, conn: ConnId, data: &[u8]) {
        assert!(!data.is_empty());
        self.events.push(Event::Received(conn, data.to_vec()));
    }

    fn sent(&mut self, conn: ConnId, buf: Vec<u8>) {
        self.events.push(Event::Sent(conn, buf.len()));
    }

    fn closed(&mut self, conn: ConnId, reason: CloseReason) {
        self.events.push(Event::Closed(conn, reason));
    }

    fn released(&mut self, conn: ConnId, socket: S, unread: Vec<u8>) {
        self.released.push((conn, socket, unread));
    }
}

/// A driver and its notes.
pub(crate) struct Node<D: Driver> {
    pub(crate) driver: D,
    pub(crate) notes: Notes<D::Socket>,
}

impl<D: Driver> Node<D> {
    pub(crate) fn new(driver: D) -> Self {
        Node {
            driver,
            notes: Notes::new(),
        }
    }

    pub(crate) fn poll(&mut self, timeout_ms: u64) {
        let ticks = self.notes.ticks;
        self.driver
            .poll(Some(Duration::from_millis(timeout_ms)), &mut self.notes)
            .unwrap();
        assert_eq!(self.notes.ticks, ticks + 1, "one tick per poll");
    }

    /// Polls until `done`, for at most ten seconds.
    pub(crate) fn poll_until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < Duration::from_secs(10), "timed out");
            self.poll(20);
        }
    }

    /// Waits for one connection and adopts it.
    pub(crate) fn accept(&mut self) -> ConnId {
        self.poll_until(|node| !node.notes.accepted.is_empty());
        let socket = self.notes.accepted.remove(0);
        self.driver.adopt(socket).unwrap()
    }

    /// What was received on a connection so far.
    pub(crate) fn received(&self, conn: ConnId) -> Vec<u8> {
        let mut all = Vec::new();
        for event in &self.notes.events {
            if let Event::Received(id, data) = event
                && *id == conn
            {
                all.extend_from_slice(data);
            }
        }
        all
    }

    /// How a connection ended, if it has.
    pub(crate) fn closed(&self, conn: ConnId) -> Option<CloseReason> {
        let mut reasons = self.notes.events.iter().filter_map(|event| match event {
            Event::Closed(id, reason) if *id == conn => Some(*reason),
            _ => None,
        });
        let reason = reasons.next();
        assert!(reasons.next().is_none(), "closed twice");
        reason
    }

    pub(crate) fn close_and_wait(&mut self, conn: ConnId) {
        self.driver.close(conn, CloseMode::Now);
        self.poll_until(|node| node.closed(conn).is_some());
    }
}

/// Echoes until every connection is gone; holds back input while a connection's output waits.
pub(crate) struct Echo<D: Driver> {
    pub(crate) node: Node<D>,
    live: HashMap<ConnId, bool>,
    pub(crate) closed: usize,
}

impl<D: Driver> Echo<D> {
    /// Output waiting on one connection beyond which its input pauses.
    const LIMIT: usize = 1 << 20;

    pub(crate) fn new(driver: D) -> Self {
        Echo {
            node: Node::new(driver),
            live: HashMap::new(),
            closed: 0,
        }
    }

    /// Runs until `connections` have come and gone.
    pub(crate) fn run(&mut self, connections: usize) {
        while self.closed < connections {
            self.node.poll(1000);
            for socket in std::mem::take(&mut self.node.notes.accepted) {
                let conn = self.node.driver.adopt(socket).unwrap();
                assert_eq!(self.live.insert(conn, false), None, "id in use");
            }
            for event in std::mem::take(&mut self.node.notes.events) {
                match event {
                    Event::Received(conn, data) => {
                        assert!(!self.live[&conn], "received while paused");
                        drop(self.node.driver.send(conn, data));
                    }
                    Event::Sent(..) => {}
                    Event::Closed(conn, reason) => {
                        assert_eq!(reason, CloseReason::Eof);
                        assert!(self.live.remove(&conn).is_some(), "closed twice");
                        self.closed += 1;
                    }
                }
            }
            for (&conn, paused) in &mut self.live {
                let waiting = self.node.driver.unsent(conn);
                assert!(
                    waiting < Self::LIMIT + (4 << 20),
                    "back-pressure has no effect"
                );
                if !*paused && waiting > Self::LIMIT {
                    self.node.driver.pause_recv(conn);
                    *paused = true;
                } else if *paused && waiting < Self::LIMIT / 2 {
                    self.node.driver.resume_recv(conn);
                    *paused = false;
                }
            }
        }
    }
}
