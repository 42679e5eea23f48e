//! Administration: COMMAND, CONFIG, INFO and what else looks at the server as a whole. One file for
//! each command or container.

mod acl;
mod cluster;
mod command;
mod config;
mod debug;
mod docs;
mod info;
mod latency;
mod lolwut;
mod memory;
mod module;
mod observe;
mod persistence;
mod replication;
mod shutdown;
mod slowlog;
mod state;
mod time;

use commands::spec::flags;
use commands::{Command, CommandError, Spec};
use protocol::Reply;

use crate::session::{Call, Outcome, SessionCommand, SessionRun};

pub(crate) use cluster::{is_emulated, mode_name};
pub(crate) use observe::{note_event, observe, threshold_ns};
pub use state::State;
pub(crate) use state::cron;

/// All commands of this family.
pub(crate) const COMMANDS: &[SessionCommand] = &[
    acl::ACL,
    cluster::ASKING,
    persistence::BGREWRITEAOF,
    persistence::BGSAVE,
    cluster::CLUSTER,
    command::COMMAND,
    config::CONFIG,
    debug::DEBUG,
    info::INFO,
    persistence::LASTSAVE,
    latency::LATENCY,
    lolwut::LOLWUT,
    memory::MEMORY,
    module::MODULE,
    cluster::READONLY,
    cluster::READWRITE,
    replication::REPLICAOF,
    replication::ROLE,
    persistence::SAVE,
    shutdown::SHUTDOWN,
    replication::SLAVEOF,
    slowlog::SLOWLOG,
    time::TIME,
    replication::WAIT,
    replication::WAITAOF,
];

/// Flags of most administrative commands.
const ADMIN: u32 = flags::ADMIN | flags::NOSCRIPT | flags::LOADING | flags::STALE;

/// Flags of what may be asked at any time.
const ANYTIME: u32 = flags::LOADING | flags::STALE;

/// What a container runs without a subcommand.
fn container(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    Err(CommandError::wrong_arity(&call.entry.full_name))
}

/// A command without subcommands.
const fn plain(spec: Spec, run: SessionRun) -> SessionCommand {
    Command {
        spec,
        run,
        subcommands: &[],
    }
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
