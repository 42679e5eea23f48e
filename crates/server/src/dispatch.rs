//! A command's life between its parsing and its reply: is it known, is it allowed, its locks, its
//! run, its statistics.

use commands::spec::{Scope, flags};
use commands::{Args, CommandError, keys};
use protocol::Reply;
use store::{Parked, Txn};

use crate::admin;
use crate::blocking;
use crate::clients::flag;
use crate::conn::Conn;
use crate::control;
use crate::log::warn;
use crate::pause::Paused;
use crate::script;
use crate::session::{self, Call, Outcome, ReplyMode};
use crate::shared::Shared;
use crate::slow_path::Reason;
use crate::table::{Entry, Run};
use crate::thread::Thread;
use crate::ticks::Ticks;
use crate::tracking;

/// What to do after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Run the next.
    Next,
    /// It did not run: try again when the connection is woken.
    Park,
    /// It did not run: try again when the pause is over.
    Pause,
    /// It waits for a key: run the next when it has its reply.
    Block,
    /// It goes on in later ticks: run the next when it has its reply.
    Aside,
    /// Close the connection once its replies are sent.
    Close,
    /// It is no command: the admin plane answers it.
    Http,
}

/// Flags that only SUBSCRIBE, UNSUBSCRIBE and their relatives have: what these answer are messages,
/// which CLIENT REPLY doesn't keep back.
const SUBSCRIPTION: u32 = flags::PUBSUB | flags::NOSCRIPT;

/// Runs one command of a connection.
#[inline]
pub(crate) fn execute<'s>(
    shared: &'s Shared,
    thread: &mut Thread,
    conn: &mut Conn,
    txn: &mut Txn<'s>,
    (entry, args): (Option<&'s Entry>, Args<'_>),
    out: &mut Vec<u8>,
) -> Flow {
    let start = out.len();
    let flow = match resolve(shared, thread, entry, args) {
        Ok(entry) => execute_known(shared, thread, conn, txn, (entry, args), out),
        Err(_) if control::may_answer(&thread.config, conn, args) => return Flow::Http,
        Err(_) if is_http(args) => {
            warn_of_http(thread, conn);
            return Flow::Close;
        }
        Err(error) => {
            refuse(thread, conn, &error, out);
            Flow::Next
        }
    };
    let has_run = matches!(flow, Flow::Next | Flow::Close);
    if conn.session.reply_mode != ReplyMode::On && has_run {
        let is_message = entry.is_some_and(|entry| entry.spec.has(SUBSCRIPTION));
        suppress_reply(conn, out, if is_message { out.len() } else { start });
    }
    flow
}

fn execute_known<'s>(
    shared: &'s Shared,
    thread: &mut Thread,
    conn: &mut Conn,
    txn: &mut Txn<'s>,
    (entry, args): (&'s Entry, Args<'_>),
    out: &mut Vec<u8>,
) -> Flow {
    let is_slow = shared.slow_path.is_on();
    if is_slow || thread.is_full || thread.is_outside || !conn.session.is_plain() {
        match check(shared, thread, conn, txn, (entry, args)) {
            Ok(Verdict::Run) => {}
            Ok(Verdict::Wait) => return Flow::Pause,
            Ok(Verdict::Queue(flags)) => {
                session::queue(&mut conn.session, (entry, args), flags);
                out.extend_from_slice(b"+QUEUED\r\n");
                return Flow::Next;
            }
            Err(error) => {
                thread.stats(shared).by_command[entry.id].rejected.add(1);
                refuse(thread, conn, &error, out);
                return Flow::Next;
            }
        }
    }
    if lock(shared, thread, conn, txn, (entry, args)).is_err() {
        return Flow::Park;
    }
    let mut reply = Reply::new(out, conn.session.resp3);
    let mut call = Call {
        shared,
        thread,
        conn,
        txn,
        entry,
        args,
    };
    let outcome = run_locked(&mut call, entry, args, &mut reply);
    if is_slow {
        txn.keeps_expired = false;
        shared.feed_monitors(thread.now, conn, entry, args);
        if shared.slow_path.has(Reason::Sampling) {
            control::note(shared, conn.session.db, entry, args);
        }
    }
    match outcome {
        Outcome::Done => Flow::Next,
        Outcome::Again => Flow::Park,
        Outcome::Aside => Flow::Aside,
        Outcome::Block => Flow::Block,
        Outcome::Close => Flow::Close,
    }
}

/// Runs a command whose locks are held, and counts it.
#[inline(always)]
pub(crate) fn run_locked<'s>(
    call: &mut Call<'_, 's>,
    entry: &'s Entry,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let start = reply.len();
    let result = match entry.run {
        Run::Data(run) => run(call.txn, args, reply).map(|()| Outcome::Done),
        Run::Session(run) => {
            let Call {
                shared,
                thread,
                conn,
                txn,
                ..
            } = call;
            run(
                &mut Call {
                    shared,
                    thread,
                    conn,
                    txn,
                    entry,
                    args,
                },
                reply,
            )
        }
    };
    finish(call, (entry, args), (reply, start), result)
}

/// Ends a command that has run: its effects go to the log, it is counted, who waited is served.
#[inline(always)]
pub(crate) fn finish<'s>(
    call: &mut Call<'_, 's>,
    (entry, args): (&'s Entry, Args<'_>),
    (reply, start): (&mut Reply<'_>, usize),
    result: Result<Outcome, CommandError>,
) -> Outcome {
    if result == Ok(Outcome::Aside) {
        return Outcome::Aside;
    }
    let changes = call.txn.commit(args.iter());
    if let Some(wait) = call.txn.take_wait() {
        // It counts when its wait is over.
        blocking::block(call, entry, args, wait);
        return Outcome::Block;
    }
    let end = Ticks::now();
    let ns = call.thread.ticks.ns_between(call.thread.last_tick, end);
    call.thread.last_tick = end;
    call.conn.last_command = entry.id as u32 + 1;
    let stats = call.thread.stats(call.shared);
    stats.commands.add(1);
    stats.changes.add(changes);
    stats.by_command[entry.id].ran(ns);
    if ns >= call.thread.observe_ns {
        let (thread, info) = (&call.thread, &call.conn.info);
        let took = (thread.now_ms(), ns);
        admin::observe(call.shared, &thread.config, info, (entry, args), took);
    }
    if call.conn.session.has(flag::TRACKING) {
        tracking::after(call, entry, args);
    }
    if call.txn.has_ready() && !call.conn.session.in_exec {
        blocking::serve(call.shared, call.thread.number, call.txn);
    }
    result.unwrap_or_else(|error| {
        let text = error.text();
        stats.count_failure(entry.id, &text);
        reply.truncate(start);
        reply.error(&text);
        Outcome::Done
    })
}

/// Finds the subcommand and checks the number of arguments.
#[inline(always)]
fn resolve<'s>(
    shared: &'s Shared,
    thread: &Thread,
    entry: Option<&'s Entry>,
    args: Args<'_>,
) -> Result<&'s Entry, CommandError> {
    let mut entry = entry.ok_or_else(|| unknown_command(args))?;
    if !entry.subcommands.is_empty()
        && let Some(name) = args.get(1)
    {
        entry = entry
            .subcommand(name)
            .ok_or_else(|| unknown_subcommand(entry, name))?;
    }
    if !entry.spec.accepts(args.len()) {
        if !control::is_request(args) {
            thread.stats(shared).by_command[entry.id].rejected.add(1);
        }
        return Err(CommandError::wrong_arity(&entry.full_name));
    }
    Ok(entry)
}

enum Verdict {
    Run,
    /// With these flags.
    Queue(u32),
    Wait,
}

/// What a client may run that only listens.
const WHILE_LISTENING: [&str; 9] = [
    "subscribe",
    "unsubscribe",
    "psubscribe",
    "punsubscribe",
    "ssubscribe",
    "sunsubscribe",
    "ping",
    "quit",
    "reset",
];

/// What may run of a session that isn't plain, or when commands take the slow path.
#[cold]
fn check(
    shared: &Shared,
    thread: &mut Thread,
    conn: &mut Conn,
    txn: &mut Txn<'_>,
    (entry, args): (&Entry, Args<'_>),
) -> Result<Verdict, CommandError> {
    if !entry.spec.has(flags::NO_AUTH) && !is_authenticated(thread, conn) {
        return Err(CommandError::Text("NOAUTH Authentication required."));
    }
    if thread.is_outside || shared.slow_path.has(Reason::SlowScript) {
        check_busy(shared, conn, entry)?;
    }
    if shared.slow_path.has(Reason::Loading) && !entry.spec.has(flags::LOADING) {
        return Err(CommandError::Text(
            "LOADING Redis is loading the dataset in memory",
        ));
    }
    let session = &conn.session;
    if session.multi.is_some() && entry.spec.has(flags::NO_MULTI) {
        return Err(CommandError::Text(
            "ERR Command not allowed inside a transaction",
        ));
    }
    let at_once = ["exec", "discard", "multi", "watch", "quit", "reset"];
    let is_queued = session.multi.is_some() && !at_once.contains(&entry.spec.name);
    // What is queued takes memory, whatever it is; EXEC looks at what it is to run itself.
    if thread.is_full && (is_queued || entry.spec.has(flags::DENYOOM)) && thread.look_at_memory() {
        return Err(CommandError::Text(session::OUT_OF_MEMORY));
    }
    if session.only_listens() && !WHILE_LISTENING.contains(&entry.full_name.as_str()) {
        return Err(CommandError::Made(format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET \
             are allowed in this context",
            entry.full_name
        )));
    }
    let own_flags = script::flags(shared, thread, (entry, args));
    let queued = session.multi.as_ref().filter(|_| entry.spec.name == "exec");
    let flags = own_flags | queued.map_or(0, |multi| multi.flags);
    if flags & flags::WRITE != 0
        && let Err(error) = check_disk(shared, thread)
    {
        let Some(text) = queued.map(|_| error.text()) else {
            return Err(error);
        };
        conn.session.multi = None;
        return Err(CommandError::Made(format!(
            "EXECABORT Transaction discarded because of: {text}"
        )));
    }
    if session.has(flag::MONITOR) {
        // As in Redis, where monitors are a kind of replica; so they don't wait below, either.
        if flags & (flags::WRITE | flags::READONLY | flags::MAY_REPLICATE) != 0 {
            return Err(CommandError::Text(
                "ERR Replica can't interact with the keyspace",
            ));
        }
    } else if must_wait(shared, thread, txn, flags) {
        conn.last_command = entry.id as u32 + 1;
        return Ok(Verdict::Wait);
    }
    if is_queued {
        txn.keeps_expired = false;
        return Ok(Verdict::Queue(own_flags));
    }
    Ok(Verdict::Run)
}

/// Writes wait until the disk takes them again: as in Redis, since nobody reads logs.
pub(crate) fn check_disk(shared: &Shared, thread: &Thread) -> Result<(), CommandError> {
    if shared.slow_path.has(Reason::SaveFailed) {
        check_saved(thread)?;
    }
    if shared.slow_path.has(Reason::AppendFailed)
        && let Some(error) = shared.persistence.aof.feed().error()
    {
        let text = format!("MISCONF Errors writing to the AOF file: {error}");
        return Err(CommandError::Made(text));
    }
    Ok(())
}

fn check_saved(thread: &Thread) -> Result<(), CommandError> {
    let settings = &thread.config.persistence;
    if settings.save.is_empty() || !settings.stop_writes_on_bgsave_error {
        return Ok(());
    }
    Err(CommandError::Text(
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist \
         to disk. Commands that may modify the data set are disabled, because this instance is \
         configured to report errors during writes if RDB snapshotting fails \
         (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the \
         RDB error.",
    ))
}

/// What may run while a script takes long.
fn check_busy(shared: &Shared, conn: &mut Conn, entry: &Entry) -> Result<(), CommandError> {
    // Locks can't be had: to watch a key or to end a watch.
    let touches = conn.session.watch.is_some() || entry.spec.name == "watch";
    if entry.spec.has(flags::ALLOW_BUSY) && !touches {
        return Ok(());
    }
    if entry.spec.name == "exec" && conn.session.multi.take().is_some() {
        return Err(CommandError::Made(format!(
            "EXECABORT Transaction discarded because of: {}",
            shared.busy_text()
        )));
    }
    Err(CommandError::Text(shared.busy_text()))
}

/// Whether a pause makes a command with these flags wait.
fn must_wait(shared: &Shared, thread: &Thread, txn: &mut Txn<'_>, flags: u32) -> bool {
    let paused = shared.paused(thread.now.mono_us);
    if paused == Paused::Nothing {
        shared.forget_pause(thread.now.mono_us);
        return false;
    }
    txn.keeps_expired = flags & flags::WRITE == 0;
    paused == Paused::Everything || flags & (flags::WRITE | flags::MAY_REPLICATE) != 0
}

/// Whether a client may run commands. Without a password everyone may, even who came while there
/// was one.
pub(crate) fn is_authenticated(thread: &Thread, conn: &mut Conn) -> bool {
    conn.session.authenticated |= thread.config.security.requirepass.is_empty();
    conn.session.authenticated
}

/// Takes what locks the command needs.
#[inline(always)]
fn lock(
    shared: &Shared,
    thread: &mut Thread,
    conn: &Conn,
    txn: &mut Txn<'_>,
    (entry, args): (&Entry, Args<'_>),
) -> Result<(), Parked> {
    match (entry.spec.scope.of(args), entry.spec.keys) {
        (Scope::Keys, []) if entry.spec.name == "exec" => session::lock_for_exec(shared, conn, txn),
        (Scope::Keys, []) | (Scope::EachShard, _) => {
            txn.release();
            Ok(())
        }
        (Scope::All | Scope::Patterns | Scope::Debug, _) => txn.lock_all(conn.waiter()),
        (Scope::Script, _) => script::lock(shared, thread, conn, txn, (entry, args)),
        (Scope::Keys, _) => match entry.simple_keys {
            Some((1, 1, _)) => txn.lock_key(args.at(1), conn.waiter()),
            _ if shared.store.shard_count() == 1 => txn.lock_key(b"", conn.waiter()),
            _ => {
                let positions = keys::positions(&entry.spec, args);
                txn.lock_keys(positions.iter().map(|&at| args.at(at)), conn.waiter())
            }
        },
    }
}

/// Answers a command that did not run.
#[cold]
fn refuse(thread: &Thread, conn: &mut Conn, error: &CommandError, out: &mut Vec<u8>) {
    let text = error.text();
    thread.stats(&thread.shared).count_error(&text);
    if let Some(multi) = &mut conn.session.multi {
        multi.failed = true;
    }
    Reply::new(out, conn.session.resp3).error(&text);
}

/// Answers a command for whose arguments there is no memory, before it is whole.
#[cold]
pub(crate) fn refuse_unread(thread: &Thread, conn: &mut Conn, entry: Option<&Entry>) {
    if let Some(entry) = entry {
        let stats = thread.stats(&thread.shared);
        stats.by_command[entry.id].rejected.add(1);
    }
    let mut out = std::mem::take(&mut conn.out);
    let start = out.len();
    let error = CommandError::Text(session::OUT_OF_MEMORY);
    refuse(thread, conn, &error, &mut out);
    suppress_reply(conn, &mut out, start);
    conn.out = out;
}

#[cold]
fn suppress_reply(conn: &mut Conn, out: &mut Vec<u8>, start: usize) {
    let mode = &mut conn.session.reply_mode;
    match *mode {
        ReplyMode::On => {}
        ReplyMode::Off => out.truncate(start),
        ReplyMode::SkipNext => {
            out.truncate(start);
            *mode = ReplyMode::SkipThis;
        }
        ReplyMode::SkipThis => {
            out.truncate(start);
            *mode = ReplyMode::On;
        }
    }
}

/// A browser that was made to send us something, with commands in the body: the first words that
/// are no commands give it away.
#[cold]
fn is_http(args: Args<'_>) -> bool {
    args.is(0, "post") || args.is(0, "host:")
}

fn warn_of_http(thread: &mut Thread, conn: &Conn) {
    const PERIOD_US: u64 = 60_000_000;
    if thread.now.mono_us < thread.next_http_warning_us {
        return;
    }
    thread.next_http_warning_us = thread.now.mono_us + PERIOD_US;
    warn(&format!(
        "a client at {} sends HTTP: this may be an attack by cross-protocol scripting; its \
         connection is closed",
        conn.info.socket.addr
    ));
}

#[cold]
fn unknown_command(args: Args<'_>) -> CommandError {
    let mut shown = String::new();
    for arg in args.from(1) {
        if shown.len() >= 128 {
            break;
        }
        let arg = &arg[..arg.len().min(128 - shown.len())];
        shown.extend(["'", &String::from_utf8_lossy(arg), "' "]);
    }
    let name = args.at(0);
    let name = String::from_utf8_lossy(&name[..name.len().min(128)]).into_owned();
    CommandError::Made(format!(
        "ERR unknown command '{name}', with args beginning with: {shown}"
    ))
}

#[cold]
fn unknown_subcommand(entry: &Entry, name: &[u8]) -> CommandError {
    let name = String::from_utf8_lossy(&name[..name.len().min(128)]).into_owned();
    let container = entry.spec.name.to_uppercase();
    CommandError::Made(format!(
        "ERR unknown subcommand '{name}'. Try {container} HELP."
    ))
}
