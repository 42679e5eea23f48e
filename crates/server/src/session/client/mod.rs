//! CLIENT: what a client may ask and tell about itself and others.

mod filter;
mod list;
mod pause;
mod settings;
mod tracking;

use commands::spec::{Group, flags};
use commands::{Command, CommandError, Spec};
use protocol::Reply;

use crate::blocking;
use crate::session::help::help;
use crate::session::{Call, Outcome, SessionCommand};

pub(super) use settings::{check_name, set_name};

/// All commands of this family.
pub(super) const COMMANDS: &[SessionCommand] = &[Command {
    spec: Spec {
        arity: -2,
        group: Group::Connection,
        container: true,
        since: "2.4.0",
        complexity: "Depends on subcommand.",
        summary: "Tells about clients and changes how they are treated.",
        ..Spec::new("client")
    },
    // Reached by no one: the arity asks for a subcommand.
    run: help,
    subcommands: SUBCOMMANDS,
}];

/// Flags of subcommands that concern the connection alone.
const OWN: u32 = flags::NOSCRIPT | flags::LOADING | flags::STALE;
/// Flags of those that also run while a script takes too long.
const OWN_WHILE_BUSY: u32 = OWN | flags::ALLOW_BUSY;
/// Flags of subcommands that concern other clients.
const ADMIN: u32 = OWN | flags::ADMIN;

const TELL_ALL_NODES: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

/// What LIST and KILL go by.
const FILTERS: &str = "[ID client-id [client-id ...]] [TYPE <NORMAL | PRIMARY | REPLICA | PUBSUB>] \
     [USER username] [ADDR addr] [LADDR laddr] [SKIPME <YES | NO>] [MAXAGE maxage] [NAME name] \
     [IDLE idle] [FLAGS flags] [LIB-NAME lib-name] [LIB-VER lib-ver] [DB db-id] [CAPA capa] [IP \
     ip] [NOT-ID client-id [client-id ...]] [NOT-TYPE <NORMAL | PRIMARY | REPLICA | PUBSUB>] \
     [NOT-USER username] [NOT-ADDR addr] [NOT-LADDR laddr] [NOT-NAME name] [NOT-FLAGS flags] \
     [NOT-LIB-NAME lib-name] [NOT-LIB-VER lib-ver] [NOT-DB db-id] [NOT-CAPA capa] [NOT-IP ip]";

const fn sub(name: &'static str, arity: i32, flags: u32, since: &'static str) -> Spec {
    Spec {
        arity,
        flags,
        group: Group::Connection,
        since,
        ..Spec::new(name)
    }
}

/// In alphabetical order.
const SUBCOMMANDS: &[SessionCommand] = &[
    tracking::CACHING,
    settings::CAPA,
    settings::GETNAME,
    tracking::GETREDIR,
    HELP,
    ID,
    settings::IMPORT_SOURCE,
    list::INFO,
    list::KILL,
    list::LIST,
    settings::NO_EVICT,
    settings::NO_TOUCH,
    pause::PAUSE,
    settings::REPLY,
    settings::SETINFO,
    settings::SETNAME,
    tracking::TRACKING,
    tracking::TRACKINGINFO,
    UNBLOCK,
    pause::UNPAUSE,
];

/// CLIENT HELP
const HELP: SessionCommand = Command {
    spec: Spec {
        summary: "Tells what the subcommands are.",
        ..sub("help", 2, flags::LOADING | flags::STALE, "5.0.0")
    },
    run: help,
    subcommands: &[],
};

/// CLIENT ID
const ID: SessionCommand = Command {
    spec: Spec {
        summary: "Returns the number of this connection, which is never given again.",
        ..sub("id", 2, OWN_WHILE_BUSY, "5.0.0")
    },
    run: |call, reply| {
        reply.int(call.conn.info.id as i64);
        Ok(Outcome::Done)
    },
    subcommands: &[],
};

/// CLIENT UNBLOCK client-id [TIMEOUT | ERROR]
const UNBLOCK: SessionCommand = Command {
    spec: Spec {
        complexity: "O(log N) where N is the number of client connections",
        summary: "Ends the waiting of a client in a blocking command.",
        syntax: "client-id [TIMEOUT | ERROR]",
        ..sub("unblock", -3, ADMIN, "5.0.0")
    },
    run: unblock,
    subcommands: &[],
};

fn unblock(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = call.args;
    if args.len() > 3 && !args.is(3, "timeout") && !args.is(3, "error") {
        return Err(CommandError::Text(
            "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
        ));
    }
    // A pause can't be ended for one client.
    let ended = blocking::unblock(call.shared, args.int(2)?, args.is(3, "error"));
    reply.int(i64::from(ended));
    Ok(Outcome::Done)
}

/// The switch that argument 2 is: ON or OFF.
fn switch(call: &Call<'_, '_>) -> Result<bool, CommandError> {
    if call.args.is(2, "on") {
        Ok(true)
    } else if call.args.is(2, "off") {
        Ok(false)
    } else {
        Err(CommandError::Syntax)
    }
}
