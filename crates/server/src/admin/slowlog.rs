//! SLOWLOG: the last commands that took long.

use std::collections::VecDeque;

use commands::spec::{Group, flags};
use commands::{Args, Command, CommandError, Spec};
use protocol::{Reply, number};

use super::{ANYTIME, container, plain};
use crate::clients::ClientInfo;
use crate::secrets::{REDACTED, secret_args};
use crate::session::{Call, Outcome, SessionCommand, help};
use crate::table::Entry;

/// What all of them have in common.
const fn spec(name: &'static str, arity: i32) -> Spec {
    Spec {
        arity,
        flags: flags::ADMIN | ANYTIME,
        group: Group::Server,
        since: "2.2.12",
        ..Spec::new(name)
    }
}

/// SLOWLOG and its subcommands.
pub(super) const SLOWLOG: SessionCommand = Command {
    spec: Spec {
        flags: 0,
        container: true,
        complexity: "Depends on subcommand.",
        summary: "A container for slow log commands.",
        ..spec("slowlog", -2)
    },
    run: container,
    subcommands: &[
        plain(
            Spec {
                complexity: "O(N) where N is the number of entries returned",
                summary: "Returns the slow log's entries: id, time, duration, arguments, client.",
                syntax: "[count]",
                tips: &["request_policy:all_nodes", "nondeterministic_output"],
                ..spec("get", -2)
            },
            get,
        ),
        plain(
            Spec {
                flags: ANYTIME,
                since: "6.2.0",
                summary: "Shows helpful text about the different subcommands.",
                ..spec("help", 2)
            },
            help,
        ),
        plain(
            Spec {
                summary: "Returns the number of entries in the slow log.",
                tips: &[
                    "request_policy:all_nodes",
                    "response_policy:agg_sum",
                    "nondeterministic_output",
                ],
                ..spec("len", 2)
            },
            |call, reply| {
                reply.int(call.shared.admin.slowlog().entries.len() as i64);
                Ok(Outcome::Done)
            },
        ),
        plain(
            Spec {
                complexity: "O(N) where N is the number of entries in the slowlog",
                summary: "Clears all entries from the slow log.",
                tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
                ..spec("reset", 2)
            },
            |call, reply| {
                call.shared.admin.slowlog().entries.clear();
                reply.ok();
                Ok(Outcome::Done)
            },
        ),
    ],
};

/// Arguments kept of a command, and bytes of each: an entry must not hold a huge value.
const MAX_ARGS: usize = 32;
const MAX_ARG_BYTES: usize = 128;

/// Entries that GET shows when not told how many.
const DEFAULT_COUNT: usize = 10;

/// A command that took long.
#[derive(Debug)]
pub(crate) struct Slow {
    id: u64,
    pub(crate) unix_seconds: u64,
    pub(crate) us: u64,
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) addr: String,
    client_name: String,
}

/// The last commands that took long, the latest first.
#[derive(Debug, Default)]
pub struct Slowlog {
    entries: VecDeque<Slow>,
    next_id: u64,
}

impl Slowlog {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The last so many.
    pub(crate) fn latest(&self, count: usize) -> impl Iterator<Item = &Slow> {
        self.entries.iter().take(count)
    }

    /// Adds a command; at most `max_len` stay.
    pub(super) fn add(
        &mut self,
        (unix_seconds, us): (u64, u64),
        (entry, args): (&Entry, Args<'_>),
        client: &ClientInfo,
        max_len: usize,
    ) {
        let slow = Slow {
            id: self.next_id,
            unix_seconds,
            us,
            args: shortened(entry, args),
            addr: client.socket.addr.clone(),
            client_name: client.text().name.clone(),
        };
        self.next_id += 1;
        self.entries.push_front(slow);
        self.entries.truncate(max_len);
    }
}

/// What is kept of a command's arguments.
fn shortened(entry: &Entry, args: Args<'_>) -> Vec<Vec<u8>> {
    let secrets = secret_args(entry, args);
    let all = args.len();
    let kept = if all > MAX_ARGS { MAX_ARGS - 1 } else { all };
    let mut shown: Vec<Vec<u8>> = args
        .iter()
        .take(kept)
        .enumerate()
        .map(|(at, arg)| match arg.get(MAX_ARG_BYTES..) {
            _ if secrets.contains(&at) => REDACTED.to_vec(),
            Some(rest) if !rest.is_empty() => {
                let note = format!("... ({} more bytes)", rest.len());
                [&arg[..MAX_ARG_BYTES], note.as_bytes()].concat()
            }
            _ => arg.to_vec(),
        })
        .collect();
    if kept < all {
        shown.push(format!("... ({} more arguments)", all - kept).into_bytes());
    }
    shown
}

fn get(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    const WRONG: CommandError =
        CommandError::Text("ERR count should be greater than or equal to -1");
    let count = match (call.args.len(), call.args.get(2)) {
        (_, None) => DEFAULT_COUNT,
        (3, Some(count)) => match number::parse_i64(count) {
            Some(-1) => usize::MAX,
            Some(count) => usize::try_from(count).map_err(|_| WRONG)?,
            None => return Err(WRONG),
        },
        _ => return Err(CommandError::wrong_arity(&call.entry.full_name)),
    };
    let log = call.shared.admin.slowlog();
    reply.array(count.min(log.entries.len()));
    for slow in log.entries.iter().take(count) {
        reply.array(6);
        reply.int(slow.id as i64);
        reply.int(slow.unix_seconds as i64);
        reply.int(slow.us as i64);
        reply.array(slow.args.len());
        for arg in &slow.args {
            reply.bulk(arg);
        }
        reply.bulk(slow.addr.as_bytes());
        reply.bulk(slow.client_name.as_bytes());
    }
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use commands::OwnedArgs;

    use super::*;
    use crate::clients::SocketDescription;
    use crate::table::Table;

    fn shown(line: &str) -> Vec<String> {
        let table = Table::new();
        let args = OwnedArgs::new(line.split(' '));
        let args = args.borrow();
        let entry = table.find(args.at(0)).unwrap();
        let entry = args.get(1).and_then(|sub| entry.subcommand(sub));
        let entry = entry.unwrap_or_else(|| table.find(args.at(0)).unwrap());
        let shown = shortened(entry, args).into_iter();
        shown.map(|arg| String::from_utf8(arg).unwrap()).collect()
    }

    #[test]
    fn long_commands_are_shortened_and_secrets_kept() {
        let many = format!("del {}", vec!["k"; 40].join(" "));
        let many = shown(&many);
        assert_eq!(many.len(), MAX_ARGS);
        assert_eq!(many[MAX_ARGS - 1], "... (10 more arguments)");
        assert_eq!(shown(&vec!["del"; MAX_ARGS].join(" ")).len(), MAX_ARGS);
        let long = shown(&format!("get {}", "A".repeat(129)));
        assert_eq!(long[1], format!("{}... (1 more bytes)", "A".repeat(128)));
        assert_eq!(
            shown(&format!("get {}", "A".repeat(128)))[1],
            "A".repeat(128)
        );
        let secret = shown("config set masterauth secret");
        assert_eq!(secret[3], "(redacted)");
    }

    #[test]
    fn only_the_latest_stay() {
        let table = Table::new();
        let entry = table.find(b"ping").unwrap();
        let args = OwnedArgs::new(["ping"]);
        let client = ClientInfo::new(1, SocketDescription::default(), (0, 0), 0);
        let mut log = Slowlog::default();
        for us in 0..5 {
            log.add((7, us), (entry, args.borrow()), &client, 3);
        }
        let ids: Vec<u64> = log.entries.iter().map(|slow| slow.id).collect();
        assert_eq!(ids, [4, 3, 2]);
    }
}
