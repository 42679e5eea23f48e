//! SCRIPT: keeps scripts for EVALSHA.

use std::sync::atomic::Ordering;

use commands::spec::{Group, flags};
use commands::{Command, CommandError, Spec};
use protocol::Reply;
use scripting::dragonfly_flag;

use crate::session::{Call, Outcome, SessionCommand, SessionRun, help};

/// What all of them have in common.
const fn spec(name: &'static str, arity: i32) -> Spec {
    Spec {
        arity,
        flags: flags::NOSCRIPT | flags::STALE,
        group: Group::Scripting,
        since: "2.6.0",
        ..Spec::new(name)
    }
}

/// SCRIPT and its subcommands.
pub(super) const SCRIPT: SessionCommand = Command {
    spec: Spec {
        flags: 0,
        container: true,
        complexity: "Depends on subcommand.",
        summary: "A container for Lua scripts management commands.",
        ..spec("script", -2)
    },
    run: |call, _| Err(CommandError::wrong_arity(&call.entry.full_name)),
    subcommands: &[DEBUG, EXISTS, FLAGS, FLUSH, HELP, KILL, LOAD, SHOW],
};

/// A command without subcommands.
pub(super) const fn sub(spec: Spec, run: SessionRun) -> SessionCommand {
    Command {
        spec,
        run,
        subcommands: &[],
    }
}

const DEBUG: SessionCommand = sub(
    Spec {
        flags: flags::NOSCRIPT,
        since: "3.2.0",
        summary: "Sets the debug mode of server-side Lua scripts.",
        syntax: "<YES | SYNC | NO>",
        ..spec("debug", -3)
    },
    |_, _| Err(CommandError::Text("ERR the Lua debugger isn't available")),
);

const EXISTS: SessionCommand = sub(
    Spec {
        complexity: "O(N) with N being the number of scripts to check (so checking a single script \
                     is an O(1) operation).",
        summary: "Determines whether server-side Lua scripts exist in the script cache.",
        syntax: "sha1 [sha1 ...]",
        tips: &[
            "request_policy:all_shards",
            "response_policy:agg_logical_and",
        ],
        ..spec("exists", -3)
    },
    exists,
);

const FLUSH: SessionCommand = sub(
    Spec {
        complexity: "O(N) with N being the number of scripts in cache",
        summary: "Removes all server-side Lua scripts from the script cache.",
        syntax: "[ASYNC | SYNC]",
        tips: ON_ALL_NODES,
        ..spec("flush", -2)
    },
    flush,
);

/// Dragonfly's.
const FLAGS: SessionCommand = sub(
    Spec {
        complexity: "O(1).",
        summary: "Sets flags of a script in the script cache.",
        syntax: "sha1 flag [flag ...]",
        ..spec("flags", -4)
    },
    |call, reply| {
        let script = call.thread.scripts.by_sha(call.shared, call.args.at(2))?;
        let mut granted = 0;
        for name in call.args.from(3) {
            let flag = dragonfly_flag(&String::from_utf8_lossy(name));
            granted |= flag.map_err(|error| CommandError::Made(format!("ERR {error}")))?;
        }
        script.grant(granted);
        reply.ok();
        Ok(Outcome::Done)
    },
);

const HELP: SessionCommand = sub(
    Spec {
        flags: flags::LOADING | flags::STALE,
        since: "5.0.0",
        summary: "Returns helpful text about the different subcommands.",
        ..spec("help", 2)
    },
    help,
);

const KILL: SessionCommand = sub(
    Spec {
        flags: flags::NOSCRIPT | flags::ALLOW_BUSY,
        summary: "Terminates a server-side Lua script during execution.",
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        ..spec("kill", 2)
    },
    |call, reply| {
        call.shared.kill_slow_runs(false)?;
        reply.ok();
        Ok(Outcome::Done)
    },
);

const LOAD: SessionCommand = sub(
    Spec {
        complexity: "O(N) with N being the length in bytes of the script body.",
        summary: "Loads a server-side Lua script to the script cache.",
        syntax: "script",
        tips: ON_ALL_NODES,
        ..spec("load", 3)
    },
    |call, reply| {
        let script = call.thread.scripts.load(call.shared, call.args.at(2))?;
        script.is_loaded.store(true, Ordering::Relaxed);
        reply.bulk(&script.sha);
        Ok(Outcome::Done)
    },
);

const SHOW: SessionCommand = sub(
    Spec {
        since: "8.0.0",
        complexity: "O(1).",
        summary: "Shows server-side Lua script in the script cache.",
        syntax: "sha1",
        ..spec("show", 3)
    },
    |call, reply| {
        let script = call.thread.scripts.by_sha(call.shared, call.args.at(2));
        reply.bulk(&script?.text);
        Ok(Outcome::Done)
    },
);

const ON_ALL_NODES: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

fn exists(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    reply.array(call.args.len() - 2);
    for name in call.args.from(2) {
        let script = call.thread.scripts.by_sha(call.shared, name);
        reply.int(i64::from(script.is_ok()));
    }
    Ok(Outcome::Done)
}

fn flush(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = call.args;
    let is_mode = args.is(2, "async") || args.is(2, "sync");
    if args.len() > 3 || args.len() == 3 && !is_mode {
        return Err(CommandError::Text(
            "ERR SCRIPT FLUSH only support SYNC|ASYNC option",
        ));
    }
    call.shared.scripts.flush();
    reply.ok();
    Ok(Outcome::Done)
}
