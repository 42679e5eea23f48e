//! Real threads over epoll on few keys: commands over many shards, transactions, the gate and a hot
//! key at the same time, so that connections park and are woken. What is there in the end must be
//! the sum of what was done, and no reply may be missing.

#![allow(clippy::unwrap_used)] // Integration tests are not #[cfg(test)] to clippy.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use reactor::{Driver, EpollDriver, Listener, TcpOptions};
use server::flags::load::Loaded;
use server::message::Message;
use server::shared::Shared;
use server::worker::Worker;
use testkit::client::{Client, Value, encode};

const KEYS: usize = 40;
const ROUNDS: usize = 1000;
const PIPELINE: usize = 20;

/// A server inside the test.
struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Server {
    fn start(threads: usize) -> Self {
        let mut loaded = Loaded::default();
        loaded.config.network.migrate_connections = false;
        let shared = Arc::new(Shared::new(loaded, threads, "epoll", 7));
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = Listener::tcp(any_port, &TcpOptions::default()).unwrap();
        let address = listener.local_addr().unwrap();
        let (to_first, senders) = mpsc::channel();
        let mut handles = Vec::new();
        for number in 1..threads {
            let (shared, to_first) = (Arc::clone(&shared), to_first.clone());
            handles.push(std::thread::spawn(move || {
                let mut worker = Worker::new(shared, number, EpollDriver::new()?);
                to_first.send(worker.handover_sender()).unwrap();
                drop(to_first);
                worker.run()
            }));
        }
        drop(to_first);
        let first = Arc::clone(&shared);
        handles.push(std::thread::spawn(move || {
            let mut worker = Worker::new(first, 0, EpollDriver::new()?);
            let own = std::iter::once(worker.handover_sender());
            worker.meet(own.chain(senders).collect());
            worker.driver().listen(listener)?;
            worker.run()
        }));
        Self {
            shared,
            address,
            threads: handles,
        }
    }

    fn connect(&self) -> Client {
        Client::connect(self.address).unwrap()
    }

    fn stop(self) {
        self.shared.post_all(|| Message::Shutdown);
        for thread in self.threads {
            thread.join().unwrap().unwrap();
        }
    }
}

#[test]
fn two_threads() {
    storm(2);
}

#[test]
fn four_threads() {
    storm(4);
}

fn storm(threads: usize) {
    let server = Server::start(threads);
    let (address, is_over) = (server.address, AtomicBool::new(false));
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        for number in 0..threads {
            let (a, b, c) = (server.connect(), server.connect(), server.connect());
            workers.push(scope.spawn(move || count_up(a)));
            workers.push(scope.spawn(move || set_all(b, number)));
            workers.push(scope.spawn(move || transact(c)));
            let (reader, watcher, is_over) = (server.connect(), server.connect(), &is_over);
            scope.spawn(move || read_all(reader, is_over));
            scope.spawn(move || come_and_watch(watcher, address, is_over));
        }
        let (closer, is_over_to_closer) = (server.connect(), &is_over);
        scope.spawn(move || use_the_gate(closer, is_over_to_closer));
        let failed = workers.into_iter().filter_map(|w| w.join().err()).count();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(failed, 0);
    });
    let mut client = server.connect();
    let total = (threads * ROUNDS * PIPELINE) as i64;
    let mut number = |key: &str| client.command(&["GET", key]).unwrap().number();
    assert_eq!(number("hot"), Some(total));
    assert_eq!(number("left"), Some((threads * ROUNDS) as i64));
    assert_eq!(number("right"), Some((threads * ROUNDS) as i64));
    server.stop();
}

/// Pipelines of INCR of one key.
fn count_up(mut client: Client) {
    let pipeline = encode(&["INCR", "hot"]).repeat(PIPELINE);
    let mut last = 0;
    for _ in 0..ROUNDS {
        client.send(&pipeline).unwrap();
        for _ in 0..PIPELINE {
            let number = client.receive().unwrap().number().unwrap();
            assert!(number > last, "{number} after {last}");
            last = number;
        }
    }
}

/// Sets all keys to one value.
fn set_all(mut client: Client, number: usize) {
    for round in 0..ROUNDS {
        let value = (number * ROUNDS + round).to_string();
        let names = names();
        let mut words = vec!["MSET"];
        words.extend(names.iter().flat_map(|name| [&name[..], &value]));
        assert_eq!(client.command(&words).unwrap().text(), Some("OK"));
    }
}

/// All keys have one value, or are all gone.
fn read_all(mut client: Client, is_over: &AtomicBool) {
    let names = names();
    let mut words = vec!["MGET"];
    words.extend(names.iter().map(String::as_str));
    let pipeline = encode(&words).repeat(3);
    while !is_over.load(Ordering::Relaxed) {
        client.send(&pipeline).unwrap();
        for _ in 0..3 {
            let Value::Array(values) = client.receive().unwrap() else {
                panic!("MGET answers with an array");
            };
            assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
        }
    }
}

/// Counts two keys up together.
fn transact(mut client: Client) {
    let words: [&[&str]; 4] = [&["MULTI"], &["INCR", "left"], &["INCR", "right"], &["EXEC"]];
    let pipeline = words.map(encode).concat();
    for _ in 0..ROUNDS {
        client.send(&pipeline).unwrap();
        for _ in 0..3 {
            assert!(client.receive().unwrap().text().is_some());
        }
        let Value::Array(values) = client.receive().unwrap() else {
            panic!("EXEC answers with an array");
        };
        assert_eq!(values[0], values[1]);
    }
}

/// Clients that leave while they watch keys, with the gate closed at times.
fn come_and_watch(mut client: Client, address: SocketAddr, is_over: &AtomicBool) {
    let names = names();
    while !is_over.load(Ordering::Relaxed) {
        let mut words = vec!["WATCH"];
        words.extend(names.iter().map(String::as_str));
        assert_eq!(client.command(&words).unwrap().text(), Some("OK"));
        client = Client::connect(address).unwrap();
    }
}

/// Commands that need everything for themselves: other databases are swapped and emptied, and at
/// times the keys of this one go away all together.
fn use_the_gate(mut client: Client, is_over: &AtomicBool) {
    let names = names();
    let mut delete = vec!["DEL"];
    delete.extend(names.iter().map(String::as_str));
    let all_gone = [encode(&["MULTI"]), encode(&["FLUSHDB"]), encode(&["EXEC"])].concat();
    while !is_over.load(Ordering::Relaxed) {
        assert_eq!(
            client.command(&["SWAPDB", "1", "2"]).unwrap().text(),
            Some("OK")
        );
        client.command(&["SELECT", "3"]).unwrap();
        client.send(&all_gone).unwrap();
        for _ in 0..3 {
            assert!(!matches!(client.receive().unwrap(), Value::Error(_)));
        }
        client.command(&["SELECT", "0"]).unwrap();
        assert!(client.command(&delete).unwrap().number().is_some());
    }
}

/// Spread over many shards.
fn names() -> Vec<String> {
    (0..KEYS).map(|n| format!("all:{n}")).collect()
}
