//! MONITOR.

use commands::spec::{Group, flags};
use commands::{Command, CommandError, Spec};
use protocol::Reply;

use crate::clients::flag;
use crate::session::{Call, Outcome, SessionCommand};

/// All commands of this family.
pub(super) const COMMANDS: &[SessionCommand] = &[Command {
    spec: Spec {
        flags: flags::ADMIN | flags::NOSCRIPT | flags::LOADING | flags::STALE,
        group: Group::Server,
        complexity: "",
        summary: "Shows every command that the server runs, as it runs.",
        ..Spec::new("monitor")
    },
    run: monitor,
    subcommands: &[],
}];

fn monitor(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let session = &mut call.conn.session;
    if session.in_exec {
        return Err(CommandError::Text(
            "ERR MONITOR isn't allowed for DENY BLOCKING client",
        ));
    }
    if !session.has(flag::MONITOR) {
        session.set(flag::MONITOR, true);
        call.shared.add_monitor(&call.conn.info);
    }
    reply.ok();
    Ok(Outcome::Done)
}
