//! CLIENT PAUSE and UNPAUSE.

use commands::spec::Scope;
use commands::{Command, CommandError, Spec};
use protocol::{Reply, number};

use crate::session::client::{ADMIN, sub};
use crate::session::{Call, Outcome, SessionCommand};

/// CLIENT PAUSE timeout [WRITE | ALL]
pub(super) const PAUSE: SessionCommand = Command {
    spec: Spec {
        // Behind a closed gate: no other thread is still at a write when this has answered.
        scope: Scope::All,
        summary: "Has the commands of all clients wait for so many milliseconds.",
        syntax: "timeout [WRITE | ALL]",
        ..sub("pause", -3, ADMIN, "3.0.0")
    },
    run: pause,
    subcommands: &[],
};

/// CLIENT UNPAUSE
pub(super) const UNPAUSE: SessionCommand = Command {
    spec: Spec {
        complexity: "O(N) Where N is the number of paused clients",
        summary: "Ends a pause of all clients.",
        ..sub("unpause", 2, ADMIN, "6.2.0")
    },
    run: |call, reply| {
        call.shared.unpause_clients();
        reply.ok();
        Ok(Outcome::Done)
    },
    subcommands: &[],
};

fn pause(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = call.args;
    let everything = match args.len() {
        4 if args.is(3, "write") => false,
        4 if !args.is(3, "all") => {
            return Err(CommandError::Text(
                "ERR CLIENT PAUSE mode must be WRITE or ALL",
            ));
        }
        _ => true,
    };
    let timeout_ms = number::parse_i64(args.at(2)).ok_or(CommandError::Text(
        "ERR timeout is not an integer or out of range",
    ))?;
    if timeout_ms < 0 {
        return Err(CommandError::Text("ERR timeout is negative"));
    }
    if timeout_ms > i64::MAX - call.thread.now_ms() as i64 {
        return Err(CommandError::Text("ERR timeout is out of range"));
    }
    let now_us = call.thread.now.mono_us;
    let end_us = now_us.saturating_add((timeout_ms as u64).saturating_mul(1000));
    call.shared.pause_clients(now_us, end_us, everything);
    reply.ok();
    Ok(Outcome::Done)
}
