//! FUNCTION: keeps libraries of functions for FCALL.

use commands::spec::{Group, flags};
use commands::{Command, CommandError, Spec};
use protocol::{Reply, glob};
use rdb::payload::{self, Payload};
use scripting::{FunctionInfo, Library, flags as script_flags};

use super::container::sub;
use super::libraries::{Libraries, Merge, exists};
use crate::session::{Call, Outcome, SessionCommand, help};
use crate::thread::Thread;

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

/// FUNCTION and its subcommands.
pub(super) const FUNCTION: SessionCommand = Command {
    spec: Spec {
        flags: 0,
        container: true,
        complexity: "Depends on subcommand.",
        summary: "A container for function commands.",
        ..spec("function", -2)
    },
    run: |call, _| Err(CommandError::wrong_arity(&call.entry.full_name)),
    subcommands: &[DELETE, DUMP, FLUSH, HELP, KILL, LIST, LOAD, RESTORE, STATS],
};

const DELETE: SessionCommand = sub(
    Spec {
        flags: flags::WRITE | flags::NOSCRIPT,
        summary: "Deletes a library and its functions.",
        syntax: "library-name",
        tips: ON_ALL_SHARDS,
        ..spec("delete", 3)
    },
    |call, reply| {
        if !call.shared.libraries.remove(call.args.at(2)) {
            return Err(CommandError::Text("ERR Library not found"));
        }
        call.txn.changed_beside();
        reply.ok();
        Ok(Outcome::Done)
    },
);

const DUMP: SessionCommand = sub(
    Spec {
        complexity: "O(N) where N is the number of functions",
        summary: "Dumps all libraries into a serialized binary payload.",
        ..spec("dump", 2)
    },
    |call, reply| {
        reply.bulk(&dump(call));
        Ok(Outcome::Done)
    },
);

const FLUSH: SessionCommand = sub(
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

const HELP: SessionCommand = sub(
    Spec {
        flags: flags::LOADING | flags::STALE,
        summary: "Returns helpful text about the different subcommands.",
        ..spec("help", 2)
    },
    help,
);

const KILL: SessionCommand = sub(
    Spec {
        flags: flags::NOSCRIPT | flags::ALLOW_BUSY,
        summary: "Terminates a function during execution.",
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        ..spec("kill", 2)
    },
    |call, reply| {
        call.shared.kill_slow_runs(true)?;
        reply.ok();
        Ok(Outcome::Done)
    },
);

const LIST: SessionCommand = sub(
    Spec {
        complexity: "O(N) where N is the number of functions",
        summary: "Returns information about all libraries.",
        syntax: "[LIBRARYNAME library-name-pattern] [WITHCODE]",
        tips: &["nondeterministic_output_order"],
        ..spec("list", -2)
    },
    list,
);

const LOAD: SessionCommand = sub(
    Spec {
        flags: flags::WRITE | flags::DENYOOM | flags::NOSCRIPT,
        complexity: "O(1) (considering compilation time is redundant)",
        summary: "Creates a library.",
        syntax: "[REPLACE] function-code",
        tips: ON_ALL_SHARDS,
        ..spec("load", -3)
    },
    load,
);

const RESTORE: SessionCommand = sub(
    Spec {
        flags: flags::WRITE | flags::DENYOOM | flags::NOSCRIPT,
        complexity: "O(N) where N is the number of functions on the payload",
        summary: "Restores all libraries from a payload.",
        syntax: "serialized-value [FLUSH | APPEND | REPLACE]",
        tips: ON_ALL_SHARDS,
        ..spec("restore", -3)
    },
    restore,
);

const STATS: SessionCommand = sub(
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
    stats,
);

fn flush(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = call.args;
    let is_mode = args.is(2, "async") || args.is(2, "sync");
    if args.len() > 3 {
        return Err(CommandError::Text(
            "ERR unknown subcommand or wrong number of arguments for 'flush'. Try FUNCTION HELP.",
        ));
    }
    if args.len() == 3 && !is_mode {
        return Err(CommandError::Text(
            "ERR FUNCTION FLUSH only supports SYNC|ASYNC option",
        ));
    }
    call.shared.libraries.clear();
    call.txn.changed_beside();
    reply.ok();
    Ok(Outcome::Done)
}

fn load(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = call.args;
    let replace = args.len() > 3 && args.is(2, "replace");
    if args.len() > 3 + usize::from(replace) {
        let shown = String::from_utf8_lossy(args.at(2 + usize::from(replace)));
        let text = format!("ERR Unknown option given: {shown}");
        return Err(CommandError::Made(text));
    }
    let code = args.at(args.len() - 1);
    let libraries = &call.shared.libraries;
    let library = call.thread.scripts.load_library(code, |name| {
        if libraries.has(name) && !replace {
            return Err(exists(name));
        }
        Ok(())
    })?;
    reply.bulk(library.name.as_bytes());
    libraries.add(library, replace)?;
    call.txn.changed_beside();
    Ok(Outcome::Done)
}

fn restore(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = call.args;
    if args.len() > 4 {
        return Err(CommandError::Made(format!(
            "ERR unknown subcommand or wrong number of arguments for '{}'. Try FUNCTION HELP.",
            String::from_utf8_lossy(args.at(1))
        )));
    }
    let policy = match args.get(3) {
        None => Merge::Append,
        Some(_) if args.is(3, "append") => Merge::Append,
        Some(_) if args.is(3, "replace") => Merge::Replace,
        Some(_) if args.is(3, "flush") => Merge::Flush,
        Some(_) => {
            return Err(CommandError::Text(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    };
    restore_from(call, args.at(2), policy)?;
    call.txn.changed_beside();
    reply.ok();
    Ok(Outcome::Done)
}

/// Takes over the libraries of a payload: either all come or none.
fn restore_from(
    call: &mut Call<'_, '_>,
    payload: &[u8],
    policy: Merge,
) -> Result<(), CommandError> {
    let payload = Payload::open(payload)
        .map_err(|_| CommandError::Text("ERR DUMP payload version or checksum are wrong"))?;
    let restored = Libraries::default();
    for code in payload.functions() {
        let code = code.map_err(|error| match error {
            rdb::Error::UnknownType(_) => CommandError::Text("ERR given type is not a function"),
            _ => CommandError::Text("ERR Failed loading library payload"),
        })?;
        let library = call.thread.scripts.load_library(&code, |_| Ok(()))?;
        restored.add(library, false)?;
    }
    call.shared.libraries.merge(restored, policy)
}

fn dump(call: &Call<'_, '_>) -> Vec<u8> {
    let libraries = call.shared.libraries.all();
    let code = libraries.iter().map(|library| &*library.code);
    payload::dump_functions(code, true)
}

/// Writes all libraries in the format of snapshots and reads them back.
pub(crate) fn reload_libraries(call: &mut Call<'_, '_>) -> Result<(), CommandError> {
    let payload = dump(call);
    restore_from(call, &payload, Merge::Flush)
}

impl Thread {
    /// Loads a library that a snapshot brings.
    pub(crate) fn load_functions(&mut self, code: &[u8]) -> Result<(), CommandError> {
        let library = self.scripts.load_library(code, |_| Ok(()))?;
        self.shared.libraries.add(library, false)
    }
}

fn stats(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let (libraries, functions) = call.shared.libraries.counts();
    reply.map(2);
    reply.bulk(b"running_script");
    call.shared.describe_slow_run(reply);
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.int(libraries as i64);
    reply.bulk(b"functions_count");
    reply.int(functions as i64);
    Ok(Outcome::Done)
}

fn list(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = call.args;
    let (mut at, mut pattern, mut with_code) = (2, None, false);
    while at < args.len() {
        if !with_code && args.is(at, "withcode") {
            with_code = true;
            at += 1;
        } else if pattern.is_none() && args.is(at, "libraryname") {
            pattern = Some(args.get(at + 1).ok_or(CommandError::Text(
                "ERR library name argument was not given",
            ))?);
            at += 2;
        } else {
            let shown = String::from_utf8_lossy(args.at(at));
            return Err(CommandError::Made(format!("ERR Unknown argument {shown}")));
        }
    }
    let mut libraries = call.shared.libraries.all();
    if let Some(pattern) = pattern {
        libraries.retain(|library| glob::matches(pattern, library.name.as_bytes(), true));
    }
    reply.array(libraries.len());
    for library in libraries {
        describe(&library, with_code, reply);
    }
    Ok(Outcome::Done)
}

fn describe(library: &Library, with_code: bool, reply: &mut Reply<'_>) {
    reply.map(3 + usize::from(with_code));
    reply.bulk(b"library_name");
    reply.bulk(library.name.as_bytes());
    reply.bulk(b"engine");
    reply.bulk(b"LUA");
    reply.bulk(b"functions");
    reply.array(library.functions.len());
    for function in &library.functions {
        describe_function(function, reply);
    }
    if with_code {
        reply.bulk(b"library_code");
        reply.bulk(&library.code);
    }
}

fn describe_function(function: &FunctionInfo, reply: &mut Reply<'_>) {
    reply.map(3);
    reply.bulk(b"name");
    reply.bulk(function.name.as_bytes());
    reply.bulk(b"description");
    match &function.description {
        Some(description) => reply.bulk(description.as_bytes()),
        None => reply.null(),
    }
    reply.bulk(b"flags");
    let known = script_flags::NAMES.iter();
    let flags: Vec<&str> = known
        .filter(|(_, flag)| function.flags & flag != 0)
        .map(|(name, _)| *name)
        .collect();
    reply.set(flags.len());
    for flag in flags {
        reply.simple(flag);
    }
}
