//! CLIENT SETNAME, GETNAME, SETINFO, CAPA, REPLY, NO-EVICT, NO-TOUCH, IMPORT-SOURCE: what a client
//! says about itself and how it wants to be treated.

use commands::{Command, CommandError, Spec};
use protocol::Reply;

use crate::clients::flag;
use crate::session::client::{ADMIN, OWN, OWN_WHILE_BUSY, TELL_ALL_NODES, sub, switch};
use crate::session::{Call, Outcome, ReplyMode, SessionCommand};

/// CLIENT SETNAME connection-name
pub(super) const SETNAME: SessionCommand = Command {
    spec: Spec {
        summary: "Gives this connection a name.",
        syntax: "connection-name",
        tips: TELL_ALL_NODES,
        ..sub("setname", 3, OWN_WHILE_BUSY, "2.6.9")
    },
    run: |call, reply| {
        let name = check_name(call.args.at(2))?;
        set_name(call, name);
        reply.ok();
        Ok(Outcome::Done)
    },
    subcommands: &[],
};

/// CLIENT GETNAME
pub(super) const GETNAME: SessionCommand = Command {
    spec: Spec {
        summary: "Returns the name of this connection.",
        ..sub("getname", 2, OWN_WHILE_BUSY, "2.6.9")
    },
    run: |call, reply| {
        match &call.conn.info.text().name[..] {
            "" => reply.null(),
            name => reply.bulk(name.as_bytes()),
        }
        Ok(Outcome::Done)
    },
    subcommands: &[],
};

/// CLIENT SETINFO LIB-NAME libname | LIB-VER libver
pub(super) const SETINFO: SessionCommand = Command {
    spec: Spec {
        summary: "Notes which library the client uses, or its version.",
        syntax: "<LIB-NAME libname | LIB-VER libver>",
        tips: TELL_ALL_NODES,
        ..sub("setinfo", 4, OWN_WHILE_BUSY, "7.2.0")
    },
    run: set_info,
    subcommands: &[],
};

/// CLIENT CAPA capability [capability ...]
pub(super) const CAPA: SessionCommand = Command {
    spec: Spec {
        summary: "Notes what the client is capable of.",
        syntax: "<REDIRECT> [REDIRECT ...]",
        ..sub("capa", -3, OWN_WHILE_BUSY, "8.0.0")
    },
    run: |call, reply| {
        let mut capabilities = call.args.from(2);
        if capabilities.any(|capability| capability.eq_ignore_ascii_case(b"redirect")) {
            call.conn.session.set(flag::CAN_REDIRECT, true);
        }
        reply.ok();
        Ok(Outcome::Done)
    },
    subcommands: &[],
};

/// CLIENT REPLY ON | OFF | SKIP
pub(super) const REPLY: SessionCommand = Command {
    spec: Spec {
        summary: "Chooses which replies this connection is sent.",
        syntax: "<ON | OFF | SKIP>",
        ..sub(
            "reply",
            3,
            OWN_WHILE_BUSY | commands::spec::flags::NO_MULTI,
            "3.2.0",
        )
    },
    run: set_reply_mode,
    subcommands: &[],
};

/// CLIENT NO-EVICT ON | OFF
pub(super) const NO_EVICT: SessionCommand = Command {
    spec: Spec {
        summary: "Keeps this connection from being closed for want of memory.",
        syntax: "<ON | OFF>",
        ..sub("no-evict", 3, ADMIN | OWN_WHILE_BUSY, "7.0.0")
    },
    run: |call, reply| {
        let on = switch(call)?;
        call.conn.session.set(flag::NO_EVICT, on);
        reply.ok();
        Ok(Outcome::Done)
    },
    subcommands: &[],
};

/// CLIENT NO-TOUCH ON | OFF
pub(super) const NO_TOUCH: SessionCommand = Command {
    spec: Spec {
        summary: "Has the commands of this connection not count as use of keys.",
        syntax: "<ON | OFF>",
        ..sub("no-touch", 3, OWN_WHILE_BUSY, "7.2.0")
    },
    run: |call, reply| {
        let on = switch(call)?;
        call.conn.session.set(flag::NO_TOUCH, on);
        call.txn.touches = !on;
        reply.ok();
        Ok(Outcome::Done)
    },
    subcommands: &[],
};

/// CLIENT IMPORT-SOURCE ON | OFF
pub(super) const IMPORT_SOURCE: SessionCommand = Command {
    spec: Spec {
        summary: "Marks this connection as a source of data where the server is importing.",
        syntax: "<ON | OFF>",
        ..sub("import-source", 3, OWN, "8.1.0")
    },
    run: |_, _| Err(CommandError::Text("ERR Server is not in import mode")),
    subcommands: &[],
};

/// The name, if it is one that CLIENT LIST can show.
pub(in crate::session) fn check_name(name: &[u8]) -> Result<&str, CommandError> {
    printable(name).ok_or(CommandError::Text(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    ))
}

/// Names the connection; an empty name takes its name away.
pub(in crate::session) fn set_name(call: &mut Call<'_, '_>, name: &str) {
    name.clone_into(&mut call.conn.info.text().name);
}

/// The text, if all of it is visible ASCII.
fn printable(text: &[u8]) -> Option<&str> {
    let is_printable = text.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(text).ok().filter(|_| is_printable)
}

fn set_info(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = call.args;
    let mut text = call.conn.info.text();
    let field = if args.is(2, "lib-name") {
        &mut text.lib_name
    } else if args.is(2, "lib-ver") {
        &mut text.lib_ver
    } else {
        let option = String::from_utf8_lossy(args.at(2));
        return Err(CommandError::Made(format!(
            "ERR Unrecognized option '{option}'"
        )));
    };
    let Some(value) = printable(args.at(3)) else {
        let option = String::from_utf8_lossy(args.at(2));
        return Err(CommandError::Made(format!(
            "ERR {option} cannot contain spaces, newlines or special characters."
        )));
    };
    value.clone_into(field);
    reply.ok();
    Ok(Outcome::Done)
}

fn set_reply_mode(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let mode = &mut call.conn.session.reply_mode;
    if call.args.is(2, "on") {
        *mode = ReplyMode::On;
        reply.ok();
    } else if call.args.is(2, "off") {
        *mode = ReplyMode::Off;
    } else if call.args.is(2, "skip") {
        if *mode != ReplyMode::Off {
            *mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(CommandError::Syntax);
    }
    Ok(Outcome::Done)
}
