//! What the HELP subcommands of containers such as OBJECT share: their declaration but for group
//! and age, and the form of their reply.

use protocol::Reply;

use crate::spec::{Group, flags};
use crate::{CommandResult, Spec};

/// The declaration of a HELP.
pub(crate) const fn spec(group: Group, since: &'static str) -> Spec {
    Spec {
        arity: 2,
        flags: flags::LOADING | flags::STALE,
        group,
        since,
        summary: "Lists the subcommands.",
        ..Spec::new("help")
    }
}

/// Replies with these lines.
pub(crate) fn show(lines: &[&str], reply: &mut Reply<'_>) -> CommandResult {
    reply.array(lines.len());
    for line in lines {
        reply.simple(line);
    }
    Ok(())
}
