//! Concurrent clients on few keys, against a real server with several threads: what they saw must
//! have an explanation in which the commands and transactions happened one at a time.
//!
//! Needs a server binary, which `DARNER_BIN` names: `./test wire`.

use std::sync::Barrier;

use testkit::client::{Client, Value};
use testkit::history::{Operation, Recorder};
use testkit::linearizability::{Verdict, check};
use testkit::model::{Cell, Command, Counters, Input, KEYS, Output, Reply};
use testkit::random::Random;
use testkit::server::Server;

const THREADS: usize = 2;
const CLIENTS: usize = 6;
/// Short histories on fresh keys, many of them: a search is cheap, and each start is a collision.
const ROUNDS: usize = 150;
const STEPS: usize = 40;

/// Which steps the clients take.
#[derive(Clone, Copy)]
enum Mix {
    SingleKey,
    SeveralKeys,
    Transactions,
    Everything,
}

#[test]
#[ignore = "needs a server: DARNER_BIN"]
fn single_keys() {
    run_rounds(Mix::SingleKey, 1);
}

#[test]
#[ignore = "needs a server: DARNER_BIN"]
fn several_keys_at_once() {
    run_rounds(Mix::SeveralKeys, 2);
}

#[test]
#[ignore = "needs a server: DARNER_BIN"]
fn transactions_with_watch() {
    run_rounds(Mix::Transactions, 3);
}

#[test]
#[ignore = "needs a server: DARNER_BIN"]
fn everything_together() {
    run_rounds(Mix::Everything, 4);
}

fn run_rounds(mix: Mix, seed: u64) {
    let server = Server::start(THREADS).expect("a server");
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|_| server.connect().expect("a connection"))
        .collect();
    for round in 0..ROUNDS {
        let round_seed = seed * 1_000_000 + round as u64;
        let history = run_round(&mut clients, mix, round_seed);
        let verdict = check(&Counters, &history);
        assert_eq!(
            verdict,
            Verdict::Linearizable,
            "seed {round_seed}: {}",
            describe(&history)
        );
    }
}

fn run_round(clients: &mut [Client], mix: Mix, seed: u64) -> Vec<Operation<Input, Output>> {
    let recorder = Recorder::default();
    let start = Barrier::new(clients.len());
    std::thread::scope(|scope| {
        for (index, connection) in clients.iter_mut().enumerate() {
            let (recorder, start) = (&recorder, &start);
            let random = Random::new(seed * 100 + index as u64);
            let mut player = Player {
                connection,
                recorder,
                random,
                index,
                seed,
            };
            scope.spawn(move || {
                start.wait();
                for _ in 0..STEPS {
                    player.step(mix);
                }
            });
        }
    });
    recorder.into_operations()
}

fn describe(history: &[Operation<Input, Output>]) -> String {
    let mut sorted: Vec<_> = history.iter().collect();
    sorted.sort_by_key(|operation| operation.called);
    let line = |o: &&Operation<Input, Output>| {
        format!(
            "{}..{} client {}: {:?} -> {:?}",
            o.called, o.returned, o.client, o.input, o.output
        )
    };
    sorted.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// One client of one round.
struct Player<'a> {
    connection: &'a mut Client,
    recorder: &'a Recorder<Input, Output>,
    random: Random,
    index: usize,
    seed: u64,
}

impl Player<'_> {
    fn step(&mut self, mix: Mix) {
        match mix {
            Mix::SingleKey => self.one(4),
            Mix::SeveralKeys => self.one(6),
            Mix::Everything if self.random.below(2) == 0 => self.one(6),
            Mix::Transactions | Mix::Everything => self.transaction(),
        }
    }

    /// One of the first `kinds` kinds of command.
    fn one(&mut self, kinds: usize) {
        let command = self.any_command(kinds);
        let Self {
            connection,
            recorder,
            index,
            seed,
            ..
        } = self;
        recorder.record(*index, Input::One(command.clone()), |_| {
            let words = words_of(&command, *seed);
            Some(Output::One(reply_of(&command, &send(connection, &words))))
        });
    }

    fn transaction(&mut self) {
        let commands: Vec<Command> = (0..=self.random.below(3))
            .map(|_| self.any_command(6))
            .collect();
        let guarded = self.random.below(2) == 0;
        let watched = if guarded { self.watch() } else { Vec::new() };
        let input = if guarded {
            Input::Guarded {
                seen: watched,
                commands: commands.clone(),
            }
        } else {
            Input::Atomic(commands.clone())
        };
        let Self {
            connection,
            recorder,
            index,
            seed,
            ..
        } = self;
        expect_status(&send(connection, &["MULTI".to_owned()]), "OK");
        for command in &commands {
            expect_status(&send(connection, &words_of(command, *seed)), "QUEUED");
        }
        recorder.record(*index, input, |_| {
            Some(match send(connection, &["EXEC".to_owned()]) {
                Value::Null => Output::Aborted,
                Value::Array(values) => {
                    assert_eq!(values.len(), commands.len());
                    let replies = commands.iter().zip(&values).map(|(c, v)| reply_of(c, v));
                    Output::Atomic(replies.collect())
                }
                other => panic!("EXEC answered {other:?}"),
            })
        });
    }

    /// Watches one or two keys and reads them; the reads are operations of their own as well.
    fn watch(&mut self) -> Vec<(usize, Cell)> {
        let first = self.random.below(KEYS);
        let second = (first + 1 + self.random.below(KEYS - 1)) % KEYS;
        let keys = if self.random.below(2) == 0 {
            vec![first]
        } else {
            vec![first, second]
        };
        let Self {
            connection,
            recorder,
            index,
            seed,
            ..
        } = self;
        let mut words = vec!["WATCH".to_owned()];
        words.extend(keys.iter().map(|&key| key_name(key, *seed)));
        expect_status(&send(connection, &words), "OK");
        let mut seen = Vec::new();
        for key in keys {
            let command = Command::Get(key);
            recorder.record(*index, Input::One(command.clone()), |_| {
                let reply = reply_of(&command, &send(connection, &words_of(&command, *seed)));
                if let Reply::Cell(cell) = reply {
                    seen.push((key, cell));
                }
                Some(Output::One(reply))
            });
        }
        seen
    }

    fn any_command(&mut self, kinds: usize) -> Command {
        let random = &mut self.random;
        let key = random.below(KEYS);
        let value = (self.index * 1000 + random.below(1000)) as i64;
        match random.below(kinds) {
            0 => Command::Get(key),
            1 => Command::Set(key, value),
            2 => Command::Incr(key),
            3 => Command::Del(key),
            4 => Command::MGet((0..KEYS).collect()),
            _ => Command::MSet(
                (0..KEYS)
                    .filter(|k| k % 2 == key % 2)
                    .map(|k| (k, value))
                    .collect(),
            ),
        }
    }
}

/// Keys of the round: new ones each time, and spread over the shards.
fn key_name(key: usize, seed: u64) -> String {
    format!("round:{seed}:key:{key}")
}

fn words_of(command: &Command, seed: u64) -> Vec<String> {
    let name = |key: &usize| key_name(*key, seed);
    match command {
        Command::Get(key) => vec!["GET".to_owned(), name(key)],
        Command::Set(key, value) => vec!["SET".to_owned(), name(key), value.to_string()],
        Command::Incr(key) => vec!["INCR".to_owned(), name(key)],
        Command::Del(key) => vec!["DEL".to_owned(), name(key)],
        Command::MGet(keys) => std::iter::once("MGET".to_owned())
            .chain(keys.iter().map(name))
            .collect(),
        Command::MSet(pairs) => {
            let words = pairs
                .iter()
                .flat_map(|(key, value)| [name(key), value.to_string()]);
            std::iter::once("MSET".to_owned()).chain(words).collect()
        }
    }
}

fn reply_of(command: &Command, value: &Value) -> Reply {
    match (command, value) {
        (Command::Set(..) | Command::MSet(_), Value::Status(status)) if status == "OK" => {
            Reply::Done
        }
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
        other => Some(
            other
                .number()
                .unwrap_or_else(|| panic!("no number: {other:?}")),
        ),
    }
}

fn send(connection: &mut Client, words: &[String]) -> Value {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    connection
        .command(&words)
        .unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

fn expect_status(value: &Value, status: &str) {
    assert_eq!(*value, Value::Status(status.to_owned()));
}
