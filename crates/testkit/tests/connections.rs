//! Connections that come and go, politely and not: the server must be left as it was before.
//!
//! Needs a server binary, which `DARNER_BIN` names: `./test wire`.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use testkit::client::encode;
use testkit::server::Server;

const THREADS: usize = 2;
const CONNECTIONS: usize = 10_000;
/// Open at a time; the usual limit of open files is 1,024.
const AT_A_TIME: usize = 500;
const SETTLE_LIMIT: Duration = Duration::from_secs(20);
const GROWTH_LIMIT_BYTES: u64 = 8 << 20;

/// How a client takes its leave.
const MANNERS: [&[&[u8]]; 5] = [
    &[],                                         // never says a word
    &[b"PING\r\n"],                              // hangs up before the reply is read
    &[b"*2\r\n$3\r\nGET\r\n$3\r\nke"],           // in the middle of a word
    &[b"MULTI\r\nSET a 1\r\nWATCH"],             // in the middle of a transaction
    &[b"*1\r\n$4\r\nPING\r\n", b"QUIT\r\nPING"], // properly, and then some
];

#[test]
#[ignore = "needs a server: DARNER_BIN"]
fn ten_thousand_connections_leave_nothing_behind() {
    let server = Server::start(THREADS).unwrap();
    come_and_go(&server, CONNECTIONS / 2); // buffers and pools get their size
    wait_for_clients(&server, 1);
    let files = server.open_files().unwrap();
    let resident = server.resident_bytes().unwrap();
    come_and_go(&server, CONNECTIONS);
    wait_for_clients(&server, 1);
    wait_until("files are closed", || {
        server.open_files().is_ok_and(|now| now <= files)
    });
    wait_until("memory comes back", || {
        server
            .resident_bytes()
            .is_ok_and(|now| now < resident + GROWTH_LIMIT_BYTES)
    });
    let size = server.connect().unwrap().command(&["DBSIZE"]).unwrap();
    assert_eq!(size.number(), Some(0));
}

#[test]
#[ignore = "needs a server: DARNER_BIN"]
fn many_open_connections_are_all_served() {
    let server = Server::start(THREADS).unwrap();
    let mut clients: Vec<_> = (0..AT_A_TIME).map(|_| server.connect().unwrap()).collect();
    for client in &mut clients {
        client.send(&encode(&["INCR", "counter"])).unwrap();
    }
    let mut numbers: Vec<i64> = Vec::new();
    for client in &mut clients {
        numbers.extend(client.receive().unwrap().number());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=AT_A_TIME as i64).collect::<Vec<_>>());
}

fn come_and_go(server: &Server, count: usize) {
    for batch in 0..count.div_ceil(AT_A_TIME) {
        let size = AT_A_TIME.min(count - batch * AT_A_TIME);
        let connect = |_| TcpStream::connect(server.address()).expect("a connection");
        let mut open: Vec<TcpStream> = (0..size).map(connect).collect();
        for (index, stream) in open.iter_mut().enumerate() {
            for part in MANNERS[index % MANNERS.len()] {
                stream.write_all(part).expect("the server reads");
            }
        }
    }
}

/// Waits until the server counts this many clients; the one that asks is one of them.
fn wait_for_clients(server: &Server, count: i64) {
    wait_until("clients are gone", || {
        server
            .info("connected_clients")
            .is_ok_and(|clients| clients == count)
    });
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + SETTLE_LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "never happens: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
