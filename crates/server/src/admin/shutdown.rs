//! SHUTDOWN.

use std::sync::Arc;

use commands::spec::{Group, flags};
use commands::{Args, CommandError, Spec};
use protocol::Reply;

use super::{ADMIN, plain};
use crate::log::say;
use crate::message::Message;
use crate::persistence::Refused;
use crate::session::{Call, Outcome, SessionCommand};

/// SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]
pub(super) const SHUTDOWN: SessionCommand = plain(
    Spec {
        arity: -1,
        flags: ADMIN | flags::NO_MULTI | flags::ALLOW_BUSY,
        group: Group::Server,
        complexity: "O(N) when saving, where N is the total number of keys in all databases when \
                     saving data, otherwise O(1)",
        summary: "Shuts down the server.",
        syntax: "[[NOSAVE | SAVE] [NOW] [FORCE] | ABORT]",
        ..Spec::new("shutdown")
    },
    shutdown,
);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options {
    save: bool,
    no_save: bool,
    force: bool,
    abort: bool,
}

fn parse(args: Args<'_>) -> Result<Options, CommandError> {
    let mut options = Options::default();
    for at in 1..args.len() {
        match () {
            () if args.is(at, "nosave") => options.no_save = true,
            () if args.is(at, "save") => options.save = true,
            // There are no replicas to wait for, now or later.
            () if args.is(at, "now") => {}
            () if args.is(at, "force") => options.force = true,
            () if args.is(at, "abort") => options.abort = true,
            () => return Err(CommandError::Syntax),
        }
    }
    let aborts_and_more = options.abort && args.len() > 2;
    if aborts_and_more || options.save && options.no_save {
        return Err(CommandError::Syntax);
    }
    Ok(options)
}

fn shutdown(call: &mut Call<'_, '_>, _: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let options = parse(call.args)?;
    if options.abort {
        return Err(CommandError::Text("ERR No shutdown in progress."));
    }
    let has_points = !call.thread.config.persistence.save.is_empty();
    if options.save || has_points && !options.no_save {
        if call.txn.lock_all(call.conn.waiter()).is_err() {
            return Ok(Outcome::Again);
        }
        let shared = Arc::clone(&call.thread.shared);
        let is_saved = shared.save_for_exit(call.txn);
        if !matches!(is_saved, Ok(true) | Err(Refused::NoName)) && !options.force {
            return Err(CommandError::Text(
                "ERR Errors trying to SHUTDOWN. Check logs.",
            ));
        }
    }
    say(&format!("SHUTDOWN from {}", call.conn.info.socket.addr));
    call.shared.post_all(|| Message::Shutdown);
    Ok(Outcome::Close)
}

#[cfg(test)]
mod tests {
    use commands::OwnedArgs;

    use super::*;

    #[test]
    fn options_that_go_together() {
        let parsed = |line: &str| parse(OwnedArgs::new(line.split(' ')).borrow());
        assert_eq!(parsed("shutdown"), Ok(Options::default()));
        let forced = Options {
            save: true,
            force: true,
            ..Options::default()
        };
        assert_eq!(parsed("shutdown save now FORCE"), Ok(forced));
        assert!(parsed("shutdown abort").is_ok_and(|options| options.abort));
        for wrong in ["shutdown abort now", "shutdown save nosave", "shutdown x"] {
            assert_eq!(parsed(wrong), Err(CommandError::Syntax), "{wrong}");
        }
    }
}
