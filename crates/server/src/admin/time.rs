//! TIME.

use commands::Spec;
use commands::spec::{Group, flags};

use super::{ANYTIME, plain};
use crate::session::{Outcome, SessionCommand};

/// TIME
pub(super) const TIME: SessionCommand = plain(
    Spec {
        flags: ANYTIME | flags::FAST,
        group: Group::Server,
        since: "2.6.0",
        summary: "Returns the server time: Unix seconds, and the microseconds beyond.",
        tips: &["nondeterministic_output"],
        ..Spec::new("time")
    },
    |call, reply| {
        let now_us = call.thread.now.wall_us;
        reply.array(2);
        reply.bulk_int((now_us / 1_000_000) as i64);
        reply.bulk_int((now_us % 1_000_000) as i64);
        Ok(Outcome::Done)
    },
);
