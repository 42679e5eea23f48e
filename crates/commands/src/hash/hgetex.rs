//! HGETEX.

use data::{Collection, Hash};
use protocol::Reply;
use store::Txn;

use super::fields::{Outcome, deadline, edit, fields_at, find, unit_at};
use super::hget::reply_value;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// HGETEX key [options] FIELDS numfields field [field ...]
pub(super) const HGETEX: DataCommand = Command {
    spec: Spec {
        arity: -5,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::ACCESS | access::UPDATE)],
        group: Group::Hash,
        since: "9.0.0",
        complexity: "O(N) where N is the number of specified fields.",
        summary: "Returns the values of fields and sets or removes their expiry.",
        syntax: "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
                 PXAT unix-time-milliseconds | PERSIST] FIELDS numfields field [field ...]",
        ..Spec::new("hgetex")
    },
    run: hgetex,
    subcommands: &[],
};

/// What becomes of the expiry.
#[derive(Clone, Copy, Debug)]
enum Change {
    Nothing,
    Persist,
    At(u64),
}

fn hgetex(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    if let Some(found) = txn.read(key) {
        txn.view::<Hash>(found)?;
    }
    let now_ms = txn.now_ms;
    let (change, options) = if args.is(2, "PERSIST") {
        (Change::Persist, 1)
    } else if let Some(unit) = unit_at(args, 2) {
        (Change::At(deadline(args, 3, unit, now_ms, "hgetex")?), 2)
    } else {
        (Change::Nothing, 0)
    };
    let fields = fields_at(args, 2 + options)?;
    let found = find(txn, key, args.from(fields))?;
    reply.array(args.len() - fields);
    let Some(found) = found else {
        args.from(fields).for_each(|_| reply.null());
        return Ok(());
    };
    if let Change::Nothing = change {
        let hash = txn.view::<Hash>(found)?;
        args.from(fields)
            .for_each(|field| reply_value(hash.get(field, now_ms), reply));
        return Ok(());
    }
    let mut outcome = Outcome::default();
    let ((), is_spent) = edit(txn, key, Some(found), |hash| {
        for field in args.from(fields) {
            let pair = hash.view().get(field, now_ms);
            reply_value(pair, reply);
            if let Some(pair) = pair {
                let old = pair.expiry;
                apply(hash, field, old, change, now_ms, &mut outcome);
            }
        }
    })?;
    let at = match change {
        Change::At(at) => at,
        Change::Persist | Change::Nothing => 0,
    };
    outcome.tell(txn, key, at, is_spent);
    Ok(())
}

fn apply<'a>(
    hash: &mut Hash,
    field: &'a [u8],
    old: Option<u64>,
    change: Change,
    now_ms: u64,
    outcome: &mut Outcome<'a>,
) {
    match change {
        Change::At(at) if Outcome::is_past(at, now_ms) => {
            hash.remove(field, now_ms);
            outcome.removed.push(field);
        }
        Change::At(at) => {
            hash.set_expiry(field, Some(at));
            outcome.set.push(field);
        }
        Change::Persist if old.is_some() => {
            hash.set_expiry(field, None);
            outcome.persisted.push(field);
        }
        Change::Persist | Change::Nothing => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn returns_and_changes() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("HSET a f 1 g 2", ":2\r\n"),
            ("HGETEX a FIELDS 2 f x", "*2\r\n$1\r\n1\r\n$-1\r\n"),
            ("HGETEX a EX 10 FIELDS 1 f", "*1\r\n$1\r\n1\r\n"),
            ("HTTL a FIELDS 1 f", "*1\r\n:10\r\n"),
            (
                "HGETEX a PERSIST FIELDS 2 f g",
                "*2\r\n$1\r\n1\r\n$1\r\n2\r\n",
            ),
            ("HTTL a FIELDS 1 f", "*1\r\n:-1\r\n"),
            (
                "HGETEX a PXAT 1 FIELDS 2 f g",
                "*2\r\n$1\r\n1\r\n$1\r\n2\r\n",
            ),
            ("EXISTS a", ":0\r\n"),
            ("HGETEX a EX 10 FIELDS 1 f", "*1\r\n$-1\r\n"),
        ]);
        assert_eq!(
            fixture.effects()[1..],
            [
                "HPEXPIREAT a 1700000010000 FIELDS 1 f",
                "HPERSIST a FIELDS 1 f",
                "HDEL a f g"
            ]
        );
    }

    #[test]
    fn refuses() {
        let missing = "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n";
        Fixture::new().check(&[
            ("HGETEX a XFIELDX 1 a", missing),
            ("HGETEX a PXAT 1 1", missing),
            ("HGETEX a PERSIST 1 FIELDS 1 a", missing),
            ("HGETEX a EX 1 PERSIST FIELDS 1 a", missing),
            (
                "HGETEX a FIELDS 0 a",
                "-ERR Number of fields must be a positive integer\r\n",
            ),
            (
                "HGETEX a EX -1 FIELDS 1 a",
                "-ERR invalid expire time, must be >= 0\r\n",
            ),
            (
                "HGETEX a EX x FIELDS 1 a",
                "-ERR value is not an integer or out of range\r\n",
            ),
        ]);
    }
}
