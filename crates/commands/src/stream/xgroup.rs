//! XGROUP: makes, changes and removes consumer groups and their consumers.

use data::types::Stream;
use data::types::stream::{Group as ConsumerGroup, Id};
use protocol::{Reply, number};
use store::{Found, Txn};

use super::group::no_such_group;
use super::id;
use crate::help;
use crate::keys::{access, range};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const HELP: &[&str] = &[
    "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a new consumer group. Options are:",
    "    * MKSTREAM",
    "      Create the empty stream if it does not exist.",
    "    * ENTRIESREAD entries_read",
    "      Set the group's entries_read counter (internal use).",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a new consumer in the specified group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove the specified consumer.",
    "DESTROY <key> <groupname>",
    "    Remove the specified group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set the current group ID and entries_read counter.",
    "HELP",
    "    Prints this help.",
];

/// XGROUP subcommand [argument ...]
pub(super) const XGROUP: DataCommand = Command {
    spec: Spec {
        arity: -2,
        group: Group::Stream,
        container: true,
        since: "5.0.0",
        complexity: "Depends on subcommand.",
        summary: "Makes and changes consumer groups.",
        syntax: "subcommand [argument ...]",
        ..Spec::new("xgroup")
    },
    run: |_, args, _| Err(CommandError::unknown_subcommand("XGROUP", args.at(1))),
    subcommands: &[
        CREATE,
        SETID,
        DESTROY,
        CREATECONSUMER,
        DELCONSUMER,
        SHOW_HELP,
    ],
};

/// XGROUP CREATE key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]
const CREATE: DataCommand = Command {
    spec: Spec {
        arity: -5,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[range(2, 0, 1, access::RW | access::INSERT)],
        group: Group::Stream,
        since: "5.0.0",
        summary: "Makes a consumer group.",
        syntax: "key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]",
        ..Spec::new("create")
    },
    run: create,
    subcommands: &[],
};

/// XGROUP SETID key group <id | $> [ENTRIESREAD entries-read]
const SETID: DataCommand = Command {
    spec: Spec {
        arity: -5,
        flags: flags::WRITE,
        keys: &[range(2, 0, 1, access::RW | access::UPDATE)],
        group: Group::Stream,
        since: "5.0.0",
        summary: "Sets how far a consumer group has read.",
        syntax: "key group <id | $> [ENTRIESREAD entries-read]",
        ..Spec::new("setid")
    },
    run: set_id,
    subcommands: &[],
};

/// XGROUP DESTROY key group
const DESTROY: DataCommand = Command {
    spec: Spec {
        arity: 4,
        flags: flags::WRITE,
        keys: &[range(2, 0, 1, access::RW | access::DELETE)],
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(N) where N is the number of entries in the group's pending entries list \
                     (PEL).",
        summary: "Removes a consumer group.",
        syntax: "key group",
        ..Spec::new("destroy")
    },
    run: destroy,
    subcommands: &[],
};

/// XGROUP CREATECONSUMER key group consumer
const CREATECONSUMER: DataCommand = Command {
    spec: Spec {
        arity: 5,
        since: "6.2.0",
        summary: "Adds a consumer to a group.",
        syntax: "key group consumer",
        name: "createconsumer",
        ..CREATE.spec
    },
    run: create_consumer,
    subcommands: &[],
};

/// XGROUP DELCONSUMER key group consumer
const DELCONSUMER: DataCommand = Command {
    spec: Spec {
        arity: 5,
        complexity: "O(1)",
        summary: "Removes a consumer from a group, with what it hasn't acknowledged.",
        syntax: "key group consumer",
        name: "delconsumer",
        ..DESTROY.spec
    },
    run: delete_consumer,
    subcommands: &[],
};

/// XGROUP HELP
const SHOW_HELP: DataCommand = Command {
    spec: help::spec(Group::Stream, "5.0.0"),
    run: |_, _, reply| help::show(HELP, reply),
    subcommands: &[],
};

const NO_KEY: CommandError = CommandError::Text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use \
     the MKSTREAM option to create an empty stream automatically.",
);

/// The options of CREATE and SETID.
#[derive(Default)]
struct Options {
    mkstream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn parse(args: Args<'_>, may_make: bool) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut at = 5;
        while at < args.len() {
            if may_make && args.is(at, "MKSTREAM") {
                options.mkstream = true;
                at += 1;
            } else if args.is(at, "ENTRIESREAD") && at + 1 < args.len() {
                options.entries_read = entries_read(args.at(at + 1))?;
                at += 2;
            } else {
                let name = String::from_utf8_lossy(args.at(1));
                return Err(CommandError::Made(format!(
                    "ERR unknown subcommand or wrong number of arguments for '{name}'. Try XGROUP \
                     HELP."
                )));
            }
        }
        Ok(options)
    }
}

fn entries_read(text: &[u8]) -> Result<Option<u64>, CommandError> {
    match number::parse_i64(text).ok_or(CommandError::NotInteger)? {
        -1 => Ok(None),
        read => u64::try_from(read)
            .map(Some)
            .map_err(|_| CommandError::Text("ERR value for ENTRIESREAD must be positive or -1")),
    }
}

fn create(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, name) = (args.at(2), args.at(3));
    let options = Options::parse(args, true)?;
    let found = txn.find(key);
    let (last, is_new) = match found {
        Some(found) => {
            let stream = txn.view::<Box<Stream>>(found)?;
            (stream.last_id, !stream.groups.contains_key(name))
        }
        None if options.mkstream => (Id::MIN, true),
        None => return Err(NO_KEY),
    };
    let id = match args.at(4) {
        b"$" => last,
        text => id::id(text)?,
    };
    if !is_new {
        return Err(CommandError::Text(
            "BUSYGROUP Consumer Group name already exists",
        ));
    }
    txn.edit(key, found, |stream: &mut Box<Stream>| {
        let group = ConsumerGroup::new(id, options.entries_read);
        stream.groups.insert(name.into(), group);
    })?;
    txn.changed(key, "xgroup-create");
    reply.ok();
    Ok(())
}

/// The key, which has to hold a stream.
fn find(txn: &mut Txn<'_>, key: &[u8]) -> Result<Found, CommandError> {
    let found = txn.find(key).ok_or(NO_KEY)?;
    txn.view::<Box<Stream>>(found)?;
    Ok(found)
}

/// Changes a group, which has to be there.
fn edit<R>(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    edit: impl FnOnce(&Stream, &mut ConsumerGroup) -> Result<R, CommandError>,
) -> Result<R, CommandError> {
    let (key, name) = (args.at(2), args.at(3));
    let found = find(txn, key)?;
    txn.edit(key, Some(found), |stream: &mut Box<Stream>| {
        stream.edit_group(name, edit)
    })?
    .ok_or_else(|| no_such_group(key, name))?
}

fn set_id(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(args, false)?;
    edit(txn, args, |stream, group| {
        group.last_id = match args.at(4) {
            b"$" => stream.last_id,
            text => id::bound(text, 0)?,
        };
        group.entries_read = options.entries_read;
        Ok(())
    })?;
    txn.changed(args.at(2), "xgroup-setid");
    reply.ok();
    Ok(())
}

fn destroy(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, name) = (args.at(2), args.at(3));
    let found = find(txn, key)?;
    let destroyed = txn.edit(key, Some(found), |stream: &mut Box<Stream>| {
        stream.groups.remove(name).is_some()
    })?;
    if destroyed {
        txn.changed(key, "xgroup-destroy");
    }
    reply.int(i64::from(destroyed));
    Ok(())
}

fn create_consumer(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (name, now_ms) = (args.at(4), txn.now_ms);
    let added = edit(txn, args, |_, group| {
        let is_new = group.find_consumer(name).is_none();
        if is_new {
            group.add_consumer(name, now_ms);
        }
        Ok(is_new)
    })?;
    if added {
        txn.changed(args.at(2), "xgroup-createconsumer");
    }
    reply.int(i64::from(added));
    Ok(())
}

fn delete_consumer(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let pending = edit(txn, args, |_, group| Ok(group.delete_consumer(args.at(4))))?;
    if pending.is_some() {
        txn.changed(args.at(2), "xgroup-delconsumer");
    }
    reply.int(pending.unwrap_or(0) as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    const OK: &str = "+OK\r\n";

    #[test]
    fn groups_come_and_go() {
        let no_key = "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE \
                      you may want to use the MKSTREAM option to create an empty stream \
                      automatically.\r\n";
        Fixture::new().check(&[
            ("XGROUP CREATE a g $", no_key),
            ("XGROUP DESTROY a g", no_key),
            ("XGROUP CREATE a g $ MKSTREAM", OK),
            ("TYPE a", "+stream\r\n"),
            (
                "XGROUP CREATE a g 0",
                "-BUSYGROUP Consumer Group name already exists\r\n",
            ),
            ("XGROUP CREATE a h 5-1 ENTRIESREAD 7", OK),
            (
                "XGROUP CREATE a i 0 ENTRIESREAD -2",
                "-ERR value for ENTRIESREAD must be positive or -1\r\n",
            ),
            (
                "XGROUP CREATE a i 0 FOO",
                "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP \
                 HELP.\r\n",
            ),
            ("XGROUP SETID a h $ ENTRIESREAD -1", OK),
            ("XGROUP SETID a h -", OK),
            (
                "XGROUP SETID a nope 0",
                "-NOGROUP No such consumer group 'nope' for key name 'a'\r\n",
            ),
            ("XGROUP DESTROY a g", ":1\r\n"),
            ("XGROUP DESTROY a g", ":0\r\n"),
        ]);
    }

    #[test]
    fn consumers_come_and_go() {
        Fixture::new().check(&[
            ("XADD a 1 f v", "$3\r\n1-0\r\n"),
            ("XGROUP CREATE a g 0", OK),
            ("XGROUP CREATECONSUMER a g c", ":1\r\n"),
            ("XGROUP CREATECONSUMER a g c", ":0\r\n"),
            (
                "XREADGROUP GROUP g c STREAMS a >",
                "*1\r\n*2\r\n$1\r\na\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
            ),
            ("XGROUP DELCONSUMER a g c", ":1\r\n"),
            ("XGROUP DELCONSUMER a g c", ":0\r\n"),
            ("XPENDING a g", "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n"),
        ]);
    }

    #[test]
    fn subcommands_are_told() {
        let help = Fixture::new().run("XGROUP HELP");
        assert!(help.starts_with("*17\r\n+XGROUP <subcommand>"));
    }
}
