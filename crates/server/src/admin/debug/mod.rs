//! DEBUG: what tests and tools ask of a server, and nobody else should.

mod digest;
mod object;
mod populate;
mod protocol_types;
mod reload;

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use commands::spec::{Group, Scope};
use commands::{Args, CommandError, Spec};
use protocol::{Reply, number};

use super::{ADMIN, config, plain};
use crate::flags::rewrite::Missing;
use crate::flags::values::AllowedFor;
use crate::identity::random_id;
use crate::log::warn;
use crate::session::{Call, Outcome, SessionCommand};

/// DEBUG subcommand [argument ...]
pub(super) const DEBUG: SessionCommand = plain(
    Spec {
        arity: -2,
        flags: ADMIN,
        scope: Scope::Debug,
        group: Group::Server,
        complexity: "Depends on subcommand.",
        summary: "A container for debugging commands.",
        syntax: "subcommand [argument [argument ...]]",
        ..Spec::new("debug")
    },
    debug,
);

type Run = fn(&mut Call<'_, '_>, &mut Reply<'_>) -> Result<(), CommandError>;

struct Subcommand {
    name: &'static str,
    /// Number of arguments, both names included; negative: at least so many.
    arity: i32,
    syntax: &'static str,
    summary: &'static str,
    run: Run,
}

const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "CHANGE-REPL-ID",
        arity: 2,
        syntax: "",
        summary: "Change the replication id.",
        run: |call, reply| {
            *call.shared.admin.replication_id() = random_id();
            reply.ok();
            Ok(())
        },
    },
    Subcommand {
        name: "CONFIG-REWRITE-FORCE-ALL",
        arity: 2,
        syntax: "",
        summary: "Rewrite the configuration file with a line for every flag.",
        run: |call, reply| {
            config::rewrite_conf(call.shared, Missing::All)?;
            reply.ok();
            Ok(())
        },
    },
    Subcommand {
        name: "DIGEST",
        arity: 2,
        syntax: "",
        summary: "Output a hex signature of the contents of all databases.",
        run: digest::all,
    },
    Subcommand {
        name: "DIGEST-VALUE",
        arity: -2,
        syntax: "<key> [<key> ...]",
        summary: "Output a hex signature of the values of all the specified keys.",
        run: digest::values,
    },
    Subcommand {
        name: "ERROR",
        arity: 3,
        syntax: "<string>",
        summary: "Return an error with <string> as message.",
        run: |call, _| {
            let text = String::from_utf8_lossy(call.args.at(2)).into_owned();
            Err(CommandError::Made(text))
        },
    },
    Subcommand {
        name: "HTSTATS",
        arity: 3,
        syntax: "<dbid>",
        summary: "Return statistics of the tables of a database.",
        run: table_stats,
    },
    Subcommand {
        name: "JMAP",
        arity: 2,
        syntax: "",
        summary: "Do nothing.",
        run: |_, reply| {
            reply.ok();
            Ok(())
        },
    },
    Subcommand {
        name: "LOADAOF",
        arity: 2,
        syntax: "",
        summary: "Empty all databases and load the append-only file again.",
        run: reload::load_aof,
    },
    Subcommand {
        name: "LOG",
        arity: 3,
        syntax: "<message>",
        summary: "Write <message> to the server log.",
        run: |call, reply| {
            let text = String::from_utf8_lossy(call.args.at(2));
            warn(&format!("DEBUG LOG: {text}"));
            reply.ok();
            Ok(())
        },
    },
    Subcommand {
        name: "OBJECT",
        arity: 3,
        syntax: "<key>",
        summary: "Show low-level info about a key and its value.",
        run: object::object,
    },
    Subcommand {
        name: "PANIC",
        arity: 2,
        syntax: "",
        summary: "Crash the server, as a fault in a command would.",
        run: |_, _| panic!("called by DEBUG PANIC"),
    },
    Subcommand {
        name: "PAUSE-CRON",
        arity: 3,
        syntax: "<0|1>",
        summary: "Stop periodic work.",
        run: |call, reply| {
            let pause = call.args.at(2) == b"1";
            call.shared
                .admin
                .cron_paused
                .store(pause, Ordering::Relaxed);
            reply.ok();
            Ok(())
        },
    },
    Subcommand {
        name: "SET-DISABLE-DENY-SCRIPTS",
        arity: 3,
        syntax: "<0|1>",
        summary: "Let scripts run what is not for scripts.",
        run: |call, reply| {
            let all = call.args.at(2) == b"1";
            let setting = &call.shared.admin.scripts_may_all;
            setting.store(all, Ordering::Relaxed);
            reply.ok();
            Ok(())
        },
    },
    Subcommand {
        name: "QUICKLIST-PACKED-THRESHOLD",
        arity: 3,
        syntax: "<size>",
        summary: "Do nothing: long elements are kept as others are.",
        run: |_, reply| {
            reply.ok();
            Ok(())
        },
    },
    Subcommand {
        name: "REPLYBUFFER",
        arity: 4,
        syntax: "<RESIZING|PEAK-RESET-TIME> <value>",
        summary: "Do nothing: a client has no buffer for replies but for those under way.",
        run: |_, reply| {
            reply.ok();
            Ok(())
        },
    },
    Subcommand {
        name: "POPULATE",
        arity: -3,
        syntax: "<count> [<prefix>] [<size>] [RAND]",
        summary: "Create <count> string keys named key:<num>, or <prefix>:<num>, whose values have \
                  <size> bytes: zeros after value:<num>, or random letters.",
        run: populate::populate,
    },
    Subcommand {
        name: "PROTOCOL",
        arity: 3,
        syntax: "<type>",
        summary: "Reply with a test value of the specified type: string, integer, double, bignum, \
                  null, array, set, map, attrib, push, verbatim, true, false.",
        run: protocol_types::protocol,
    },
    Subcommand {
        name: "RELOAD",
        arity: -2,
        syntax: "[<option> ...]",
        summary: "Write all data in the format of snapshots and read it back, in memory. With \
                  NOSAVE, load the last snapshot in the place of what there is; NOFLUSH MERGE \
                  keep what it doesn't have.",
        run: reload::reload,
    },
    Subcommand {
        name: "SET-ACTIVE-EXPIRE",
        arity: 3,
        syntax: "<0|1>",
        summary: "Turn the search for expired keys off, or on again.",
        run: |call, reply| switch(&call.shared.store.active_expire, call.args, reply),
    },
    Subcommand {
        name: "SET-SKIP-CHECKSUM-VALIDATION",
        arity: 3,
        syntax: "<0|1>",
        summary: "Let RESTORE take payloads whose checksum is wrong.",
        run: |call, reply| switch(&call.shared.store.skips_checksums, call.args, reply),
    },
    Subcommand {
        name: "SERVING-THREADS",
        arity: 3,
        syntax: "<count>",
        summary: "Have so many threads serve, whatever the load is; 0 to go by the load again.",
        run: |call, reply| {
            let count = usize::try_from(call.args.int(2)?).ok();
            let may_be = |&count: &usize| count <= call.shared.threads();
            let count = count.filter(may_be).ok_or(CommandError::NotInteger)?;
            if !call.shared.balance.moves() {
                return Err(CommandError::Text("ERR connections stay where they are"));
            }
            call.shared.balance.fix(count);
            reply.ok();
            Ok(())
        },
    },
    Subcommand {
        name: "SLEEP",
        arity: 3,
        syntax: "<seconds>",
        summary: "Stop the thread that serves this client for <seconds>. Decimals allowed.",
        run: sleep,
    },
];

fn debug(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let is_allowed = match call.thread.config.security.enable_debug_command {
        AllowedFor::Yes => true,
        AllowedFor::No => false,
        AllowedFor::Local => call.conn.info.socket.is_local(),
    };
    if !is_allowed {
        return Err(CommandError::Text(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \
             \"local\", you can run it from a local connection, otherwise you need to set this \
             option in the configuration file, and then restart the server.",
        ));
    }
    let args = call.args;
    if args.is(1, "help") {
        write_help(reply);
        return Ok(Outcome::Done);
    }
    let fits = |sub: &&Subcommand| {
        let argc = args.len() as i32;
        args.is(1, sub.name) && (argc == sub.arity || sub.arity < 0 && argc >= -sub.arity)
    };
    let Some(sub) = SUBCOMMANDS.iter().find(fits) else {
        let shown = String::from_utf8_lossy(&args[1]);
        return Err(CommandError::Made(format!(
            "ERR unknown subcommand or wrong number of arguments for '{shown}'. Try DEBUG HELP."
        )));
    };
    (sub.run)(call, reply)?;
    Ok(Outcome::Done)
}

fn write_help(reply: &mut Reply<'_>) {
    reply.array(SUBCOMMANDS.len() * 2 + 3);
    reply.simple("DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for sub in SUBCOMMANDS {
        reply.simple(format!("{} {}", sub.name, sub.syntax).trim_end());
        reply.simple(&format!("    {}", sub.summary));
    }
    reply.simple("HELP");
    reply.simple("    Prints this help.");
}

/// Sets what the argument says: 0 is off.
fn switch(setting: &AtomicBool, args: Args<'_>, reply: &mut Reply<'_>) -> Result<(), CommandError> {
    setting.store(args.int(2)? != 0, Ordering::Relaxed);
    reply.ok();
    Ok(())
}

fn sleep(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), CommandError> {
    let seconds = number::parse_f64(call.args.at(2)).ok_or(CommandError::NotFloat)?;
    let duration = Duration::try_from_secs_f64(seconds.max(0.0));
    thread::sleep(duration.map_err(|_| CommandError::NotFloat)?);
    reply.ok();
    Ok(())
}

fn table_stats(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), CommandError> {
    let store = &call.shared.store;
    let db = usize::try_from(call.args.int(2)?).ok();
    let Some(number) = db.filter(|&db| db < store.dbnum()) else {
        return Err(CommandError::Text("ERR Out of range database"));
    };
    let (mut keys, mut expires, mut room, mut segments, mut large) = (0, 0, 0, 0, 0);
    let mut tables = 0;
    for shard in 0..store.shard_count() {
        store.visit(shard, |data| {
            if let Some(db) = data.used_db(number) {
                tables += 1;
                keys += db.dict.len();
                expires += db.dict.expiring();
                room += db.dict.capacity();
                segments += db.dict.parts();
                large += db.dict.large_values();
            }
        });
    }
    let fill = 100.0 * keys as f64 / room.max(1) as f64;
    let mut text = format!("[Tables of database {number}]\n");
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        " tables: {tables} (one for each shard in use)\n segments: {segments}\n \
         room for keys: {room}\n keys: {keys} ({fill:.2}%)\n keys with an expiry: {expires}\n \
         values outside their record: {large}\n"
    );
    reply.verbatim("txt", text.as_bytes());
    Ok(())
}
