//! The simulated backend: a network in memory, a virtual clock and a seeded scheduler, all on one
//! thread, so that a test runs the real server code and a failure found with a seed is found again
//! with that seed.
//!
//! Each [`SimDriver`] stands for one server thread. Nothing ever waits: [`SimNet::step`] says
//! whose turn it is, and moves the clock when nobody has anything to do.
//! The seed decides who runs, how long bytes travel, at which bytes the stream is cut, how much of
//! a write is taken, and which connections break.
//!
//! ```
//! use reactor::sim::{SimNet, Turn};
//! use reactor::{CloseReason, ConnId, Driver, Handler, Now};
//!
//! struct Shout(Vec<(ConnId, Vec<u8>)>, Vec<reactor::sim::SimSocket>);
//! impl Handler<reactor::sim::SimSocket> for Shout {
//!     fn tick(&mut self, _: Now) {}
//!     fn accepted(&mut self, socket: reactor::sim::SimSocket) { self.1.push(socket) }
//!     fn received(&mut self, conn: ConnId, data: &[u8]) {
//!         self.0.push((conn, data.to_ascii_uppercase()));
//!     }
//!     fn sent(&mut self, _: ConnId, _: Vec<u8>) {}
//!     fn closed(&mut self, _: ConnId, _: CloseReason) {}
//!     fn released(&mut self, _: ConnId, _: reactor::sim::SimSocket, _: Vec<u8>) {}
//! }
//!
//! let net = SimNet::new(42);
//! let mut driver = net.driver();
//! driver.listen(net.listener())?;
//! let client = net.connect();
//! client.write(b"hello");
//! let mut heard = Vec::new();
//! let mut shout = Shout(Vec::new(), Vec::new());
//! while heard.len() < 5 {
//!     match net.step() {
//!         Turn::Thread(_) => driver.poll(None, &mut shout)?,
//!         Turn::Client => heard.extend(client.read()),
//!         Turn::Idle => unreachable!("the answer is still under way"),
//!     }
//!     for socket in shout.1.drain(..) {
//!         driver.adopt(socket)?;
//!     }
//!     for (conn, data) in shout.0.drain(..) {
//!         driver.send(conn, data);
//!     }
//! }
//! assert_eq!(heard, b"HELLO");
//! # Ok::<(), std::io::Error>(())
//! ```

mod driver;
mod wire;

use crate::driver::Now;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wire::{EndId, Net};

pub use driver::SimDriver;

/// The port of [`SimNet::listener`] and [`SimNet::connect`].
pub const DEFAULT_PORT: u16 = 6379;

/// How unkind the network is.
#[derive(Clone, Copy, Debug)]
pub struct SimConfig {
    /// Bytes travel at least this long.
    pub delay_min_us: u64,
    /// And at most this long.
    pub delay_max_us: u64,
    /// A tick takes at most this much virtual time.
    pub tick_max_us: u64,
    /// The most bytes a direction of a connection holds; each draws its own size up to this.
    pub window_max: usize,
    /// Of a million pieces of data sent, this many break their connection instead.
    pub cuts_per_million: u32,
    /// Keep what happened, line by line, for [`SimNet::trace`].
    pub keep_trace: bool,
}

impl Default for SimConfig {
    fn default() -> Self {
        SimConfig {
            delay_min_us: 5,
            delay_max_us: 500,
            tick_max_us: 20,
            window_max: 256 * 1024,
            cuts_per_million: 0,
            keep_trace: false,
        }
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The owner of the driver with this index should run one tick, with one poll in it.
    Thread(usize),
    /// Something has arrived for a client: bytes, the end of the stream, or a reset.
    Client,
    /// Nothing is under way, no driver waits for a time, and nothing will happen until the test
    /// does something.
    Idle,
}

/// The simulated network, clock and scheduler. Clones are the same one.
#[derive(Clone)]
pub struct SimNet {
    net: Shared,
}

/// A listener to give to a [`SimDriver`]. Several may have the same port; each connection goes to
/// one of them.
#[derive(Debug)]
pub struct SimListener {
    port: u16,
}

/// One end of a simulated connection that no driver has adopted; dropping it closes it.
pub struct SimSocket {
    net: Shared,
    end: EndId,
    adopted: bool,
}

/// The test's end of a simulated connection; dropping it closes it.
pub struct SimClient {
    socket: SimSocket,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Net>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Net> {
        // A test that panicked is unwinding; its drops may still use the network.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimNet {
    /// A network with the default unkindness.
    pub fn new(seed: u64) -> SimNet {
        SimNet::with_config(seed, SimConfig::default())
    }

    /// A network of the given unkindness.
    pub fn with_config(seed: u64, config: SimConfig) -> SimNet {
        SimNet {
            net: Shared(Arc::new(Mutex::new(Net::new(seed, config)))),
        }
    }

    /// The driver of another simulated thread; the first has index 0 in [`Turn::Thread`].
    pub fn driver(&self) -> SimDriver {
        SimDriver::new(self.net.clone())
    }

    /// A listener on the default port.
    pub fn listener(&self) -> SimListener {
        self.listener_on(DEFAULT_PORT)
    }

    /// A listener on a port.
    pub fn listener_on(&self, port: u16) -> SimListener {
        SimListener { port }
    }

    /// A client connected to the default port.
    pub fn connect(&self) -> SimClient {
        self.connect_to(DEFAULT_PORT)
    }

    /// A client connected to a port.
    pub fn connect_to(&self, port: u16) -> SimClient {
        SimClient {
            socket: self.dial(port),
        }
    }

    /// A connection to a port for a driver to adopt: how one server connects to another. If nobody
    /// listens there, it is reset.
    pub fn dial(&self, port: u16) -> SimSocket {
        let end = self.net.lock().dial(port);
        self.socket(end)
    }

    /// Both ends of a new connection.
    pub fn pair(&self) -> (SimSocket, SimSocket) {
        let (a, b) = self.net.lock().connect(DEFAULT_PORT);
        (self.socket(a), self.socket(b))
    }

    /// Moves the clock, if nobody has anything to do, and says whose turn it is.
    pub fn step(&self) -> Turn {
        self.net.lock().step()
    }

    /// The virtual time.
    pub fn now(&self) -> Now {
        self.net.lock().now()
    }

    /// Moves the virtual time forward.
    pub fn advance(&self, us: u64) {
        self.net.lock().advance(us);
    }

    /// Breaks a client's connection, as a pulled cable and its time-out do: what is under way is
    /// lost and both ends see an error.
    pub fn cut(&self, client: &SimClient) {
        self.net.lock().cut(client.socket.end);
    }

    /// A number that depends on everything that has happened; equal for equal runs.
    pub fn fingerprint(&self) -> u64 {
        self.net.lock().fingerprint()
    }

    /// What has happened, if the configuration asks to keep it.
    pub fn trace(&self) -> Vec<String> {
        self.net.lock().trace()
    }

    fn socket(&self, end: EndId) -> SimSocket {
        SimSocket {
            net: self.net.clone(),
            end,
            adopted: false,
        }
    }
}

impl SimClient {
    /// Sends bytes; they arrive in pieces.
    pub fn write(&self, bytes: &[u8]) {
        self.socket.net.lock().write(self.socket.end, bytes);
    }

    /// Takes what has arrived so far.
    pub fn read(&self) -> Vec<u8> {
        self.socket.net.lock().read(self.socket.end, usize::MAX)
    }

    /// Sends no more, but goes on reading.
    pub fn shutdown(&self) {
        self.socket.net.lock().finish(self.socket.end);
    }

    /// Closes both directions, after what was written is on its way.
    pub fn close(&self) {
        self.socket.net.lock().close(self.socket.end);
    }

    /// Whether everything the server sent has been read and nothing more will come.
    pub fn is_closed(&self) -> bool {
        self.socket.net.lock().is_over(self.socket.end)
    }

    /// This end's address, as the server sees it.
    pub fn local(&self) -> String {
        self.socket.local()
    }
}

impl SimSocket {
    /// The other end's address.
    pub fn peer(&self) -> String {
        self.net.lock().address(wire::other(self.end))
    }

    /// This end's address.
    pub fn local(&self) -> String {
        self.net.lock().address(self.end)
    }
}

impl crate::net::Endpoint for SimSocket {
    fn peer(&self) -> String {
        SimSocket::peer(self)
    }

    fn local(&self) -> String {
        SimSocket::local(self)
    }

    fn is_unix(&self) -> bool {
        false
    }
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        if !self.adopted {
            self.net.lock().close(self.end);
        }
    }
}

impl std::fmt::Debug for SimSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SimSocket").field(&self.end).finish()
    }
}
