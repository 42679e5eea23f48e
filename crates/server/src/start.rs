//! From settings to a running server: threads, backend, listeners, the screen that says so.

use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use reactor::signals::{self, Signals};
use reactor::{Driver, EpollDriver, Listener, Socket, TcpOptions, UringConfig, UringDriver, Waker};
use rustix::process::Resource;

use crate::flags::load::Loaded;
use crate::flags::values::AffinityMode;
use crate::flags::{Config, Network};
use crate::log::{say, warn};
use crate::machine::{Machine, pin_thread};
use crate::memory;
use crate::message::Message;
use crate::shared::Shared;
use crate::worker::Worker;

/// Runs a server until it is told to shut down.
pub fn run(mut loaded: Loaded) -> io::Result<()> {
    let machine = Machine::look();
    allow_open_files(&mut loaded.config.network);
    let threads = machine.thread_count(loaded.config.process.proactor_threads);
    if loaded.config.process.disable_thp || machine.memory < HUGE_PAGES_FROM {
        disable_huge_pages();
    }
    let listeners = bind(&loaded.config)?;
    let backend = choose_backend(&loaded.config);
    for warning in &loaded.warnings {
        warn(warning);
    }
    say(&screen(&loaded, &machine, threads, backend));
    // Before any thread starts, for each inherits what is held back.
    let signals = Signals::hold(&[signals::TERMINATE, signals::INTERRUPT])?;
    let shared = Arc::new(Shared::new(loaded, threads, backend, random_seed()));
    stop_on(signals, Arc::clone(&shared))?;
    let cpus = cpus_to_pin(&shared.config(), &machine, threads);
    match backend {
        "io_uring" => serve(&shared, listeners, &cpus, || {
            UringDriver::new(UringConfig::default(), Waker::new()?)
        }),
        _ => serve(&shared, listeners, &cpus, EpollDriver::new),
    }
}

/// In a box smaller than this a huge page is too coarse a unit of memory.
const HUGE_PAGES_FROM: u64 = 1 << 30;

fn disable_huge_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        say(&format!("warning: can't turn huge pages off: {error}"));
    }
}

/// Starts a worker on each thread, this one being the first, which also accepts.
fn serve<D: Driver<Socket = Socket, Listener = Listener>>(
    shared: &Arc<Shared>,
    listeners: Vec<Listener>,
    cpus: &[usize],
    driver: impl Fn() -> io::Result<D> + Copy + Send + 'static,
) -> io::Result<()> {
    pin(cpus, 0);
    let mut first = Worker::new(Arc::clone(shared), 0, driver()?);
    let (sender, receiver) = mpsc::channel();
    let mut handles = Vec::new();
    for number in 1..shared.threads() {
        let (shared, sender, cpus) = (Arc::clone(shared), sender.clone(), cpus.to_vec());
        let body = move || -> io::Result<()> {
            pin(&cpus, number);
            let mut worker = Worker::new(shared, number, driver()?);
            // The first thread waits for this message, or for the channel to close.
            let _ = sender.send(worker.socket_sender());
            drop(sender);
            worker.run()
        };
        handles.push(
            std::thread::Builder::new()
                .name(format!("darner-{number}"))
                .spawn(body)?,
        );
    }
    drop(sender);
    if !handles.is_empty() {
        first.spread_to(
            std::iter::once(first.socket_sender())
                .chain(receiver)
                .collect(),
        );
    }
    for listener in listeners {
        first.driver().listen(listener)?;
    }
    memory::note_start();
    first.run()?;
    for handle in handles {
        handle
            .join()
            .map_err(|_| io::Error::other("a data thread has panicked"))??;
    }
    Ok(())
}

/// Has a thread wait for signals: the first shuts the server down, another one ends it at once.
fn stop_on(signals: Signals, shared: Arc<Shared>) -> io::Result<()> {
    let wait = move || -> io::Result<()> {
        let signal = signals.wait()?;
        say(&format!("signal {signal}: bye"));
        shared.post_all(|| Message::Shutdown);
        signals.wait()?;
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

/// The TCP options that these settings ask for.
pub(crate) fn tcp_options(network: &Network) -> TcpOptions {
    TcpOptions {
        backlog: network.tcp_backlog,
        keepalive_secs: network.tcp_keepalive,
        nodelay: network.tcp_nodelay,
        user_timeout_ms: network.tcp_user_timeout,
        reuse_port: false,
    }
}

fn bind(config: &Config) -> io::Result<Vec<Listener>> {
    let network = &config.network;
    let options = tcp_options(network);
    let mut listeners = Vec::new();
    // Port 0 or -1: no TCP at all, as in Redis.
    let port = u16::try_from(network.port).unwrap_or(0);
    let names: &[String] = if port == 0 { &[] } else { &network.bind };
    for name in names {
        let (name, optional) = name
            .strip_prefix('-')
            .map_or((&name[..], false), |n| (n, true));
        for address in addresses(name, port)? {
            match Listener::tcp(address, &options) {
                Ok(listener) => listeners.push(listener),
                Err(_) if optional => {}
                Err(error) => return Err(named(&error, &format!("can't listen on {address}"))),
            }
        }
    }
    if !network.unixsocket.is_empty() {
        let mode = (network.unixsocketperm > 0).then_some(network.unixsocketperm);
        let listener = Listener::unix(Path::new(&network.unixsocket), mode, network.tcp_backlog);
        let context = || format!("can't listen on {}", network.unixsocket);
        listeners.push(listener.map_err(|error| named(&error, &context()))?);
    }
    if listeners.is_empty() {
        let why = "nowhere to listen: the port is 0 and there is no unix socket";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    Ok(listeners)
}

fn addresses(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let any = match name {
        "*" => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        "::*" => Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        _ => None,
    };
    if let Some(ip) = any {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let found = (name, port).to_socket_addrs();
    let found: Vec<_> = found
        .map_err(|error| named(&error, &format!("can't resolve '{name}'")))?
        .collect();
    Ok(found)
}

fn named(error: &io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
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
    format!(
        "Darner {version}, pid {pid}\n\
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
