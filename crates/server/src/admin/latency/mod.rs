//! LATENCY: what took long, event by event, and how long commands take.

mod doctor;
mod graph;
mod histogram;
mod monitor;

use commands::spec::Group;
use commands::{Command, CommandError, Spec};
use protocol::Reply;

use super::{ADMIN, ANYTIME, container, plain};
use crate::session::{Call, Outcome, SessionCommand, help};

pub(super) use monitor::{Monitor, Sample};

/// What all of them have in common.
const fn spec(name: &'static str, arity: i32) -> Spec {
    Spec {
        arity,
        flags: ADMIN,
        group: Group::Server,
        since: "2.8.13",
        ..Spec::new(name)
    }
}

const BY_NODE: &[&str] = &[
    "nondeterministic_output",
    "request_policy:all_nodes",
    "response_policy:special",
];

/// LATENCY and its subcommands.
pub(super) const LATENCY: SessionCommand = Command {
    spec: Spec {
        flags: 0,
        container: true,
        complexity: "Depends on subcommand.",
        summary: "A container for latency diagnostics commands.",
        ..spec("latency", -2)
    },
    run: container,
    subcommands: &[DOCTOR, GRAPH, HELP, HISTOGRAM, HISTORY, LATEST, RESET],
};

const DOCTOR: SessionCommand = plain(
    Spec {
        summary: "Returns a human-readable latency analysis report.",
        tips: BY_NODE,
        ..spec("doctor", 2)
    },
    doctor::doctor,
);

const GRAPH: SessionCommand = plain(
    Spec {
        summary: "Returns a latency graph for an event.",
        syntax: "event",
        tips: BY_NODE,
        ..spec("graph", 3)
    },
    graph::graph,
);

const HELP: SessionCommand = plain(
    Spec {
        flags: ANYTIME,
        summary: "Returns helpful text about the different subcommands.",
        ..spec("help", 2)
    },
    help,
);

const HISTOGRAM: SessionCommand = plain(
    Spec {
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands with latency information being \
                     retrieved.",
        summary: "Returns the cumulative distribution of latencies of a subset or all commands.",
        syntax: "[command [command ...]]",
        tips: BY_NODE,
        ..spec("histogram", -2)
    },
    histogram::histogram,
);

const HISTORY: SessionCommand = plain(
    Spec {
        summary: "Returns timestamp-latency samples for an event.",
        syntax: "event",
        tips: BY_NODE,
        ..spec("history", 3)
    },
    history,
);

const LATEST: SessionCommand = plain(
    Spec {
        summary: "Returns the latest latency samples for all events.",
        tips: BY_NODE,
        ..spec("latest", 2)
    },
    latest,
);

const RESET: SessionCommand = plain(
    Spec {
        summary: "Resets the latency data for one or more events.",
        syntax: "[event [event ...]]",
        tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
        ..spec("reset", -2)
    },
    reset,
);

fn history(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let monitor = call.shared.admin.latency();
    let samples = monitor.event(call.args.at(2)).map(monitor::Event::samples);
    reply.array(samples.as_ref().map_or(0, ExactSizeIterator::len));
    for sample in samples.into_iter().flatten() {
        reply.array(2);
        reply.int(sample.unix_seconds as i64);
        reply.int(sample.ms as i64);
    }
    Ok(Outcome::Done)
}

fn latest(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let monitor = call.shared.admin.latency();
    reply.array(monitor.events().len());
    for (name, event) in monitor.events() {
        let last = event.last();
        reply.array(4);
        reply.bulk(name.as_bytes());
        reply.int(last.unix_seconds as i64);
        reply.int(last.ms as i64);
        reply.int(event.max_ms as i64);
    }
    Ok(Outcome::Done)
}

fn reset(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let mut monitor = call.shared.admin.latency();
    let removed = if call.args.len() == 2 {
        monitor.reset_all()
    } else {
        let names = call.args.from(2);
        names.filter(|name| monitor.reset(name)).count()
    };
    reply.int(removed as i64);
    Ok(Outcome::Done)
}
