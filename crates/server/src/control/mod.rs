//! The admin plane: metrics, health and the console, over HTTP.
//!
//! A data thread recognizes a request by its first line, which is no command, and hands its bytes
//! to the thread of the admin plane; what that answers, it sends. So HTTP works on every port,
//! takes nothing from commands, and answers only while the data threads do.

mod census;
mod console;
mod exposition;
mod hot;
mod http;
mod metrics;

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};

use commands::Args;

use self::census::Census;
pub(crate) use self::hot::note;
use self::hot::{Hot, Noted};
use self::http::{Asked, Response};
use crate::conn::{Conn, State, Token};
use crate::flags::Config;
use crate::message::Message;
use crate::session::{DEFAULT_USER, is_same};
use crate::shared::Shared;
use crate::thread::Thread;

/// Longest head of a request.
const MAX_REQUEST: usize = 16 << 10;
/// Requests that may wait.
const MAX_WAITING: usize = 256;
/// Clients that the admin port takes beyond `maxclients`: health matters most when all is full.
pub(crate) const ADMIN_CLIENTS: usize = 32;
const STACK: usize = 256 << 10;

/// The way to the admin plane's thread, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Control {
    requests: OnceLock<SyncSender<Request>>,
    noted: Noted,
}

/// A request and whose it is.
#[derive(Debug)]
struct Request {
    thread: usize,
    token: u64,
    is_admin: bool,
    head: Vec<u8>,
}

/// Starts the thread, if anyone may ask it.
pub(crate) fn start(shared: &Arc<Shared>) -> io::Result<()> {
    let config = shared.config();
    if config.monitoring.admin_port == 0 && !config.monitoring.primary_port_http_enabled {
        return Ok(());
    }
    let (sender, requests) = sync_channel(MAX_WAITING);
    let set = shared.control.requests.set(sender);
    assert!(set.is_ok(), "a server has one admin plane");
    let shared = Arc::clone(shared);
    std::thread::Builder::new()
        .name("darner-admin".into())
        .stack_size(STACK)
        .spawn(move || serve(&shared, &requests))?;
    Ok(())
}

/// Whether a connection came to the admin port.
pub(crate) fn is_admin(config: &Config, local: &str) -> bool {
    let port = local.rsplit(':').next().and_then(|port| port.parse().ok());
    config.monitoring.admin_port > 0 && port == Some(config.monitoring.admin_port)
}

/// Whether these arguments are the first line of an HTTP request that can be answered.
#[cold]
pub(crate) fn is_request(args: Args<'_>) -> bool {
    args.len() == 3
        && (args.is(0, "get") || args.is(0, "head"))
        && args.at(1).starts_with(b"/")
        && args.at(2).starts_with(b"HTTP/1.")
}

/// Whether a connection whose command is none sends HTTP, and may.
#[cold]
pub(crate) fn may_answer(config: &Config, conn: &Conn, args: Args<'_>) -> bool {
    let is_first = conn.last_command == 0 && conn.info.commands.get() == 0;
    let is_open = conn.info.socket.is_admin || config.monitoring.primary_port_http_enabled;
    is_first && is_open && is_request(args)
}

/// Hands a connection's request over, once it is whole.
#[cold]
pub(crate) fn forward(shared: &Shared, conn: &mut Conn) {
    // No command of it runs any more; what it may see, the admin plane decides.
    conn.session.authenticated = true;
    // What came before was searched then.
    let new = &conn.pending[conn.wanted.saturating_sub(3).min(conn.pending.len())..];
    let is_whole = new.windows(4).any(|part| part == b"\r\n\r\n");
    conn.wanted = conn.pending.len();
    let refusal = if !is_whole && conn.pending.len() <= MAX_REQUEST {
        return;
    } else if is_whole {
        let request = Request {
            thread: conn.info.thread(),
            token: conn.info.token(),
            is_admin: conn.info.socket.is_admin,
            head: std::mem::take(&mut conn.pending),
        };
        match shared
            .control
            .requests
            .get()
            .map(|queue| queue.try_send(request))
        {
            Some(Ok(())) => return,
            Some(Err(TrySendError::Full(_))) => Response::text(503, "too many requests wait\n"),
            Some(Err(TrySendError::Disconnected(_))) | None => {
                Response::text(503, "there is no admin plane\n")
            }
        }
    } else {
        Response::text(431, "too long\n")
    };
    conn.out.extend_from_slice(&refusal.bytes(false));
    conn.pending = Vec::new();
    conn.state = State::Closing;
}

/// Sends the answer to a request.
pub(crate) fn answer(thread: &mut Thread, token: Token, bytes: Vec<u8>) {
    let Some(mut conn) = thread.take(token) else {
        return;
    };
    if conn.state == State::Http {
        conn.out = bytes;
        conn.state = State::Closing;
    }
    thread.put_back(conn);
}

fn serve(shared: &Arc<Shared>, requests: &Receiver<Request>) {
    let mut known = Known::default();
    while let Ok(request) = requests.recv() {
        let (response, is_head) = match Asked::parse(&request.head) {
            Ok(asked) => {
                let response = respond(shared, &mut known, &asked, request.is_admin);
                (response, asked.is_head)
            }
            Err(response) => (response, false),
        };
        let answer = Message::Answer(request.token, response.bytes(is_head));
        shared.post(request.thread, answer);
    }
}

/// What the thread remembers of the keyspace.
#[derive(Debug, Default)]
struct Known {
    census: Census,
    hot: Hot,
}

/// Health and metrics are for everyone, as in Dragonfly; the rest needs the password.
fn respond(shared: &Shared, known: &mut Known, asked: &Asked, is_admin: bool) -> Response {
    match asked.path.as_str() {
        "/healthz/live" => Response::text(200, "OK\n"),
        "/healthz" | "/healthz/ready" if is_ready(shared) => Response::text(200, "OK\n"),
        "/healthz" | "/healthz/ready" => Response::text(503, "loading\n"),
        "/metrics" => {
            known.census.refresh(shared);
            Response::metrics(metrics::text(shared, &known.census))
        }
        _ if !may_look(&shared.config(), asked, is_admin) => Response::unauthorized(),
        "/" => Response::page(console::PAGE),
        "/console.json" => {
            if known.census.refresh(shared) {
                known.hot.look(shared);
            }
            Response::json(&console::state(shared, &known.census, &known.hot))
        }
        _ => Response::text(404, "not found\n"),
    }
}

/// Whether clients are served: what there was to load is loaded.
fn is_ready(shared: &Shared) -> bool {
    !shared.persistence.is_loading()
}

fn may_look(config: &Config, asked: &Asked, is_admin: bool) -> bool {
    let password = config.security.requirepass.as_bytes();
    if password.is_empty() || is_admin && config.monitoring.admin_nopass {
        return true;
    }
    let given = asked.credentials.as_deref().unwrap_or_default();
    let (user, given) = given.split_once(':').unwrap_or_default();
    user == DEFAULT_USER && is_same(password, given.as_bytes())
}

#[cfg(test)]
mod tests {
    use commands::OwnedArgs;

    use super::*;

    #[test]
    fn requests_are_told_from_commands() {
        let is = |line: &str| is_request(OwnedArgs::new(line.split(' ')).borrow());
        assert!(is("GET / HTTP/1.1"));
        assert!(is("get /metrics HTTP/1.0"));
        assert!(is("HEAD /healthz HTTP/1.1"));
        assert!(!is("GET /key"));
        assert!(!is("GET key HTTP/1.1"));
        assert!(!is("GET / HTTP/2"));
        assert!(!is("POST / HTTP/1.1"));
    }

    #[test]
    fn the_password_guards_what_shows_data() {
        let mut config = Config::default();
        let asked = |line: &str| {
            let head = format!("GET / HTTP/1.1\r\n{line}\r\n\r\n");
            Asked::parse(head.as_bytes()).unwrap()
        };
        // default:secret, default:wrong, other:secret
        let right = asked("Authorization: Basic ZGVmYXVsdDpzZWNyZXQ=");
        let wrong = [
            asked("Host: x"),
            asked("Authorization: Basic ZGVmYXVsdDp3cm9uZw=="),
            asked("Authorization: Basic b3RoZXI6c2VjcmV0"),
            asked("Authorization: Basic ???"),
            asked("Authorization: Bearer secret"),
        ];
        assert!(wrong.iter().all(|asked| may_look(&config, asked, false)));
        config.security.requirepass = "secret".into();
        assert!(may_look(&config, &right, false));
        assert!(wrong.iter().all(|asked| !may_look(&config, asked, false)));
        config.monitoring.admin_nopass = true;
        assert!(may_look(&config, &wrong[0], true));
        assert!(!may_look(&config, &wrong[0], false));
    }

    #[test]
    fn the_admin_port_is_known_by_its_number() {
        let mut config = Config::default();
        assert!(!is_admin(&config, "127.0.0.1:0"));
        config.monitoring.admin_port = 9999;
        assert!(is_admin(&config, "127.0.0.1:9999"));
        assert!(is_admin(&config, "[::1]:9999"));
        assert!(!is_admin(&config, "127.0.0.1:6379"));
        assert!(!is_admin(&config, "/tmp/socket"));
    }
}
