//! SAVE, BGSAVE, BGREWRITEAOF and LASTSAVE.

use std::sync::Arc;

use commands::spec::{Group, Scope, flags};
use commands::{CommandError, Spec};
use protocol::Reply;

use super::plain;
use crate::persistence::{Purpose, Refused};
use crate::session::{Call, Outcome, SessionCommand};
use crate::shared::Shared;

/// What all of them have in common.
const fn spec(name: &'static str) -> Spec {
    Spec {
        flags: flags::ADMIN | flags::NOSCRIPT | flags::NO_ASYNC_LOADING,
        group: Group::Server,
        ..Spec::new(name)
    }
}

const BUSY: CommandError = CommandError::Text("ERR Background save already in progress");
const REWRITING: CommandError = CommandError::Text(
    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in \
     order to schedule a BGSAVE whenever possible.",
);

/// SAVE
pub(super) const SAVE: SessionCommand = plain(
    Spec {
        flags: spec("").flags | flags::NO_MULTI,
        complexity: "O(N) where N is the total number of keys in all databases",
        summary: "Synchronously saves the databases to disk.",
        scope: Scope::All,
        ..spec("save")
    },
    save,
);

/// BGSAVE [SCHEDULE]
pub(super) const BGSAVE: SessionCommand = plain(
    Spec {
        arity: -1,
        summary: "Asynchronously saves the databases to disk.",
        syntax: "[SCHEDULE]",
        scope: Scope::All,
        ..spec("bgsave")
    },
    bgsave,
);

/// BGREWRITEAOF
pub(super) const BGREWRITEAOF: SessionCommand = plain(
    Spec {
        summary: "Asynchronously rewrites the append-only file to disk.",
        scope: Scope::All,
        ..spec("bgrewriteaof")
    },
    rewrite_aof,
);

/// LASTSAVE
pub(super) const LASTSAVE: SessionCommand = plain(
    Spec {
        flags: flags::LOADING | flags::STALE | flags::FAST,
        categories: &["@admin", "@dangerous"],
        summary: "Returns the Unix time of the last successful save, or that of the start.",
        tips: &["nondeterministic_output"],
        ..spec("lastsave")
    },
    |call, reply| {
        reply.int(call.shared.persistence.state().last_save_s as i64);
        Ok(Outcome::Done)
    },
);

fn save(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let shared = Arc::clone(&call.thread.shared);
    if is_rewriting(&shared) {
        call.txn.finish_snapshot();
        shared.persistence.wait();
    }
    if shared.save(call.txn).map_err(text_of)? {
        reply.ok();
        return Ok(Outcome::Done);
    }
    Err(CommandError::Text("ERR"))
}

fn bgsave(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    if call.args.len() > 2 || call.args.len() == 2 && !call.args.is(1, "schedule") {
        return Err(CommandError::Syntax);
    }
    let shared = Arc::clone(&call.thread.shared);
    let is_rewriting = is_rewriting(&shared);
    if is_rewriting && call.args.len() == 1 {
        return Err(REWRITING);
    }
    if is_rewriting || call.conn.session.in_exec {
        shared.persistence.schedule();
        reply.simple("Background saving scheduled");
        return Ok(Outcome::Done);
    }
    shared.begin_save(call.txn).map_err(text_of)?;
    reply.simple("Background saving started");
    Ok(Outcome::Done)
}

fn rewrite_aof(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let shared = Arc::clone(&call.thread.shared);
    if is_rewriting(&shared) {
        return Err(CommandError::Text(
            "ERR Background append only file rewriting already in progress",
        ));
    }
    let is_busy = shared.persistence.is_saving() || shared.persistence.aof.feed().is_switching();
    if is_busy || call.conn.session.in_exec {
        shared.persistence.aof.schedule();
        reply.simple("Background append only file rewriting scheduled");
        return Ok(Outcome::Done);
    }
    shared.begin_aof(call.txn).map_err(|_| {
        CommandError::Text(
            "ERR Can't execute an AOF background rewriting. Please check the server logs for more \
             information.",
        )
    })?;
    reply.simple("Background append only file rewriting started");
    Ok(Outcome::Done)
}

fn is_rewriting(shared: &Shared) -> bool {
    let state = shared.persistence.state();
    state.current_of(Purpose::Base).is_some()
}

fn text_of(refused: Refused) -> CommandError {
    match refused {
        Refused::Busy => BUSY,
        Refused::NoName => CommandError::Text("ERR there is no name to save under (dbfilename)"),
        Refused::NoFile => CommandError::Text("ERR the file can't be begun, see the log"),
        Refused::NoThread => CommandError::Text("ERR no thread can be started to save"),
    }
}
