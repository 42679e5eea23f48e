//! What concerns other nodes, of which there are none, and what would change the cluster, which
//! can't be: with the errors that Redis has for such cases, where it has some.

use commands::spec::flags;
use commands::{CommandError, Spec};
use protocol::Reply;

use super::{check_mode, node_id, plain, slot, spec};
use crate::session::{Call, Outcome, SessionCommand};

/// Flags of what looks at nodes.
const LOOKS: u32 = flags::ADMIN | flags::STALE;
/// Flags of what changes the cluster.
const CHANGES: u32 = LOOKS | flags::NO_ASYNC_LOADING;

const fn change(name: &'static str, arity: i32) -> Spec {
    Spec {
        flags: CHANGES,
        ..spec(name, arity)
    }
}

pub(super) const ADDSLOTS: SessionCommand = plain(
    Spec {
        complexity: "O(N) where N is the total number of hash slot arguments",
        summary: "Assigns new hash slots to a node.",
        syntax: "slot [slot ...]",
        ..change("addslots", -3)
    },
    add_slots,
);

pub(super) const ADDSLOTSRANGE: SessionCommand = plain(
    Spec {
        since: "7.0.0",
        complexity: "O(N) where N is the total number of the slots between the start slot and end \
                     slot arguments.",
        summary: "Assigns new hash slot ranges to a node.",
        syntax: "start-slot end-slot [start-slot end-slot ...]",
        ..change("addslotsrange", -4)
    },
    add_slots,
);

pub(super) const BUMPEPOCH: SessionCommand = plain(
    Spec {
        summary: "Advances the cluster config epoch.",
        tips: &["nondeterministic_output"],
        ..change("bumpepoch", 2)
    },
    refuse,
);

pub(super) const COUNT_FAILURE_REPORTS: SessionCommand = plain(
    Spec {
        flags: LOOKS,
        complexity: "O(N) where N is the number of failure reports",
        summary: "Returns the number of active failure reports for a node.",
        syntax: "node-id",
        tips: &["nondeterministic_output"],
        ..spec("count-failure-reports", 3)
    },
    |call, reply| {
        check_node(call)?;
        reply.int(0);
        Ok(Outcome::Done)
    },
);

pub(super) const DELSLOTS: SessionCommand = plain(
    Spec {
        name: "delslots",
        summary: "Sets hash slots as unbound for a node.",
        ..ADDSLOTS.spec
    },
    refuse,
);

pub(super) const DELSLOTSRANGE: SessionCommand = plain(
    Spec {
        name: "delslotsrange",
        summary: "Sets hash slot ranges as unbound for a node.",
        ..ADDSLOTSRANGE.spec
    },
    refuse,
);

pub(super) const FAILOVER: SessionCommand = plain(
    Spec {
        summary: "Forces a replica to perform a manual failover of its master.",
        syntax: "[FORCE | TAKEOVER]",
        ..change("failover", -2)
    },
    fail_over,
);

pub(super) const FLUSHSLOTS: SessionCommand = plain(
    Spec {
        summary: "Deletes all slots information from a node.",
        ..change("flushslots", 2)
    },
    refuse,
);

pub(super) const FORGET: SessionCommand = plain(
    Spec {
        summary: "Removes a node from the nodes table.",
        syntax: "node-id",
        ..change("forget", 3)
    },
    |call, _| {
        check_node(call)?;
        Err(CommandError::Text(
            "ERR I tried hard but I can't forget myself...",
        ))
    },
);

pub(super) const LINKS: SessionCommand = plain(
    Spec {
        flags: flags::STALE,
        since: "7.0.0",
        complexity: "O(N) where N is the total number of Cluster nodes",
        summary: "Returns a list of all TCP links to and from peer nodes.",
        tips: &["nondeterministic_output"],
        ..spec("links", 2)
    },
    |call, reply| {
        check_mode(call)?;
        reply.array(0);
        Ok(Outcome::Done)
    },
);

pub(super) const MEET: SessionCommand = plain(
    Spec {
        summary: "Forces a node to handshake with another node.",
        syntax: "ip port [cluster-bus-port]",
        ..change("meet", -4)
    },
    refuse,
);

pub(super) const REPLICAS: SessionCommand = plain(
    Spec {
        flags: LOOKS,
        since: "5.0.0",
        complexity: "O(N) where N is the number of replicas.",
        summary: "Lists the replica nodes of a master node.",
        syntax: "node-id",
        tips: &["nondeterministic_output"],
        ..spec("replicas", 3)
    },
    replicas,
);

pub(super) const SLAVES: SessionCommand = plain(
    Spec {
        name: "slaves",
        since: "3.0.0",
        ..REPLICAS.spec
    },
    replicas,
);

pub(super) const REPLICATE: SessionCommand = plain(
    Spec {
        summary: "Configures a node as replica of a master node.",
        syntax: "<node-id | NO ONE>",
        ..change("replicate", -3)
    },
    |call, _| {
        check_node(call)?;
        Err(CommandError::Text("ERR Can't replicate myself"))
    },
);

pub(super) const RESET: SessionCommand = plain(
    Spec {
        flags: LOOKS | flags::NOSCRIPT,
        complexity: "O(N) where N is the number of known nodes. The command may execute a \
                     FLUSHALL as a side effect.",
        summary: "Resets a node.",
        syntax: "[HARD | SOFT]",
        ..change("reset", -2)
    },
    refuse,
);

pub(super) const SAVECONFIG: SessionCommand = plain(
    Spec {
        summary: "Forces a node to save the cluster configuration to disk.",
        ..change("saveconfig", 2)
    },
    refuse,
);

pub(super) const SET_CONFIG_EPOCH: SessionCommand = plain(
    Spec {
        summary: "Sets the configuration epoch for a new node.",
        syntax: "config-epoch",
        ..change("set-config-epoch", 3)
    },
    refuse,
);

pub(super) const SETSLOT: SessionCommand = plain(
    Spec {
        summary: "Binds a hash slot to a node.",
        syntax: "slot <IMPORTING node-id | MIGRATING node-id | NODE node-id | STABLE>",
        ..change("setslot", -4)
    },
    refuse,
);

/// The answer to what would change the cluster.
fn refuse(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    check_mode(call)?;
    Err(CommandError::Text(
        "ERR The only node of an emulated cluster has all slots, and that can't be changed",
    ))
}

fn add_slots(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    check_mode(call)?;
    let slots: Result<Vec<usize>, _> = call.args.from(2).map(slot::parse).collect();
    let first = slots?[0];
    Err(CommandError::Made(format!(
        "ERR Slot {first} is already busy"
    )))
}

fn fail_over(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    check_mode(call)?;
    let args = call.args;
    let is_known = args.len() == 2 || args.is(2, "FORCE") || args.is(2, "TAKEOVER");
    if args.len() > 3 || !is_known {
        return Err(CommandError::Syntax);
    }
    Err(CommandError::Text(
        "ERR You should send CLUSTER FAILOVER to a replica",
    ))
}

fn replicas(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    check_node(call)?;
    reply.array(0);
    Ok(Outcome::Done)
}

/// Whether the node that argument 2 names is this one.
fn check_node(call: &Call<'_, '_>) -> Result<(), CommandError> {
    check_mode(call)?;
    let name = call.args.at(2);
    if name == node_id(call).as_bytes() {
        return Ok(());
    }
    let shown = String::from_utf8_lossy(name);
    Err(CommandError::Made(format!("ERR Unknown node {shown}")))
}
