//! EVAL, EVALSHA, FCALL and their read-only forms.

use std::sync::atomic::Ordering;

use commands::keys::{self, KeySpec, access};
use commands::spec::{Group, Scope, flags};
use commands::{Args, CommandError, Spec};
use protocol::{Reply, number};
use scripting::{Callee, Ended, Given, Progress, flags as script_flags};

use super::aside;
use super::host::Run;
use super::thread::NO_SCRIPT;
use crate::session::{Call, OUT_OF_MEMORY, Outcome, SessionCommand};
use crate::shared::Shared;
use crate::table::Entry;
use crate::thread::Thread;

/// What all of them have in common.
const fn spec(name: &'static str) -> Spec {
    Spec {
        arity: -3,
        flags: flags::NOSCRIPT
            | flags::STALE
            | flags::SKIP_MONITOR
            | flags::NO_MANDATORY_KEYS
            | flags::MOVABLEKEYS
            | flags::MAY_REPLICATE,
        keys: KEYS,
        scope: Scope::Script,
        group: Group::Scripting,
        since: "2.6.0",
        complexity: "Depends on the script that is executed.",
        syntax: "script numkeys [key [key ...]] [arg [arg ...]]",
        ..Spec::new(name)
    }
}

const KEYS: &[KeySpec] = &[keys::counted(
    2,
    1,
    access::RW | access::ACCESS | access::UPDATE,
)];
const READ_KEYS: &[KeySpec] = &[keys::counted(2, 1, access::RO | access::ACCESS)];

const fn read_only(spec: Spec) -> Spec {
    Spec {
        flags: spec.flags & !flags::MAY_REPLICATE | flags::READONLY,
        keys: READ_KEYS,
        since: "7.0.0",
        ..spec
    }
}

pub(super) const EVAL: SessionCommand = command(Spec {
    summary: "Executes a server-side Lua script.",
    ..spec("eval")
});

pub(super) const EVALSHA: SessionCommand = command(Spec {
    summary: "Executes a server-side Lua script by SHA1 digest.",
    syntax: "sha1 numkeys [key [key ...]] [arg [arg ...]]",
    ..spec("evalsha")
});

pub(super) const EVAL_RO: SessionCommand = command(Spec {
    summary: "Executes a read-only server-side Lua script.",
    ..read_only(spec("eval_ro"))
});

pub(super) const EVALSHA_RO: SessionCommand = command(Spec {
    summary: "Executes a read-only server-side Lua script by SHA1 digest.",
    syntax: "sha1 numkeys [key [key ...]] [arg [arg ...]]",
    ..read_only(spec("evalsha_ro"))
});

pub(super) const FCALL: SessionCommand = command(Spec {
    since: "7.0.0",
    complexity: "Depends on the function that is executed.",
    summary: "Invokes a function.",
    syntax: "function numkeys [key [key ...]] [arg [arg ...]]",
    ..spec("fcall")
});

pub(super) const FCALL_RO: SessionCommand = command(Spec {
    complexity: "Depends on the function that is executed.",
    summary: "Invokes a read-only function.",
    syntax: "function numkeys [key [key ...]] [arg [arg ...]]",
    ..read_only(spec("fcall_ro"))
});

const fn command(spec: Spec) -> SessionCommand {
    SessionCommand {
        spec,
        run: eval,
        subcommands: &[],
    }
}

/// A script's use is noted so often, for all threads share that.
const USE_EVERY_US: u64 = 1_000_000;

/// Whether it calls a function.
fn is_function(entry: &Entry) -> bool {
    entry.spec.name.starts_with("fcall")
}

/// Whether the first argument is a script's name rather than its text.
fn is_by_sha(entry: &Entry) -> bool {
    entry.spec.name.starts_with("evalsha")
}

fn eval(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let given = given(call.entry, call.args)?;
    let callee = match call.thread.scripts.next.take() {
        Some(callee) => callee,
        None => find(call.shared, call.thread, (call.entry, call.args))?,
    };
    let read_only = call.entry.spec.has(flags::READONLY);
    check(call, &callee, read_only)?;
    if let Callee::Script(script) = &callee {
        let now_us = call.thread.now.mono_us;
        if script.last_use.load(Ordering::Relaxed).abs_diff(now_us) > USE_EVERY_US {
            script.last_use.store(now_us, Ordering::Relaxed);
        }
    }
    call.shared
        .show_to_monitors(call.thread.now, call.conn, (call.entry, call.args));
    let mut interpreter = call.thread.scripts.take()?;
    let start = reply.len();
    loop {
        let mut run = Run::begin(call, &callee, given.keys().count(), read_only);
        match interpreter.run(&callee, given.keys(), given.args(), &mut run, reply) {
            Progress::Paused => {
                let state = run.pause();
                aside::put(call, interpreter, callee, state);
                return Ok(Outcome::Aside);
            }
            Progress::Ended(ended) => {
                let starts_again = run.end();
                if !starts_again {
                    call.thread.scripts.put_back(interpreter);
                    return answer(call, ended, reply);
                }
            }
        }
        reply.truncate(start);
        if call.txn.lock_all(call.conn.waiter()).is_err() {
            call.thread.scripts.put_back(interpreter);
            return Ok(Outcome::Again);
        }
    }
}

/// Answers with what a script has ended in. An error that came from a command has been counted
/// there.
pub(super) fn answer(
    call: &mut Call<'_, '_>,
    ended: Ended,
    reply: &mut Reply<'_>,
) -> Result<Outcome, CommandError> {
    if let Ended::Failed(failure) = ended {
        let stats = call.thread.stats(call.shared);
        stats.by_command[call.entry.id].failed.add(1);
        if !failure.is_counted {
            stats.count_error(&String::from_utf8_lossy(&failure.text));
        }
        reply.error_bytes(&failure.text);
    }
    Ok(Outcome::Done)
}

/// Which arguments of a command that runs a script are keys.
pub(super) fn given<'a>(entry: &Entry, args: Args<'a>) -> Result<Given<'a>, CommandError> {
    if is_by_sha(entry) && args.at(1).len() != 40 {
        return Err(NO_SCRIPT);
    }
    let count = number::parse_i64(args.at(2));
    let count = count.ok_or(if is_function(entry) {
        CommandError::Text("ERR Bad number of keys provided")
    } else {
        CommandError::NotInteger
    })?;
    if count > (args.len() - 3) as i64 {
        return Err(CommandError::Text(
            "ERR Number of keys can't be greater than number of args",
        ));
    }
    let count = usize::try_from(count);
    count
        .map(|count| Given::new(args, count))
        .map_err(|_| CommandError::Text("ERR Number of keys can't be negative"))
}

/// What the command is to run.
pub(super) fn find(
    shared: &Shared,
    thread: &mut Thread,
    (entry, args): (&Entry, Args<'_>),
) -> Result<Callee, CommandError> {
    let (scripts, named) = (&mut thread.scripts, args.at(1));
    if is_function(entry) {
        let found = shared.libraries.find(named);
        return found.ok_or(CommandError::Text("ERR Function not found"));
    }
    let script = if is_by_sha(entry) {
        scripts.by_sha(shared, named)
    } else {
        scripts.by_text(shared, named)
    };
    script.map(Callee::Script)
}

/// The flags of a command; of one that runs a script, as the script declares them.
pub(crate) fn flags(shared: &Shared, thread: &mut Thread, command: (&Entry, Args<'_>)) -> u32 {
    let (entry, _) = command;
    let declared = entry.spec.flags;
    if entry.spec.scope != Scope::Script {
        return declared;
    }
    match find(shared, thread, command) {
        Ok(callee) if callee.has(script_flags::NO_WRITES) => declared & !flags::MAY_REPLICATE,
        Ok(callee) if !callee.has(script_flags::COMPATIBLE) => declared | flags::WRITE,
        _ => declared,
    }
}

/// Whether the script's flags let it run.
fn check(call: &mut Call<'_, '_>, callee: &Callee, read_only: bool) -> Result<(), CommandError> {
    if callee.has(script_flags::COMPATIBLE) {
        return Ok(());
    }
    let may_write = !callee.has(script_flags::NO_WRITES);
    if may_write && read_only {
        return Err(CommandError::Text(
            "ERR Can not execute a script with write flag using *_ro command.",
        ));
    }
    let may_need_memory = may_write && !callee.has(script_flags::ALLOW_OOM);
    if may_need_memory && call.thread.is_full && call.thread.look_at_memory() {
        return Err(CommandError::Text(
            "OOM allow-oom flag is not set on the script, can not run it when used memory > \
             'maxmemory'",
        ));
    }
    Ok(())
}

/// What a command that may need memory answers in a script when there is no more.
pub(super) const OUT_OF_MEMORY_IN_SCRIPT: CommandError = CommandError::Text(OUT_OF_MEMORY);
