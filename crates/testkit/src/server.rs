//! One server process under test, on a free port and in a directory of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::{Client, Value};

const START_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(2);
const KIB: u64 = 1024;

/// The environment variable that names the server binary.
pub const BINARY_VARIABLE: &str = "DARNER_BIN";

/// A running server; dropping it ends the process and removes its directory.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    directory: PathBuf,
}

impl Server {
    /// Starts the binary that `DARNER_BIN` names and waits until it answers PING.
    pub fn start(threads: usize) -> io::Result<Self> {
        let binary = std::env::var(BINARY_VARIABLE)
            .map_err(|_| io::Error::other(format!("{BINARY_VARIABLE} names no server binary")))?;
        Self::start_binary(&binary, threads)
    }

    /// Starts this binary, which may be that of Redis.
    pub fn start_binary(binary: &str, threads: usize) -> io::Result<Self> {
        let port = free_port()?;
        let directory = std::env::temp_dir().join(format!("darner-testkit-{port}"));
        std::fs::create_dir_all(&directory)?;
        let child = Command::new(binary)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(thread_flags(binary, threads))
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Self {
            child,
            address,
            directory,
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while !self.answers() {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("the server ended: {status}")));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other("the server doesn't answer PING"));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn answers(&self) -> bool {
        let reply = self
            .connect()
            .and_then(|mut client| client.command(&["PING"]));
        reply.is_ok_and(|value| value == Value::Status("PONG".into()))
    }

    /// A new connection.
    pub fn connect(&self) -> io::Result<Client> {
        Client::connect(self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A field of INFO as a number.
    pub fn info(&self, field: &str) -> io::Result<i64> {
        let reply = self.connect()?.command(&["INFO", "everything"])?;
        let text = reply.text().unwrap_or_default();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value
            .and_then(|value| value.trim().parse().ok())
            .ok_or_else(|| io::Error::other(format!("INFO has no number {field}")))
    }

    /// How many files and sockets the process has open.
    pub fn open_files(&self) -> io::Result<usize> {
        Ok(std::fs::read_dir(self.proc_path("fd"))?.count())
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(self.proc_path("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        number
            .map(|kib| kib * KIB)
            .ok_or_else(|| io::Error::other("no VmRSS"))
    }

    fn proc_path(&self, name: &str) -> PathBuf {
        Path::new("/proc")
            .join(self.child.id().to_string())
            .join(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, and a directory that stays behind hurts nobody.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Redis stands in while a test is being written; it has no such flag.
fn thread_flags(binary: &str, threads: usize) -> Vec<String> {
    let name = Path::new(binary)
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if name.contains("redis") || name.contains("valkey") {
        vec!["--save".into(), String::new()]
    } else {
        vec![format!("--proactor_threads={threads}")]
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}
