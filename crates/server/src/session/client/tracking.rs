//! CLIENT TRACKING and its relatives: what a client that caches is told of.

use commands::{Args, Command, CommandError, Spec};
use protocol::Reply;

use crate::session::client::{OWN, OWN_WHILE_BUSY, sub};
use crate::session::{Call, Outcome, SessionCommand};
use crate::shared::Shared;
use crate::tracking::{ClientTracking, Mode};

/// CLIENT TRACKING ON | OFF ...
pub(super) const TRACKING: SessionCommand = Command {
    spec: Spec {
        complexity: "O(1). Some options may introduce additional complexity.",
        summary: "Has the server tell this client when keys it has read change.",
        syntax: "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] \
             [OPTIN] [OPTOUT] [NOLOOP]",
        ..sub("tracking", -3, OWN, "6.0.0")
    },
    run: tracking,
    subcommands: &[],
};

/// CLIENT CACHING YES | NO
pub(super) const CACHING: SessionCommand = Command {
    spec: Spec {
        summary: "Says whether the keys of the next command are to be tracked.",
        syntax: "<YES | NO>",
        ..sub("caching", 3, OWN_WHILE_BUSY, "6.0.0")
    },
    run: caching,
    subcommands: &[],
};

/// CLIENT GETREDIR
pub(super) const GETREDIR: SessionCommand = Command {
    spec: Spec {
        summary: "Returns the client to whom this one's tracking messages are sent.",
        ..sub("getredir", 2, OWN_WHILE_BUSY, "6.0.0")
    },
    run: |call, reply| {
        reply.int(call.conn.session.redirect());
        Ok(Outcome::Done)
    },
    subcommands: &[],
};

/// CLIENT TRACKINGINFO
pub(super) const TRACKINGINFO: SessionCommand = Command {
    spec: Spec {
        summary: "Tells how the keys of this connection are tracked.",
        ..sub("trackinginfo", 2, OWN, "6.2.0")
    },
    run: tracking_info,
    subcommands: &[],
};

/// The words after ON or OFF.
#[derive(Default)]
struct Options {
    redirect: u64,
    broadcast: bool,
    opt_in: bool,
    opt_out: bool,
    no_loop: bool,
    prefixes: Vec<Vec<u8>>,
}

impl Options {
    fn parse(args: Args<'_>, shared: &Shared) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut at = 3;
        while at < args.len() {
            let value = args.get(at + 1);
            match (&args.at(at).to_ascii_lowercase()[..], value) {
                (b"redirect", Some(_)) => {
                    options.redirect = options.redirect(args.int(at + 1)?, shared)?;
                    at += 1;
                }
                (b"prefix", Some(prefix)) => {
                    options.prefixes.push(prefix.to_vec());
                    at += 1;
                }
                (b"bcast", _) => options.broadcast = true,
                (b"optin", _) => options.opt_in = true,
                (b"optout", _) => options.opt_out = true,
                (b"noloop", _) => options.no_loop = true,
                _ => return Err(CommandError::Syntax),
            }
            at += 1;
        }
        Ok(options)
    }

    fn redirect(&self, id: i64, shared: &Shared) -> Result<u64, CommandError> {
        if self.redirect != 0 {
            return Err(CommandError::Text(
                "ERR A client can only redirect to a single other client",
            ));
        }
        let target = u64::try_from(id).ok().and_then(|id| shared.clients.get(id));
        target.map(|target| target.id).ok_or(CommandError::Text(
            "ERR The client ID you want redirect to does not exist",
        ))
    }

    /// What they ask for, given what the client has asked for before.
    fn mode(self, before: Option<&Mode>) -> Result<Mode, CommandError> {
        if !self.broadcast && !self.prefixes.is_empty() {
            return Err(CommandError::Text(
                "ERR PREFIX option requires BCAST mode to be enabled",
            ));
        }
        let was_broadcast = before.map(|mode| matches!(mode, Mode::Broadcast(_)));
        if was_broadcast.is_some_and(|was| was != self.broadcast) {
            return Err(CommandError::Text(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, \
                 and then re-enabling it with a different mode.",
            ));
        }
        if self.broadcast && (self.opt_in || self.opt_out) {
            return Err(CommandError::Text(
                "ERR OPTIN and OPTOUT are not compatible with BCAST",
            ));
        }
        if self.opt_in && self.opt_out {
            return Err(CommandError::Text(
                "ERR You can't specify both OPTIN mode and OPTOUT mode",
            ));
        }
        match before {
            Some(Mode::OptIn) if self.opt_out => return Err(OTHER_OPT),
            Some(Mode::OptOut) if self.opt_in => return Err(OTHER_OPT),
            Some(Mode::Broadcast(prefixes)) => return self.more_prefixes(prefixes),
            _ => {}
        }
        Ok(match (self.broadcast, self.opt_in, self.opt_out) {
            (true, ..) => return self.more_prefixes(&[]),
            (_, true, _) => Mode::OptIn,
            (_, _, true) => Mode::OptOut,
            _ => Mode::Reads,
        })
    }

    /// The prefixes from before and those that come now, of which none may begin with another.
    fn more_prefixes(mut self, before: &[Vec<u8>]) -> Result<Mode, CommandError> {
        let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
        for (number, prefix) in self.prefixes.iter().enumerate() {
            let clash = |of: &[Vec<u8>], which| {
                let other = of.iter().find(|other| overlap(prefix, other))?;
                let [prefix, other] = [prefix, other].map(|text| String::from_utf8_lossy(text));
                Some(CommandError::Made(format!(
                    "ERR Prefix '{prefix}' overlaps with {which} prefix '{other}'. Prefixes for a \
                     single client must not overlap."
                )))
            };
            let clash = clash(before, "an existing")
                .or_else(|| clash(&self.prefixes[number + 1..], "another provided"));
            if let Some(error) = clash {
                return Err(error);
            }
        }
        let everything = Vec::new();
        if self.prefixes.is_empty() && !before.contains(&everything) {
            self.prefixes.push(everything);
        }
        Ok(Mode::Broadcast([before, &self.prefixes].concat()))
    }
}

const OTHER_OPT: CommandError = CommandError::Text(
    "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then \
     re-enabling it with a different mode.",
);

fn tracking(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let options = Options::parse(call.args, call.shared)?;
    if call.args.is(2, "on") {
        let before = call.conn.session.tracking.as_ref();
        let (redirect, no_loop) = (options.redirect, options.no_loop);
        let tracking = ClientTracking {
            mode: options.mode(before.map(|tracking| &tracking.mode))?,
            no_loop,
            redirect,
            is_broken: false,
            caching: before.is_some_and(|tracking| tracking.caching),
        };
        call.thread.track(call.conn, tracking);
    } else if call.args.is(2, "off") {
        call.thread.untrack(call.conn);
    } else {
        return Err(CommandError::Syntax);
    }
    reply.ok();
    Ok(Outcome::Done)
}

fn caching(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let Some(tracking) = &mut call.conn.session.tracking else {
        return Err(CommandError::Text(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with \
             OPTIN or OPTOUT mode enabled",
        ));
    };
    let (mode, otherwise) = if call.args.is(2, "yes") {
        let error = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
        (Mode::OptIn, error)
    } else if call.args.is(2, "no") {
        let error = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
        (Mode::OptOut, error)
    } else {
        return Err(CommandError::Syntax);
    };
    if tracking.mode != mode {
        return Err(CommandError::Text(otherwise));
    }
    tracking.caching = true;
    reply.ok();
    Ok(Outcome::Done)
}

fn tracking_info(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let session = &call.conn.session;
    reply.map(3);
    reply.bulk(b"flags");
    let flags = flags(session.tracking.as_deref());
    reply.set(flags.len());
    for flag in flags {
        reply.bulk(flag.as_bytes());
    }
    reply.bulk(b"redirect");
    reply.int(session.redirect());
    reply.bulk(b"prefixes");
    let prefixes = session
        .tracking
        .as_ref()
        .map(|tracking| tracking.prefixes());
    let prefixes = prefixes.unwrap_or_default();
    reply.array(prefixes.len());
    for prefix in prefixes {
        reply.bulk(prefix);
    }
    Ok(Outcome::Done)
}

fn flags(tracking: Option<&ClientTracking>) -> Vec<&'static str> {
    let Some(tracking) = tracking else {
        return vec!["off"];
    };
    let (mode, caching) = match tracking.mode {
        Mode::Reads => (None, ""),
        Mode::OptIn => (Some("optin"), "caching-yes"),
        Mode::OptOut => (Some("optout"), "caching-no"),
        Mode::Broadcast(_) => (Some("bcast"), ""),
    };
    let all = [
        Some("on"),
        mode,
        tracking.caching.then_some(caching),
        tracking.no_loop.then_some("noloop"),
        tracking.is_broken.then_some("broken_redirect"),
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(words: &[&str], before: Option<&Mode>) -> Result<Mode, String> {
        let mut options = Options::default();
        for word in words {
            match *word {
                "bcast" => options.broadcast = true,
                "optin" => options.opt_in = true,
                "optout" => options.opt_out = true,
                prefix => options.prefixes.push(prefix.as_bytes().to_vec()),
            }
        }
        options
            .mode(before)
            .map_err(|error| error.text().into_owned())
    }

    fn prefixes(all: &[&str]) -> Mode {
        Mode::Broadcast(
            all.iter()
                .map(|prefix| prefix.as_bytes().to_vec())
                .collect(),
        )
    }

    #[test]
    fn modes_that_go_together() {
        assert_eq!(mode(&[], None), Ok(Mode::Reads));
        assert_eq!(mode(&["optin"], None), Ok(Mode::OptIn));
        assert_eq!(mode(&[], Some(&Mode::OptIn)), Ok(Mode::Reads));
        assert_eq!(mode(&["bcast"], None), Ok(prefixes(&[""])));
        assert_eq!(mode(&["bcast", "a"], None), Ok(prefixes(&["a"])));
        let before = prefixes(&["a"]);
        assert_eq!(
            mode(&["bcast", "b"], Some(&before)),
            Ok(prefixes(&["a", "b"]))
        );
    }

    #[test]
    fn modes_that_do_not() {
        let broadcast = prefixes(&["FOO"]);
        for (words, before, error) in [
            (&["a"][..], None, "ERR PREFIX option requires BCAST"),
            (&["bcast"], Some(&Mode::Reads), "ERR You can't switch BCAST"),
            (&[], Some(&broadcast), "ERR You can't switch BCAST"),
            (&["bcast", "optin"], None, "ERR OPTIN and OPTOUT are not"),
            (&["optin", "optout"], None, "ERR You can't specify both"),
            (
                &["optout"],
                Some(&Mode::OptIn),
                "ERR You can't switch OPTIN",
            ),
            (
                &["optin"],
                Some(&Mode::OptOut),
                "ERR You can't switch OPTIN",
            ),
            (
                &["bcast", "FO", "FOO"],
                None,
                "ERR Prefix 'FO' overlaps with another provided",
            ),
            (
                &["bcast", "FOOBAR"],
                Some(&broadcast),
                "ERR Prefix 'FOOBAR' overlaps with an",
            ),
        ] {
            let given = mode(words, before).expect_err(error);
            assert!(given.starts_with(error), "{given}");
        }
    }
}
