//! PING, ECHO, SELECT, QUIT and what else concerns the connection alone.

use commands::spec::{Group, flags};
use commands::{Command, CommandError, Spec};
use protocol::Reply;

use crate::clients::flag;
use crate::session::auth::BEFORE_AUTH;
use crate::session::{Call, Outcome, ReplyMode, SessionCommand, end_monitor, multi};

/// All commands of this family.
pub(super) const COMMANDS: &[SessionCommand] = &[
    Command {
        spec: Spec {
            arity: -1,
            flags: flags::FAST,
            group: Group::Connection,
            tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
            summary: "Returns the server's liveliness response.",
            syntax: "[message]",
            ..Spec::new("ping")
        },
        run: ping,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            arity: 2,
            flags: flags::LOADING | flags::STALE | flags::FAST,
            group: Group::Connection,
            summary: "Returns the given string.",
            syntax: "message",
            ..Spec::new("echo")
        },
        run: echo,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            arity: 2,
            flags: flags::LOADING | flags::STALE | flags::FAST | flags::ALLOW_BUSY,
            group: Group::Connection,
            summary: "Changes the selected database.",
            syntax: "index",
            ..Spec::new("select")
        },
        run: select,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            arity: -1,
            flags: BEFORE_AUTH,
            group: Group::Connection,
            summary: "Closes the connection.",
            ..Spec::new("quit")
        },
        run: quit,
        subcommands: &[],
    },
    Command {
        spec: Spec {
            flags: BEFORE_AUTH,
            group: Group::Connection,
            since: "6.2.0",
            summary: "Makes the connection as good as new.",
            ..Spec::new("reset")
        },
        run: reset,
        subcommands: &[],
    },
];

fn ping(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let message = call.args.get(1);
    if call.args.len() > 2 {
        return Err(CommandError::wrong_arity("ping"));
    }
    if call.conn.session.only_listens() {
        reply.array(2);
        reply.bulk(b"pong");
        reply.bulk(message.unwrap_or_default());
    } else {
        match message {
            None => reply.simple("PONG"),
            Some(message) => reply.bulk(message),
        }
    }
    Ok(Outcome::Done)
}

fn echo(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    reply.bulk(call.args.at(1));
    Ok(Outcome::Done)
}

fn select(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let db = call.args.int(1)?;
    if !(0..call.shared.store.dbnum() as i64).contains(&db) {
        return Err(CommandError::Text("ERR DB index is out of range"));
    }
    call.conn.session.db = db as usize;
    call.txn.db = db as usize;
    reply.ok();
    Ok(Outcome::Done)
}

fn quit(_: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    reply.ok();
    Ok(Outcome::Close)
}

fn reset(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    end_monitor(call.shared, call.conn);
    call.thread.unsubscribe_all(call.conn);
    call.thread.untrack(call.conn);
    multi::abandon(call);
    let needs_password = !call.shared.config().security.requirepass.is_empty();
    let session = &mut call.conn.session;
    session.db = 0;
    session.resp3 = false;
    session.authenticated = !needs_password;
    session.reply_mode = ReplyMode::On;
    session.set(flag::NO_TOUCH | flag::NO_EVICT, false);
    call.txn.db = 0;
    call.txn.touches = true;
    call.conn.info.text().name.clear();
    reply.speak(false);
    reply.simple("RESET");
    Ok(Outcome::Done)
}
