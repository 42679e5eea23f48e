//! The register of all clients: what CLIENT LIST shows and CLIENT KILL looks through.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
use std::sync::{Arc, Mutex, MutexGuard};

use store::Blocked;
use store::stats::Counter;

/// What there is to know of a socket when it is taken over.
#[derive(Clone, Debug, Default)]
pub struct SocketDescription {
    /// Peer address.
    pub addr: String,
    /// Our address.
    pub laddr: String,
    /// The descriptor (0 when simulated).
    pub fd: i32,
    /// It is a Unix socket.
    pub is_unix: bool,
    /// It came to the admin port.
    pub is_admin: bool,
}

impl SocketDescription {
    /// Whether it comes from this machine: over loopback or a Unix socket.
    pub fn is_local(&self) -> bool {
        match self.addr.parse::<SocketAddr>() {
            Ok(addr) => addr.ip().to_canonical().is_loopback(),
            Err(_) => true,
        }
    }
}

/// Replies that take no more than this are on their way: only more is held against a client.
pub(crate) const USUAL_OUTPUT: u64 = 16 << 10;

/// What others may see of a client. The owning thread updates it at the end of a batch.
#[derive(Debug)]
pub struct ClientInfo {
    /// Never reused.
    pub id: u64,
    /// Where it comes from.
    pub socket: SocketDescription,
    thread: AtomicUsize,
    token: AtomicU64,
    /// Unix time in milliseconds.
    pub created_ms: u64,
    /// When it last sent or took something, Unix time in milliseconds.
    pub active_ms: AtomicU64,
    /// Selected database.
    pub db: AtomicU32,
    /// Commands queued by MULTI, or -1.
    pub multi: AtomicI64,
    /// Bytes of memory that these take.
    pub multi_bytes: AtomicU64,
    /// Bytes of memory for what it watches and listens to.
    pub session_bytes: AtomicU64,
    /// Keys watched.
    pub watching: AtomicU32,
    /// Channels and patterns subscribed to, by the number of the [`crate::pubsub::Kind`].
    pub subscribed: [AtomicU32; 3],
    /// The client that reads its tracking messages, 0 for itself, -1 when there are none.
    pub redirect: AtomicI64,
    /// Bytes of input not yet understood.
    pub query_bytes: AtomicU64,
    /// Bytes of memory for input, those included.
    pub query_capacity: AtomicU64,
    /// Bytes of input that are understood of a command that isn't whole yet. A client that looks at
    /// itself sees those of the arguments of the command that runs.
    pub argv_bytes: AtomicU64,
    /// Bytes of output not yet sent.
    pub output_bytes: AtomicU64,
    /// In so many buffers.
    pub output_buffers: AtomicU64,
    /// Bytes of memory for these.
    pub output_memory: AtomicU64,
    /// Bytes received since the beginning.
    pub net_in: Counter,
    /// Bytes sent since the beginning.
    pub net_out: Counter,
    /// Commands run.
    pub commands: Counter,
    /// [`crate::table::Entry::id`] of the last command, plus one.
    pub last_command: AtomicU32,
    /// Bits, see [`flag`].
    pub flags: AtomicU32,
    /// It is to be closed as soon as may be; none of its commands runs any more.
    pub killed: AtomicBool,
    text: Mutex<ClientText>,
    wait: Mutex<Option<Arc<Blocked>>>,
}

/// The texts that a client gives about itself.
#[derive(Clone, Debug, Default)]
pub struct ClientText {
    /// CLIENT SETNAME.
    pub name: String,
    /// CLIENT SETINFO lib-name.
    pub lib_name: String,
    /// CLIENT SETINFO lib-ver.
    pub lib_ver: String,
}

/// Bits of [`ClientInfo::flags`].
pub mod flag {
    /// Connected through a Unix socket.
    pub const UNIX: u32 = 1;
    /// MONITOR.
    pub const MONITOR: u32 = 1 << 1;
    /// CLIENT NO-EVICT.
    pub const NO_EVICT: u32 = 1 << 2;
    /// CLIENT NO-TOUCH.
    pub const NO_TOUCH: u32 = 1 << 3;
    /// A watched key has changed: EXEC will fail.
    pub const DIRTY_EXEC: u32 = 1 << 4;
    /// It waits for something.
    pub const BLOCKED: u32 = 1 << 5;
    /// It will be closed when its replies are sent.
    pub const CLOSING: u32 = 1 << 6;
    /// CLIENT CAPA redirect.
    pub const CAN_REDIRECT: u32 = 1 << 7;
    /// It speaks RESP3.
    pub const RESP3: u32 = 1 << 8;
    /// Nothing is received from it at the moment.
    pub const UNREAD: u32 = 1 << 9;
    /// It has subscribed to something.
    pub const PUBSUB: u32 = 1 << 10;
    /// CLIENT TRACKING.
    pub const TRACKING: u32 = 1 << 11;
    /// The client that its tracking messages were sent to is gone.
    pub const TRACKING_BROKEN: u32 = 1 << 12;
    /// It tracks all keys with some prefix.
    pub const TRACKING_BROADCAST: u32 = 1 << 13;
}

/// Classes of clients: what CLIENT LIST TYPE asks for and output limits are given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientType {
    /// Clients with requests of their own, monitors included.
    Normal,
    /// Our master's link.
    Primary,
    /// Replicas of ours.
    Replica,
    /// Subscribers of channels.
    PubSub,
}

impl ClientType {
    /// The type with this name, in any case.
    pub fn parse(name: &[u8]) -> Option<Self> {
        Some(match &name.to_ascii_lowercase()[..] {
            b"normal" => Self::Normal,
            b"primary" | b"master" => Self::Primary,
            b"replica" | b"slave" => Self::Replica,
            b"pubsub" => Self::PubSub,
            _ => return None,
        })
    }
}

impl ClientInfo {
    /// A client that has just connected.
    pub fn new(
        id: u64,
        socket: SocketDescription,
        (thread, token): (usize, u64),
        now_ms: u64,
    ) -> Self {
        let flags = if socket.is_unix { flag::UNIX } else { 0 };
        Self {
            id,
            socket,
            thread: AtomicUsize::new(thread),
            token: AtomicU64::new(token),
            created_ms: now_ms,
            active_ms: AtomicU64::new(now_ms),
            db: AtomicU32::new(0),
            multi: AtomicI64::new(-1),
            multi_bytes: AtomicU64::new(0),
            session_bytes: AtomicU64::new(0),
            watching: AtomicU32::new(0),
            subscribed: Default::default(),
            redirect: AtomicI64::new(-1),
            query_bytes: AtomicU64::new(0),
            query_capacity: AtomicU64::new(0),
            argv_bytes: AtomicU64::new(0),
            output_bytes: AtomicU64::new(0),
            output_buffers: AtomicU64::new(0),
            output_memory: AtomicU64::new(0),
            net_in: Counter::default(),
            net_out: Counter::default(),
            commands: Counter::default(),
            last_command: AtomicU32::new(0),
            flags: AtomicU32::new(flags),
            killed: AtomicBool::new(false),
            text: Mutex::default(),
            wait: Mutex::default(),
        }
    }

    /// Which thread owns it. Only that thread may rely on it: the client may move, unless it waits
    /// for something or has subscribed to something.
    #[inline(always)]
    pub fn thread(&self) -> usize {
        self.thread.load(Ordering::Relaxed)
    }

    /// Under which token, see [`crate::conn::Token`].
    #[inline(always)]
    pub fn token(&self) -> u64 {
        self.token.load(Ordering::Relaxed)
    }

    /// Another thread owns it now. Who tells it to be gone ([`Self::doom`]) reaches it there, or
    /// else `killed` tells when this returns.
    pub(crate) fn move_to(&self, thread: usize, token: u64) {
        self.thread.store(thread, Ordering::Relaxed);
        self.token.store(token, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Tells it to be gone, unless someone has before. If this returns true its thread must be sent
    /// a [`crate::message::Message::Kill`].
    pub(crate) fn doom(&self) -> bool {
        let is_first = !self.killed.swap(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        is_first
    }

    /// Its texts.
    pub fn text(&self) -> MutexGuard<'_, ClientText> {
        self.text.lock().expect("never held across a panic")
    }

    /// Its wait for keys.
    pub fn wait(&self) -> Option<Arc<Blocked>> {
        self.wait.lock().expect("never held across a panic").clone()
    }

    /// It waits for keys, or doesn't any more.
    pub fn set_wait(&self, wait: Option<&Arc<Blocked>>) {
        *self.wait.lock().expect("never held across a panic") = wait.cloned();
    }

    /// Whether these flags are set.
    pub fn has(&self, flags: u32) -> bool {
        self.flags.load(Ordering::Relaxed) & flags == flags
    }

    /// Whether it can still be sent something.
    pub(crate) fn is_here(&self) -> bool {
        !self.has(flag::CLOSING) && !self.killed.load(Ordering::Relaxed)
    }

    /// Which class it belongs to.
    pub fn kind(&self) -> ClientType {
        if self.has(flag::PUBSUB) {
            ClientType::PubSub
        } else {
            ClientType::Normal
        }
    }

    /// Seconds since it connected.
    pub fn age(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.created_ms) / 1000
    }

    /// Seconds since it was last heard of.
    pub fn idle(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.active_ms.load(Ordering::Relaxed)) / 1000
    }

    /// Bytes of memory that it takes, about.
    pub fn memory(&self) -> u64 {
        let text = self.text();
        let texts = text.name.len() + text.lib_name.len() + text.lib_ver.len();
        let fixed = size_of::<Self>() + size_of::<crate::conn::Conn>() + texts;
        let buffers = [&self.query_capacity, &self.multi_bytes, &self.session_bytes];
        let buffers = buffers.map(|bytes| bytes.load(Ordering::Relaxed));
        let output = self.output_memory.load(Ordering::Relaxed);
        let output = if output > USUAL_OUTPUT { output } else { 0 };
        fixed as u64 + buffers.iter().sum::<u64>() + output
    }

    /// The letters that tell its state in CLIENT LIST.
    pub fn flag_letters(&self) -> String {
        let mut letters = String::new();
        for (is_set, letter) in [
            (self.has(flag::MONITOR), 'O'),
            (self.has(flag::PUBSUB), 'P'),
            (self.multi.load(Ordering::Relaxed) >= 0, 'x'),
            (self.has(flag::BLOCKED), 'b'),
            (self.has(flag::TRACKING), 't'),
            (self.has(flag::TRACKING_BROKEN), 'R'),
            (self.has(flag::TRACKING_BROADCAST), 'B'),
            (self.has(flag::DIRTY_EXEC), 'd'),
            (self.has(flag::CLOSING), 'c'),
            (self.killed.load(Ordering::Relaxed), 'A'),
            (self.has(flag::UNIX), 'U'),
            (self.has(flag::NO_EVICT), 'e'),
            (self.has(flag::NO_TOUCH), 'T'),
        ] {
            if is_set {
                letters.push(letter);
            }
        }
        if letters.is_empty() {
            letters.push('N');
        }
        letters
    }
}

/// All clients by id.
#[derive(Debug, Default)]
pub struct Clients(Mutex<BTreeMap<u64, Arc<ClientInfo>>>);

impl Clients {
    /// Adds a client, unless there are `max` already.
    pub fn add(&self, info: &Arc<ClientInfo>, max: usize) -> bool {
        let mut all = self.lock();
        if all.len() >= max {
            return false;
        }
        all.insert(info.id, Arc::clone(info));
        true
    }

    /// Removes a client that is gone.
    pub fn remove(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// True when no one is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The client with this id.
    pub fn get(&self, id: u64) -> Option<Arc<ClientInfo>> {
        self.lock().get(&id).cloned()
    }

    /// Tells those with the most memory to be gone until all together have no more than `limit`;
    /// returns them, and whether that was enough. Those that are on their way out don't count.
    pub(crate) fn evict(&self, limit: u64) -> (Vec<Arc<ClientInfo>>, bool) {
        // Locked all the time: of two threads that find too much one evicts.
        let all = self.lock();
        let is_here = |client: &&Arc<ClientInfo>| !client.killed.load(Ordering::Relaxed);
        let here = all.values().filter(is_here);
        let mut by_size: Vec<_> = here.map(|client| (client.memory(), client)).collect();
        let mut total: u64 = by_size.iter().map(|&(bytes, _)| bytes).sum();
        by_size.retain(|(_, client)| !client.has(flag::NO_EVICT));
        by_size.sort_by_key(|&(bytes, _)| Reverse(bytes));
        let mut evicted = Vec::new();
        for (bytes, client) in by_size {
            if total <= limit {
                break;
            }
            client.doom();
            evicted.push(Arc::clone(client));
            total -= bytes;
        }
        (evicted, total <= limit)
    }

    /// All of them, oldest first.
    pub fn all(&self) -> Vec<Arc<ClientInfo>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<ClientInfo>>> {
        self.0.lock().expect("never held across a panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(clients: &Clients, id: u64, query_capacity: u64) -> Arc<ClientInfo> {
        let info = ClientInfo::new(id, SocketDescription::default(), (0, id), 0);
        info.query_capacity.store(query_capacity, Ordering::Relaxed);
        let info = Arc::new(info);
        assert!(clients.add(&info, usize::MAX));
        info
    }

    #[test]
    fn the_largest_are_evicted_until_the_rest_fits() {
        let clients = Clients::default();
        let small = client(&clients, 1, 10_000);
        let large = client(&clients, 2, 90_000);
        let middle = client(&clients, 3, 50_000);
        let exempt = client(&clients, 4, 1_000_000);
        exempt.flags.store(flag::NO_EVICT, Ordering::Relaxed);
        let evict = |limit: u64| {
            let (evicted, is_enough) = clients.evict(limit);
            let ids: Vec<u64> = evicted.iter().map(|client| client.id).collect();
            (ids, is_enough)
        };
        let rest = exempt.memory() + small.memory();
        let total = rest + large.memory() + middle.memory();
        assert_eq!(evict(total), (vec![], true));
        assert_eq!(evict(rest), (vec![2, 3], true));
        assert!(large.killed.load(Ordering::Relaxed) && !small.killed.load(Ordering::Relaxed));
        // Who is on the way out has been counted off.
        assert_eq!(evict(rest), (vec![], true));
        assert_eq!(evict(0), (vec![1], false));
        assert!(!exempt.killed.load(Ordering::Relaxed));
    }
}
