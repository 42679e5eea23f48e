//! The same tests for both real backends: whatever a server may rely on must hold for either.

#![allow(clippy::unwrap_used)] // Integration tests are not #[cfg(test)] to clippy.

#[allow(dead_code)] // Each test program uses a part of it.
mod support;

use reactor::{
    CloseMode, CloseReason, Driver, EpollDriver, Listener, Mailbox, Socket, TcpOptions,
    UringConfig, UringDriver, Waker, uring,
};
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};
use support::{Echo, Event, Node};

/// A real backend.
trait Real: Driver<Socket = Socket, Listener = Listener> {
    /// A driver for this thread.
    fn make(waker: Waker) -> io::Result<Self>
    where
        Self: Sized;
    /// Whether it works here.
    fn available() -> bool {
        true
    }
}

impl Real for UringDriver {
    fn make(waker: Waker) -> io::Result<Self> {
        UringDriver::new(UringConfig::default(), waker)
    }

    fn available() -> bool {
        uring::probe()
            .inspect_err(|error| println!("skipped, no io_uring here: {error}"))
            .is_ok()
    }
}

impl Real for EpollDriver {
    fn make(waker: Waker) -> io::Result<Self> {
        EpollDriver::with_waker(waker)
    }
}

fn node<D: Real>() -> Node<D> {
    Node::new(D::make(Waker::new().unwrap()).unwrap())
}

fn listen<D: Real>(node: &mut Node<D>) -> SocketAddr {
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap(), &TcpOptions::default()).unwrap();
    let addr = listener.local_addr().unwrap();
    node.driver.listen(listener).unwrap();
    addr
}

/// A connected pair: the test's end and the driver's.
fn connect<D: Real>(node: &mut Node<D>) -> (TcpStream, reactor::ConnId) {
    let addr = listen(node);
    let client = TcpStream::connect(addr).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    (client, node.accept())
}

fn bytes(len: usize, seed: usize) -> Vec<u8> {
    (0..len)
        .map(|i| ((i * 31 + i / 251) ^ seed) as u8)
        .collect()
}

/// Serialises the tests that count descriptors or change limits against all others.
static PROCESS_WIDE: Mutex<()> = Mutex::new(());

fn alone() -> impl Drop {
    PROCESS_WIDE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn open_fds() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn many_connections_echo<D: Real>() {
    const CLIENTS: usize = 100;
    let waker = Waker::new().unwrap();
    let mut echo = Echo::new(D::make(waker).unwrap());
    let addr = listen_on(&mut echo);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|seed| thread::spawn(move || talk(addr, seed)))
        .collect();
    echo.run(CLIENTS);
    for client in clients {
        client.join().unwrap();
    }
}

fn listen_on<D: Real>(echo: &mut Echo<D>) -> SocketAddr {
    listen(&mut echo.node)
}

fn talk(addr: SocketAddr, seed: usize) {
    let mut stream = TcpStream::connect(addr).unwrap();
    for round in 0..50 {
        let sent = bytes(1 + (seed * 7919 + round * 104_729) % 5000, seed + round);
        stream.write_all(&sent).unwrap();
        let mut got = vec![0; sent.len()];
        stream.read_exact(&mut got).unwrap();
        assert!(got == sent);
    }
}

fn big_transfer_with_back_pressure<D: Real>() {
    const SIZE: usize = 10 << 20;
    let mut echo = Echo::new(D::make(Waker::new().unwrap()).unwrap());
    let addr = listen_on(&mut echo);
    let client = thread::spawn(move || {
        let mut stream = TcpStream::connect(addr).unwrap();
        let mut reader = stream.try_clone().unwrap();
        let sent = bytes(SIZE, 3);
        let expected = sent.clone();
        let writer = thread::spawn(move || {
            stream.write_all(&sent).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        // Let the writer run into the wall first.
        thread::sleep(Duration::from_millis(200));
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        writer.join().unwrap();
        assert!(got == expected, "echoed {} of {SIZE} bytes", got.len());
    });
    echo.run(1);
    client.join().unwrap();
}

fn buffers_come_back_in_order<D: Real>() {
    let mut node = node::<D>();
    let (mut client, conn) = connect(&mut node);
    let mut at_once = 0;
    let mut expected = Vec::new();
    for size in 1..200 {
        let buf = bytes(size * 1000, size);
        expected.extend_from_slice(&buf);
        at_once += usize::from(node.driver.send(conn, buf).is_some());
    }
    assert_eq!(node.driver.send(conn, Vec::new()), Some(Vec::new()));
    assert!(
        node.driver.unsent(conn) > 0,
        "19 MB do not fit into a socket"
    );
    let reader = thread::spawn(move || {
        let mut got = vec![0; expected.len()];
        client.read_exact(&mut got).unwrap();
        assert!(got == expected);
        client
    });
    node.poll_until(|node| node.driver.unsent(conn) == 0);
    let sizes: Vec<usize> = node
        .notes
        .events
        .iter()
        .map(|event| match event {
            Event::Sent(id, size) if *id == conn => size / 1000,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sizes, (at_once + 1..200).collect::<Vec<_>>());
    drop(reader.join().unwrap());
    node.poll_until(|node| node.closed(conn).is_some());
    assert_eq!(node.closed(conn), Some(CloseReason::Eof));
}

fn pause_and_resume<D: Real>() {
    let mut node = node::<D>();
    let (mut client, conn) = connect(&mut node);
    client.write_all(b"one").unwrap();
    node.poll_until(|node| node.received(conn) == b"one");

    node.driver.pause_recv(conn);
    client.write_all(b"two").unwrap();
    for _ in 0..5 {
        node.poll(5);
    }
    assert_eq!(node.received(conn), b"one");
    node.driver.resume_recv(conn);
    node.poll_until(|node| node.received(conn) == b"onetwo");

    // Pausing again when data is already on its way, and the end of the stream behind it.
    client.write_all(b"three").unwrap();
    thread::sleep(Duration::from_millis(20));
    node.driver.pause_recv(conn);
    drop(client);
    for _ in 0..5 {
        node.poll(5);
    }
    assert_eq!(node.received(conn), b"onetwo");
    node.driver.resume_recv(conn);
    node.driver.pause_recv(conn);
    node.driver.resume_recv(conn);
    node.poll_until(|node| node.closed(conn).is_some());
    assert_eq!(node.received(conn), b"onetwothree");
    assert_eq!(node.closed(conn), Some(CloseReason::Eof));
}

fn close_flush_delivers_everything<D: Real>() {
    let mut node = node::<D>();
    let (mut client, conn) = connect(&mut node);
    let sent = bytes(8 << 20, 5);
    drop(node.driver.send(conn, sent[..1 << 20].to_vec()));
    drop(node.driver.send(conn, sent[1 << 20..].to_vec()));
    node.driver.close(conn, CloseMode::Flush);
    assert_eq!(
        node.driver.send(conn, b"late".to_vec()),
        Some(b"late".to_vec())
    );
    let reader = thread::spawn(move || {
        let mut got = Vec::new();
        client.read_to_end(&mut got).unwrap();
        assert!(got == sent, "{} bytes", got.len());
    });
    node.poll_until(|node| node.closed(conn).is_some());
    assert_eq!(node.closed(conn), Some(CloseReason::Local));
    reader.join().unwrap();
    assert_eq!(node.driver.send(conn, b"x".to_vec()), Some(b"x".to_vec()));
    assert_eq!(node.driver.unsent(conn), 0);
}

fn close_now_drops_what_is_queued<D: Real>() {
    let mut node = node::<D>();
    let (mut client, conn) = connect(&mut node);
    drop(node.driver.send(conn, bytes(30 << 20, 1)));
    drop(node.driver.send(conn, bytes(1000, 1)));
    node.poll(5);
    assert!(node.driver.unsent(conn) > 1000);
    node.driver.close(conn, CloseMode::Flush);
    node.poll(5);
    assert_eq!(node.closed(conn), None);
    node.close_and_wait(conn);
    let tail = [Event::Sent(conn, 30 << 20), Event::Sent(conn, 1000)];
    assert_eq!(node.notes.events[..2], tail);
    assert_eq!(
        node.notes.events[2],
        Event::Closed(conn, CloseReason::Local)
    );
    let mut got = Vec::new();
    let _ = client.read_to_end(&mut got);
    assert!(got.len() < 30 << 20);
    assert!(got == bytes(30 << 20, 1)[..got.len()]);

    // The id is free again.
    let (_client, again) = connect(&mut node);
    assert_eq!(again, conn);
    node.driver.close(again, CloseMode::Now);
    node.driver.close(again, CloseMode::Now);
    node.driver.close(again, CloseMode::Flush);
    let closes = |node: &Node<D>| {
        node.notes
            .events
            .iter()
            .filter(|event| matches!(event, Event::Closed(..)))
            .count()
    };
    node.poll_until(|node| closes(node) == 2);
    node.poll(5);
    assert_eq!(closes(&node), 2);
}

fn peer_reset<D: Real>() {
    let mut node = node::<D>();
    let (client, conn) = connect(&mut node);
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let size = std::mem::size_of::<libc::linger>() as libc::socklen_t;
    let place = (&raw const linger).cast();
    // SAFETY: `linger` is readable for `size` bytes.
    let result = unsafe {
        libc::setsockopt(
            client.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            place,
            size,
        )
    };
    assert_eq!(result, 0);
    drop(node.driver.send(conn, bytes(20 << 20, 1)));
    node.poll(5);
    drop(client);
    node.poll_until(|node| node.closed(conn).is_some());
    let Some(CloseReason::Error(kind)) = node.closed(conn) else {
        panic!()
    };
    assert!(
        matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        "{kind}"
    );
    assert_eq!(node.notes.events[0], Event::Sent(conn, 20 << 20));
}

/// `printf ... | nc`: the end of the stream comes right behind the last request.
fn replies_before_eof<D: Real>() {
    for size in [10, 5 << 20] {
        let mut node = node::<D>();
        let (mut client, conn) = connect(&mut node);
        client.write_all(b"request").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        thread::sleep(Duration::from_millis(20));
        node.poll_until(|node| !node.notes.events.is_empty());
        assert_eq!(node.received(conn), b"request");
        let reply = bytes(size, 9);
        drop(node.driver.send(conn, reply.clone()));
        let reader = thread::spawn(move || {
            let mut got = Vec::new();
            client.read_to_end(&mut got).unwrap();
            assert!(got == reply, "{} bytes of {}", got.len(), reply.len());
        });
        node.poll_until(|node| node.closed(conn).is_some());
        assert_eq!(node.closed(conn), Some(CloseReason::Eof));
        reader.join().unwrap();
    }
}

fn wakes_from_another_thread<D: Real>() {
    let waker = Waker::new().unwrap();
    let mailbox = Mailbox::new(waker.clone());
    let mut node: Node<D> = Node::new(D::make(waker.clone()).unwrap());

    // A wake before the poll makes that poll return, once.
    node.driver.waker().wake();
    let start = Instant::now();
    node.poll(5000);
    assert!(start.elapsed() < Duration::from_secs(1));
    let start = Instant::now();
    node.poll(30);
    assert!(
        start.elapsed() >= Duration::from_millis(25),
        "{:?}",
        start.elapsed()
    );

    const MESSAGES: usize = 3000;
    let sender = mailbox.sender();
    let poster = thread::spawn(move || {
        for message in 0..MESSAGES {
            sender.post(message);
            if message % 100 == 0 {
                thread::sleep(Duration::from_micros(300));
            }
        }
    });
    let mut got = 0;
    while got < MESSAGES {
        if mailbox.prepare_sleep() {
            let start = Instant::now();
            node.poll(5000);
            assert!(start.elapsed() < Duration::from_secs(4), "a wake was lost");
            mailbox.awake();
        }
        while let Some(message) = mailbox.pop() {
            assert_eq!(message, got);
            got += 1;
        }
    }
    poster.join().unwrap();
}

fn unix_sockets<D: Real>() {
    let name = format!(
        "reactor-{}-{:?}.sock",
        std::process::id(),
        thread::current().id()
    );
    let path = std::env::temp_dir().join(name);
    let mut echo = Echo::new(D::make(Waker::new().unwrap()).unwrap());
    echo.node
        .driver
        .listen(Listener::unix(&path, Some(0o600), 16).unwrap())
        .unwrap();
    let client = thread::spawn({
        let path = path.clone();
        move || {
            let mut stream = UnixStream::connect(path).unwrap();
            let mut writer = stream.try_clone().unwrap();
            let sent = bytes(3 << 20, 1);
            let expected = sent.clone();
            let writing = thread::spawn(move || {
                writer.write_all(&sent).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            let mut got = Vec::new();
            stream.read_to_end(&mut got).unwrap();
            writing.join().unwrap();
            assert!(got == expected, "{} bytes", got.len());
        }
    });
    echo.run(1);
    client.join().unwrap();
    drop(echo);
    assert!(!path.exists());
}

/// One that somebody else stops, so that its address is free before the driver knows.
fn listeners_can_be_replaced<D: Real>() {
    let mut node = node::<D>();
    let options = TcpOptions::default();
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap(), &options).unwrap();
    let addr = listener.local_addr().unwrap();
    let stopper = listener.stopper().unwrap();
    let id = node.driver.listen(listener).unwrap();
    let _before = TcpStream::connect(addr).unwrap();
    node.accept();

    stopper.stop();
    assert!(TcpStream::connect(addr).is_err());
    let again = Listener::tcp(addr, &options).unwrap();
    node.driver.unlisten(id);
    node.driver.listen(again).unwrap();
    let _after = TcpStream::connect(addr).unwrap();
    node.accept();
}

/// Sockets accepted by one thread and adopted by another, as a server spreads its connections.
fn adopted_by_another_thread<D: Real>() {
    let mut first = node::<D>();
    let addr = listen(&mut first);
    let mut client = TcpStream::connect(addr).unwrap();
    first.poll_until(|node| !node.notes.accepted.is_empty());
    let socket = first.notes.accepted.remove(0);
    assert_eq!(socket.peer(), client.local_addr().unwrap().to_string());
    let other = thread::spawn(move || {
        let mut second = node::<D>();
        let conn = second.driver.adopt(socket).unwrap();
        second.poll_until(|node| node.received(conn) == b"ping");
        drop(second.driver.send(conn, b"pong".to_vec()));
        second.driver.close(conn, CloseMode::Flush);
        second.poll_until(|node| node.closed(conn).is_some());
    });
    client.write_all(b"ping").unwrap();
    let mut got = String::new();
    client.read_to_string(&mut got).unwrap();
    assert_eq!(got, "pong");
    other.join().unwrap();
}

/// A stream that is echoed while its connection goes to and fro between two drivers.
fn moves_lose_nothing<D: Real>() {
    const SIZE: usize = 1 << 20;
    let mut nodes = [node::<D>(), node::<D>()];
    let (client, mut conn) = connect(&mut nodes[0]);
    let mut reader = client.try_clone().unwrap();
    let mut writer = client;
    let write = thread::spawn(move || {
        for part in bytes(SIZE, 9).chunks(700) {
            writer.write_all(part).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let read = thread::spawn(move || {
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        assert!(got == bytes(SIZE, 9), "{} bytes", got.len());
    });
    let (mut at, mut moves) = (0, 0);
    nodes[at].driver.release(conn);
    'echo: loop {
        nodes[at].poll(20);
        for event in std::mem::take(&mut nodes[at].notes.events) {
            match event {
                Event::Received(id, data) => {
                    assert_eq!(id, conn);
                    drop(nodes[at].driver.send(conn, data));
                    nodes[at].driver.release(conn);
                }
                Event::Sent(..) => {}
                Event::Closed(_, reason) => {
                    assert_eq!(reason, CloseReason::Eof);
                    break 'echo;
                }
            }
        }
        if let Some((id, socket, unread)) = nodes[at].notes.released.pop() {
            assert_eq!((id, nodes[at].driver.unsent(conn)), (conn, 0));
            (at, moves) = (1 - at, moves + 1);
            conn = nodes[at].driver.adopt(socket).unwrap();
            drop(nodes[at].driver.send(conn, unread));
        }
    }
    write.join().unwrap();
    read.join().unwrap();
    assert!(moves > 1, "{moves}");
}

fn released_when_all_is_written_or_closed<D: Real>() {
    let mut node = node::<D>();
    let (mut client, conn) = connect(&mut node);
    let sent = bytes(8 << 20, 5);
    drop(node.driver.send(conn, sent.clone()));
    node.driver.release(conn);
    node.driver.release(conn);
    node.poll(5);
    assert!(node.notes.released.is_empty());
    let reader = thread::spawn(move || {
        let mut got = vec![0; sent.len()];
        client.read_exact(&mut got).unwrap();
        assert!(got == sent);
        client
    });
    node.poll_until(|node| !node.notes.released.is_empty());
    let (_, socket, unread) = node.notes.released.remove(0);
    assert!(unread.is_empty());
    let mut client = reader.join().unwrap();

    // Who is adopted again isn't being given up any more, and who is gone tells the next driver.
    let conn = node.driver.adopt(socket).unwrap();
    client.write_all(b"here").unwrap();
    node.poll_until(|node| node.received(conn) == b"here");
    node.driver.release(conn);
    drop(client);
    node.poll_until(|node| !node.notes.released.is_empty());
    let (_, socket, _) = node.notes.released.remove(0);
    let conn = node.driver.adopt(socket).unwrap();
    node.poll_until(|node| node.closed(conn) == Some(CloseReason::Eof));

    // One that is closed meanwhile is closed.
    node.notes.events.clear();
    let (_client, conn) = connect(&mut node);
    node.driver.release(conn);
    node.close_and_wait(conn);
    assert!(node.notes.released.is_empty());
}

fn ten_thousand_connections_leak_nothing<D: Real>() {
    const BATCH: usize = 250;
    let before = open_fds();
    let mut node = node::<D>();
    let addr = listen(&mut node);
    for round in 0..40 {
        let mut clients: Vec<TcpStream> = Vec::new();
        let mut conns = Vec::new();
        for _ in 0..BATCH {
            clients.push(TcpStream::connect(addr).unwrap());
            conns.push(node.accept());
        }
        for (index, client) in clients.iter_mut().enumerate() {
            match (round + index) % 4 {
                0 => client.write_all(b"hello").unwrap(),
                1 => drop(node.driver.send(conns[index], bytes(10_000, 1))),
                2 => node.driver.close(conns[index], CloseMode::Now),
                _ => {}
            }
        }
        drop(clients);
        let closes = |node: &Node<D>| {
            node.notes
                .events
                .iter()
                .filter(|event| matches!(event, Event::Closed(..)))
                .count()
        };
        node.poll_until(|node| closes(node) == BATCH);
        conns.sort_unstable();
        conns.dedup();
        assert_eq!(conns.len(), BATCH);
        assert!(conns[BATCH - 1].index() < BATCH, "ids are dense");
        node.notes.events.clear();
    }
    drop(node);
    let start = Instant::now();
    while open_fds() > before && start.elapsed() < Duration::from_secs(5) {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(open_fds(), before);
}

/// Out of descriptors, a listener rests instead of spinning, and goes on when there are some.
fn survives_running_out_of_descriptors<D: Real>() {
    let mut node = node::<D>();
    let addr = listen(&mut node);
    let client = TcpStream::connect(addr).unwrap();
    let old = limit_descriptors(200);
    let mut hoard = Vec::new();
    while let Ok(file) = fs::File::open("/dev/null") {
        hoard.push(file);
    }
    let start = Instant::now();
    let mut polls = 0;
    while start.elapsed() < Duration::from_millis(300) {
        node.poll(1000);
        polls += 1;
    }
    limit_descriptors(old);
    assert!(node.notes.accepted.is_empty());
    assert!(polls < 50, "{polls} polls in 300 ms: it spins");
    let conn = node.accept();
    drop(client);
    node.poll_until(|node| node.closed(conn).is_some());
}

fn limit_descriptors(soft: u64) -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid place to read from and write to.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        let old = limit.rlim_cur;
        limit.rlim_cur = soft;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
        old
    }
}

/// One busy connection does not keep another from being heard.
fn one_busy_connection_is_not_everything<D: Real>() {
    let mut node = node::<D>();
    let (mut busy, busy_conn) = connect(&mut node);
    let (mut quiet, quiet_conn) = connect(&mut node);
    let flood = thread::spawn(move || {
        let data = bytes(1 << 20, 1);
        while busy.write_all(&data).is_ok() {}
    });
    node.poll_until(|node| node.received(busy_conn).len() > 1 << 20);
    node.notes.events.clear();
    for round in 1..20 {
        quiet.write_all(b"x").unwrap();
        node.poll_until(|node| {
            node.notes
                .events
                .retain(|event| matches!(event, Event::Received(id, _) if *id == quiet_conn));
            node.received(quiet_conn).len() == round
        });
    }
    node.close_and_wait(busy_conn);
    flood.join().unwrap();
}

macro_rules! backend_tests {
    ($($name:ident),* $(,)?) => {
        mod epoll {
            use super::*;
            $(#[test] fn $name() {
                let _alone = alone();
                if EpollDriver::available() {
                    super::$name::<EpollDriver>();
                }
            })*
        }
        mod io_uring {
            use super::*;
            $(#[test] fn $name() {
                let _alone = alone();
                if UringDriver::available() {
                    super::$name::<UringDriver>();
                }
            })*
        }
    };
}

backend_tests!(
    many_connections_echo,
    big_transfer_with_back_pressure,
    buffers_come_back_in_order,
    pause_and_resume,
    close_flush_delivers_everything,
    close_now_drops_what_is_queued,
    peer_reset,
    replies_before_eof,
    wakes_from_another_thread,
    unix_sockets,
    listeners_can_be_replaced,
    adopted_by_another_thread,
    moves_lose_nothing,
    released_when_all_is_written_or_closed,
    ten_thousand_connections_leak_nothing,
    survives_running_out_of_descriptors,
    one_busy_connection_is_not_everything,
);
