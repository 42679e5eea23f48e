//! SAVE, BGSAVE, BGREWRITEAOF and LASTSAVE, while nothing can be saved.

use commands::spec::{Group, flags};
use commands::{CommandError, Spec};

use super::{NO_SNAPSHOTS, plain};
use crate::session::{Outcome, SessionCommand};

/// What all of them have in common.
const fn spec(name: &'static str) -> Spec {
    Spec {
        flags: flags::ADMIN | flags::NOSCRIPT | flags::NO_ASYNC_LOADING,
        group: Group::Server,
        ..Spec::new(name)
    }
}

/// SAVE
pub(super) const SAVE: SessionCommand = plain(
    Spec {
        flags: spec("").flags | flags::NO_MULTI,
        complexity: "O(N) where N is the total number of keys in all databases",
        summary: "Synchronously saves the databases to disk.",
        ..spec("save")
    },
    |_, _| Err(NO_SNAPSHOTS),
);

/// BGSAVE [SCHEDULE]
pub(super) const BGSAVE: SessionCommand = plain(
    Spec {
        arity: -1,
        summary: "Asynchronously saves the databases to disk.",
        syntax: "[SCHEDULE]",
        ..spec("bgsave")
    },
    |call, _| {
        if call.args.len() > 2 || call.args.len() == 2 && !call.args.is(1, "schedule") {
            return Err(CommandError::Syntax);
        }
        Err(NO_SNAPSHOTS)
    },
);

/// BGREWRITEAOF
pub(super) const BGREWRITEAOF: SessionCommand = plain(
    Spec {
        summary: "Asynchronously rewrites the append-only file to disk.",
        ..spec("bgrewriteaof")
    },
    |_, _| {
        Err(CommandError::Text(
            "ERR the append-only file isn't available in this version",
        ))
    },
);

/// LASTSAVE
pub(super) const LASTSAVE: SessionCommand = plain(
    Spec {
        flags: flags::LOADING | flags::STALE | flags::FAST,
        categories: &["@admin", "@dangerous"],
        summary: "Returns the Unix time of the last successful save, or that of the start.",
        tips: &["nondeterministic_output"],
        ..spec("lastsave")
    },
    |call, reply| {
        reply.int((call.shared.admin.started_ms / 1000) as i64);
        Ok(Outcome::Done)
    },
);
