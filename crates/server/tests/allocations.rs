//! The path of reads and of overwriting writes allocates nothing once its buffers have their size.

#![allow(clippy::unwrap_used)] // Integration tests are not #[cfg(test)] to clippy.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reactor::{CloseMode, ConnId, Driver, Endpoint, Handler, ListenerId, Now, Waker};
use server::flags::load::Loaded;
use server::shared::Shared;
use server::worker::Worker;
use testkit::client::encode;

const WARM_UP: usize = 200;
const TICKS: usize = 1000;
const PIPELINE: usize = 16;
const CONNECTION: ConnId = ConnId(0);

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator; counts the calls of each thread.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    // While a thread ends there is nothing to count in.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every method passes its arguments on to the system's and returns what that returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: by this method's own contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: by this method's own contract.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: by this method's own contract.
        unsafe { System.realloc(block, layout, new_size) }
    }
}

#[test]
fn get_and_set_of_equal_size() {
    for threads in [1, 2] {
        let value = "v".repeat(100);
        let other = "w".repeat(100);
        check(threads, |n| {
            let key = format!("key:{}", n % 64);
            match n % 3 {
                0 => encode(&["GET", &key]),
                1 => encode(&["SET", &key, &value]),
                _ => encode(&["SET", &key, &other]),
            }
        });
    }
}

#[test]
fn integers() {
    for threads in [1, 2] {
        check(threads, |n| {
            let key = format!("counter:{}", n % 64);
            match n % 3 {
                0 => encode(&["GET", &key]),
                1 => encode(&["SET", &key, "1000"]),
                _ => encode(&["INCR", &key]),
            }
        });
    }
}

#[test]
fn several_keys() {
    for threads in [1, 2] {
        check(threads, |n| {
            let keys: Vec<_> = (0..4).map(|k| format!("key:{}", (n + k) % 64)).collect();
            let [a, b, c, d] = &keys[..] else { panic!() };
            match n % 3 {
                0 => encode(&["MGET", a, b, c, d]),
                1 => encode(&["MSET", a, "value", b, "other"]),
                _ => encode(&["EXISTS", a, b]),
            }
        });
    }
}

#[test]
fn commands_that_come_in_parts() {
    for threads in [1, 2] {
        let pipeline = pipeline(|n| encode(&["GET", &format!("key:{n}")]));
        let mut worker = Worker::new(shared(threads), 0, Direct::default());
        let (first, second) = pipeline.split_at(pipeline.len() / 2 + 3);
        run(&mut worker, b""); // takes the connection over
        let mut both = || {
            run(&mut worker, first);
            run(&mut worker, second);
        };
        // Input that waits for its rest has a buffer (which grows) and the parser's notes (a box
        // and a list) to itself; idle connections keep none of it.
        (0..WARM_UP).for_each(|_| both());
        let before = ALLOCATIONS.get();
        (0..TICKS).for_each(|_| both());
        let allocations = ALLOCATIONS.get() - before;
        assert!(allocations <= 4 * TICKS as u64, "{allocations} in {TICKS}");
    }
}

/// Runs a pipeline of commands again and again.
fn check(threads: usize, command: impl Fn(usize) -> Vec<u8>) {
    let pipelines: Vec<_> = (0..12)
        .map(|round| pipeline(|n| command(round * PIPELINE + n)))
        .collect();
    let mut worker = Worker::new(shared(threads), 0, Direct::default());
    for round in 0..WARM_UP {
        run(&mut worker, &pipelines[round % pipelines.len()]);
    }
    let sent = worker.driver().sent;
    let before = ALLOCATIONS.get();
    for round in 0..TICKS {
        run(&mut worker, &pipelines[round % pipelines.len()]);
    }
    let allocations = ALLOCATIONS.get() - before;
    assert!(worker.driver().sent >= sent + 4 * TICKS * PIPELINE);
    let commands = TICKS * PIPELINE;
    assert_eq!(
        allocations, 0,
        "in {commands} commands on {threads} threads"
    );
}

fn shared(threads: usize) -> Arc<Shared> {
    let mut loaded = Loaded::default();
    // On a busy machine any command may take long enough to be noted.
    loaded.config.monitoring.slowlog_log_slower_than = -1;
    Arc::new(Shared::new(loaded, threads, "direct", 1))
}

fn pipeline(command: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    (0..PIPELINE).flat_map(command).collect()
}

fn run(worker: &mut Worker<Direct>, input: &[u8]) {
    let driver = worker.driver();
    driver.input.clear();
    driver.input.extend_from_slice(input);
    worker.tick(Some(Duration::ZERO)).unwrap();
}

/// A driver with one connection: what the test puts in comes in, what goes out is counted.
#[derive(Default)]
struct Direct {
    input: Vec<u8>,
    sent: usize,
    is_connected: bool,
}

struct NoSocket;

impl Endpoint for NoSocket {
    fn peer(&self) -> String {
        "peer:1".into()
    }

    fn local(&self) -> String {
        "local:1".into()
    }

    fn is_unix(&self) -> bool {
        false
    }
}

impl Driver for Direct {
    type Socket = NoSocket;
    type Listener = ();

    fn listen(&mut self, (): ()) -> io::Result<ListenerId> {
        Ok(ListenerId(0))
    }

    fn unlisten(&mut self, _: ListenerId) {}

    fn adopt(&mut self, _: NoSocket) -> io::Result<ConnId> {
        Ok(CONNECTION)
    }

    fn send(&mut self, _: ConnId, buf: Vec<u8>) -> Option<Vec<u8>> {
        assert!(!buf.starts_with(b"-"), "{}", String::from_utf8_lossy(&buf));
        self.sent += buf.len();
        Some(buf)
    }

    fn unsent(&self, _: ConnId) -> usize {
        0
    }

    fn pause_recv(&mut self, _: ConnId) {}

    fn resume_recv(&mut self, _: ConnId) {}

    fn close(&mut self, _: ConnId, _: CloseMode) {
        panic!("nothing is to be closed");
    }

    fn release(&mut self, _: ConnId) {
        panic!("nothing is to be given up");
    }

    fn poll(
        &mut self,
        _: Option<Duration>,
        handler: &mut impl Handler<NoSocket>,
    ) -> io::Result<()> {
        handler.tick(self.now());
        if self.is_connected {
            handler.received(CONNECTION, &self.input);
        } else {
            self.is_connected = true;
            handler.accepted(NoSocket);
        }
        Ok(())
    }

    fn now(&self) -> Now {
        Now {
            // Stands still, so that no periodic work falls in.
            mono_us: 1,
            wall_us: 1_767_225_600_000_000,
        }
    }

    fn cpu_time(&self) -> Duration {
        Duration::ZERO
    }

    fn waker(&self) -> Waker {
        Waker::new().unwrap()
    }

    fn name(&self) -> &'static str {
        "direct"
    }
}
