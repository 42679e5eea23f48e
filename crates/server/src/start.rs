//! From settings to a running server: threads, backend, listeners, the screen that says so.

use std::hash::{BuildHasher, Hasher};
use std::io;
use std::sync::Arc;
use std::sync::mpsc;

use commands::load;
use rdb::Rules;
use reactor::signals::{self, Signals};
use reactor::{Driver, Endpoint, EpollDriver, Listener, Socket, UringConfig, UringDriver, Waker};
use rustix::process::Resource;
use store::Txn;

use crate::control;
use crate::flags::load::Loaded;
use crate::flags::values::{AffinityMode, ClusterMode};
use crate::flags::{Config, Network};
use crate::listening::{self, Bound};
use crate::log::{self, say, warn};
use crate::machine::{Machine, pin_thread};
use crate::memory;
use crate::message::Message;
use crate::persistence::{self, Loading};
use crate::process::{self, Indispensable, PidFile};
use crate::shared::Shared;
use crate::worker::{Handover, Worker};

/// Runs a server until it is told to shut down.
pub fn run(mut loaded: Loaded) -> io::Result<()> {
    if loaded.config.process.daemonize && process::to_background()? {
        return Ok(());
    }
    log::open(&loaded.config.monitoring)?;
    log::report_panics();
    refuse_what_would_be_unsafe(&loaded)?;
    refuse_clusters(&loaded.config)?;
    persistence::check_place(&loaded.config)?;
    let machine = Machine::look();
    limit_memory(&mut loaded, &machine);
    allow_open_files(&mut loaded.config.network);
    make_room_for_files(loaded.config.network.maxclients);
    let threads = machine.thread_count(loaded.config.process.proactor_threads);
    if loaded.config.process.disable_thp || machine.memory < HUGE_PAGES_FROM {
        disable_huge_pages();
    }
    let monitoring = loaded.config.monitoring.clone();
    let bound = listening::bind(&mut loaded.config.network, &monitoring)?;
    let _pidfile = PidFile::write(&loaded.config.process.pidfile);
    let backend = choose_backend(&loaded.config);
    for warning in &loaded.warnings {
        warn(warning);
    }
    log::show(&screen(&loaded, &machine, threads, backend));
    // Before any thread starts, for each inherits what is held back.
    let signals = Signals::hold(&[signals::TERMINATE, signals::INTERRUPT, signals::HANG_UP])?;
    let renamed = std::mem::take(&mut loaded.renamed_commands);
    let mut shared = Shared::new(loaded, threads, backend, random_seed());
    for (old, new) in &renamed {
        let done = shared.table.rename(old, new);
        done.map_err(|error| io::Error::other(format!("rename-command {old}: {error}")))?;
    }
    shared.balance.cpus.clone_from(&machine.cpus);
    let shared = Arc::new(shared);
    if let Err(error) = shared.oom_score.apply(&shared.config().process) {
        warn(&format!("oom-score-adj: {error}"));
    }
    stop_on(signals, Arc::clone(&shared))?;
    control::start(&shared)?;
    let cpus = cpus_to_pin(&shared.config(), &machine, threads);
    let served = match backend {
        "io_uring" => serve(&shared, bound, &cpus, || {
            UringDriver::new(UringConfig::default(), Waker::new()?)
        }),
        _ => serve(&shared, bound, &cpus, EpollDriver::new),
    };
    say("Darner is now ready to exit, bye bye...");
    served
}

/// Unless it was told otherwise the server keeps to a share of the memory that there is, and
/// refuses writes instead of being killed. `--maxmemory=0` lets it take all, as in a redis.conf.
fn limit_memory(loaded: &mut Loaded, machine: &Machine) {
    if !loaded.has_memory_limit {
        let limit = machine.memory / 100 * DEFAULT_LIMIT_PERCENT;
        loaded.config.memory.maxmemory = limit;
        loaded.default_limit = limit;
    }
}

/// Refuses settings that keep strangers out and aren't there yet: to go on without them would let
/// strangers in.
fn refuse_what_would_be_unsafe(loaded: &Loaded) -> io::Result<()> {
    let security = &loaded.config.security;
    let what = if security.tls || security.tls_port > 0 {
        "TLS"
    } else if !loaded.acl_users.is_empty() || !security.aclfile.is_empty() {
        "ACL users other than the default one with requirepass"
    } else if !security.restricted_commands.is_empty() {
        "restricted_commands"
    } else {
        return Ok(());
    };
    let text = format!("not available in this version, and unsafe to go on without: {what}");
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

/// Refuses to be a node of a cluster that no other node would know of.
fn refuse_clusters(config: &Config) -> io::Result<()> {
    let cluster = &config.cluster;
    let is_wanted = match cluster.cluster_mode {
        ClusterMode::Off => cluster.cluster_enabled,
        ClusterMode::Emulated => false,
        ClusterMode::Yes => true,
    };
    if !is_wanted {
        return Ok(());
    }
    let text = "clusters of several nodes aren't available in this version: with \
                --cluster_mode=emulated this server is the only node of one";
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

/// Of the memory of container or machine.
const DEFAULT_LIMIT_PERCENT: u64 = 80;
/// In a box smaller than this a huge page is too coarse a unit of memory.
const HUGE_PAGES_FROM: u64 = 1 << 30;

fn disable_huge_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        warn(&format!("can't turn huge pages off: {error}"));
    }
}

/// Starts a worker on each thread, this one being the first, which also accepts.
fn serve<D: Driver<Socket = Socket, Listener = Listener>>(
    shared: &Arc<Shared>,
    bound: Bound,
    cpus: &[usize],
    driver: impl Fn() -> io::Result<D> + Copy + Send + 'static,
) -> io::Result<()> {
    pin(cpus, 0);
    memory::count_alone();
    let mut first = Worker::new(Arc::clone(shared), 0, driver()?);
    let (sender, receiver) = mpsc::channel();
    let mut handles = Vec::new();
    for number in 1..shared.threads() {
        let (shared, sender, cpus) = (Arc::clone(shared), sender.clone(), cpus.to_vec());
        let body = move || -> io::Result<()> {
            pin(&cpus, number);
            memory::count_alone();
            let mut worker = Worker::new(shared, number, driver()?);
            // The first thread waits for this message, or for the channel to close.
            let _ = sender.send((number, worker.handover_sender()));
            drop(sender);
            run_worker(&mut worker).inspect_err(|error| {
                log::fail(&error.to_string());
                std::process::exit(1);
            })
        };
        handles.push(
            std::thread::Builder::new()
                .name(format!("darner-{number}"))
                .spawn(body)?,
        );
    }
    drop(sender);
    if !handles.is_empty() {
        let mut peers = vec![(0, first.handover_sender())];
        peers.extend(receiver);
        peers.sort_unstable_by_key(|&(number, _)| number);
        let peers: Vec<_> = peers.into_iter().map(|(_, peer)| peer).collect();
        for peer in &peers[1..] {
            peer.post(Handover::Peers(peers.clone()));
        }
        first.meet(peers);
    }
    let to_first = first.handover_sender();
    let hand_over = move |listeners| to_first.post(Handover::Listeners(listeners));
    shared.listening.begin(&bound.tcp, hand_over)?;
    first.listen(bound.tcp)?;
    if let Some(listener) = bound.unix {
        first.driver().listen(listener)?;
    }
    for listener in bound.admin {
        first.driver().listen(listener)?;
    }
    memory::note_start();
    shared.remove_leftovers();
    if let Some(files) = shared.files_to_load()? {
        first.load(Loading::open(files, rules(shared))?);
    } else if shared.config().persistence.appendonly {
        first.begin_aof()?;
    }
    say("Ready to accept connections");
    run_worker(&mut first)?;
    for handle in handles {
        handle
            .join()
            .map_err(|_| io::Error::other("a data thread has panicked"))??;
    }
    shared.settle_aof();
    Ok(())
}

/// Serves until the server shuts down.
fn run_worker<D>(worker: &mut Worker<D>) -> io::Result<()>
where
    D: Driver<Socket: Endpoint>,
{
    // Its locks would stay taken.
    let _thread = Indispensable;
    worker.run()
}

/// The forms in which values are kept that a snapshot brings.
fn rules(shared: &Shared) -> Rules {
    let txn = Txn::new(&shared.store, 0, 0, 0);
    load::rules(&txn)
}

/// Has a thread wait for signals: the first shuts the server down, another one ends it at once. The
/// terminal from which the server was started may go.
fn stop_on(signals: Signals, shared: Arc<Shared>) -> io::Result<()> {
    let wait = move || -> io::Result<()> {
        let next = || loop {
            match signals.wait() {
                Ok(signals::HANG_UP) => {}
                signal => return signal,
            }
        };
        let signal = next()?;
        say(&format!("signal {signal}: shutting down"));
        shared.post(0, Message::SaveAndShutdown);
        next()?;
        std::process::exit(1);
    };
    std::thread::Builder::new()
        .name("darner-signals".into())
        .stack_size(64 << 10)
        .spawn(wait)?;
    Ok(())
}

/// The backend by name: io_uring where it works, unless epoll was asked for.
fn choose_backend(config: &Config) -> &'static str {
    if config.process.force_epoll {
        return "epoll";
    }
    match reactor::uring::probe() {
        Ok(()) => "io_uring",
        Err(error) => {
            say(&format!(
                "io_uring isn't available here ({error}): using epoll"
            ));
            "epoll"
        }
    }
}

/// Asks the kernel for a descriptor for each client; `maxclients` is what it grants.
fn allow_open_files(network: &mut Network) {
    /// Files of our own: listeners, rings, wakers, snapshots.
    const OURS: u64 = 64;
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    let wanted = u64::from(network.maxclients) + OURS;
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    limit.current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    // Fails only where even the part that the hard limit allows is refused: then the rest holds.
    let _ = rustix::process::setrlimit(Resource::Nofile, limit);
    let granted = rustix::process::getrlimit(Resource::Nofile).current;
    let clients = granted.unwrap_or(wanted).saturating_sub(OURS).max(1);
    if clients < u64::from(network.maxclients) {
        warn(&format!(
            "maxclients is {clients} instead of {}: the process may not open more files",
            network.maxclients
        ));
        network.maxclients = clients as u32;
    }
}

/// Has the kernel make its table of descriptors large enough while there is but one thread. When
/// several share it, it waits for all CPUs each time the table doubles: 20 ms, in which the queue
/// of new connections overflows, and those that find it full try again after a second.
fn make_room_for_files(maxclients: u32) {
    /// 128 KiB of the kernel's memory; whoever has more clients has time to wait.
    const MOST: u32 = 16384;
    let highest = maxclients.min(MOST) as i32 - 1;
    // The copy is closed at once, the room stays. Without it things go well, too.
    let _ = rustix::io::fcntl_dupfd_cloexec(io::stderr(), highest);
}

/// One CPU for each thread, or none: with a quota, or with more threads than CPUs, the kernel knows
/// better where there is time (every container of a host would sit on CPU 0).
fn cpus_to_pin(config: &Config, machine: &Machine, threads: usize) -> Vec<usize> {
    let wanted = config.process.proactor_affinity_mode != AffinityMode::Off;
    if !wanted || machine.cpu_quota.is_some() || threads > machine.cpus.len() {
        return Vec::new();
    }
    (0..threads)
        .map(|number| machine.cpu_of_thread(number))
        .collect()
}

fn pin(cpus: &[usize], number: usize) {
    if let Some(&cpu) = cpus.get(number)
        && let Err(error) = pin_thread(cpu)
    {
        warn(&format!("can't pin thread {number} to CPU {cpu}: {error}"));
    }
}

/// What the start prints.
fn screen(loaded: &Loaded, machine: &Machine, threads: usize, backend: &str) -> String {
    let config = &loaded.config;
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let limit = match config.memory.maxmemory {
        0 => "none".to_owned(),
        bytes => mib(bytes),
    };
    let whose = if machine.is_memory_limited {
        "the container"
    } else {
        "the machine"
    };
    let mut places = Vec::new();
    if config.network.port > 0 {
        places.push(format!(
            "{} port {}",
            config.network.bind.join(" "),
            config.network.port
        ));
    }
    if !config.network.unixsocket.is_empty() {
        places.push(config.network.unixsocket.clone());
    }
    if config.monitoring.admin_port > 0 {
        places.push(format!("admin port {}", config.monitoring.admin_port));
    }
    format!(
        "Darner {version}, PID: {pid}\n\
         \x20 threads    {threads} of {cpus} CPUs\n\
         \x20 I/O        {backend}\n\
         \x20 memory     limit {limit}, {whose} has {memory}\n\
         \x20 databases  {databases}\n\
         \x20 listening  {listening}",
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        cpus = machine.cpus.len(),
        memory = mib(machine.memory),
        databases = config.memory.dbnum,
        listening = places.join(", "),
    )
}

/// Seeds the key hash: nobody outside may know it.
fn random_seed() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}
