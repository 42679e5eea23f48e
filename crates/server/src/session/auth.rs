//! AUTH and HELLO: who a client is and which protocol it speaks.

use commands::spec::{Group, flags};
use commands::{Command, CommandError, Spec};
use protocol::{Reply, number};

use crate::admin::mode_name;
use crate::dispatch::is_authenticated;
use crate::identity::REDIS_VERSION;
use crate::session::client::{check_name, set_name};
use crate::session::{Call, Outcome, SessionCommand};

/// The only user there is.
pub(crate) const DEFAULT_USER: &str = "default";

/// All commands of this family.
pub(super) const COMMANDS: &[SessionCommand] = &[
    Command {
        spec: Spec {
            arity: -2,
            flags: BEFORE_AUTH,
            group: Group::Connection,
            complexity: "O(N) where N is the number of passwords defined for the user",
            summary: "Authenticates the connection.",
            syntax: "[username] password",
            ..Spec::new("auth")
        },
        run: auth,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            arity: -1,
            flags: BEFORE_AUTH,
            group: Group::Connection,
            since: "6.0.0",
            summary: "Tells about the server, and chooses the protocol.",
            syntax: "[protover [AUTH username password] [SETNAME clientname]]",
            ..Spec::new("hello")
        },
        run: hello,
        subcommands: &[],
    },
];

/// The flags of commands that a client may send before it has authenticated.
pub(super) const BEFORE_AUTH: u32 = flags::NOSCRIPT
    | flags::LOADING
    | flags::STALE
    | flags::FAST
    | flags::NO_AUTH
    | flags::ALLOW_BUSY;

const NO_PASSWORD: CommandError = CommandError::Text(
    "ERR AUTH <password> called without any password configured for the default user. Are you sure \
     your configuration is correct?",
);
const WRONG_PASSWORD: CommandError =
    CommandError::Text("WRONGPASS invalid username-password pair or user is disabled.");
const HELLO_UNAUTHENTICATED: CommandError = CommandError::Text(
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
     <proto> AUTH <user> <pass> option can be used to authenticate the client and select the \
     RESP protocol version at the same time",
);

fn auth(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = call.args;
    let (user, password) = match args.len() {
        2 => {
            // The setting itself, not this tick's copy: the client may just have changed it.
            if call.shared.config().security.requirepass.is_empty() {
                return Err(NO_PASSWORD);
            }
            (DEFAULT_USER.as_bytes(), args.at(1))
        }
        3 => (args.at(1), args.at(2)),
        _ => return Err(CommandError::Syntax),
    };
    log_in(call, user, password)?;
    reply.ok();
    Ok(Outcome::Done)
}

fn log_in(call: &mut Call<'_, '_>, user: &[u8], password: &[u8]) -> Result<(), CommandError> {
    let config = call.shared.config();
    let secret = config.security.requirepass.as_bytes();
    let is_right = secret.is_empty() || is_same(secret, password);
    if user != DEFAULT_USER.as_bytes() || !is_right {
        return Err(WRONG_PASSWORD);
    }
    call.conn.session.authenticated = true;
    Ok(())
}

/// Whether `given` is the secret; takes a time that doesn't depend on the secret.
pub(crate) fn is_same(secret: &[u8], given: &[u8]) -> bool {
    let mut difference = secret.len() ^ given.len();
    for (at, byte) in given.iter().enumerate() {
        difference |= usize::from(byte ^ secret[at % secret.len()]);
    }
    std::hint::black_box(difference) == 0
}

fn hello(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = call.args;
    let resp3 = match args.get(1).map(number::parse_i64) {
        None => call.conn.session.resp3,
        Some(Some(version @ 2..=3)) => version == 3,
        Some(Some(_)) => return Err(CommandError::Text("NOPROTO unsupported protocol version")),
        Some(None) => {
            return Err(CommandError::Text(
                "ERR Protocol version is not an integer or out of range",
            ));
        }
    };
    let (mut credentials, mut name) = (None, None);
    let mut at = 2;
    while at < args.len() {
        let left = args.len() - 1 - at;
        if args.is(at, "auth") && left >= 2 {
            credentials = Some((args.at(at + 1), args.at(at + 2)));
            at += 3;
        } else if args.is(at, "setname") && left >= 1 {
            name = Some(check_name(args.at(at + 1))?);
            at += 2;
        } else {
            let option = String::from_utf8_lossy(args.at(at));
            let text = format!("ERR Syntax error in HELLO option '{option}'");
            return Err(CommandError::Made(text));
        }
    }
    if let Some((user, password)) = credentials {
        log_in(call, user, password)?;
    }
    if !is_authenticated(call.thread, call.conn) {
        return Err(HELLO_UNAUTHENTICATED);
    }
    if let Some(name) = name {
        set_name(call, name);
    }
    call.conn.session.resp3 = resp3;
    reply.speak(resp3);
    introduce(call, reply);
    Ok(Outcome::Done)
}

fn introduce(call: &Call<'_, '_>, reply: &mut Reply<'_>) {
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.int(if reply.is_resp3() { 3 } else { 2 });
    reply.bulk(b"id");
    reply.int(call.conn.info.id as i64);
    reply.bulk(b"mode");
    reply.bulk(mode_name(&call.thread.config).as_bytes());
    reply.bulk(b"role");
    reply.bulk(b"master");
    reply.bulk(b"modules");
    reply.array(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_is_the_secret() {
        assert!(is_same(b"secret", b"secret"));
        let wrong: [&[u8]; 6] = [b"", b"s", b"secre", b"secrets", b"secretsecret", b"Secret"];
        for given in wrong {
            assert!(!is_same(b"secret", given), "{given:?}");
        }
    }
}
