//! Messages between clients on a simulated network, scheduled by a seed: what publishers send
//! arrives whole and in order at everyone who listens, and a cache that is told of changes ends
//! with what is there.
//!
//! A failure names its seed; `DARNER_SIM_SEED=<seed>` runs that one alone.

#![allow(clippy::unwrap_used)] // Integration tests are not #[cfg(test)] to clippy.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reactor::Driver;
use reactor::sim::{SimClient, SimConfig, SimDriver, SimNet, Turn};
use server::flags::load::Loaded;
use server::shared::Shared;
use server::worker::Worker;
use testkit::client::{Value, encode, parse};
use testkit::random::Random;

const SEEDS: u64 = 200;
/// No more seeds are begun after this time.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// Steps after which a reply or a message that hasn't come is lost.
const PATIENCE: usize = 200_000;
const MESSAGES: usize = 40;
const KEYS: usize = 4;

#[test]
fn publishers_are_heard_in_order() {
    each_seed(|seed| {
        let mut world = World::new(seed);
        let publishers = [world.connect(), world.connect()];
        let listeners = [world.connect(), world.connect(), world.connect()];
        for (at, &listener) in listeners.iter().enumerate() {
            let words = [["SUBSCRIBE", "news"], ["PSUBSCRIBE", "n*"]][at % 2];
            world.call(listener, &words);
        }
        let fickle = world.connect();
        for number in 0..MESSAGES {
            for (name, &publisher) in publishers.iter().enumerate() {
                let text = format!("{name} {number} {}", "x".repeat(world.random.below(200)));
                world.send(publisher, &["PUBLISH", "news", &text]);
            }
            let word = ["SUBSCRIBE", "UNSUBSCRIBE"][world.random.below(2)];
            world.send(fickle, &[word, "news"]);
            world.some_steps();
        }
        let all = publishers.len() * MESSAGES;
        world.until(|world| {
            let heard = |&at: &usize| world.messages(at).len() == all;
            listeners.iter().all(heard) && publishers.iter().all(|&at| world.is_answered(at))
        });
        for listener in listeners {
            let heard = world.messages(listener);
            for name in 0..publishers.len() {
                let of_one = heard.iter().filter(|message| message.0 == name);
                assert!(of_one.map(|message| message.1).eq(0..MESSAGES));
            }
        }
        let heard = world.messages(fickle);
        assert!((0..publishers.len()).all(|name| {
            let mut of_one = heard.iter().filter(|message| message.0 == name);
            let mut last = None;
            of_one.all(|message| last.replace(message.1) < Some(message.1))
        }));
        world.leave();
    });
}

/// Between those who are told others are served, and what is published meanwhile goes along.
#[test]
fn many_listeners_are_told_a_few_in_a_tick() {
    each_seed(|seed| {
        let mut world = World::new(seed);
        let listeners: Vec<_> = (0..100).map(|_| world.connect()).collect();
        for &listener in &listeners {
            world.call(listener, &["SUBSCRIBE", "news"]);
        }
        let publisher = world.connect();
        let (writes, ticks) = world.writes_and_ticks();
        for number in 0..MESSAGES {
            world.send(publisher, &["PUBLISH", "news", &format!("0 {number}")]);
        }
        world.until(|world| world.is_answered(publisher));
        let (writes_then, ticks_then) = world.writes_and_ticks();
        // 16 listeners and the publisher.
        assert!(writes_then - writes <= 17 * (ticks_then - ticks));
        for listener in listeners {
            world.until(|world| world.messages(listener).len() == MESSAGES);
            let heard = world.messages(listener);
            assert!(heard.iter().map(|message| message.1).eq(0..MESSAGES));
        }
        world.leave();
    });
}

#[test]
fn caches_end_with_what_is_there() {
    each_seed(|seed| {
        let mut world = World::new(seed);
        let (reader, told) = (world.connect(), world.connect());
        let Value::Integer(id) = world.call(told, &["CLIENT", "ID"]) else {
            panic!("an id is a number");
        };
        let is_told_by_push = world.random.below(2) == 0;
        if is_told_by_push {
            world.call(told, &["HELLO", "3"]);
        } else {
            world.call(told, &["SUBSCRIBE", "__redis__:invalidate"]);
        }
        let redirect = ["CLIENT", "TRACKING", "ON", "REDIRECT", &id.to_string()];
        world.call(reader, &redirect);
        let writers = [world.connect(), world.connect()];
        let mut cache = Cache::default();
        for number in 0..MESSAGES {
            for &writer in &writers {
                let key = format!("key:{}", world.random.below(KEYS));
                match world.random.below(4) {
                    0 => world.send(writer, &["DEL", &key]),
                    1 => world.send(writer, &["SET", &key, "brief", "PX", "1"]),
                    2 if number % 20 == 0 => world.send(writer, &["FLUSHALL"]),
                    _ => world.send(writer, &["SET", &key, &format!("{writer}.{number}")]),
                }
            }
            if is_told_by_push {
                // Who talks may move to another thread.
                world.send(told, &["PING"]);
            }
            cache.learn(&mut world, reader, told);
            cache.ask(&mut world, reader);
            world.some_steps();
        }
        world.until(|world| writers.iter().all(|&at| world.is_answered(at)));
        // Longer than the brief keys live.
        world.net.advance(1_000_000);
        let stable = world.connect();
        for number in 0..KEYS {
            let key = format!("key:{number}");
            let there = world.call(stable, &["GET", &key]);
            world.until(|world| {
                cache.learn(world, reader, told);
                cache.ask(world, reader);
                cache.values.get(&key) == Some(&there)
            });
        }
        world.leave();
    });
}

fn each_seed(run: impl Fn(u64)) {
    if let Ok(seed) = std::env::var("DARNER_SIM_SEED") {
        run(seed.parse().expect("DARNER_SIM_SEED is a number"));
        return;
    }
    let start = Instant::now();
    for seed in (0..SEEDS).take_while(|_| start.elapsed() < TIME_LIMIT) {
        eprintln!("DARNER_SIM_SEED={seed}");
        run(seed);
    }
}

/// The keys that a client believes to know.
#[derive(Default)]
struct Cache {
    values: BTreeMap<String, Value>,
    /// Asked for, in order; those that were invalidated meanwhile are of no use when they come.
    asked: VecDeque<String>,
    void: BTreeSet<String>,
}

impl Cache {
    fn ask(&mut self, world: &mut World, reader: usize) {
        for number in 0..KEYS {
            let key = format!("key:{number}");
            if !self.values.contains_key(&key) && !self.asked.contains(&key) {
                world.send(reader, &["GET", &key]);
                self.asked.push_back(key);
            }
        }
    }

    /// Takes replies and invalidations, in whichever order they have come.
    fn learn(&mut self, world: &mut World, reader: usize, told: usize) {
        for value in std::mem::take(&mut world.clients[reader].replies) {
            let key = self.asked.pop_front().expect("it was asked for");
            if !self.void.remove(&key) {
                self.values.insert(key, value);
            }
        }
        for message in std::mem::take(&mut world.clients[told].messages) {
            let gone: Vec<String> = match message.last() {
                Some(Value::Array(keys)) => keys.iter().map(|k| k.text().unwrap().into()).collect(),
                _ => (0..KEYS).map(|number| format!("key:{number}")).collect(),
            };
            for key in gone {
                self.values.remove(&key);
                if self.asked.contains(&key) {
                    self.void.insert(key);
                }
            }
        }
    }
}

/// The server and its clients.
struct World {
    net: SimNet,
    shared: Arc<Shared>,
    workers: Vec<Worker<SimDriver>>,
    clients: Vec<Connected>,
    random: Random,
}

struct Connected {
    socket: SimClient,
    received: Vec<u8>,
    /// Commands that aren't answered.
    waiting: usize,
    replies: Vec<Value>,
    /// What was published, as it came.
    messages: Vec<Vec<Value>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x9b5);
        let config = SimConfig {
            window_max: 1 << (4 + random.below(14)),
            cuts_per_million: 0,
            ..SimConfig::default()
        };
        let net = SimNet::with_config(seed, config);
        let threads = [1, 2, 4][seed as usize % 3];
        let mut loaded = Loaded::default();
        // They do, but as the seed says.
        loaded.config.network.migrate_connections = false;
        let shared = Shared::new(loaded, threads, "simulated", seed);
        let shared = Arc::new(shared);
        let mut workers: Vec<_> = (0..threads)
            .map(|number| Worker::new(Arc::clone(&shared), number, net.driver()))
            .collect();
        let peers: Vec<_> = workers.iter().map(Worker::handover_sender).collect();
        for worker in &mut workers {
            worker.meet(peers.clone());
        }
        workers[0].driver().listen(net.listener()).unwrap();
        Self {
            net,
            shared,
            workers,
            clients: Vec::new(),
            random,
        }
    }

    fn connect(&mut self) -> usize {
        self.clients.push(Connected {
            socket: self.net.connect(),
            received: Vec::new(),
            waiting: 0,
            replies: Vec::new(),
            messages: Vec::new(),
        });
        self.clients.len() - 1
    }

    fn send(&mut self, client: usize, words: &[&str]) {
        self.clients[client].socket.write(&encode(words));
        self.clients[client].waiting += 1;
    }

    /// Sends a command and waits for its reply.
    fn call(&mut self, client: usize, words: &[&str]) -> Value {
        self.send(client, words);
        self.until(|world| world.is_answered(client));
        self.clients[client].replies.pop().unwrap()
    }

    fn is_answered(&self, client: usize) -> bool {
        self.clients[client].waiting == 0
    }

    /// How often anything was sent to a client, and turns of the threads.
    fn writes_and_ticks(&self) -> (u64, u64) {
        let all = self.shared.stats.iter();
        all.fold((0, 0), |(writes, ticks), stats| {
            (writes + stats.writes.get(), ticks + stats.ticks.get())
        })
    }

    /// Who sent the messages that a client has got, and their numbers.
    fn messages(&self, client: usize) -> Vec<(usize, usize)> {
        let number = |message: &Vec<Value>| {
            let mut words = message.last().unwrap().text().unwrap().split(' ');
            let mut next = || words.next().unwrap().parse().unwrap();
            (next(), next())
        };
        self.clients[client].messages.iter().map(number).collect()
    }

    fn some_steps(&mut self) {
        let count = self.random.below(30);
        self.steps(count);
    }

    fn steps(&mut self, count: usize) {
        for _ in 0..count {
            match self.net.step() {
                Turn::Thread(turn) => {
                    let to = self.random.below(20);
                    if to != turn && to < self.workers.len() {
                        self.workers[turn].give(1, to);
                    }
                    self.workers[turn].tick(None).unwrap();
                }
                Turn::Client => {}
                Turn::Idle => break,
            }
            for client in &mut self.clients {
                client.receive();
            }
        }
    }

    fn until(&mut self, mut is_so: impl FnMut(&mut Self) -> bool) {
        for _ in 0..PATIENCE {
            if is_so(self) {
                return;
            }
            self.steps(1);
        }
        panic!("something was lost");
    }

    /// All clients go away; nothing of them stays.
    fn leave(mut self) {
        for client in &self.clients {
            client.socket.close();
        }
        let shared = Arc::clone(&self.shared);
        self.until(|_| shared.clients.is_empty());
        assert!(!shared.pubsub.has_listeners());
        let tracking = &shared.tracking;
        assert_eq!((tracking.clients(), tracking.items()), (0, 0));
        let moved: u64 = shared.stats.iter().map(|s| s.moved_connections.get()).sum();
        assert_eq!(moved > 0, self.workers.len() > 1, "connections move");
    }
}

impl Connected {
    fn receive(&mut self) {
        self.received.extend(self.socket.read());
        while let Some((value, len)) = parse(&self.received).expect("nothing is torn") {
            self.received.drain(..len);
            match value {
                Value::Array(parts)
                    if parts[0]
                        .text()
                        .is_some_and(|t| t.ends_with("message") || t == "invalidate") =>
                {
                    self.messages.push(parts);
                }
                reply => {
                    assert!(!matches!(reply, Value::Error(_)), "{reply:?}");
                    self.waiting -= 1;
                    self.replies.push(reply);
                }
            }
        }
    }
}
