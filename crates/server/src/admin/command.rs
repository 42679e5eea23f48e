//! COMMAND: what commands there are, told from their declarations.

use commands::keys::{self, Begin, Find, KeySpec, access};
use commands::spec::{Group, flags};
use commands::{Args, Command, CommandError, OwnedArgs, Spec};
use protocol::Reply;

use super::docs::docs;
use super::{ANYTIME, plain};
use crate::session::{Call, Outcome, SessionCommand, help};
use crate::table::{Entry, Table};

/// What all of them have in common.
const fn spec(name: &'static str, arity: i32) -> Spec {
    Spec {
        arity,
        flags: ANYTIME,
        group: Group::Server,
        categories: &["@connection"],
        since: "2.8.13",
        ..Spec::new(name)
    }
}

/// COMMAND and its subcommands.
pub(super) const COMMAND: SessionCommand = Command {
    spec: Spec {
        complexity: "O(N) where N is the total number of commands",
        summary: "Returns detailed information about all commands.",
        tips: &["nondeterministic_output_order"],
        ..spec("command", -1)
    },
    run: info,
    subcommands: &[
        plain(
            Spec {
                summary: "Returns a count of commands.",
                ..spec("count", 2)
            },
            count,
        ),
        plain(
            Spec {
                complexity: "O(N) where N is the number of commands to look up",
                since: "7.0.0",
                summary: "Returns documentary information about one, multiple or all commands.",
                syntax: "[command-name [command-name ...]]",
                tips: &["nondeterministic_output_order"],
                ..spec("docs", -2)
            },
            docs,
        ),
        plain(
            Spec {
                complexity: "O(N) where N is the number of arguments to the command",
                summary: "Extracts the key names from an arbitrary command.",
                syntax: "command [arg [arg ...]]",
                ..spec("getkeys", -3)
            },
            get_keys,
        ),
        plain(
            Spec {
                complexity: "O(N) where N is the number of arguments to the command",
                since: "7.0.0",
                summary: "Extracts the key names and access flags for an arbitrary command.",
                syntax: "command [arg [arg ...]]",
                ..spec("getkeysandflags", -3)
            },
            get_keys_and_flags,
        ),
        plain(
            Spec {
                since: "5.0.0",
                summary: "Returns helpful text about the different subcommands.",
                ..spec("help", 2)
            },
            help,
        ),
        plain(
            Spec {
                complexity: "O(N) where N is the number of commands to look up",
                summary: "Returns information about one, multiple or all commands.",
                syntax: "[command-name [command-name ...]]",
                tips: &["nondeterministic_output_order"],
                ..spec("info", -2)
            },
            info,
        ),
        plain(
            Spec {
                complexity: "O(N) where N is the total number of commands",
                since: "7.0.0",
                summary: "Returns a list of command names.",
                syntax: "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
                tips: &["nondeterministic_output_order"],
                ..spec("list", -2)
            },
            list,
        ),
    ],
};

/// The command of this name, `config` or `config|get`.
pub(super) fn find<'t>(table: &'t Table, name: &[u8]) -> Option<&'t Entry> {
    match name.iter().position(|&byte| byte == b'|') {
        Some(bar) => table.find(&name[..bar])?.subcommand(&name[bar + 1..]),
        None => table.find(name),
    }
}

fn count(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    reply.int(call.shared.table.entries().len() as i64);
    Ok(Outcome::Done)
}

fn list(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = call.args;
    let filter: &dyn Fn(&Entry) -> bool = match args.len() {
        2 => &|_| true,
        5 if args.is(2, "filterby") => {
            if args.is(3, "module") {
                &|_| false
            } else if args.is(3, "aclcat") {
                &|entry| has_category(entry, args.at(4))
            } else if args.is(3, "pattern") {
                &|entry| protocol::glob::matches(args.at(4), entry.full_name.as_bytes(), true)
            } else {
                return Err(CommandError::Syntax);
            }
        }
        _ => return Err(CommandError::Syntax),
    };
    let shown = call.shared.table.all().filter(|entry| filter(entry));
    let names: Vec<&str> = shown.map(|entry| &*entry.full_name).collect();
    reply.array(names.len());
    for name in names {
        reply.bulk(name.as_bytes());
    }
    Ok(Outcome::Done)
}

fn has_category(entry: &Entry, category: &[u8]) -> bool {
    let categories = entry.spec.all_categories();
    let is_it = |name: &&str| name.as_bytes()[1..].eq_ignore_ascii_case(category);
    categories.iter().any(is_it)
}

fn info(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let table = &call.shared.table;
    if call.args.len() <= 2 {
        reply.array(table.entries().len());
        for entry in table.entries() {
            write_info(entry, reply);
        }
        return Ok(Outcome::Done);
    }
    reply.array(call.args.len() - 2);
    for name in call.args.from(2) {
        match find(table, name) {
            Some(entry) => write_info(entry, reply),
            None => reply.null(),
        }
    }
    Ok(Outcome::Done)
}

fn write_info(entry: &Entry, reply: &mut Reply<'_>) {
    let spec = &entry.spec;
    reply.array(10);
    reply.bulk(entry.full_name.as_bytes());
    reply.int(i64::from(spec.arity));
    write_flags(spec.flags, flags::NAMES, reply);
    let (first, last, step) = keys::legacy_range(spec);
    for number in [first, last, step] {
        reply.int(number);
    }
    let categories = spec.all_categories();
    reply.set(categories.len());
    for category in categories {
        reply.simple(category);
    }
    reply.set(spec.tips.len());
    for tip in spec.tips {
        reply.bulk(tip.as_bytes());
    }
    reply.set(spec.keys.len());
    for key in spec.keys {
        write_key_spec(key, reply);
    }
    if entry.subcommands.is_empty() {
        return reply.set(0);
    }
    reply.array(entry.subcommands.len());
    for subcommand in &entry.subcommands {
        write_info(subcommand, reply);
    }
}

fn write_flags(bits: u32, names: &[(u32, &str)], reply: &mut Reply<'_>) {
    let set = || names.iter().filter(|(bit, _)| bits & bit != 0);
    reply.set(set().count());
    for (_, name) in set() {
        reply.simple(name);
    }
}

fn write_key_spec(key: &KeySpec, reply: &mut Reply<'_>) {
    reply.map(3);
    reply.bulk(b"flags");
    write_flags(key.access, access::NAMES, reply);
    reply.bulk(b"begin_search");
    match key.begin {
        Begin::Index(index) => write_search("index", &[("index", index as i64)], reply),
        Begin::Keyword(word, from) => {
            write_search_header("keyword", 2, reply);
            reply.bulk(b"keyword");
            reply.bulk(word.as_bytes());
            reply.bulk(b"startfrom");
            reply.int(i64::from(from));
        }
    }
    reply.bulk(b"find_keys");
    match key.find {
        Find::Range { last, step, limit } => {
            let parts = [
                ("lastkey", i64::from(last)),
                ("keystep", step as i64),
                ("limit", i64::from(limit)),
            ];
            write_search("range", &parts, reply);
        }
        Find::KeyNum {
            number,
            first,
            step,
        } => {
            let parts = [
                ("keynumidx", number as i64),
                ("firstkey", first as i64),
                ("keystep", step as i64),
            ];
            write_search("keynum", &parts, reply);
        }
    }
}

fn write_search(kind: &str, parts: &[(&str, i64)], reply: &mut Reply<'_>) {
    write_search_header(kind, parts.len(), reply);
    for (name, value) in parts {
        reply.bulk(name.as_bytes());
        reply.int(*value);
    }
}

fn write_search_header(kind: &str, parts: usize, reply: &mut Reply<'_>) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(parts);
}

fn get_keys(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = OwnedArgs::new(call.args.from(2));
    let found = keys_of(&call.shared.table, args.borrow())?;
    reply.array(found.len());
    for (at, _) in found {
        reply.bulk(args.borrow().at(at));
    }
    Ok(Outcome::Done)
}

fn get_keys_and_flags(
    call: &mut Call<'_, '_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, CommandError> {
    let args = OwnedArgs::new(call.args.from(2));
    let found = keys_of(&call.shared.table, args.borrow())?;
    reply.array(found.len());
    for (at, access) in found {
        reply.array(2);
        reply.bulk(args.borrow().at(at));
        write_flags(access, access::NAMES, reply);
    }
    Ok(Outcome::Done)
}

/// Where the keys of a command are, and what it does with them.
fn keys_of(table: &Table, args: Args<'_>) -> Result<Vec<(usize, u32)>, CommandError> {
    let entry = table.find(args.at(0)).and_then(|entry| {
        if entry.subcommands.is_empty() {
            return Some(entry);
        }
        args.get(1).and_then(|name| entry.subcommand(name))
    });
    let Some(entry) = entry else {
        return Err(CommandError::Text("ERR Invalid command specified"));
    };
    let is_key = |key: &&KeySpec| key.access & access::NOT_KEY == 0;
    let specs = entry.spec.keys.iter().filter(is_key);
    if specs.clone().next().is_none() {
        return Err(CommandError::Text("ERR The command has no key arguments"));
    }
    if !entry.spec.accepts(args.len()) {
        return Err(CommandError::Text(
            "ERR Invalid number of arguments specified for command",
        ));
    }
    let found: Vec<(usize, u32)> = specs
        .flat_map(|key| {
            let access = access_of(entry, key, args);
            let positions = keys::positions_of(key, args);
            positions.into_iter().map(move |at| (at, access))
        })
        .collect();
    if found.is_empty() && !entry.spec.has(flags::NO_MANDATORY_KEYS) {
        return Err(CommandError::Text(
            "ERR Invalid arguments specified for command",
        ));
    }
    Ok(found)
}

/// What is done with keys where that depends on other arguments.
fn access_of(entry: &Entry, key: &KeySpec, args: Args<'_>) -> u32 {
    if key.access & access::VARIABLE_FLAGS == 0 {
        return key.access;
    }
    let has = |word: &str| (2..args.len()).any(|at| args.is(at, word));
    match entry.spec.name {
        "set" if !has("get") => access::OW | access::UPDATE,
        "bitfield" if !has("set") && !has("incrby") => access::RO | access::ACCESS,
        _ => key.access & !access::VARIABLE_FLAGS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys_in(line: &str) -> Result<Vec<usize>, CommandError> {
        let args = OwnedArgs::new(line.split(' '));
        let found = keys_of(&Table::new(), args.borrow())?;
        Ok(found.into_iter().map(|(at, _)| at).collect())
    }

    #[test]
    fn keys_of_commands_or_why_there_are_none() {
        assert_eq!(keys_in("GET a"), Ok(vec![1]));
        assert_eq!(keys_in("watch a b"), Ok(vec![1, 2]));
        let error = |line| keys_in(line).unwrap_err().text().into_owned();
        assert_eq!(error("nonsense a"), "ERR Invalid command specified");
        assert_eq!(error("command nonsense"), "ERR Invalid command specified");
        assert_eq!(
            error("command count"),
            "ERR The command has no key arguments"
        );
        assert_eq!(
            error("get"),
            "ERR Invalid number of arguments specified for command"
        );
    }

    #[test]
    fn names_of_subcommands_have_a_bar() {
        let table = Table::new();
        let name = |text: &str| find(&table, text.as_bytes()).map(|entry| &*entry.full_name);
        assert_eq!(name("COMMAND|Docs"), Some("command|docs"));
        assert_eq!(name("command"), Some("command"));
        assert_eq!(name("command|nonsense"), None);
        assert_eq!(name("get|x"), None);
    }
}
