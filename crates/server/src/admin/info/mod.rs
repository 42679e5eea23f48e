//! INFO: the state of the server as text, in sections of `field:value` lines.

mod commands;
mod keyspace;
mod memory;
mod persistence;
mod server;
mod stats;

use std::fmt::{Display, Write};

use ::commands::spec::{Group, Scope};
use ::commands::{CommandError, Spec};
use protocol::Reply;

use super::{ANYTIME, plain};
use crate::session::{Call, Outcome, SessionCommand};

pub(super) use keyspace::count_keys;
pub(super) use memory::Usage;

/// INFO
pub(super) const INFO: SessionCommand = plain(
    Spec {
        arity: -1,
        flags: ANYTIME,
        scope: Scope::EachShard,
        group: Group::Server,
        categories: &["@dangerous"],
        summary: "Returns information and statistics about the server.",
        syntax: "[section [section ...]]",
        tips: &[
            "nondeterministic_output",
            "request_policy:all_shards",
            "response_policy:special",
        ],
        ..Spec::new("info")
    },
    info,
);

struct Section {
    name: &'static str,
    /// Shown when none is asked for.
    by_default: bool,
    write: fn(&Call<'_, '_>, &mut Text),
}

const SECTIONS: &[Section] = &[
    section("server", true, server::server),
    section("clients", true, server::clients),
    section("memory", true, memory::memory),
    section("persistence", true, persistence::persistence),
    section("stats", true, stats::stats),
    section("replication", true, server::replication),
    section("cpu", true, server::cpu),
    section("modules", true, server::modules),
    section("commandstats", false, commands::command_stats),
    section("errorstats", true, commands::error_stats),
    section("latencystats", false, commands::latency_stats),
    section("cluster", true, server::cluster),
    section("keyspace", true, keyspace::keyspace),
];

const fn section(
    name: &'static str,
    by_default: bool,
    write: fn(&Call<'_, '_>, &mut Text),
) -> Section {
    Section {
        name,
        by_default,
        write,
    }
}

/// The text of a reply.
#[derive(Debug, Default)]
struct Text(String);

impl Text {
    fn heading(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.push_str("\r\n");
        }
        let (first, rest) = name.split_at(1);
        let first = first.to_ascii_uppercase();
        self.write(format_args!("# {first}{rest}"));
    }

    fn field(&mut self, name: &str, value: impl Display) {
        self.write(format_args!("{name}:{value}"));
    }

    fn fields(&mut self, fields: &[(&str, &dyn Display)]) {
        for (name, value) in fields {
            self.field(name, value);
        }
    }

    /// Fields whose value is 0, since what they count isn't there.
    fn zeros(&mut self, names: &[&str]) {
        for name in names {
            self.field(name, 0);
        }
    }

    /// An amount of memory, then the same for people.
    fn bytes(&mut self, name: &str, bytes: u64) {
        self.field(name, bytes);
        self.field(&format!("{name}_human"), human(bytes));
    }

    fn write(&mut self, line: std::fmt::Arguments<'_>) {
        self.0
            .write_fmt(line)
            .expect("a string takes what it is given");
        self.0.push_str("\r\n");
    }
}

/// `894.88K`
fn human(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut amount = bytes as f64 / 1024.0;
    for unit in ["K", "M", "G", "T"] {
        if amount < 1024.0 {
            return format!("{amount:.2}{unit}");
        }
        amount /= 1024.0;
    }
    format!("{amount:.2}P")
}

/// A ratio of which the denominator may be 0.
pub(super) fn ratio(of: u64, to: u64) -> f64 {
    if to == 0 { 0.0 } else { of as f64 / to as f64 }
}

fn info(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = call.args;
    let is_wanted = |section: &Section| {
        let asked = || args.from(1);
        let is = |name: &'static str| move |arg: &[u8]| arg.eq_ignore_ascii_case(name.as_bytes());
        asked().any(is(section.name))
            || asked().any(is("all"))
            || asked().any(is("everything"))
            || section.by_default && (args.len() == 1 || asked().any(is("default")))
    };
    let mut text = Text::default();
    for section in SECTIONS.iter().filter(|section| is_wanted(section)) {
        text.heading(match section.name {
            "cpu" => "CPU",
            name => name,
        });
        (section.write)(call, &mut text);
    }
    reply.verbatim("txt", text.0.as_bytes());
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_for_people() {
        assert_eq!(human(0), "0B");
        assert_eq!(human(1023), "1023B");
        assert_eq!(human(916_352), "894.88K");
        assert_eq!(human(25_276_502_016), "23.54G");
    }

    #[test]
    fn sections_are_apart() {
        let mut text = Text::default();
        text.heading("server");
        text.field("a", 1);
        text.heading("CPU");
        text.zeros(&["b"]);
        assert_eq!(text.0, "# Server\r\na:1\r\n\r\n# CPU\r\nb:0\r\n");
    }
}
