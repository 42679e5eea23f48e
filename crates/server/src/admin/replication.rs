//! What concerns replicas and masters while there are none: WAIT, WAITAOF, ROLE, REPLICAOF.

use commands::spec::{Group, flags};
use commands::{CommandError, Spec};
use protocol::{Reply, number};
use store::{AtEnd, Served};

use super::plain;
use crate::session::{Call, Outcome, SessionCommand};

/// WAIT numreplicas timeout
pub(super) const WAIT: SessionCommand = plain(
    Spec {
        arity: 3,
        flags: flags::BLOCKING,
        group: Group::Generic,
        has_group_category: false,
        categories: &["@connection"],
        since: "3.0.0",
        summary: "Blocks until the writes of this connection are acknowledged by replicas.",
        syntax: "numreplicas timeout",
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        ..Spec::new("wait")
    },
    wait,
);

/// WAITAOF numlocal numreplicas timeout
pub(super) const WAITAOF: SessionCommand = plain(
    Spec {
        arity: 4,
        since: "7.2.0",
        summary: "Blocks until the writes of this connection are on disk, here and on replicas.",
        syntax: "numlocal numreplicas timeout",
        name: "waitaof",
        // It waits for the log, and so for no key.
        serve: Some(|_, _, _, _| Ok(Served::No)),
        ..WAIT.spec
    },
    wait_aof,
);

/// ROLE
pub(super) const ROLE: SessionCommand = plain(
    Spec {
        flags: flags::NOSCRIPT | flags::LOADING | flags::STALE | flags::FAST,
        group: Group::Server,
        categories: &["@admin", "@dangerous"],
        since: "2.8.12",
        summary: "Returns the replication role.",
        ..Spec::new("role")
    },
    |_, reply| {
        reply.array(3);
        reply.bulk(b"master");
        reply.int(0);
        reply.array(0);
        Ok(Outcome::Done)
    },
);

/// REPLICAOF host port | NO ONE
pub(super) const REPLICAOF: SessionCommand = plain(
    Spec {
        arity: 3,
        flags: flags::ADMIN | flags::NOSCRIPT | flags::STALE | flags::NO_ASYNC_LOADING,
        group: Group::Server,
        since: "5.0.0",
        summary: "Configures a server as replica of another, or promotes it to a master.",
        syntax: "<host port | NO ONE>",
        ..Spec::new("replicaof")
    },
    replica_of,
);

/// SLAVEOF host port | NO ONE
pub(super) const SLAVEOF: SessionCommand = plain(
    Spec {
        name: "slaveof",
        since: "1.0.0",
        summary: "Sets a Redis server as a replica of another, or promotes it to being a master.",
        ..REPLICAOF.spec
    },
    replica_of,
);

fn wait(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    call.args.int(1)?;
    check_timeout(call, 2)?;
    // Without replicas waiting would change nothing.
    reply.int(0);
    Ok(Outcome::Done)
}

fn wait_aof(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let within = |at: usize, max: i64| {
        let value = number::parse_i64(call.args.at(at));
        value.filter(|value| (0..=max).contains(value))
    };
    let Some(local) = within(1, 1) else {
        return Err(CommandError::Text(
            "ERR value is out of range, must be between 0 and 1",
        ));
    };
    if within(2, i64::MAX).is_none() {
        return Err(CommandError::Text(
            "ERR value is out of range, must be positive",
        ));
    }
    check_timeout(call, 3)?;
    let aof = &call.shared.persistence.aof;
    if local > 0 && !aof.is_on() {
        return Err(CommandError::Text(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    // What the client has written before may still be on its way to the log.
    call.txn.hand_over_effects();
    let lasts = aof.is_on() && aof.lasts() && !call.txn.has_effects();
    let timeout_ms = call.args.int(3)? as u64;
    let timeout_ms = (timeout_ms > 0).then_some(timeout_ms);
    let no_key = std::iter::empty();
    if local > 0 && !lasts && call.txn.wait_for(no_key, timeout_ms, AtEnd::Zeros) {
        return Ok(Outcome::Block);
    }
    reply.array(2);
    reply.int(i64::from(lasts));
    reply.int(0);
    Ok(Outcome::Done)
}

fn check_timeout(call: &Call<'_, '_>, at: usize) -> Result<(), CommandError> {
    match number::parse_i64(call.args.at(at)) {
        None => Err(CommandError::Text(
            "ERR timeout is not an integer or out of range",
        )),
        Some(..0) => Err(CommandError::Text("ERR timeout is negative")),
        Some(_) => Ok(()),
    }
}

fn replica_of(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    if call.args.is(1, "no") && call.args.is(2, "one") {
        reply.ok();
        return Ok(Outcome::Done);
    }
    let port = number::parse_i64(call.args.at(2));
    if !port.is_some_and(|port| (0..=65_535).contains(&port)) {
        return Err(CommandError::Text("ERR Invalid master port"));
    }
    Err(CommandError::Text(
        "ERR replication isn't available in this version",
    ))
}
