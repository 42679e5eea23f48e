//! CLUSTER and what else clients of a cluster ask, in emulated mode: this server is the only node,
//! and all slots are its own. Nothing about that can be changed, and no command is refused since
//! its keys lie in several slots.

mod fixed;
mod keys;
mod slot;
mod stats;
mod topology;

use commands::spec::{Group, flags};
use commands::{Command, CommandError, Spec};
use protocol::Reply;

use super::{ANYTIME, container, plain};
use crate::flags::Config;
use crate::flags::values::ClusterMode;
use crate::session::{Call, Outcome, SessionCommand, help};

/// How many slots there are.
const SLOTS: usize = 16_384;

/// What all of them have in common.
const fn spec(name: &'static str, arity: i32) -> Spec {
    Spec {
        arity,
        flags: ANYTIME,
        group: Group::Cluster,
        since: "3.0.0",
        ..Spec::new(name)
    }
}

/// CLUSTER and its subcommands.
pub(super) const CLUSTER: SessionCommand = Command {
    spec: Spec {
        flags: 0,
        container: true,
        complexity: "Depends on subcommand.",
        summary: "A container for Redis Cluster commands.",
        ..spec("cluster", -2)
    },
    run: container,
    subcommands: &[
        fixed::ADDSLOTS,
        fixed::ADDSLOTSRANGE,
        fixed::BUMPEPOCH,
        fixed::COUNT_FAILURE_REPORTS,
        keys::COUNTKEYSINSLOT,
        fixed::DELSLOTS,
        fixed::DELSLOTSRANGE,
        fixed::FAILOVER,
        fixed::FLUSHSLOTS,
        fixed::FORGET,
        keys::GETKEYSINSLOT,
        HELP,
        topology::INFO,
        keys::KEYSLOT,
        fixed::LINKS,
        fixed::MEET,
        MYID,
        MYSHARDID,
        topology::NODES,
        fixed::REPLICAS,
        fixed::REPLICATE,
        fixed::RESET,
        fixed::SAVECONFIG,
        fixed::SET_CONFIG_EPOCH,
        fixed::SETSLOT,
        topology::SHARDS,
        fixed::SLAVES,
        stats::SLOT_STATS,
        topology::SLOTS,
    ],
};

const HELP: SessionCommand = plain(
    Spec {
        since: "5.0.0",
        summary: "Returns helpful text about the different subcommands.",
        ..spec("help", 2)
    },
    |call, reply| {
        check_mode(call)?;
        help(call, reply)
    },
);

const MYID: SessionCommand = plain(
    Spec {
        summary: "Returns the ID of this node.",
        ..spec("myid", 2)
    },
    |call, reply| {
        check_mode(call)?;
        reply.bulk(node_id(call).as_bytes());
        Ok(Outcome::Done)
    },
);

const MYSHARDID: SessionCommand = plain(
    Spec {
        since: "7.2.0",
        summary: "Returns the ID of this node's shard.",
        tips: &["nondeterministic_output"],
        ..spec("myshardid", 2)
    },
    |call, reply| {
        check_mode(call)?;
        reply.bulk(call.shared.admin.shard_id.as_bytes());
        Ok(Outcome::Done)
    },
);

/// READONLY
pub(super) const READONLY: SessionCommand = plain(
    Spec {
        flags: ANYTIME | flags::FAST,
        categories: &["@connection"],
        summary: "Lets this connection read from replicas.",
        ..spec("readonly", 1)
    },
    agree,
);

/// READWRITE
pub(super) const READWRITE: SessionCommand = plain(
    Spec {
        name: "readwrite",
        summary: "Ends what READONLY has begun.",
        ..READONLY.spec
    },
    agree,
);

/// ASKING
pub(super) const ASKING: SessionCommand = plain(
    Spec {
        name: "asking",
        flags: flags::FAST,
        summary: "Tells that the next command follows a redirection.",
        ..READONLY.spec
    },
    agree,
);

/// Where all slots and keys are anyway, there is nothing to do.
fn agree(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    check_mode(call)?;
    reply.ok();
    Ok(Outcome::Done)
}

/// Whether this server is the node of an emulated cluster.
pub(crate) fn is_emulated(config: &Config) -> bool {
    config.cluster.cluster_mode == ClusterMode::Emulated
}

/// What Redis's `mode` is: that of INFO and HELLO.
pub(crate) fn mode_name(config: &Config) -> &'static str {
    if is_emulated(config) {
        "cluster"
    } else {
        "standalone"
    }
}

fn check_mode(call: &Call<'_, '_>) -> Result<(), CommandError> {
    if is_emulated(&call.thread.config) {
        return Ok(());
    }
    Err(CommandError::Text(
        "ERR This instance has cluster support disabled",
    ))
}

/// The name of this node: the one that it was given, else another one in each run.
fn node_id<'a>(call: &'a Call<'_, '_>) -> &'a str {
    match call.thread.config.cluster.cluster_node_id.as_str() {
        "" => &call.shared.admin.run_id,
        given => given,
    }
}
