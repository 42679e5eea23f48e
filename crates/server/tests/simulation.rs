//! The whole server on a simulated network: several workers and clients on one thread, scheduled by
//! a seed, with bytes cut anywhere and connections broken. What the clients saw must have happened
//! one command at a time, the log must lead to the data that is there, and no one waits for ever.
//!
//! A failure names its seed; `DARNER_SIM_SEED=<seed>` runs that one alone.

#![allow(clippy::unwrap_used)] // Integration tests are not #[cfg(test)] to clippy.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reactor::sim::{SimClient, SimConfig, SimDriver, SimNet, Turn};
use reactor::{Driver, Now};
use server::flags::load::Loaded;
use server::shared::Shared;
use server::worker::Worker;
use store::{LogReader, Str, Txn, Waiter};
use testkit::client::{Value, encode, parse};
use testkit::history::Operation;
use testkit::linearizability::{Verdict, check_within};
use testkit::log::{Effect, LogParser};
use testkit::model::{Cell, Cells, Command, Counters, Input, KEYS, Model, Output, Reply};
use testkit::random::Random;

const SEEDS: u64 = 300;
/// No more seeds are begun after this time.
const TIME_LIMIT: Duration = Duration::from_secs(10);
const PLAYERS: usize = 4;
/// Keys that expire, outside the recorded history.
const FLEETING: usize = 3;
/// A client that has waited so long for a byte waits for ever.
const STUCK_AFTER_US: u64 = 5_000_000;
/// Connections that break leave many operations open; a search through all orders is given up here.
const SEARCH_STEPS: u64 = 200_000;

#[test]
fn what_clients_see_is_consistent_whatever_the_seed() {
    if let Ok(seed) = std::env::var("DARNER_SIM_SEED") {
        run_seed(seed.parse().expect("DARNER_SIM_SEED is a number"));
        return;
    }
    let start = Instant::now();
    let (mut played, mut explained) = (0, 0);
    for seed in 0..SEEDS {
        if start.elapsed() > TIME_LIMIT {
            break;
        }
        match catch_unwind(AssertUnwindSafe(|| run_seed(seed))) {
            Ok((_, is_explained)) => explained += u64::from(is_explained),
            Err(panic) => {
                eprintln!("replay with DARNER_SIM_SEED={seed}");
                resume_unwind(panic);
            }
        }
        played += 1;
    }
    eprintln!("{played} of {SEEDS} seeds, {explained} histories searched to the end");
    assert!(
        explained * 10 >= played * 8,
        "too many histories are too long"
    );
}

#[test]
fn the_same_seed_is_the_same_run() {
    assert_eq!(run_seed(5), run_seed(5));
    assert_ne!(run_seed(5), run_seed(8));
}

/// Plays a seed to its end and checks it; returns the network's fingerprint, and whether the search
/// for an order came to an end.
fn run_seed(seed: u64) -> (u64, bool) {
    let mut world = World::new(seed);
    world.play();
    let history = std::mem::take(&mut world.history);
    let is_explained = check_history(seed, &history);
    check_log(seed, &world);
    world.leave(seed);
    (world.net.fingerprint(), is_explained)
}

/// The server and everyone who talks to it.
struct World {
    seed: u64,
    net: SimNet,
    shared: Arc<Shared>,
    workers: Vec<Worker<SimDriver>>,
    effects: Arc<Mutex<Vec<Effect>>>,
    players: Vec<Player>,
    random: Random,
    history: Vec<Operation<(usize, usize, Input), Output>>,
    clock: u64,
    connections: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0xda27);
        let config = SimConfig {
            window_max: 1 << (4 + random.below(14)),
            cuts_per_million: [0, 0, 10_000][random.below(3)],
            ..SimConfig::default()
        };
        let net = SimNet::with_config(seed, config);
        let threads = [1, 2, 4][seed as usize % 3];
        let mut loaded = Loaded::default();
        // They do, but as the seed says.
        loaded.config.network.migrate_connections = false;
        let shared = Shared::new(loaded, threads, "simulated", seed);
        let effects = Arc::new(Mutex::new(Vec::new()));
        shared.store.log().attach(
            1,
            Box::new(Recording(Arc::clone(&effects), LogParser::default())),
        );
        let shared = Arc::new(shared);
        let mut workers: Vec<_> = (0..threads)
            .map(|number| Worker::new(Arc::clone(&shared), number, net.driver()))
            .collect();
        let peers: Vec<_> = workers.iter().map(Worker::handover_sender).collect();
        for worker in &mut workers {
            worker.meet(peers.clone());
        }
        workers[0].driver().listen(net.listener()).unwrap();
        let mut world = Self {
            seed,
            net,
            shared,
            workers,
            effects,
            players: Vec::new(),
            random,
            history: Vec::new(),
            clock: 0,
            connections: 0,
        };
        for _ in 0..PLAYERS {
            let player = world.new_player(12);
            world.players.push(player);
        }
        world
    }

    fn new_player(&mut self, budget: usize) -> Player {
        self.connections += 1;
        Player {
            number: self.connections,
            client: self.net.connect(),
            received: Vec::new(),
            waiting: VecDeque::new(),
            next: 0,
            budget,
            heard_us: self.net.now().mono_us,
        }
    }

    /// Until all players have had their turns and their replies.
    fn play(&mut self) {
        while self.players.iter().any(|player| !player.is_done()) {
            self.step();
            for at in 0..self.players.len() {
                self.turn(at);
            }
        }
    }

    fn step(&mut self) {
        match self.net.step() {
            Turn::Thread(turn) => {
                let to = self.random.below(20);
                if to != turn && to < self.workers.len() {
                    self.workers[turn].give(1, to);
                }
                self.workers[turn].tick(None).unwrap();
            }
            Turn::Client => {}
            Turn::Idle => panic!("seed {}: nothing will happen any more", self.seed),
        }
    }

    fn turn(&mut self, at: usize) {
        let now = self.net.now();
        let player = &mut self.players[at];
        let bytes = player.client.read();
        if !bytes.is_empty() {
            player.heard_us = now.mono_us;
            player.received.extend(bytes);
            let history = &mut self.history;
            player.take_replies(&mut self.clock, history);
        }
        if player.client.is_closed() {
            player.give_up(&mut self.history);
            let budget = player.budget;
            if budget > 0 {
                self.players[at] = self.new_player(budget);
            }
            return;
        }
        let silence = now.mono_us - player.heard_us;
        assert!(
            player.waiting.is_empty() || silence < STUCK_AFTER_US,
            "seed {}: client {} has waited for {silence} us for {:?}",
            self.seed,
            player.number,
            player.waiting
        );
        let is_bored = player.waiting.len() < 3 && self.random.below(4) == 0;
        if player.budget > 0 && is_bored {
            player.write(&mut self.random, &mut self.clock, now);
        } else if !player.waiting.is_empty() && self.random.below(2000) == 0 {
            match self.random.below(3) {
                0 => self.net.cut(&player.client),
                1 => player.client.close(),
                _ => player.client.shutdown(),
            }
        }
    }

    /// All clients go, and the server forgets them.
    fn leave(&mut self, seed: u64) {
        self.players.clear();
        let since = self.net.now().mono_us;
        while !self.shared.clients.is_empty() {
            self.step();
            let waited = self.net.now().mono_us - since;
            assert!(waited < STUCK_AFTER_US, "seed {seed}: a connection stays");
        }
    }
}

struct Recording(Arc<Mutex<Vec<Effect>>>, LogParser);

impl LogReader for Recording {
    fn take(&mut self, bytes: &[u8]) {
        let transactions = self.1.read(bytes);
        self.0
            .lock()
            .unwrap()
            .extend(transactions.into_iter().flatten());
    }
}

/// A reply that a client waits for.
#[derive(Debug)]
enum Waiting {
    /// One that isn't part of the history.
    Ignored,
    /// GET after WATCH: also what the transaction has seen.
    Watched(usize, Record),
    /// Any other command.
    One(Record),
    /// EXEC; whether the first command is one that the model doesn't know.
    Exec(Record, bool),
}

/// An operation that was called.
#[derive(Debug)]
struct Record {
    called: u64,
    sequence: usize,
    input: Input,
}

/// One connection of a client.
struct Player {
    /// Of the connection.
    number: usize,
    client: SimClient,
    received: Vec<u8>,
    waiting: VecDeque<Waiting>,
    next: usize,
    /// How many more pipelines it writes, over this and later connections.
    budget: usize,
    heard_us: u64,
}

impl Player {
    fn is_done(&self) -> bool {
        self.budget == 0 && self.waiting.is_empty()
    }

    /// Sends a pipeline of a few things.
    fn write(&mut self, random: &mut Random, clock: &mut u64, now: Now) {
        self.budget -= 1;
        self.heard_us = now.mono_us;
        *clock += 1;
        let mut bytes = Vec::new();
        for _ in 0..=random.below(3) {
            match random.below(6) {
                0 | 1 => self.transaction(random, *clock, &mut bytes),
                2 => self.fleeting(random, &mut bytes),
                _ => {
                    let command = any_command(random);
                    bytes.extend(wire(&command));
                    let record = self.record(*clock, Input::One(command));
                    self.waiting.push_back(Waiting::One(record));
                }
            }
        }
        self.client.write(&bytes);
    }

    fn record(&mut self, called: u64, input: Input) -> Record {
        self.next += 1;
        Record {
            called,
            sequence: self.next,
            input,
        }
    }

    fn transaction(&mut self, random: &mut Random, called: u64, bytes: &mut Vec<u8>) {
        let commands: Vec<_> = (0..random.below(4)).map(|_| any_command(random)).collect();
        let is_guarded = random.below(2) == 0;
        if is_guarded {
            let key = random.below(KEYS);
            bytes.extend(encode(&["WATCH", &key_name(key)]));
            self.waiting.push_back(Waiting::Ignored);
            bytes.extend(wire(&Command::Get(key)));
            let record = self.record(called, Input::One(Command::Get(key)));
            self.waiting.push_back(Waiting::Watched(key, record));
        }
        bytes.extend(encode(&["MULTI"]));
        let extra: Option<&[&str]> = match random.below(6) {
            0 => Some(&["UNWATCH"]),
            1 => Some(&["SELECT", "0"]),
            2 => Some(&["PING"]),
            _ => None,
        };
        bytes.extend(extra.map(encode).unwrap_or_default());
        for command in &commands {
            bytes.extend(wire(command));
        }
        bytes.extend(encode(&["EXEC"]));
        let queued = 1 + usize::from(extra.is_some()) + commands.len();
        self.waiting.extend((0..queued).map(|_| Waiting::Ignored));
        let input = if is_guarded {
            let seen = Vec::new();
            Input::Guarded { seen, commands }
        } else {
            Input::Atomic(commands)
        };
        let record = self.record(called, input);
        self.waiting
            .push_back(Waiting::Exec(record, extra.is_some()));
    }

    /// Sets or looks at a key with a short life.
    fn fleeting(&mut self, random: &mut Random, bytes: &mut Vec<u8>) {
        let key = format!("fleeting:{}", random.below(FLEETING));
        let life = (1 + random.below(20)).to_string();
        bytes.extend(match random.below(3) {
            0 => encode(&["GET", &key]),
            1 => encode(&["SET", &key, "x", "PX", &life]),
            _ => encode(&["SET", &key, "y"]),
        });
        self.waiting.push_back(Waiting::Ignored);
    }

    fn take_replies(
        &mut self,
        clock: &mut u64,
        history: &mut Vec<Operation<(usize, usize, Input), Output>>,
    ) {
        let mut done = 0;
        while let Some((value, len)) = parse(&self.received[done..]).unwrap() {
            done += len;
            *clock += 1;
            let (record, output) = match self.waiting.pop_front().expect("an unasked reply") {
                Waiting::Ignored => {
                    assert!(!matches!(value, Value::Error(_)), "{value:?}");
                    continue;
                }
                Waiting::Watched(key, record) => {
                    self.has_seen(key, cell_of(&value));
                    (record, Output::One(Reply::Cell(cell_of(&value))))
                }
                Waiting::One(record) => {
                    let output = match &record.input {
                        Input::One(command) => Output::One(reply_of(command, &value)),
                        other => panic!("{other:?} isn't one command"),
                    };
                    (record, output)
                }
                Waiting::Exec(record, has_extra) => {
                    let output = exec_output(&record.input, has_extra, &value);
                    (record, output)
                }
            };
            history.push(Operation {
                client: self.number,
                input: (self.number, record.sequence, record.input),
                output: Some(output),
                called: record.called * 1000 + record.sequence as u64 % 1000,
                returned: *clock * 1000,
            });
        }
        self.received.drain(..done);
    }

    /// Tells the next EXEC what its watched key held.
    fn has_seen(&mut self, key: usize, cell: Cell) {
        let exec = self.waiting.iter_mut().find_map(|waiting| match waiting {
            Waiting::Exec(record, _) => Some(record),
            _ => None,
        });
        if let Some(Input::Guarded { seen, .. }) = exec.map(|record| &mut record.input) {
            seen.push((key, cell));
        }
    }

    /// The connection is gone: what hasn't been answered may or may not have happened.
    fn give_up(&mut self, history: &mut Vec<Operation<(usize, usize, Input), Output>>) {
        for waiting in self.waiting.drain(..) {
            let (Waiting::Watched(_, record) | Waiting::One(record) | Waiting::Exec(record, _)) =
                waiting
            else {
                continue;
            };
            // Without a reply it may have been refused, which the model would take for a reason to
            // leave the state alone: not knowing what was seen allows for both.
            let input = match record.input {
                Input::Guarded { commands, .. } => Input::Atomic(commands),
                other => other,
            };
            history.push(Operation {
                client: self.number,
                input: (self.number, record.sequence, input),
                output: None,
                called: record.called * 1000 + record.sequence as u64 % 1000,
                returned: u64::MAX - record.sequence as u64,
            });
        }
    }
}

/// [`Counters`], with each connection's answered operations in the order in which it sent them.
struct InOrder {
    connections: usize,
}

impl Model for InOrder {
    type State = (Cells, Vec<usize>);
    type Input = (usize, usize, Input);
    type Output = Output;

    fn initial(&self) -> Self::State {
        (Counters.initial(), vec![0; self.connections + 1])
    }

    fn step(
        &self,
        (cells, done): &Self::State,
        (connection, sequence, input): &Self::Input,
        output: Option<&Output>,
    ) -> Option<Self::State> {
        let mut done = done.clone();
        if output.is_some() {
            done[*connection] += 1;
            if done[*connection] != *sequence {
                return None;
            }
        }
        Some((Counters.step(cells, input, output)?, done))
    }
}

/// Returns whether the search came to an end.
fn check_history(seed: u64, history: &[Operation<(usize, usize, Input), Output>]) -> bool {
    let connections = history.iter().map(|o| o.client).max().unwrap_or(0);
    match check_within(SEARCH_STEPS, &InOrder { connections }, history) {
        Verdict::Linearizable => true,
        Verdict::Unknown => false,
        Verdict::Impossible(longest) => {
            for operation in history {
                eprintln!("{operation:?}");
            }
            panic!("seed {seed}: no order explains this; the longest: {longest:?}");
        }
    }
}

/// The log, replayed, must give what the store holds.
fn check_log(seed: u64, world: &World) {
    let now_ms = world.net.now().wall_us / 1000;
    let mut replayed = HashMap::new();
    for effect in world.effects.lock().unwrap().iter() {
        assert_eq!(effect.db, 0);
        replay(&mut replayed, &effect.args);
    }
    let mut expected: HashMap<String, String> = HashMap::new();
    for (key, (value, expiry)) in replayed {
        if expiry.is_none_or(|at| at > now_ms) {
            expected.insert(key, value);
        }
    }
    let actual = dataset(&world.shared, now_ms);
    assert_eq!(actual, expected, "seed {seed}: the log tells another story");
}

/// All keys that the players know, and proof that there are no others.
fn dataset(shared: &Shared, now_ms: u64) -> HashMap<String, String> {
    let names = (0..KEYS).map(key_name);
    let names = names.chain((0..FLEETING).map(|n| format!("fleeting:{n}")));
    let waiter = Waiter {
        thread: 0,
        token: 0,
    };
    assert!(shared.store.enter(0), "the gate stayed closed");
    let mut txn = Txn::new(&shared.store, 0, 0, now_ms);
    let mut found = HashMap::new();
    for name in names {
        txn.lock_key(name.as_bytes(), waiter)
            .expect("a lock was left");
        let text = match txn.read_str(name.as_bytes()).unwrap() {
            None => continue,
            Some(Str::Int(value)) => value.to_string(),
            Some(Str::Bytes(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
        };
        found.insert(name, text);
    }
    txn.lock_all(waiter).expect("the gate stayed closed");
    let count: usize = (0..shared.store.shard_count())
        .map(|s| txn.keys_in(s))
        .sum();
    drop(txn);
    shared.store.leave(0);
    assert_eq!(count, found.len(), "there are other keys");
    found
}

type Replayed = HashMap<String, (String, Option<u64>)>;

fn replay(data: &mut Replayed, args: &[Vec<u8>]) {
    let args: Vec<&str> = args
        .iter()
        .map(|a| std::str::from_utf8(a).unwrap())
        .collect();
    let name = args[0].to_ascii_uppercase();
    match (&name[..], &args[1..]) {
        ("SET", [key, value]) => {
            data.insert((*key).to_owned(), ((*value).to_owned(), None));
        }
        ("SET", [key, value, unit, at]) if unit.eq_ignore_ascii_case("PXAT") => {
            let expiry = Some(at.parse().unwrap());
            data.insert((*key).to_owned(), ((*value).to_owned(), expiry));
        }
        ("INCR", [key]) => {
            let (value, _) = data.entry((*key).to_owned()).or_insert(("0".into(), None));
            *value = (value.parse::<i64>().unwrap() + 1).to_string();
        }
        ("MSET", pairs) => {
            for pair in pairs.chunks(2) {
                data.insert(pair[0].to_owned(), (pair[1].to_owned(), None));
            }
        }
        ("DEL", keys) => {
            for key in keys {
                assert!(data.remove(*key).is_some(), "{key} is deleted twice");
            }
        }
        _ => panic!("an effect that no client asked for: {args:?}"),
    }
}

fn any_command(random: &mut Random) -> Command {
    let key = random.below(KEYS);
    let value = random.below(10_000) as i64;
    match random.below(6) {
        0 => Command::Get(key),
        1 => Command::Set(key, value),
        2 => Command::Incr(key),
        3 => Command::Del(key),
        4 => Command::MGet((0..KEYS).collect()),
        _ => Command::MSet((0..=key).map(|key| (key, value)).collect()),
    }
}

fn key_name(key: usize) -> String {
    format!("key:{key}")
}

fn wire(command: &Command) -> Vec<u8> {
    let words: Vec<String> = match command {
        Command::Get(key) => vec!["GET".into(), key_name(*key)],
        Command::Set(key, value) => vec!["SET".into(), key_name(*key), value.to_string()],
        Command::Incr(key) => vec!["INCR".into(), key_name(*key)],
        Command::Del(key) => vec!["DEL".into(), key_name(*key)],
        Command::MGet(keys) => {
            let keys = keys.iter().map(|&key| key_name(key));
            std::iter::once("MGET".into()).chain(keys).collect()
        }
        Command::MSet(pairs) => {
            let pairs = pairs.iter();
            let words = pairs.flat_map(|&(key, value)| [key_name(key), value.to_string()]);
            std::iter::once("MSET".into()).chain(words).collect()
        }
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    encode(&words)
}

fn exec_output(input: &Input, has_extra: bool, value: &Value) -> Output {
    let (Input::Atomic(commands) | Input::Guarded { commands, .. }) = input else {
        panic!("{input:?} is no transaction");
    };
    match value {
        Value::Null => Output::Aborted,
        Value::Array(values) => {
            let values = &values[usize::from(has_extra)..];
            assert_eq!(values.len(), commands.len());
            let replies = commands.iter().zip(values);
            Output::Atomic(replies.map(|(c, v)| reply_of(c, v)).collect())
        }
        other => panic!("EXEC answered {other:?}"),
    }
}

fn reply_of(command: &Command, value: &Value) -> Reply {
    match (command, value) {
        (Command::Set(..) | Command::MSet(_), Value::Status(s)) if s == "OK" => Reply::Done,
        (Command::Incr(_) | Command::Del(_), Value::Integer(number)) => Reply::Number(*number),
        (Command::Get(_), value) => Reply::Cell(cell_of(value)),
        (Command::MGet(_), Value::Array(values)) => {
            Reply::Cells(values.iter().map(cell_of).collect())
        }
        _ => panic!("{command:?} answered {value:?}"),
    }
}

fn cell_of(value: &Value) -> Cell {
    match value {
        Value::Null => None,
        other => Some(other.number().expect("a number")),
    }
}
