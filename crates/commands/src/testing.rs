//! Runs commands against a store of their own, for the unit tests beside each command.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use protocol::Reply;
use store::{Blocked, LogReader, Serve, Served, Store, StoreOptions, Txn, Wait, Waiter};

use testkit::log::{Effect, LogParser};

use crate::spec::{Scope, ServeRun};
use crate::{DataCommand, FAMILIES, OwnedArgs, keys};

/// A store and a clock that a test sets.
pub(crate) struct Fixture {
    store: Store,
    /// Unix time in milliseconds.
    pub(crate) now_ms: u64,
    /// The selected database.
    pub(crate) db: usize,
    /// Whether replies are RESP3.
    pub(crate) resp3: bool,
    /// See [`Txn::max_string`].
    pub(crate) max_string: u64,
    effects: Effects,
    served: Replies,
}

/// What clients that waited were told, each as its command and the reply.
type Replies = Arc<Mutex<Vec<String>>>;

/// A client that waits.
struct Client {
    run: ServeRun,
    args: OwnedArgs,
    replies: Replies,
}

impl Serve for Client {
    fn serve(&self, txn: &mut Txn<'_>, key: &[u8]) -> Served {
        let (mut out, args) = (Vec::new(), self.args.borrow());
        let served = (self.run)(txn, args, key, &mut Reply::new(&mut out, false));
        match served {
            Ok(Served::Yes) => {}
            Ok(other) => return other,
            Err(error) => out = format!("-{}\r\n", error.text()).into(),
        }
        txn.commit(args.iter());
        let line: Vec<_> = args.iter().map(String::from_utf8_lossy).collect();
        let reply = format!("{} => {}", line.join(" "), String::from_utf8_lossy(&out));
        self.replies
            .lock()
            .expect("no test panics with it")
            .push(reply);
        Served::Yes
    }
}

const WAITER: Waiter = Waiter {
    thread: 0,
    token: 0,
};

/// What the log was told, each effect as its arguments with spaces between.
type Effects = Arc<Mutex<Vec<String>>>;

struct Recording(Effects, LogParser);

impl LogReader for Recording {
    fn take(&mut self, bytes: &[u8]) {
        let text = |effect: &Effect| {
            let args = effect.args.iter().map(|arg| String::from_utf8_lossy(arg));
            args.collect::<Vec<_>>().join(" ")
        };
        let mut all = self.0.lock().expect("no test panics with it");
        let transactions = self.1.read(bytes);
        all.extend(transactions.iter().flatten().map(text));
    }
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with_threads(1)
    }

    /// A store for several threads, which has many shards.
    pub(crate) fn with_threads(threads: usize) -> Self {
        let options = StoreOptions {
            threads,
            dbnum: 16,
            seed: 1,
        };
        Self {
            store: Store::new(&options),
            now_ms: 1_700_000_000_000,
            db: 0,
            resp3: false,
            max_string: 512 << 20,
            effects: Effects::default(),
            served: Replies::default(),
        }
    }

    /// A store whose effects are logged, see [`Fixture::effects`].
    pub(crate) fn logged() -> Self {
        let fixture = Self::new();
        let reader = Recording(Arc::clone(&fixture.effects), LogParser::default());
        fixture.store.log().attach(1, Box::new(reader));
        fixture
    }

    /// The effects since the last call, e.g. `SET a 1`.
    pub(crate) fn effects(&self) -> Vec<String> {
        std::mem::take(&mut self.effects.lock().expect("no test panics with it"))
    }

    /// The clients that were served since the last call, e.g. `BLPOP a 0 => *2\r\n…`.
    pub(crate) fn served(&self) -> Vec<String> {
        std::mem::take(&mut self.served.lock().expect("no test panics with it"))
    }

    /// Runs a command whose arguments are separated by spaces; the reply in wire form.
    pub(crate) fn run(&mut self, line: &str) -> String {
        self.run_args(line.split(' '))
    }

    /// Runs a command; the reply in wire form.
    pub(crate) fn run_args<A: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = A>) -> String {
        let owned = OwnedArgs::new(args);
        let args = owned.borrow();
        let command = find(args.at(0));
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, self.resp3);
        let (command, accepts) = resolve(command, &owned);
        if !accepts {
            return "-ERR wrong number of arguments\r\n".into();
        }
        self.with_txn(|txn| {
            match command.spec.scope.of(args) {
                Scope::All | Scope::Patterns => txn.lock_all(WAITER).expect("alone"),
                Scope::EachShard | Scope::Debug => {}
                Scope::Script => unreachable!("no data command runs scripts"),
                Scope::Keys => {
                    let positions = keys::positions(&command.spec, args);
                    txn.lock_keys(positions.iter().map(|&i| args.at(i)), WAITER)
                        .expect("alone");
                }
            }
            if let Err(error) = (command.run)(txn, args, &mut reply) {
                reply.error(&error.text());
            }
            if let Some(wait) = txn.take_wait() {
                let keys = wait.keys.iter().map(|key| String::from_utf8_lossy(key));
                reply.raw(format!("waits for {}", keys.collect::<Vec<_>>().join(" ")).as_bytes());
                txn.block(&self.client(command, &owned, wait));
            }
            txn.commit(args.iter());
            assert!(txn.serve_ready().is_empty(), "no lock is taken");
            txn.release();
        });
        String::from_utf8_lossy(&out).into_owned()
    }

    /// A client that waits for keys, to be served.
    fn client(&self, command: DataCommand, args: &OwnedArgs, mut wait: Wait) -> Arc<Blocked> {
        let client = Client {
            run: command
                .spec
                .serve
                .expect("a command that waits says how it is served"),
            args: wait
                .args
                .take()
                .map_or_else(|| args.clone(), OwnedArgs::new),
            replies: Arc::clone(&self.served),
        };
        Arc::new(Blocked::new(self.db, wait, Box::new(client)))
    }

    /// Has the expiry cycle do all that is due.
    pub(crate) fn expire_cycle(&self) {
        assert!(self.store.enter(0));
        self.store.expire_cycle(0, self.now_ms, Duration::MAX);
        self.store.leave(0);
    }

    fn with_txn<T>(&self, work: impl FnOnce(&mut Txn<'_>) -> T) -> T {
        let mut txn = Txn::new(&self.store, 0, self.db, self.now_ms);
        txn.max_string = self.max_string;
        assert!(self.store.enter(0));
        let result = work(&mut txn);
        drop(txn);
        self.store.leave(0);
        result
    }

    fn with_key<T>(
        &self,
        key: &str,
        look: impl FnOnce(&mut Txn<'_>, store::Found) -> T,
    ) -> Option<T> {
        self.with_txn(|txn| {
            txn.lock_key(key.as_bytes(), WAITER).expect("alone");
            let found = txn.peek(key.as_bytes())?;
            Some(look(txn, found))
        })
    }

    /// What OBJECT ENCODING says of a key, and when it expires.
    pub(crate) fn string_at(&self, key: &str) -> Option<(&'static str, Option<u64>)> {
        self.with_key(key, |txn, found| {
            (txn.value(found).encoding(), txn.expiry(found))
        })
    }

    /// See [`Store::thresholds`].
    pub(crate) fn thresholds(&self) -> &store::Thresholds {
        &self.store.thresholds
    }

    /// See [`Txn::memory_of`].
    pub(crate) fn memory_of(&self, key: &str) -> usize {
        #[allow(clippy::redundant_closure_for_method_calls)]
        // The path alone is not general enough.
        let memory = self.with_key(key, |txn, found| txn.memory_of(found));
        memory.unwrap_or(0)
    }

    /// Runs each line and compares its reply.
    pub(crate) fn check(&mut self, expected: &[(&str, &str)]) {
        for (line, reply) in expected {
            assert_eq!(self.run(line), *reply, "{line}");
        }
    }
}

fn find(name: &[u8]) -> DataCommand {
    let name = name.to_ascii_lowercase();
    let mut all = FAMILIES.iter().copied().flatten();
    *all.find(|command| command.spec.name.as_bytes() == name)
        .expect("a known command")
}

fn resolve(command: DataCommand, args: &OwnedArgs) -> (DataCommand, bool) {
    let args = args.borrow();
    let sub = args
        .get(1)
        .map(<[u8]>::to_ascii_lowercase)
        .unwrap_or_default();
    let found = command
        .subcommands
        .iter()
        .find(|c| c.spec.name.as_bytes() == sub);
    let command = found.copied().unwrap_or(command);
    (command, command.spec.accepts(args.len()))
}
