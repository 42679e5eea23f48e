//! FIELDEXPIRE, FIELDTTL: times to live of hash fields and set members, as Dragonfly has them.

use data::types::set::SetRules;
use data::{Hash, Set};
use protocol::Reply;
use store::{Found, Txn};

use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec, set};

const NO_KEY: i64 = -2;
const NO_FIELD: i64 = -3;
const NO_EXPIRY: i64 = -1;

/// FIELDEXPIRE key seconds field [field ...]
///
/// `PXAT` with an absolute time in the place of the seconds is ours, for the log.
pub(crate) const FIELDEXPIRE: DataCommand = Command {
    spec: Spec {
        arity: -4,
        flags: flags::WRITE | flags::DENYOOM | flags::FAST,
        keys: &[first(access::RW | access::UPDATE)],
        group: Group::Generic,
        complexity: "O(N) where N is the number of fields.",
        summary: "Sets the time to live of hash fields or set members.",
        syntax: "key <seconds | PXAT unix-time-milliseconds> field [field ...]",
        ..Spec::new("fieldexpire")
    },
    run: fieldexpire,
    subcommands: &[],
};

/// FIELDTTL key field
pub(crate) const FIELDTTL: DataCommand = Command {
    spec: Spec {
        arity: 3,
        flags: flags::READONLY | flags::FAST,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Generic,
        summary: "Returns how many seconds a hash field or a set member still exists.",
        syntax: "key field",
        ..Spec::new("fieldttl")
    },
    run: fieldttl,
    subcommands: &[],
};

/// The time that argument `at` gives, in seconds from now or after PXAT, and the number of the
/// argument behind it, which has to exist.
pub(crate) fn deadline_at(
    args: Args<'_>,
    at: usize,
    now_ms: u64,
    command: &'static str,
) -> Result<(u64, usize), CommandError> {
    let is_absolute = args.is(at, "PXAT");
    let at = at + usize::from(is_absolute);
    if at + 1 >= args.len() {
        return Err(CommandError::wrong_arity(command));
    }
    let number = args.int(at)?;
    let time = if is_absolute {
        Some(number)
    } else {
        let ms = number.checked_mul(1000);
        ms.and_then(|ms| ms.checked_add(now_ms as i64))
    };
    match time {
        Some(time) if number > 0 => Ok((time as u64, at + 1)),
        _ => Err(CommandError::InvalidExpire(command)),
    }
}

/// When a field or member expires: `None` when there is none such.
#[allow(clippy::option_option)] // Two questions are answered at once.
fn expiry_of(
    txn: &mut Txn<'_>,
    found: Found,
    field: &[u8],
) -> Result<Option<Option<u64>>, CommandError> {
    let now_ms = txn.now_ms;
    if let Ok(set) = txn.view::<Set>(found) {
        return Ok(set.expiry(field, now_ms));
    }
    let field = txn.view::<Hash>(found)?.get(field, now_ms);
    Ok(field.map(|pair| pair.expiry))
}

fn fieldexpire(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let (at, fields) = deadline_at(args, 2, txn.now_ms, "fieldexpire")?;
    let rules = set::rules(txn);
    let mut answers = Vec::new();
    for field in args.from(fields) {
        // Each change may move the key.
        let answer = match txn.find(key) {
            Some(found) => expire(txn, key, found, field, at, &rules)?,
            None => NO_KEY,
        };
        answers.push(answer);
    }
    if answers.contains(&1) {
        txn.changed(key, "fieldexpire");
        let at = at.to_string();
        let mut effect: Vec<&[u8]> = vec![b"FIELDEXPIRE", key, b"PXAT", at.as_bytes()];
        effect.extend(args.from(fields));
        txn.replay_as(&effect);
    }
    reply.array(answers.len());
    for answer in answers {
        reply.int(answer);
    }
    Ok(())
}

/// 1, or [`NO_KEY`] where there is no such field.
fn expire(
    txn: &mut Txn<'_>,
    key: &[u8],
    found: Found,
    field: &[u8],
    at: u64,
    rules: &SetRules,
) -> Result<i64, CommandError> {
    if expiry_of(txn, found, field)?.is_none() {
        return Ok(NO_KEY);
    }
    if txn.view::<Set>(found).is_ok() {
        txn.edit(key, Some(found), |set: &mut Set| {
            set.set_expiry(field, Some(at), rules);
        })?;
    } else {
        txn.edit(key, Some(found), |hash: &mut Hash| {
            hash.set_expiry(field, Some(at));
        })?;
    }
    Ok(1)
}

fn fieldttl(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(found) = txn.read(args.at(1)) else {
        reply.int(NO_KEY);
        return Ok(());
    };
    let now_ms = txn.now_ms;
    let left = match expiry_of(txn, found, args.at(2))? {
        None => NO_FIELD,
        Some(None) => NO_EXPIRY,
        Some(Some(at)) => (at - now_ms).div_ceil(1000) as i64,
    };
    reply.int(left);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn fields_and_members_expire() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("FIELDEXPIRE a 5 x", "*1\r\n:-2\r\n"),
            ("FIELDTTL a x", ":-2\r\n"),
            ("SADD a x y", ":2\r\n"),
            ("FIELDEXPIRE a 5 x z", "*2\r\n:1\r\n:-2\r\n"),
            ("FIELDTTL a x", ":5\r\n"),
            ("FIELDTTL a y", ":-1\r\n"),
            ("HSET h f 1 g 2", ":2\r\n"),
            ("FIELDEXPIRE h 7 f", "*1\r\n:1\r\n"),
            ("FIELDTTL h f", ":7\r\n"),
            ("FIELDTTL h z", ":-3\r\n"),
            ("SET s 1", "+OK\r\n"),
            (
                "FIELDEXPIRE a 0 x",
                "-ERR invalid expire time in 'fieldexpire' command\r\n",
            ),
        ]);
        assert!(fixture.run("FIELDTTL s x").starts_with("-WRONGTYPE"));
        fixture.now_ms += 7000;
        fixture.check(&[("SISMEMBER a x", ":0\r\n"), ("HGET h f", "$-1\r\n")]);
        assert!(
            fixture
                .effects()
                .contains(&"FIELDEXPIRE h PXAT 1700000007000 f".into())
        );
    }
    #[test]
    fn the_expiry_cycle_removes_what_is_due() {
        let mut fixture = Fixture::logged();
        let many: Vec<_> = (0..300).map(|i| format!("m{i}")).collect();
        fixture.run(&format!("SADDEX s 5 {}", many.join(" ")));
        fixture.check(&[
            ("SADD s stays", ":1\r\n"),
            ("HSET a f 1 g 2", ":2\r\n"),
            ("HEXPIRE a 5 FIELDS 1 f", "*1\r\n:1\r\n"),
            ("HSETEX b EX 5 FIELDS 1 f 1", ":1\r\n"),
            ("COPY b c", ":1\r\n"),
            ("RENAME b d", "+OK\r\n"),
        ]);
        fixture.effects();
        fixture.now_ms += 4999;
        fixture.expire_cycle();
        fixture.check(&[("SCARD s", ":301\r\n"), ("DBSIZE", ":4\r\n")]);
        assert_eq!(fixture.effects(), [""; 0]);
        fixture.now_ms += 1;
        fixture.expire_cycle();
        fixture.check(&[
            ("SCARD s", ":1\r\n"),
            ("HLEN a", ":1\r\n"),
            ("EXISTS c d", ":0\r\n"),
            ("DBSIZE", ":2\r\n"),
        ]);
        let effects = fixture.effects();
        for effect in ["HDEL a f", "HDEL c f", "HDEL d f"] {
            assert!(effects.contains(&effect.into()), "{effect}");
        }
        let removed = effects
            .iter()
            .filter(|effect| effect.starts_with("SREM s m"));
        assert_eq!(
            removed
                .map(|effect| effect.split(' ').count() - 2)
                .sum::<usize>(),
            300
        );
    }
}
