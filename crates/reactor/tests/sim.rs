//! The simulated backend: that it delivers what the real ones do, however unkind the seed, and
//! that a seed repeats itself exactly.

#![allow(clippy::unwrap_used)] // Integration tests are not #[cfg(test)] to clippy.

#[allow(dead_code)] // Each test program uses a part of it.
mod support;

use reactor::sim::{SimClient, SimConfig, SimDriver, SimNet, Turn};
use reactor::{CloseMode, CloseReason, ConnId, Driver, Mailbox};
use std::collections::HashMap;
use std::time::Duration;
use support::{Event, Node};

/// An echo server's thread: one tick per call, with back-pressure.
struct EchoThread {
    node: Node<SimDriver>,
    live: HashMap<ConnId, bool>,
    closed: Vec<CloseReason>,
}

impl EchoThread {
    const LIMIT: usize = 10_000;

    fn new(net: &SimNet) -> Self {
        let mut node = Node::new(net.driver());
        node.driver.listen(net.listener()).unwrap();
        EchoThread {
            node,
            live: HashMap::new(),
            closed: Vec::new(),
        }
    }

    fn tick(&mut self) {
        self.node.poll(100);
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
                    assert!(self.live.remove(&conn).is_some(), "closed twice");
                    self.closed.push(reason);
                }
            }
        }
        for (&conn, paused) in &mut self.live {
            let waiting = self.node.driver.unsent(conn);
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

/// Runs the one thread's next tick.
fn next_tick(net: &SimNet, thread: &mut EchoThread) {
    loop {
        match net.step() {
            Turn::Thread(_) => return thread.tick(),
            Turn::Client => {}
            Turn::Idle => panic!("nothing will happen any more"),
        }
    }
}

fn bytes(len: usize, seed: usize) -> Vec<u8> {
    (0..len)
        .map(|i| ((i * 31 + i / 251) ^ seed) as u8)
        .collect()
}

/// Clients that write everything at once and read what comes; what each got, and the net.
fn run_echo(
    seed: u64,
    config: SimConfig,
    threads: usize,
    clients: usize,
) -> (Vec<Vec<u8>>, SimNet) {
    let net = SimNet::with_config(seed, config);
    let mut threads: Vec<_> = (0..threads).map(|_| EchoThread::new(&net)).collect();
    let connections: Vec<SimClient> = (0..clients).map(|_| net.connect()).collect();
    for (index, client) in connections.iter().enumerate() {
        client.write(&bytes(index * 997, index));
        client.shutdown();
    }
    let mut got = vec![Vec::new(); clients];
    let mut steps = 0;
    while threads
        .iter()
        .map(|thread| thread.closed.len())
        .sum::<usize>()
        < clients
        || !connections.iter().all(SimClient::is_closed)
    {
        match net.step() {
            Turn::Thread(turn) => threads[turn].tick(),
            Turn::Client => {}
            Turn::Idle => panic!("echoes are missing, and nothing is under way"),
        }
        for (client, got) in connections.iter().zip(&mut got) {
            got.extend(client.read());
        }
        steps += 1;
        assert!(steps < 1_000_000, "it does not come to an end");
    }
    (got, net)
}

#[test]
fn echo_is_exact_whatever_the_seed() {
    for seed in 0..30 {
        let config = SimConfig {
            window_max: 1 << (6 + seed % 12),
            ..SimConfig::default()
        };
        let (got, _) = run_echo(seed, config, 1 + seed as usize % 3, 20);
        for (index, got) in got.iter().enumerate() {
            assert!(
                *got == bytes(index * 997, index),
                "seed {seed}, client {index}"
            );
        }
    }
}

#[test]
fn broken_connections_end_once_and_deliver_a_prefix() {
    let mut broken = 0;
    for seed in 0..30 {
        let config = SimConfig {
            cuts_per_million: 20_000,
            ..SimConfig::default()
        };
        let (got, _) = run_echo(seed, config, 2, 20);
        for (index, got) in got.iter().enumerate() {
            let expected = bytes(index * 997, index);
            assert!(expected.starts_with(got), "seed {seed}, client {index}");
            broken += usize::from(got.len() < expected.len());
        }
    }
    assert!(broken > 10);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let config = SimConfig {
        keep_trace: true,
        cuts_per_million: 5_000,
        ..SimConfig::default()
    };
    let (got, net) = run_echo(7, config, 3, 20);
    let (again_got, again) = run_echo(7, config, 3, 20);
    assert!(net.trace().len() > 100);
    assert_eq!(net.trace(), again.trace());
    assert_eq!(net.fingerprint(), again.fingerprint());
    assert!(got == again_got);
    let (_, other) = run_echo(8, config, 3, 20);
    assert_ne!(net.fingerprint(), other.fingerprint());
}

#[test]
fn time_goes_to_the_next_deadline() {
    let net = SimNet::new(1);
    let mut node = Node::new(net.driver());
    let mut fired = Vec::new();
    let mut next = 1_000;
    while fired.len() < 5 {
        assert_eq!(net.step(), Turn::Thread(0));
        let wait = next - net.now().mono_us.min(next);
        node.driver
            .poll(Some(Duration::from_micros(wait)), &mut node.notes)
            .unwrap();
        if node.notes.now.mono_us >= next {
            fired.push(node.notes.now.mono_us);
            next += 1_000_000;
        }
    }
    for (index, at) in fired.iter().enumerate() {
        let late = at - (1_000 + 1_000_000 * index as u64);
        assert!(late < 100, "{late} us late");
    }
    let now = net.now();
    assert_eq!(now.wall_us - now.mono_us, 1_767_225_600_000_000);
}

#[test]
fn nothing_to_do_is_said() {
    let net = SimNet::new(1);
    let mut node = Node::new(net.driver());
    let mut turns = 0;
    while net.step() != Turn::Idle {
        node.driver.poll(None, &mut node.notes).unwrap();
        turns += 1;
        assert!(turns < 10);
    }
    node.driver.waker().wake();
    assert_eq!(net.step(), Turn::Thread(0));
}

#[test]
fn a_post_runs_the_other_thread() {
    let net = SimNet::new(3);
    let mut nodes = [Node::new(net.driver()), Node::new(net.driver())];
    let mailbox = Mailbox::new(nodes[1].driver.waker());
    let sender = mailbox.sender();
    let mut got = Vec::new();
    let mut posted = 0;
    while got.len() < 10 {
        let Turn::Thread(turn) = net.step() else {
            panic!()
        };
        let timeout = if turn == 0 {
            Some(Duration::from_micros(500))
        } else {
            None
        };
        assert!(turn == 0 || mailbox.prepare_sleep() || posted > got.len());
        let node = &mut nodes[turn];
        node.driver.poll(timeout, &mut node.notes).unwrap();
        if turn == 0 && posted < 10 {
            sender.post(posted);
            posted += 1;
        } else if turn == 1 {
            mailbox.awake();
            got.extend(std::iter::from_fn(|| mailbox.pop()));
            assert!(mailbox.prepare_sleep());
        }
    }
    assert_eq!(got, (0..10).collect::<Vec<_>>());
}

#[test]
fn servers_connect_to_each_other() {
    let net = SimNet::new(5);
    let mut nodes = [Node::new(net.driver()), Node::new(net.driver())];
    nodes[1].driver.listen(net.listener_on(7000)).unwrap();
    let refused = nodes[0].driver.adopt(net.dial(7001)).unwrap();
    let dialled = net.dial(7000);
    assert_eq!(dialled.peer(), "10.0.0.1:7000");
    let ours = nodes[0].driver.adopt(dialled).unwrap();
    drop(nodes[0].driver.send(ours, b"ping".to_vec()));
    nodes[0].driver.close(ours, CloseMode::Flush);
    let mut theirs = None;
    while theirs.is_none_or(|conn| nodes[1].closed(conn).is_none()) {
        let Turn::Thread(turn) = net.step() else {
            panic!()
        };
        nodes[turn].poll(1);
        if let Some(socket) = nodes[1].notes.accepted.pop() {
            theirs = Some(nodes[1].driver.adopt(socket).unwrap());
        }
    }
    assert_eq!(nodes[1].received(theirs.unwrap()), b"ping");
    assert_eq!(nodes[1].closed(theirs.unwrap()), Some(CloseReason::Eof));
    assert_eq!(nodes[0].closed(ours), Some(CloseReason::Local));
    assert!(matches!(
        nodes[0].closed(refused),
        Some(CloseReason::Error(_))
    ));
}

#[test]
fn a_client_that_leaves_or_is_cut_off_is_noticed() {
    for seed in 0..20 {
        let net = SimNet::new(seed);
        let mut thread = EchoThread::new(&net);
        let leaving = net.connect();
        let cut = net.connect();
        while thread.live.len() < 2 {
            next_tick(&net, &mut thread);
        }
        leaving.write(&bytes(100_000, 1));
        leaving.close();
        net.cut(&cut);
        assert!(cut.is_closed());
        while thread.closed.len() < 2 {
            next_tick(&net, &mut thread);
        }
        assert!(
            thread
                .closed
                .iter()
                .any(|reason| matches!(reason, CloseReason::Error(_)))
        );
    }
}
