//! What all threads of the server share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Instant;

use reactor::Sender;
use store::stats::Stats;
use store::{Store, StoreOptions};

use crate::admin::State;
use crate::balance::Balance;
use crate::clients::Clients;
use crate::control::Control;
use crate::flags::Config;
use crate::flags::conf_file;
use crate::flags::load::Loaded;
use crate::listening::Listening;
use crate::mailboxes::Mailboxes;
use crate::message::Message;
use crate::monitor::Monitors;
use crate::observer::KeyObserver;
use crate::oom_score::OomScore;
use crate::pause::Pause;
use crate::persistence::Persistence;
use crate::pubsub::PubSub;
use crate::script::{Libraries, Scripts, SlowRuns};
use crate::slow_path::SlowPath;
use crate::stats::{SharedStats, ThreadStats};
use crate::table::Table;
use crate::tracking::Tracking;

/// See the module.
pub struct Shared {
    /// The keyspace.
    pub store: Store,
    /// The commands.
    pub table: Table,
    /// All clients.
    pub clients: Clients,
    /// Counts by thread.
    pub stats: Box<[ThreadStats]>,
    /// Counts that any thread changes.
    pub shared_stats: SharedStats,
    /// Who has subscribed to which channels.
    pub pubsub: Arc<PubSub>,
    /// Which clients cache which keys.
    pub tracking: Arc<Tracking>,
    /// What administration remembers.
    pub admin: State,
    /// The scripts that EVALSHA may name.
    pub(crate) scripts: Scripts,
    /// The functions that FCALL may name.
    pub(crate) libraries: Libraries,
    /// Scripts that take long.
    pub(crate) slow_runs: SlowRuns,
    /// When the server started.
    pub started: Instant,
    /// The I/O backend's name.
    pub backend: &'static str,
    /// The redis.conf it was started with.
    pub conf_path: Option<String>,
    /// What flags are that weren't given.
    pub(crate) defaults: Config,
    /// Whether commands must look at the two below before and after they run.
    pub slow_path: SlowPath,
    pub(crate) listening: Listening,
    /// How many threads serve.
    pub(crate) balance: Balance,
    pub(crate) control: Control,
    pub(crate) oom_score: OomScore,
    pub(crate) pause: Pause,
    pub(crate) monitors: Monitors,
    /// Snapshots.
    pub(crate) persistence: Persistence,
    config: RwLock<Arc<Config>>,
    config_version: AtomicU64,
    mailboxes: Arc<Mailboxes>,
}

impl Shared {
    /// The state of a server that isn't serving yet.
    pub fn new(loaded: Loaded, threads: usize, backend: &'static str, seed: u64) -> Self {
        let config = loaded.config;
        let mut defaults = conf_file::defaults();
        defaults.memory.maxmemory = loaded.default_limit;
        let dbnum = config.memory.dbnum as usize;
        let table = Table::new();
        let stats = (0..threads)
            .map(|_| ThreadStats::new(table.count()))
            .collect();
        let store = Store::new(&StoreOptions {
            threads,
            dbnum,
            seed,
        });
        let mailboxes = Arc::new(Mailboxes::new(threads));
        let pubsub = Arc::new(PubSub::new(Arc::clone(&mailboxes)));
        let tracking = Arc::new(Tracking::new(threads, Arc::clone(&mailboxes)));
        let observer = KeyObserver {
            pubsub: Arc::clone(&pubsub),
            tracking: Arc::clone(&tracking),
            mailboxes: Arc::clone(&mailboxes),
        };
        store.observers().set(Box::new(observer));
        let shared = Self {
            store,
            table,
            clients: Clients::default(),
            stats,
            shared_stats: SharedStats::default(),
            pubsub,
            tracking,
            admin: State::default(),
            scripts: Scripts::default(),
            libraries: Libraries::default(),
            slow_runs: SlowRuns::default(),
            started: Instant::now(),
            backend,
            conf_path: loaded.conf_path,
            defaults,
            slow_path: SlowPath::default(),
            listening: Listening::default(),
            balance: Balance::new(threads, config.network.migrate_connections),
            control: Control::default(),
            oom_score: OomScore::default(),
            pause: Pause::default(),
            monitors: Monitors::default(),
            persistence: Persistence::default(),
            config: RwLock::new(Arc::new(config)),
            config_version: AtomicU64::new(0),
            mailboxes,
        };
        shared.apply(&shared.config());
        shared
    }

    /// Number of data threads.
    pub fn threads(&self) -> usize {
        self.stats.len()
    }

    /// The settings of this moment.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(
            &self
                .config
                .read()
                .expect("settings are changed without panicking"),
        )
    }

    /// Changes whenever the settings do: compare before asking for them.
    #[inline(always)]
    pub fn config_version(&self) -> u64 {
        self.config_version.load(Ordering::Acquire)
    }

    /// Changes the settings for all threads, from their next tick on.
    pub fn change_config<E>(
        &self,
        change: impl FnOnce(&mut Config) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut current = self
            .config
            .write()
            .expect("settings are changed without panicking");
        let mut changed = Config::clone(&current);
        change(&mut changed)?;
        self.apply(&changed);
        *current = Arc::new(changed);
        self.config_version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Tells those who don't look at the settings themselves.
    fn apply(&self, config: &Config) {
        config.data.set_thresholds(&self.store.thresholds);
        config.memory.set_uses(&self.store.uses);
        let events = config.data.notify_keyspace_events;
        self.store.observers().publish(events);
        let max_keys = config.network.tracking_table_max_keys;
        self.tracking.limit(max_keys as usize);
    }

    /// Sets all counts back to zero (CONFIG RESETSTAT).
    pub fn reset_stats(&self) {
        self.stats.iter().for_each(ThreadStats::reset);
        self.store.all_stats().iter().for_each(Stats::reset);
        self.shared_stats.reset();
        self.admin.rates().reset();
        self.store
            .reaper()
            .stats()
            .freed
            .store(0, Ordering::Relaxed);
    }

    /// Sets the mailbox of a thread, before that serves anyone.
    pub fn set_mailbox(&self, thread: usize, mailbox: Sender<Message>) {
        self.mailboxes.set(thread, mailbox);
    }

    /// Sends a message to a thread (nowhere, while that is still starting).
    pub fn post(&self, thread: usize, message: Message) {
        self.mailboxes.post(thread, message);
    }

    /// Sends a message to every thread.
    pub fn post_all(&self, message: impl Fn() -> Message) {
        self.mailboxes.post_all(message);
    }
}
