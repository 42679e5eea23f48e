//! One run of a script: which of its commands may run, and how they do.

use commands::spec::flags;
use commands::{Args, CommandError};
use protocol::Reply;
use scripting::{Host, LogLevel, Script, flags as script_flags};

use super::eval::OUT_OF_MEMORY_IN_SCRIPT;
use super::locks::{Touch, Touches};
use crate::dispatch;
use crate::log;
use crate::session::Call;
use crate::table::Entry;

/// Why a run has to end before the script does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It has to run again with everything locked.
    StartAgain,
}

/// See the module.
pub(super) struct Run<'c, 'a, 's> {
    call: &'c mut Call<'a, 's>,
    script: &'c Script,
    read_only: bool,
    touches: Touches,
    has_written: bool,
    stop: Option<Stop>,
    /// The run is inside an EXEC, whose effects are one group already.
    in_exec: bool,
    db: usize,
}

impl<'c, 'a, 's> Run<'c, 'a, 's> {
    /// A run of a script with these keys.
    pub(super) fn begin<'k>(
        call: &'c mut Call<'a, 's>,
        script: &'c Script,
        keys: impl Iterator<Item = &'k [u8]>,
        read_only: bool,
    ) -> Self {
        let in_exec = std::mem::replace(&mut call.conn.session.in_exec, true);
        if !in_exec {
            call.txn.begin_group();
        }
        call.txn.may_wait = false;
        Self {
            touches: Touches::new(call.txn, script, keys),
            read_only: read_only || script.has(script_flags::NO_WRITES),
            has_written: false,
            stop: None,
            in_exec,
            db: call.txn.db,
            call,
            script,
        }
    }

    /// Ends the run; whether the script has to start again.
    pub(super) fn end(self) -> Option<Stop> {
        let Call { txn, conn, .. } = self.call;
        txn.db = self.db;
        conn.session.db = self.db;
        conn.session.in_exec = self.in_exec;
        if !self.in_exec {
            txn.may_wait = true;
            txn.end_group();
        }
        self.touches.learn(self.script);
        self.stop
    }

    /// The command that the script calls, if it may.
    fn permit(&mut self, args: Args<'_>) -> Result<&'s Entry, CommandError> {
        let entry = find(self.call, args)?;
        if entry.spec.has(flags::NOSCRIPT) {
            return Err(CommandError::Text(
                "ERR This Redis command is not allowed from script",
            ));
        }
        let may_write = entry.spec.flags & (flags::WRITE | flags::MAY_REPLICATE) != 0;
        if may_write && self.read_only {
            return Err(CommandError::Text(
                "ERR Write commands are not allowed from read-only scripts.",
            ));
        }
        if entry.spec.has(flags::DENYOOM) && !self.may_take_memory() {
            return Err(OUT_OF_MEMORY_IN_SCRIPT);
        }
        let command = (entry, args);
        match self.touches.touch(self.call.txn, command, self.has_written) {
            Touch::Free => Ok(entry),
            Touch::StartAgain => {
                self.stop = Some(Stop::StartAgain);
                Err(CommandError::Text("ERR the script starts again"))
            }
            Touch::Stuck => Err(CommandError::Text(
                "ERR Script touched a key that it had not declared and that is in use; declare all \
                 keys or start the script with '--!df flags=allow-undeclared-keys'",
            )),
        }
    }

    /// Once it has written a script may end what it began, short of memory or not.
    fn may_take_memory(&mut self) -> bool {
        let thread = &mut self.call.thread;
        self.has_written
            || self.script.has(script_flags::ALLOW_OOM)
            || !thread.is_full
            || !thread.look_at_memory()
    }
}

impl Host for Run<'_, '_, '_> {
    fn call(&mut self, args: Args<'_>, resp3: bool, out: &mut Vec<u8>) {
        let mut reply = Reply::new(out, resp3);
        let permitted = if self.stop.is_some() {
            Err(CommandError::Text("ERR the script starts again"))
        } else {
            self.permit(args)
        };
        match permitted {
            Ok(entry) => {
                self.has_written |= entry.is_write();
                dispatch::run_locked(self.call, entry, args, &mut reply);
                if self.call.shared.slow_path.is_on() {
                    let now = self.call.thread.now;
                    self.call.shared.feed_monitors_from_script(
                        now,
                        self.call.txn.db,
                        (entry, args),
                    );
                }
            }
            Err(error) => {
                let text = error.text();
                self.call.thread.stats(self.call.shared).count_error(&text);
                reply.error(&text);
            }
        }
    }

    fn may_run(&mut self, args: Args<'_>) -> Option<bool> {
        find(self.call, args).ok().map(|_| true)
    }

    fn log(&mut self, level: LogLevel, message: &[u8]) {
        let message = String::from_utf8_lossy(message);
        match level {
            LogLevel::Debug | LogLevel::Verbose => {}
            LogLevel::Notice => log::say(&message),
            LogLevel::Warning => log::warn(&message),
        }
    }

    fn goes_on(&mut self) -> bool {
        self.stop.is_none()
    }
}

fn find<'s>(call: &Call<'_, 's>, args: Args<'_>) -> Result<&'s Entry, CommandError> {
    const UNKNOWN: CommandError =
        CommandError::Text("ERR Unknown Redis command called from script");
    let mut entry = call.shared.table.find(args.at(0)).ok_or(UNKNOWN)?;
    if let (false, Some(name)) = (entry.subcommands.is_empty(), args.get(1)) {
        entry = entry.subcommand(name).ok_or(UNKNOWN)?;
    }
    if !entry.spec.accepts(args.len()) {
        return Err(CommandError::Text(
            "ERR Wrong number of args calling Redis command from script",
        ));
    }
    Ok(entry)
}
