//! One thread's input and output, behind one face.
//!
//! A [`Driver`] owns the connections and listeners of one thread. The thread's loop is: ask the
//! driver to [`poll`](Driver::poll), note in the [`Handler`] what came in, execute, queue the
//! replies with [`send`](Driver::send), and poll again; where the backend can, everything queued
//! goes to the kernel with the same system call that waits.
//!
//! Three backends: [`UringDriver`] (Linux 6.1 and later, where the sandbox allows it),
//! [`EpollDriver`] (everywhere), and [`sim::SimDriver`], a seeded network in memory with a virtual
//! clock, in which the real server runs under test.
//!
//! Beside them: [`mailbox`] for messages between threads, [`timers`], [`net`] for listeners and
//! sockets, and what else is asked of the system: [`signals`], [`usage`].

mod driver;
#[cfg(not(loom))]
mod epoll;
#[cfg(not(loom))]
mod listening;
pub mod mailbox;
#[cfg(not(loom))]
pub mod net;
#[cfg(not(loom))]
mod outbox;
#[cfg(not(loom))]
pub mod signals;
#[cfg(not(loom))]
pub mod sim;
#[cfg(not(loom))]
mod slab;
mod sync;
#[cfg(not(loom))]
mod sys;
pub mod timers;
#[cfg(not(loom))]
pub mod uring;
#[cfg(not(loom))]
pub mod usage;
mod waker;

pub use driver::{CloseMode, CloseReason, ConnId, Driver, Handler, ListenerId, Now};
#[cfg(not(loom))]
pub use epoll::EpollDriver;
pub use mailbox::{Mailbox, Sender};
#[cfg(not(loom))]
pub use net::{Endpoint, Listener, Socket, Stopper, TcpOptions};
pub use timers::{TimerKey, Timers};
#[cfg(not(loom))]
pub use uring::{UringConfig, UringDriver};
pub use waker::Waker;
