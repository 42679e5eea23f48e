//! MODULE: there are none, and none can be loaded.

use commands::spec::{Group, flags};
use commands::{Command, Spec};

use super::{ANYTIME, container, plain};
use crate::session::{Outcome, SessionCommand, help};

/// What all of them have in common.
const fn spec(name: &'static str, arity: i32) -> Spec {
    Spec {
        arity,
        group: Group::Server,
        since: "4.0.0",
        ..Spec::new(name)
    }
}

/// MODULE and its subcommands.
pub(super) const MODULE: SessionCommand = Command {
    spec: Spec {
        container: true,
        complexity: "Depends on subcommand.",
        summary: "A container for module commands.",
        ..spec("module", -2)
    },
    run: container,
    subcommands: &[
        plain(
            Spec {
                flags: ANYTIME,
                since: "5.0.0",
                summary: "Returns helpful text about the different subcommands.",
                ..spec("help", 2)
            },
            help,
        ),
        plain(
            Spec {
                flags: flags::ADMIN | flags::NOSCRIPT,
                complexity: "O(N) where N is the number of loaded modules.",
                summary: "Returns all loaded modules.",
                tips: &["nondeterministic_output_order"],
                ..spec("list", 2)
            },
            |_, reply| {
                reply.array(0);
                Ok(Outcome::Done)
            },
        ),
    ],
};
