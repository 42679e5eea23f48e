//! CLIENT TRACKING and its relatives: invalidation messages for caches in clients. There are none
//! yet; what can be said while tracking is off is said.

use commands::{Command, CommandError, Spec};

use crate::session::client::{OWN, OWN_WHILE_BUSY, sub};
use crate::session::{Outcome, SessionCommand};

/// CLIENT TRACKING ON | OFF ...
pub(super) const TRACKING: SessionCommand = Command {
    spec: Spec {
        complexity: "O(1). Some options may introduce additional complexity.",
        summary: "Has the server tell this client when keys it has read change.",
        syntax: "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] \
             [OPTIN] [OPTOUT] [NOLOOP]",
        ..sub("tracking", -3, OWN, "6.0.0")
    },
    run: |call, reply| {
        if call.args.is(2, "on") {
            return Err(CommandError::Text(
                "ERR CLIENT TRACKING is not available yet",
            ));
        }
        if !call.args.is(2, "off") || call.args.len() > 3 {
            return Err(CommandError::Syntax);
        }
        reply.ok();
        Ok(Outcome::Done)
    },
    subcommands: &[],
};

/// CLIENT CACHING YES | NO
pub(super) const CACHING: SessionCommand = Command {
    spec: Spec {
        summary: "Says whether the keys of the next command are to be tracked.",
        syntax: "<YES | NO>",
        ..sub("caching", 3, OWN_WHILE_BUSY, "6.0.0")
    },
    run: |_, _| {
        Err(CommandError::Text(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with \
             OPTIN or OPTOUT mode enabled",
        ))
    },
    subcommands: &[],
};

/// CLIENT GETREDIR
pub(super) const GETREDIR: SessionCommand = Command {
    spec: Spec {
        summary: "Returns the client to whom this one's tracking messages are sent.",
        ..sub("getredir", 2, OWN_WHILE_BUSY, "6.0.0")
    },
    run: |_, reply| {
        reply.int(-1);
        Ok(Outcome::Done)
    },
    subcommands: &[],
};

/// CLIENT TRACKINGINFO
pub(super) const TRACKINGINFO: SessionCommand = Command {
    spec: Spec {
        summary: "Tells how the keys of this connection are tracked.",
        ..sub("trackinginfo", 2, OWN, "6.2.0")
    },
    run: |_, reply| {
        reply.map(3);
        reply.bulk(b"flags");
        reply.set(1);
        reply.bulk(b"off");
        reply.bulk(b"redirect");
        reply.int(-1);
        reply.bulk(b"prefixes");
        reply.array(0);
        Ok(Outcome::Done)
    },
    subcommands: &[],
};
