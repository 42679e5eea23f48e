//! EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT: gives a key a time at which it ceases to exist.

use protocol::Reply;
use store::{Found, Txn};

use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// EXPIRE key seconds [NX | XX | GT | LT]
pub(super) const EXPIRE: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::UPDATE)],
        group: Group::Generic,
        summary: "Sets the time to live of a key in seconds.",
        syntax: "key seconds [NX | XX | GT | LT]",
        ..Spec::new("expire")
    },
    run: |txn, args, reply| expire(txn, args, &SECONDS, reply),
    subcommands: &[],
};

/// PEXPIRE key milliseconds [NX | XX | GT | LT]
pub(super) const PEXPIRE: DataCommand = Command {
    spec: Spec {
        name: "pexpire",
        since: "2.6.0",
        summary: "Sets the time to live of a key in milliseconds.",
        syntax: "key milliseconds [NX | XX | GT | LT]",
        ..EXPIRE.spec
    },
    run: |txn, args, reply| expire(txn, args, &MILLISECONDS, reply),
    subcommands: &[],
};

/// EXPIREAT key unix-time-seconds [NX | XX | GT | LT]
pub(super) const EXPIREAT: DataCommand = Command {
    spec: Spec {
        name: "expireat",
        since: "1.2.0",
        summary: "Sets the Unix time in seconds at which a key ceases to exist.",
        syntax: "key unix-time-seconds [NX | XX | GT | LT]",
        ..EXPIRE.spec
    },
    run: |txn, args, reply| expire(txn, args, &UNIX_SECONDS, reply),
    subcommands: &[],
};

/// PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]
pub(super) const PEXPIREAT: DataCommand = Command {
    spec: Spec {
        name: "pexpireat",
        since: "2.6.0",
        summary: "Sets the Unix time in milliseconds at which a key ceases to exist.",
        syntax: "key unix-time-milliseconds [NX | XX | GT | LT]",
        ..EXPIRE.spec
    },
    run: |txn, args, reply| expire(txn, args, &UNIX_MILLISECONDS, reply),
    subcommands: &[],
};

/// How a command tells a time.
struct Clock {
    command: &'static str,
    ms_per_unit: i64,
    from_now: bool,
}

const SECONDS: Clock = Clock {
    command: "expire",
    ms_per_unit: 1000,
    from_now: true,
};
const MILLISECONDS: Clock = Clock {
    command: "pexpire",
    ms_per_unit: 1,
    from_now: true,
};
const UNIX_SECONDS: Clock = Clock {
    command: "expireat",
    ms_per_unit: 1000,
    from_now: false,
};
const UNIX_MILLISECONDS: Clock = Clock {
    command: "pexpireat",
    ms_per_unit: 1,
    from_now: false,
};

impl Clock {
    /// The Unix time in milliseconds that is meant; negative ones are in the past.
    fn deadline(&self, args: Args<'_>, now_ms: u64) -> Result<i64, CommandError> {
        let start = if self.from_now { now_ms as i64 } else { 0 };
        args.int(2)?
            .checked_mul(self.ms_per_unit)
            .and_then(|ms| ms.checked_add(start))
            .ok_or(CommandError::InvalidExpire(self.command))
    }
}

/// Under what condition the expiry is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Always,
    /// There is none yet.
    Nx,
    /// There is one.
    Xx,
    /// The new one is later; none at all is later than any.
    Gt,
    /// The new one is sooner.
    Lt,
    /// There is one, and the new one is sooner.
    XxLt,
}

impl Condition {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let is_known = |at: usize| {
            ["NX", "XX", "GT", "LT"]
                .iter()
                .any(|word| args.is(at, word))
        };
        if let Some(unknown) = (3..args.len()).find(|&at| !is_known(at)) {
            let unknown = String::from_utf8_lossy(args.at(unknown));
            return Err(CommandError::Made(format!(
                "ERR Unsupported option {unknown}"
            )));
        }
        let has = |word| (3..args.len()).any(|at| args.is(at, word));
        match (has("NX"), has("XX"), has("GT"), has("LT")) {
            (true, false, false, false) => Ok(Self::Nx),
            (true, ..) => Err(CommandError::Text(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            )),
            (_, _, true, true) => Err(CommandError::Text(
                "ERR GT and LT options at the same time are not compatible",
            )),
            (_, _, true, _) => Ok(Self::Gt),
            (_, true, _, true) => Ok(Self::XxLt),
            (_, _, _, true) => Ok(Self::Lt),
            (_, true, ..) => Ok(Self::Xx),
            _ => Ok(Self::Always),
        }
    }

    fn allows(self, current: Option<u64>, deadline: i64) -> bool {
        let current = current.map(|at| at as i64);
        match self {
            Self::Always => true,
            Self::Nx => current.is_none(),
            Self::Xx => current.is_some(),
            Self::Gt => current.is_some_and(|at| deadline > at),
            Self::Lt => current.is_none_or(|at| deadline < at),
            Self::XxLt => current.is_some_and(|at| deadline < at),
        }
    }
}

fn expire(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    clock: &Clock,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let condition = Condition::parse(args)?;
    let deadline = clock.deadline(args, txn.now_ms)?;
    let key = args.at(1);
    let found = txn.find(key);
    let found = found.filter(|&found| condition.allows(txn.expiry(found), deadline));
    if let Some(found) = found {
        set_deadline(txn, key, found, deadline);
    }
    reply.int(i64::from(found.is_some()));
    Ok(())
}

/// Gives a key its expiry; one that is past already removes the key.
fn set_deadline(txn: &mut Txn<'_>, key: &[u8], found: Found, deadline: i64) {
    if deadline <= txn.now_ms as i64 {
        txn.remove(found);
        txn.changed(key, "del");
        txn.replay_as(&[b"DEL", key]);
        return;
    }
    txn.set_expiry(found, Some(deadline as u64));
    txn.changed(key, "expire");
    if txn.is_logged() {
        let mut digits = itoa::Buffer::new();
        txn.replay_as(&[b"PEXPIREAT", key, digits.format(deadline).as_bytes()]);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn conditions_are_redis_s() {
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("EXPIRE a 10", ":0\r\n"),
            ("SET a 1", "+OK\r\n"),
            ("EXPIRE a 10 GT", ":0\r\n"),
            ("EXPIRE a 10 XX", ":0\r\n"),
            ("EXPIRE a 10 xx lt", ":0\r\n"),
            ("EXPIRE a 10 LT", ":1\r\n"),
            ("EXPIRE a 20 NX", ":0\r\n"),
            ("EXPIRE a 20 LT", ":0\r\n"),
            ("EXPIRE a 10 LT", ":0\r\n"),
            ("EXPIRE a 9 XX LT", ":1\r\n"),
            ("EXPIRE a 9 GT", ":0\r\n"),
            ("EXPIRE a 20 xx gt", ":1\r\n"),
            ("EXPIRE a 30 XX", ":1\r\n"),
            ("TTL a", ":30\r\n"),
        ]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_redis_s_order() {
        let overflow =
            |command: &str| format!("-ERR invalid expire time in '{command}' command\r\n");
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("EXPIRE a x FOO", "-ERR Unsupported option FOO\r\n"),
            (
                "EXPIRE a 10 XX NX",
                "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n",
            ),
            (
                "EXPIRE a 10 GT LT",
                "-ERR GT and LT options at the same time are not compatible\r\n",
            ),
            (
                "EXPIRE a x",
                "-ERR value is not an integer or out of range\r\n",
            ),
            ("EXPIRE a 9223372036854775807", &overflow("expire")),
            ("EXPIRE a 9223372036854775", &overflow("expire")),
            ("EXPIRE a -9223372036854775808", &overflow("expire")),
            ("PEXPIRE a 9223372036854775807", &overflow("pexpire")),
            ("EXPIREAT a 9223372036854775807", &overflow("expireat")),
            ("PEXPIREAT a 9223372036854775807", ":0\r\n"),
            ("SET a 1", "+OK\r\n"),
            ("PEXPIREAT a 9223372036854775807", ":1\r\n"),
            ("PEXPIRETIME a", ":9223372036854775807\r\n"),
        ]);
    }

    #[test]
    fn a_time_that_is_past_removes() {
        let mut fixture = Fixture::logged();
        for time in [
            "EXPIRE a 0",
            "PEXPIRE a -9223372036854775808",
            "EXPIREAT a 1",
        ] {
            fixture.check(&[
                ("SET a 1", "+OK\r\n"),
                (time, ":1\r\n"),
                ("EXISTS a", ":0\r\n"),
            ]);
            assert_eq!(fixture.effects(), ["SET a 1", "DEL a"]);
        }
    }

    #[test]
    fn the_log_has_the_time_itself() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("SET a 1", "+OK\r\n"),
            ("EXPIRE a 10 NX", ":1\r\n"),
            ("EXPIRE a 10 NX", ":0\r\n"),
            ("PEXPIRE a 5", ":1\r\n"),
            ("EXPIREAT a 1700000100", ":1\r\n"),
        ]);
        let effects = [
            "SET a 1",
            "PEXPIREAT a 1700000010000",
            "PEXPIREAT a 1700000000005",
            "PEXPIREAT a 1700000100000",
        ];
        assert_eq!(fixture.effects(), effects);
    }

    #[test]
    fn a_key_is_gone_when_its_time_has_come() {
        let mut fixture = Fixture::new();
        fixture.check(&[("SET a 1", "+OK\r\n"), ("PEXPIRE a 5", ":1\r\n")]);
        fixture.now_ms += 4;
        fixture.check(&[("GET a", "$1\r\n1\r\n")]);
        fixture.now_ms += 1;
        fixture.check(&[("GET a", "$-1\r\n"), ("TTL a", ":-2\r\n")]);
    }
}
