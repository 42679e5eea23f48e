//! COMMAND DOCS: summary, group and arguments of commands.

use commands::syntax::{self, Argument, Kind};
use commands::{CommandError, Spec};
use protocol::Reply;

use super::command::find;
use crate::session::{Call, Outcome};
use crate::table::Entry;

/// COMMAND DOCS
pub(super) fn docs(
    call: &mut Call<'_, '_>,
    reply: &mut Reply<'_>,
) -> Result<Outcome, CommandError> {
    let table = &call.shared.table;
    let shown: Vec<&Entry> = if call.args.len() == 2 {
        table.entries().iter().collect()
    } else {
        // Names that no command has are passed over.
        call.args
            .from(2)
            .filter_map(|name| find(table, name))
            .collect()
    };
    write_all(&shown, reply);
    Ok(Outcome::Done)
}

fn write_all(entries: &[&Entry], reply: &mut Reply<'_>) {
    reply.map(entries.len());
    for entry in entries {
        reply.bulk(entry.full_name.as_bytes());
        write_one(entry, reply);
    }
}

fn write_one(entry: &Entry, reply: &mut Reply<'_>) {
    let Spec {
        summary,
        since,
        group,
        complexity,
        syntax,
        keys,
        ..
    } = entry.spec;
    let texts = [
        ("summary", summary),
        ("since", since),
        ("group", group.name()),
        ("complexity", complexity),
    ];
    let mark = reply.begin_array();
    let mut pairs = 0;
    for (name, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
        pairs += 1;
    }
    let arguments = syntax::parse(syntax);
    if !arguments.is_empty() {
        reply.bulk(b"arguments");
        let mut keys = Keys {
            seen: 0,
            specs: keys.len(),
        };
        write_arguments(&arguments, &mut keys, reply);
        pairs += 1;
    }
    if !entry.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        write_all(&entry.subcommands.iter().collect::<Vec<_>>(), reply);
        pairs += 1;
    }
    reply.end_map(mark, pairs);
}

/// Which key specification an argument belongs to: the first key to the first, and so on.
struct Keys {
    seen: usize,
    specs: usize,
}

fn write_arguments(arguments: &[Argument], keys: &mut Keys, reply: &mut Reply<'_>) {
    reply.array(arguments.len());
    for argument in arguments {
        write_argument(argument, keys, reply);
    }
}

fn write_argument(argument: &Argument, keys: &mut Keys, reply: &mut Reply<'_>) {
    let is_group = matches!(argument.kind, Kind::OneOf | Kind::Block);
    let mark = reply.begin_array();
    let mut pairs = 2;
    reply.bulk(b"name");
    reply.bulk(argument.name.as_bytes());
    reply.bulk(b"type");
    reply.bulk(argument.kind.name().as_bytes());
    if !is_group {
        reply.bulk(b"display_text");
        reply.bulk(argument.name.as_bytes());
        pairs += 1;
    }
    if argument.kind == Kind::Key && keys.specs > 0 {
        reply.bulk(b"key_spec_index");
        reply.int(keys.seen.min(keys.specs - 1) as i64);
        keys.seen += 1;
        pairs += 1;
    }
    if let Some(token) = argument.token {
        reply.bulk(b"token");
        reply.bulk(token.as_bytes());
        pairs += 1;
    }
    let flags = [
        (argument.optional, "optional"),
        (argument.multiple, "multiple"),
        (argument.multiple_token, "multiple_token"),
    ];
    let set = || flags.iter().filter(|(set, _)| *set);
    if set().count() > 0 {
        reply.bulk(b"flags");
        reply.set(set().count());
        for (_, name) in set() {
            reply.simple(name);
        }
        pairs += 1;
    }
    if is_group {
        reply.bulk(b"arguments");
        write_arguments(&argument.arguments, keys, reply);
        pairs += 1;
    }
    reply.end_map(mark, pairs);
}
