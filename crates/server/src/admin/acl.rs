//! ACL, as far as there is one: a single user, `default`, who may do everything.

use commands::spec::{Group, flags};
use commands::{Command, CommandError, Spec};
use protocol::Reply;
use sha2::{Digest, Sha256};

use super::{ADMIN, ANYTIME, container, hex, plain};
use crate::session::{Call, DEFAULT_USER, Outcome, SessionCommand, help};
use crate::table::Entry;

/// What all of them have in common.
const fn spec(name: &'static str, arity: i32) -> Spec {
    Spec {
        arity,
        flags: ADMIN,
        group: Group::Server,
        since: "6.0.0",
        ..Spec::new(name)
    }
}

const FOR_ANYONE: u32 = flags::NOSCRIPT | flags::LOADING | flags::STALE;

/// ACL and its subcommands.
pub(super) const ACL: SessionCommand = Command {
    spec: Spec {
        flags: 0,
        container: true,
        complexity: "Depends on subcommand.",
        summary: "A container for Access List Control commands.",
        ..spec("acl", -2)
    },
    run: container,
    subcommands: &[CAT, GETUSER, HELP, LIST, USERS, WHOAMI],
};

const CAT: SessionCommand = plain(
    Spec {
        flags: FOR_ANYONE,
        complexity: "O(1) since the categories and commands are a fixed set.",
        summary: "Lists the ACL categories, or the commands inside a category.",
        syntax: "[category]",
        ..spec("cat", -2)
    },
    cat,
);

const GETUSER: SessionCommand = plain(
    Spec {
        complexity: "O(N). Where N is the number of password, command and pattern rules that the \
                     user has.",
        summary: "Lists the ACL rules of a user.",
        syntax: "username",
        ..spec("getuser", 3)
    },
    get_user,
);

const HELP: SessionCommand = plain(
    Spec {
        flags: ANYTIME,
        summary: "Returns helpful text about the different subcommands.",
        ..spec("help", 2)
    },
    help,
);

const LIST: SessionCommand = plain(
    Spec {
        complexity: "O(N). Where N is the number of configured users.",
        summary: "Dumps the effective rules in ACL file format.",
        ..spec("list", 2)
    },
    |call, reply| {
        let password = match password_hash(call) {
            Some(hash) => format!("#{hash}"),
            None => "nopass".to_owned(),
        };
        reply.array(1);
        reply.bulk(format!("user {DEFAULT_USER} on {password} ~* &* +@all").as_bytes());
        Ok(Outcome::Done)
    },
);

const USERS: SessionCommand = plain(
    Spec {
        complexity: "O(N). Where N is the number of configured users.",
        summary: "Lists all ACL users.",
        ..spec("users", 2)
    },
    |_, reply| {
        reply.array(1);
        reply.bulk(DEFAULT_USER.as_bytes());
        Ok(Outcome::Done)
    },
);

const WHOAMI: SessionCommand = plain(
    Spec {
        flags: FOR_ANYONE,
        summary: "Returns the authenticated username of the current connection.",
        ..spec("whoami", 2)
    },
    |_, reply| {
        reply.bulk(DEFAULT_USER.as_bytes());
        Ok(Outcome::Done)
    },
);

/// All categories, in Redis's order.
const CATEGORIES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

fn cat(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let names: Vec<&str> = match (call.args.len(), call.args.get(2)) {
        (2, _) => CATEGORIES.to_vec(),
        (3, Some(asked)) => {
            let category = known_category(asked)?;
            let is_in = |entry: &&Entry| entry.spec.all_categories().contains(&&*category);
            let all = call.shared.table.all().filter(is_in);
            all.map(|entry| &*entry.full_name).collect()
        }
        _ => return Err(CommandError::wrong_arity(&call.entry.full_name)),
    };
    reply.array(names.len());
    for name in names {
        reply.bulk(name.as_bytes());
    }
    Ok(Outcome::Done)
}

/// The category with its `@`.
fn known_category(asked: &[u8]) -> Result<String, CommandError> {
    let is_it = |name: &&&str| name.as_bytes().eq_ignore_ascii_case(asked);
    let Some(name) = CATEGORIES.iter().find(is_it) else {
        let asked = String::from_utf8_lossy(asked);
        let text = format!("ERR Unknown category '{asked}'");
        return Err(CommandError::Made(text));
    };
    Ok(format!("@{name}"))
}

/// The SHA-256 of the user's password, if there is one.
fn password_hash(call: &Call<'_, '_>) -> Option<String> {
    let config = call.shared.config();
    let password = &config.security.requirepass;
    (!password.is_empty()).then(|| hex(&Sha256::digest(password)))
}

fn get_user(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    if call.args.at(2) != DEFAULT_USER.as_bytes() {
        reply.null();
        return Ok(Outcome::Done);
    }
    let password = password_hash(call);
    let flags: &[&str] = match password {
        Some(_) => &["on"],
        None => &["on", "nopass"],
    };
    reply.map(6);
    reply.bulk(b"flags");
    reply.set(flags.len());
    for flag in flags {
        reply.bulk(flag.as_bytes());
    }
    reply.bulk(b"passwords");
    reply.array(usize::from(password.is_some()));
    if let Some(password) = password {
        reply.bulk(password.as_bytes());
    }
    for (name, rule) in [("commands", "+@all"), ("keys", "~*"), ("channels", "&*")] {
        reply.bulk(name.as_bytes());
        reply.bulk(rule.as_bytes());
    }
    reply.bulk(b"selectors");
    reply.array(0);
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    #[test]
    fn every_category_of_a_command_is_known() {
        for entry in Table::new().all() {
            for category in entry.spec.all_categories() {
                assert!(
                    known_category(&category.as_bytes()[1..]).is_ok(),
                    "{category}"
                );
            }
        }
        assert!(known_category(b"nonsense").is_err());
    }
}
