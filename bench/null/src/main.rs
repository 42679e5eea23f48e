//! The null server: finds the command boundaries in what it receives and answers each command with
//! a constant. What it costs per command is what the reactor costs, and a floor for every server
//! built on it.

mod skipper;

use reactor::{
    CloseMode, CloseReason, ConnId, Driver, EpollDriver, Handler, Listener, Now, Socket,
    TcpOptions, UringConfig, UringDriver, Waker, uring,
};
use skipper::Skip;
use std::io;
use std::net::SocketAddr;

/// Spare buffers kept for reuse.
const SPARE_BUFFERS: usize = 1024;

struct Flags {
    port: u16,
    force_epoll: bool,
    reply: &'static [u8],
}

/// One tick's worth of what the driver reported, and the connections' states.
struct Worker {
    reply: &'static [u8],
    conns: Vec<Conn>,
    accepted: Vec<Socket>,
    /// Connections with replies to send.
    dirty: Vec<ConnId>,
    /// Connections that broke the protocol.
    broken: Vec<ConnId>,
    spare: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Conn {
    /// An incomplete command's bytes.
    rest: Vec<u8>,
    replies: Vec<u8>,
}

impl Handler<Socket> for Worker {
    fn tick(&mut self, _now: Now) {}

    fn accepted(&mut self, socket: Socket) {
        self.accepted.push(socket);
    }

    fn received(&mut self, id: ConnId, data: &[u8]) {
        let conn = &mut self.conns[id.index()];
        if conn.replies.is_empty() {
            self.dirty.push(id);
            if conn.replies.capacity() == 0 {
                conn.replies = self.spare.pop().unwrap_or_default();
            }
        }
        let ok = if conn.rest.is_empty() {
            answer(data, self.reply, &mut conn.replies).map(|used| {
                conn.rest.extend_from_slice(&data[used..]);
            })
        } else {
            conn.rest.extend_from_slice(data);
            answer(&conn.rest, self.reply, &mut conn.replies).map(|used| {
                conn.rest.drain(..used);
            })
        };
        if ok.is_none() {
            self.broken.push(id);
        }
    }

    fn sent(&mut self, _id: ConnId, buf: Vec<u8>) {
        self.recycle(buf);
    }

    fn closed(&mut self, id: ConnId, _reason: CloseReason) {
        self.conns[id.index()] = Conn::default();
    }

    /// Nothing is given up.
    fn released(&mut self, _id: ConnId, _socket: Socket, _unread: Vec<u8>) {}
}

impl Worker {
    fn recycle(&mut self, mut buf: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS && buf.capacity() <= 64 * 1024 {
            buf.clear();
            self.spare.push(buf);
        }
    }
}

/// Appends a reply for each complete command; how many bytes those took, or `None` for an error.
fn answer(data: &[u8], reply: &[u8], replies: &mut Vec<u8>) -> Option<usize> {
    let mut used = 0;
    loop {
        match skipper::skip_command(&data[used..]) {
            Skip::Complete(len) => {
                used += len;
                replies.extend_from_slice(reply);
            }
            Skip::Incomplete => return Some(used),
            Skip::Error => return None,
        }
    }
}

fn serve<D>(mut driver: D, flags: &Flags) -> io::Result<()>
where
    D: Driver<Socket = Socket, Listener = Listener>,
{
    let addr = SocketAddr::from(([127, 0, 0, 1], flags.port));
    let listener = Listener::tcp(addr, &TcpOptions::default())?;
    let addr = listener
        .local_addr()
        .ok_or(io::ErrorKind::AddrNotAvailable)?;
    driver.listen(listener)?;
    println!("null server on {addr}, {}", driver.name());
    let mut worker = Worker {
        reply: flags.reply,
        conns: Vec::new(),
        accepted: Vec::new(),
        dirty: Vec::new(),
        broken: Vec::new(),
        spare: Vec::new(),
    };
    loop {
        driver.poll(None, &mut worker)?;
        for socket in worker.accepted.drain(..) {
            let id = driver.adopt(socket)?;
            if worker.conns.len() <= id.index() {
                worker.conns.resize_with(id.index() + 1, Conn::default);
            }
        }
        let mut dirty = std::mem::take(&mut worker.dirty);
        for id in dirty.drain(..) {
            let replies = std::mem::take(&mut worker.conns[id.index()].replies);
            if let Some(buf) = driver.send(id, replies) {
                worker.recycle(buf);
            }
        }
        worker.dirty = dirty;
        for id in worker.broken.drain(..) {
            driver.close(id, CloseMode::Flush);
        }
    }
}

fn parse_flags() -> Result<Flags, String> {
    let mut flags = Flags {
        port: 6390,
        force_epoll: false,
        reply: b"+OK\r\n",
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--port" => {
                let port = args.next().ok_or("--port needs a number")?;
                flags.port = port.parse().map_err(|_| format!("not a port: {port}"))?;
            }
            "--force_epoll" => flags.force_epoll = true,
            "--bulk" => flags.reply = b"$3\r\nxyz\r\n",
            other => return Err(format!("unknown flag: {other}")),
        }
    }
    Ok(flags)
}

fn run(flags: &Flags) -> io::Result<()> {
    if !flags.force_epoll {
        match uring::probe() {
            Ok(()) => {
                return serve(
                    UringDriver::new(UringConfig::default(), Waker::new()?)?,
                    flags,
                );
            }
            Err(error) => eprintln!("no io_uring here ({error}), using epoll"),
        }
    }
    serve(EpollDriver::new()?, flags)
}

fn main() {
    let flags = parse_flags().unwrap_or_else(|message| {
        eprintln!("{message}\nusage: darner-null [--port N] [--force_epoll] [--bulk]");
        std::process::exit(2);
    });
    if let Err(error) = run(&flags) {
        eprintln!("null server: {error}");
        std::process::exit(1);
    }
}
