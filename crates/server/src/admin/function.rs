//! FUNCTION, while there is nothing to run functions: the truth about none of them.

use commands::spec::{Group, flags};
use commands::{Command, CommandError, Spec};
use protocol::Reply;

use super::{ANYTIME, container, plain};
use crate::session::{Call, Outcome, SessionCommand, help};

/// What all of them have in common.
const fn spec(name: &'static str, arity: i32) -> Spec {
    Spec {
        arity,
        flags: flags::NOSCRIPT,
        group: Group::Scripting,
        since: "7.0.0",
        ..Spec::new(name)
    }
}

const ON_ALL_SHARDS: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];
const NO_FUNCTIONS: CommandError =
    CommandError::Text("ERR functions aren't available in this version");

/// FUNCTION and its subcommands.
pub(super) const FUNCTION: SessionCommand = Command {
    spec: Spec {
        flags: 0,
        container: true,
        complexity: "Depends on subcommand.",
        summary: "A container for function commands.",
        ..spec("function", -2)
    },
    run: container,
    subcommands: &[DELETE, DUMP, FLUSH, HELP, KILL, LIST, LOAD, RESTORE, STATS],
};

const DELETE: SessionCommand = plain(
    Spec {
        flags: flags::WRITE | flags::NOSCRIPT,
        summary: "Deletes a library and its functions.",
        syntax: "library-name",
        tips: ON_ALL_SHARDS,
        ..spec("delete", 3)
    },
    |_, _| Err(CommandError::Text("ERR Library not found")),
);

const DUMP: SessionCommand = plain(
    Spec {
        complexity: "O(N) where N is the number of functions",
        summary: "Dumps all libraries into a serialized binary payload.",
        ..spec("dump", 2)
    },
    |_, _| Err(NO_FUNCTIONS),
);

const FLUSH: SessionCommand = plain(
    Spec {
        flags: flags::WRITE | flags::NOSCRIPT,
        complexity: "O(N) where N is the number of functions deleted",
        summary: "Deletes all libraries and functions.",
        syntax: "[ASYNC | SYNC]",
        tips: ON_ALL_SHARDS,
        ..spec("flush", -2)
    },
    flush,
);

const HELP: SessionCommand = plain(
    Spec {
        flags: ANYTIME,
        summary: "Returns helpful text about the different subcommands.",
        ..spec("help", 2)
    },
    help,
);

const KILL: SessionCommand = plain(
    Spec {
        flags: flags::NOSCRIPT | flags::ALLOW_BUSY,
        summary: "Terminates a function during execution.",
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        ..spec("kill", 2)
    },
    |_, _| {
        Err(CommandError::Text(
            "NOTBUSY No scripts in execution right now.",
        ))
    },
);

const LIST: SessionCommand = plain(
    Spec {
        complexity: "O(N) where N is the number of functions",
        summary: "Returns information about all libraries.",
        syntax: "[LIBRARYNAME library-name-pattern] [WITHCODE]",
        tips: &["nondeterministic_output_order"],
        ..spec("list", -2)
    },
    list,
);

const LOAD: SessionCommand = plain(
    Spec {
        flags: flags::WRITE | flags::DENYOOM | flags::NOSCRIPT,
        complexity: "O(1) (considering compilation time is redundant)",
        summary: "Creates a library.",
        syntax: "[REPLACE] function-code",
        tips: ON_ALL_SHARDS,
        ..spec("load", -3)
    },
    |_, _| Err(NO_FUNCTIONS),
);

const RESTORE: SessionCommand = plain(
    Spec {
        flags: flags::WRITE | flags::DENYOOM | flags::NOSCRIPT,
        complexity: "O(N) where N is the number of functions on the payload",
        summary: "Restores all libraries from a payload.",
        syntax: "serialized-value [FLUSH | APPEND | REPLACE]",
        tips: ON_ALL_SHARDS,
        ..spec("restore", -3)
    },
    |_, _| Err(NO_FUNCTIONS),
);

const STATS: SessionCommand = plain(
    Spec {
        flags: flags::NOSCRIPT | flags::ALLOW_BUSY,
        summary: "Returns information about a function during execution.",
        tips: &[
            "nondeterministic_output",
            "request_policy:all_shards",
            "response_policy:special",
        ],
        ..spec("stats", 2)
    },
    |_, reply| {
        reply.map(2);
        reply.bulk(b"running_script");
        reply.null();
        reply.bulk(b"engines");
        reply.map(0);
        Ok(Outcome::Done)
    },
);

fn flush(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = call.args;
    let is_mode = args.is(2, "async") || args.is(2, "sync");
    if args.len() > 3 || args.len() == 3 && !is_mode {
        return Err(CommandError::Text(
            "ERR FUNCTION FLUSH only supports SYNC|ASYNC option",
        ));
    }
    reply.ok();
    Ok(Outcome::Done)
}

fn list(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = call.args;
    let mut at = 2;
    while at < args.len() {
        if args.is(at, "withcode") {
            at += 1;
        } else if args.is(at, "libraryname") {
            if at + 1 == args.len() {
                return Err(CommandError::Text(
                    "ERR library name argument was not given",
                ));
            }
            at += 2;
        } else {
            let shown = String::from_utf8_lossy(args.at(at));
            return Err(CommandError::Made(format!("ERR Unknown argument {shown}")));
        }
    }
    reply.array(0);
    Ok(Outcome::Done)
}
