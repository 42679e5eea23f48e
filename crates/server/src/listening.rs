//! Where the server listens: at its start, and when CONFIG SET changes `bind` or `port`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use reactor::{Listener, Stopper, TcpOptions};

use crate::flags::{Monitoring, Network};

/// How long the start waits for an address that is in use: what an io_uring had open the kernel
/// closes a moment after its process was killed.
const PATIENCE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);

/// What a server listens on when it starts.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) tcp: Vec<Listener>,
    pub(crate) unix: Option<Listener>,
    /// Of the admin port.
    pub(crate) admin: Vec<Listener>,
}

/// Listens where the settings say. Port -1 becomes the one that the kernel has chosen.
pub(crate) fn bind(network: &mut Network, monitoring: &Monitoring) -> io::Result<Bound> {
    let unix = if network.unixsocket.is_empty() {
        None
    } else {
        let mode = (network.unixsocketperm > 0).then_some(network.unixsocketperm);
        let listener = Listener::unix(Path::new(&network.unixsocket), mode, network.tcp_backlog);
        let context = || format!("Failed opening Unix socket {}", network.unixsocket);
        Some(listener.map_err(|error| named(&error, &context()))?)
    };
    let tcp = bind_patiently(network)?;
    if tcp.is_empty() && unix.is_none() {
        let why = "nowhere to listen: no address or port, and no Unix socket";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let admin = bind_admin(network, monitoring)?;
    Ok(Bound { tcp, unix, admin })
}

/// Listens on the admin port, if there is one: at `admin_bind`, or else where the main port is.
fn bind_admin(network: &Network, monitoring: &Monitoring) -> io::Result<Vec<Listener>> {
    let mut admin = Network {
        port: i32::from(monitoring.admin_port),
        ..network.clone()
    };
    if !monitoring.admin_bind.is_empty() {
        admin.bind = vec![monitoring.admin_bind.clone()];
    }
    bind_patiently(&mut admin)
}

fn bind_patiently(network: &mut Network) -> io::Result<Vec<Listener>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match bind_tcp(network) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                std::thread::sleep(POLL);
            }
            Err(error) => {
                let context = format!("Failed listening on port {}", network.port);
                return Err(named(&error, &context));
            }
            listeners => return listeners,
        }
    }
}

/// Listens on each address of `bind`; on none at all if there are none, or no port.
fn bind_tcp(network: &mut Network) -> io::Result<Vec<Listener>> {
    let options = tcp_options(network);
    let mut listeners = Vec::new();
    if network.port == 0 {
        return Ok(listeners);
    }
    let mut port = u16::try_from(network.port).unwrap_or(0);
    for name in &network.bind {
        let (name, may_be_missing) = name
            .strip_prefix('-')
            .map_or((&name[..], false), |name| (name, true));
        for ip in resolve(name)? {
            let address = SocketAddr::new(ip, port);
            match Listener::tcp(address, &options) {
                Ok(listener) => {
                    port = listener.local_addr().map_or(port, |address| address.port());
                    listeners.push(listener);
                }
                Err(error) if may_be_missing && error.kind() != io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(named(&error, &address.to_string())),
            }
        }
    }
    network.port = i32::from(port);
    Ok(listeners)
}

fn resolve(name: &str) -> io::Result<Vec<IpAddr>> {
    match name {
        "" => Ok(Vec::new()),
        "*" => Ok(vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)]),
        "::*" => Ok(vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED)]),
        _ => {
            let found = (name, 0).to_socket_addrs();
            let found = found.map_err(|error| named(&error, &format!("can't resolve '{name}'")))?;
            Ok(found.map(|address| address.ip()).collect())
        }
    }
}

fn named(error: &io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
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

/// The TCP listeners that the first thread has, and the way to give it others.
#[derive(Default)]
pub(crate) struct Listening(Mutex<Option<Running>>);

struct Running {
    stoppers: Vec<Stopper>,
    hand_over: Box<dyn Fn(Vec<Listener>) + Send>,
}

impl Listening {
    /// The first thread is about to have these; others are given to it with `hand_over`.
    pub(crate) fn begin(
        &self,
        listeners: &[Listener],
        hand_over: impl Fn(Vec<Listener>) + Send + 'static,
    ) -> io::Result<()> {
        *self.lock() = Some(Running {
            stoppers: stoppers(listeners)?,
            hand_over: Box::new(hand_over),
        });
        Ok(())
    }

    /// Listens where the `new` settings say. If that can't be, goes on where the `old` ones do.
    pub(crate) fn change(&self, old: &Network, new: &mut Network) -> io::Result<()> {
        let mut running = self.lock();
        let Some(running) = &mut *running else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        // The old ones end first: the same port is free only then, and `*` includes the others.
        running.stoppers.drain(..).for_each(Stopper::stop);
        let bound = bind_tcp(new);
        let (listeners, result) = match bound {
            Ok(listeners) => (listeners, Ok(())),
            Err(error) => (bind_tcp(&mut old.clone())?, Err(error)),
        };
        running.stoppers = stoppers(&listeners)?;
        (running.hand_over)(listeners);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.0
            .lock()
            .expect("listening is changed without panicking")
    }
}

fn stoppers(listeners: &[Listener]) -> io::Result<Vec<Stopper>> {
    listeners.iter().map(Listener::stopper).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::sync::mpsc;

    use super::*;

    fn network(bind: &[&str], port: i32) -> Network {
        Network {
            bind: bind.iter().map(ToString::to_string).collect(),
            port,
            ..Network::default()
        }
    }

    fn answers(port: i32) -> bool {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port as u16)).is_ok()
    }

    #[test]
    fn a_free_port_is_the_same_for_all_addresses() {
        let mut network = network(&["127.0.0.1", "127.0.0.2"], -1);
        let listeners = bind_tcp(&mut network).unwrap();
        let ports = listeners.iter().map(|one| one.local_addr().unwrap().port());
        assert_eq!(ports.collect::<Vec<_>>(), [network.port as u16; 2]);
    }

    #[test]
    fn nothing_to_listen_on_is_an_error_only_without_a_unix_socket() {
        assert!(bind(&mut network(&["127.0.0.1"], 0), &Monitoring::default()).is_err());
        assert!(bind(&mut network(&[], 7000), &Monitoring::default()).is_err());
        assert!(bind(&mut network(&[""], 7000), &Monitoring::default()).is_err());
        let path = std::env::temp_dir().join(format!("darner-bind-{}", std::process::id()));
        let mut only_unix = Network {
            unixsocket: path.to_string_lossy().into_owned(),
            ..network(&[], 7000)
        };
        let bound = bind(&mut only_unix, &Monitoring::default());
        assert!(bound.unwrap().unix.is_some());
    }

    #[test]
    fn addresses_that_may_be_missing() {
        // An address of the documentation's range is nobody's.
        assert!(bind_tcp(&mut network(&["192.0.2.1"], -1)).is_err());
        let found = bind_tcp(&mut network(&["-192.0.2.1", "127.0.0.1"], -1));
        assert_eq!(found.unwrap().len(), 1);
        let taken = Listener::tcp(([127, 0, 0, 1], 0).into(), &TcpOptions::default()).unwrap();
        let port = i32::from(taken.local_addr().unwrap().port());
        let error = bind_tcp(&mut network(&["-127.0.0.1"], port)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn listening_moves_or_stays_where_it_was() {
        let mut first = network(&["127.0.0.1"], -1);
        let mut listeners = bind_tcp(&mut first).unwrap();
        let (sender, receiver) = mpsc::channel();
        let listening = Listening::default();
        let hand_over = move |listeners| sender.send(listeners).unwrap();
        listening.begin(&listeners, hand_over).unwrap();

        // The same port on more addresses.
        let mut second = network(&["*"], first.port);
        listening.change(&first, &mut second).unwrap();
        listeners = receiver.recv().unwrap();
        assert_eq!(listeners.len(), 1);
        assert!(answers(second.port));

        let taken = bind_tcp(&mut network(&["127.0.0.1"], -1)).unwrap();
        let port = i32::from(taken[0].local_addr().unwrap().port());
        assert!(
            listening
                .change(&second, &mut network(&["*"], port))
                .is_err()
        );
        listeners = receiver.recv().unwrap();
        assert!(answers(second.port));

        listening
            .change(&second, &mut network(&[], second.port))
            .unwrap();
        assert!(receiver.recv().unwrap().is_empty());
        assert!(!answers(second.port));
        drop(listeners);
    }
}
