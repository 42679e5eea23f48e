//! A file of Redis 7.0 that we have read and written again holds for Redis what it held before.
//! Left out where `./test` hasn't put a redis-server.

mod support;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rdb::file::{Item, KeyRef, Options, Reader, Writer};
use support::{rules, view};

const OPTIONS: Options = Options {
    compress: true,
    checksum: true,
    has_member_expiries: false,
};

/// All types, small and large, in two databases.
const FILL: &[&str] = &[
    "SET text hello",
    "SET int -70000",
    "SET soon 1 PXAT 4000000000000",
    "DEBUG POPULATE 2000 key 70",
    "RPUSH list a b 1 -5000 1099511627776",
    "EVAL \"for i=1,3000 do redis.call('rpush','numbers',i) end\" 0",
    "EVAL \"redis.call('rpush','wide',string.rep('x',9000),'y',string.rep('z',70000))\" 0",
    "SADD ints 1 2 70000",
    "SADD set a b 12",
    "EVAL \"for i=1,3000 do redis.call('sadd','large set','member '..i) end\" 0",
    "HSET hash a 1 b text 0 0",
    "EVAL \"for i=1,3000 do redis.call('hset','large hash','f'..i,string.rep('v',i)) end\" 0",
    "ZADD zset 1 a 1.5 b -inf c 1e300 d",
    "EVAL \"for i=1,3000 do redis.call('zadd','large zset',i/7,'m'..i) end\" 0",
    "EVAL \"for i=1,999 do redis.call('xadd','stream',i..'-1','a',i,'b','x') end\" 0",
    "XDEL stream 5-1 999-1",
    "XGROUP CREATE stream group 0",
    "XREADGROUP GROUP group alice COUNT 50 STREAMS stream >",
    "XREADGROUP GROUP group bob COUNT 50 STREAMS stream >",
    "XACK stream group 1-1 70-1",
    "SELECT 5",
    "SET other 1",
    "SELECT 0",
];

/// A redis-server of the test's own, in a folder of its own.
struct Redis {
    child: Child,
    socket: BufReader<UnixStream>,
}

impl Redis {
    fn start(binary: &Path, folder: &Path) -> Self {
        let path = folder.join("socket");
        let mut child = Command::new(binary)
            .args(["--port", "0", "--save", "", "--enable-debug-command", "yes"])
            .args(["--dbfilename", "dump.rdb", "--unixsocket"])
            .arg(&path)
            .arg("--dir")
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("it can be run");
        let socket = loop {
            if let Ok(socket) = UnixStream::connect(&path) {
                break BufReader::new(socket);
            }
            let ended = child.try_wait().expect("it is ours");
            assert!(ended.is_none(), "redis-server doesn't start");
            std::thread::yield_now();
        };
        let mut redis = Self { child, socket };
        while redis.ask("PING") != "+PONG" {}
        redis
    }

    /// The first line of the reply; what a bulk string holds.
    fn ask(&mut self, command: &str) -> String {
        let request = format!("{command}\r\nECHO end-of-reply\r\n");
        let socket = self.socket.get_mut();
        socket.write_all(request.as_bytes()).expect("it listens");
        let mut first = self.line();
        if first.starts_with('$') {
            first = self.line();
        }
        while self.line() != "end-of-reply" {}
        first
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.socket
            .read_until(b'\n', &mut line)
            .expect("it answers");
        String::from_utf8_lossy(&line).trim_end().to_string()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It is the child that is ended, and nobody else.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a file and writes what it holds into another.
fn copy(from: &Path, to: &Path) {
    let mut reader = Reader::open(File::open(from).expect("written"), rules()).expect("a file");
    let out = BufWriter::new(File::create(to).expect("the folder is ours"));
    let mut writer = Writer::begin(out, OPTIONS).expect("the disk has room");
    let mut database = 0;
    while let Some(item) = reader.next().expect("well formed") {
        let written = match item {
            Item::Fact { name, value } => writer.fact(&String::from_utf8_lossy(&name), &value),
            Item::Function(code) => writer.function(&code),
            Item::Database(number) => {
                database = number;
                Ok(())
            }
            Item::Sizes { keys, expiring } => writer.database(database, keys, expiring),
            Item::Key(key) => writer.key(KeyRef {
                name: &key.name,
                value: view(&key.value),
                expiry: key.expiry,
                idle_seconds: key.idle_seconds,
            }),
        };
        written.expect("the disk has room");
    }
    writer.finish().expect("the disk has room");
}

fn check(binary: &Path, file: &Path) {
    let told = Command::new(binary)
        .arg0("redis-check-rdb")
        .arg(file)
        .output();
    let told = told.expect("it can be run").stdout;
    let told = String::from_utf8_lossy(&told);
    assert!(told.contains("RDB looks OK"), "{told}");
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("rdb-test-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(path.join("copy")).expect("there is a place for such");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn redis_reads_what_we_write() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let Ok(binary) = root.join(".cache/bin/redis-server").canonicalize() else {
        return;
    };
    let folder = Folder::new();
    let (first, second) = (folder.0.as_path(), folder.0.join("copy"));
    let mut redis = Redis::start(&root.join(".cache/bin/redis-server"), first);
    for command in FILL {
        let reply = redis.ask(command);
        assert!(!reply.starts_with('-'), "{command}: {reply}");
    }
    assert_eq!(redis.ask("SAVE"), "+OK");
    copy(&first.join("dump.rdb"), &second.join("dump.rdb"));
    check(&binary, &second.join("dump.rdb"));
    let mut copied = Redis::start(&root.join(".cache/bin/redis-server"), &second);
    assert_eq!(copied.ask("DEBUG DIGEST"), redis.ask("DEBUG DIGEST"));
    assert_eq!(copied.ask("DBSIZE"), redis.ask("DBSIZE"));
}
