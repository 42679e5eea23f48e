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
        let scripts = call.shared.scripts.size().0;
        let text = diagnosis(&Usage::now(call), memory::resident(), scripts);
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

/// Writes pairs of a name and a number, and counts them.
struct Pairs<'r, 'b> {
    reply: &'r mut Reply<'b>,
    count: usize,
}

impl Pairs<'_, '_> {
    fn int(&mut self, name: &str, value: u64) {
        self.signed(name, value as i64);
    }

    fn signed(&mut self, name: &str, value: i64) {
        self.name(name);
        self.reply.int(value);
    }

    fn double(&mut self, name: &str, value: f64) {
        self.name(name);
        self.reply.double(value);
    }

    fn name(&mut self, name: &str) {
        self.count += 1;
        self.reply.bulk(name.as_bytes());
    }
}

fn stats(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let usage = Usage::now(call);
    let mark = reply.begin_array();
    let mut pairs = Pairs { reply, count: 0 };
    for (name, bytes) in [
        ("peak.allocated", usage.peak),
        ("total.allocated", usage.used),
        ("startup.allocated", usage.at_start),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", usage.clients),
        ("cluster.links", 0),
        ("aof.buffer", usage.aof),
        ("lua.caches", usage.vm + usage.scripts),
        ("functions.caches", usage.functions),
    ] {
        pairs.int(name, bytes);
    }
    let dbs = count_keys(call.shared, call.thread.now_ms());
    for (number, db) in dbs.iter().enumerate().filter(|(_, db)| db.keys > 0) {
        pairs.name(&format!("db.{number}"));
        pairs.reply.map(3);
        for (name, bytes) in [
            ("overhead.hashtable.main", db.table_bytes()),
            ("overhead.hashtable.expires", 0),
            ("overhead.hashtable.slot-to-keys", 0),
        ] {
            pairs.reply.bulk(name.as_bytes());
            pairs.reply.int(bytes as i64);
        }
    }
    let per_key = usage.dataset().checked_div(usage.keys).unwrap_or(0);
    pairs.int("overhead.total", usage.overhead());
    pairs.int("keys.count", usage.keys);
    pairs.int("keys.bytes-per-key", per_key);
    pairs.int("dataset.bytes", usage.dataset());
    pairs.double("dataset.percentage", usage.dataset_percent());
    pairs.double("peak.percentage", 100.0 * ratio(usage.used, usage.peak));
    write_fragmentation(&mut pairs, usage.used);
    let count = pairs.count;
    reply.end_map(mark, count);
    Ok(Outcome::Done)
}

/// What the process has beyond what is allocated, by who keeps it.
fn write_fragmentation(pairs: &mut Pairs<'_, '_>, used: u64) {
    let (process, allocator) = (memory::resident(), memory::allocator());
    let memory::Allocator {
        allocated,
        active,
        resident,
    } = allocator;
    pairs.int("allocator.allocated", allocated);
    pairs.int("allocator.active", active);
    pairs.int("allocator.resident", resident);
    for (ratio_name, bytes_name, of, to) in [
        (
            "allocator-fragmentation.ratio",
            "allocator-fragmentation.bytes",
            active,
            allocated,
        ),
        (
            "allocator-rss.ratio",
            "allocator-rss.bytes",
            resident,
            active,
        ),
        (
            "rss-overhead.ratio",
            "rss-overhead.bytes",
            process,
            resident,
        ),
        ("fragmentation", "fragmentation.bytes", process, used),
    ] {
        pairs.double(ratio_name, ratio(of, to));
        pairs.signed(bytes_name, of as i64 - to as i64);
    }
}

/// What may be wrong, in words.
fn diagnosis(usage: &Usage, resident: u64, scripts: usize) -> String {
    const LITTLE: u64 = 5 << 20;
    const MANY_SCRIPTS: usize = 1000;
    let tenth = usage.used / 10;
    if usage.used < LITTLE {
        return "There is next to nothing in memory: nothing can be said about it.\n".to_owned();
    }
    let problems = [
        (
            usage.peak > usage.used + usage.used / 2,
            "Peak: there was a time when more than half as much again was allocated. The process \
             may keep more memory than it needs now; MEMORY PURGE gives back what it can.",
        ),
        (
            resident > usage.used + 4 * tenth,
            "Fragmentation: the process has over 40% more memory than is allocated. This happens \
             when many values of one size were deleted and others came.",
        ),
        (
            usage.spare > tenth,
            "Room: over a tenth lies between records, where keys were deleted or evicted. New \
             ones fill it, and records are moved together meanwhile.",
        ),
        (
            usage.clients > tenth.max(200 << 10),
            "Clients: their buffers take more than a tenth. Look for large replies and for clients \
             that don't read theirs: CLIENT LIST. maxmemory-clients bounds them.",
        ),
        (
            usage.aof > tenth.max(10 << 20),
            "Append-only file: more than a tenth waits to be written to it. The disk is slower \
             than what clients write.",
        ),
        (
            scripts > MANY_SCRIPTS,
            "Scripts: there are over 1000 in the cache. This happens when applications put values \
             into the text of a script, which belong into KEYS and ARGV.",
        ),
        (
            usage.vm > tenth.max(10 << 20),
            "Interpreters: those of all threads together take more than a tenth. --lua_mem_limit \
             bounds each, SCRIPT FLUSH empties them.",
        ),
    ];
    let found: Vec<&str> = problems
        .into_iter()
        .filter_map(|(is_there, text)| is_there.then_some(text))
        .collect();
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
        let rss = 120 << 20;
        assert!(diagnosis(&Usage::default(), 0, 2000).contains("nothing"));
        assert_eq!(diagnosis(&healthy, rss, 1000), "No problem was found.\n");
        let ill = Usage {
            peak: 200 << 20,
            clients: 30 << 20,
            spare: 11 << 20,
            aof: 11 << 20,
            vm: 11 << 20,
            ..healthy
        };
        let text = diagnosis(&ill, 190 << 20, 1001);
        let words = [
            "Peak",
            "Fragmentation",
            "Room",
            "Clients",
            "Append-only file",
            "Scripts",
            "Interpreters",
        ];
        for word in words {
            let word = format!("{word}: ");
            assert!(text.lines().any(|line| line.starts_with(&word)), "{word}");
        }
        assert_eq!(text.lines().count(), words.len());
    }
}
