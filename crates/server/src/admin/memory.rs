//! MEMORY: where memory goes.

use commands::keys::{access, range};
use commands::spec::{Group, Scope, flags};
use commands::{Command, CommandError, Spec};
use protocol::Reply;

use super::info::{Usage, count_keys, ratio};
use super::{ANYTIME, container, plain};
use crate::memory;
use crate::session::{Call, Outcome, SessionCommand, help};

/// What all of them have in common.
const fn spec(name: &'static str, arity: i32) -> Spec {
    Spec {
        arity,
        group: Group::Server,
        since: "4.0.0",
        ..Spec::new(name)
    }
}

const BY_SHARD: &[&str] = &[
    "nondeterministic_output",
    "request_policy:all_shards",
    "response_policy:special",
];

/// MEMORY and its subcommands.
pub(super) const MEMORY: SessionCommand = Command {
    spec: Spec {
        container: true,
        complexity: "Depends on subcommand.",
        summary: "A container for memory diagnostics commands.",
        ..spec("memory", -2)
    },
    run: container,
    subcommands: &[DOCTOR, HELP, MALLOC_STATS, PURGE, STATS, USAGE],
};

const DOCTOR: SessionCommand = plain(
    Spec {
        scope: Scope::EachShard,
        summary: "Outputs a memory problems report.",
        tips: BY_SHARD,
        ..spec("doctor", 2)
    },
    |call, reply| {
        let text = diagnosis(&Usage::now(call), memory::resident());
        reply.verbatim("txt", text.as_bytes());
        Ok(Outcome::Done)
    },
);

const HELP: SessionCommand = plain(
    Spec {
        flags: ANYTIME,
        summary: "Returns helpful text about the different subcommands.",
        ..spec("help", 2)
    },
    help,
);

const MALLOC_STATS: SessionCommand = plain(
    Spec {
        flags: flags::LOADING,
        complexity: "Depends on how much memory is allocated, could be slow",
        summary: "Returns the allocator statistics.",
        tips: BY_SHARD,
        ..spec("malloc-stats", 2)
    },
    |_, reply| {
        reply.verbatim("txt", &memory::allocator_report());
        Ok(Outcome::Done)
    },
);

const PURGE: SessionCommand = plain(
    Spec {
        flags: flags::LOADING,
        complexity: "Depends on how much memory is allocated, could be slow",
        summary: "Asks the allocator to release memory.",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        ..spec("purge", 2)
    },
    |_, reply| {
        if !memory::purge() {
            return Err(CommandError::Text("ERR Error purging dirty pages"));
        }
        reply.ok();
        Ok(Outcome::Done)
    },
);

const STATS: SessionCommand = plain(
    Spec {
        scope: Scope::EachShard,
        summary: "Returns details about memory usage.",
        tips: BY_SHARD,
        ..spec("stats", 2)
    },
    stats,
);

const USAGE: SessionCommand = plain(
    Spec {
        flags: flags::READONLY,
        keys: &[range(2, 0, 1, access::RO)],
        complexity: "O(N) where N is the number of samples.",
        summary: "Estimates the memory usage of a key.",
        syntax: "key [SAMPLES count]",
        ..spec("usage", -3)
    },
    usage,
);

fn usage(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = call.args;
    // Values know their size: nothing is sampled.
    match args.len() {
        3 => {}
        5 if args.is(3, "samples") => {
            if args.int(4)? < 0 {
                return Err(CommandError::Syntax);
            }
        }
        _ => return Err(CommandError::Syntax),
    }
    match call.txn.peek(args.at(2)) {
        Some(found) => reply.int(call.txn.memory_of(found) as i64),
        None => reply.null(),
    }
    Ok(Outcome::Done)
}

fn stats(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let usage = Usage::now(call);
    let (resident, allocator) = (memory::resident(), memory::allocator());
    let dbs = count_keys(call.shared, call.thread.now_ms());
    let mark = reply.begin_array();
    let mut pairs = 0;
    let mut int = |reply: &mut Reply<'_>, name: &str, value: u64| {
        reply.bulk(name.as_bytes());
        reply.int(value as i64);
        pairs += 1;
    };
    int(reply, "peak.allocated", usage.peak);
    int(reply, "total.allocated", usage.used);
    int(reply, "startup.allocated", usage.at_start);
    int(reply, "replication.backlog", 0);
    int(reply, "clients.slaves", 0);
    int(reply, "clients.normal", usage.clients);
    for name in [
        "cluster.links",
        "aof.buffer",
        "lua.caches",
        "functions.caches",
    ] {
        int(reply, name, 0);
    }
    int(reply, "overhead.total", usage.overhead());
    int(reply, "keys.count", usage.keys);
    let per_key = usage.dataset() / usage.keys.max(1);
    int(
        reply,
        "keys.bytes-per-key",
        if usage.keys > 0 { per_key } else { 0 },
    );
    int(reply, "dataset.bytes", usage.dataset());
    int(reply, "allocator.allocated", allocator.allocated);
    int(reply, "allocator.active", allocator.active);
    int(reply, "allocator.resident", allocator.resident);
    for (number, db) in dbs.iter().enumerate().filter(|(_, db)| db.keys > 0) {
        reply.bulk(format!("db.{number}").as_bytes());
        reply.map(2);
        reply.bulk(b"overhead.hashtable.main");
        reply.int(db.table_bytes() as i64);
        reply.bulk(b"overhead.hashtable.expires");
        reply.int(0);
        pairs += 1;
    }
    let (active, held) = (allocator.active, allocator.resident);
    for (name, of, to) in [
        ("allocator-fragmentation", active, allocator.allocated),
        ("allocator-rss", held, active),
        ("rss-overhead", resident, held),
        ("fragmentation", resident, usage.used),
    ] {
        let is_total = name == "fragmentation";
        let ratio_name = if is_total {
            name
        } else {
            &format!("{name}.ratio")
        };
        reply.bulk(ratio_name.as_bytes());
        reply.double(ratio(of, to));
        reply.bulk(format!("{name}.bytes").as_bytes());
        reply.int(of as i64 - to as i64);
        pairs += 2;
    }
    reply.bulk(b"dataset.percentage");
    reply.double(usage.dataset_percent());
    reply.bulk(b"peak.percentage");
    reply.double(100.0 * ratio(usage.used, usage.peak));
    reply.end_map(mark, pairs + 2);
    Ok(Outcome::Done)
}

/// What may be wrong, in words.
fn diagnosis(usage: &Usage, resident: u64) -> String {
    const LITTLE: u64 = 5 << 20;
    const LARGE_BUFFERS: u64 = 200 << 10;
    if usage.used < LITTLE {
        return "There is next to nothing in memory: nothing can be said about it.\n".to_owned();
    }
    let mut found = Vec::new();
    if usage.peak as f64 > usage.used as f64 * 1.5 {
        found.push(
            "Peak: there was a time when more than half as much again was allocated. The process \
             may keep more memory than it needs now; MEMORY PURGE gives back what it can.",
        );
    }
    if resident as f64 > usage.used as f64 * 1.4 {
        found.push(
            "Fragmentation: the process has over 40% more memory than is allocated. This happens \
             when many values of one size were deleted and others came.",
        );
    }
    if usage.clients > LARGE_BUFFERS.max(usage.used / 10) {
        found.push(
            "Clients: their buffers take more than a tenth. Look for large replies and for clients \
             that don't read theirs: CLIENT LIST.",
        );
    }
    if found.is_empty() {
        return "No problem was found.\n".to_owned();
    }
    found.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_finds_what_is_there() {
        let healthy = Usage {
            used: 100 << 20,
            peak: 110 << 20,
            ..Usage::default()
        };
        assert!(diagnosis(&Usage::default(), 0).contains("nothing"));
        assert_eq!(diagnosis(&healthy, 120 << 20), "No problem was found.\n");
        let peaked = Usage {
            peak: 200 << 20,
            clients: 30 << 20,
            ..healthy
        };
        let text = diagnosis(&peaked, 190 << 20);
        for word in ["Peak", "Fragmentation", "Clients"] {
            assert!(text.contains(word), "{word}");
        }
    }
}
