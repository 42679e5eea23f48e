//! HSETEX.

use data::types::hash::HashRef;
use data::{Collection, Hash};
use protocol::Reply;
use protocol::number::parse_i64;
use store::Txn;

use super::fields::{Outcome, deadline, edit, find, unit_at};
use super::rules;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const BAD_NUMBER: CommandError = CommandError::Text("ERR invalid number of fields");
const NO_FIELDS: CommandError = CommandError::Text("ERR missing FIELDS argument");
const TWO_CONDITIONS: CommandError =
    CommandError::Text("ERR Only one of FXX or FNX arguments can be specified");
const TWO_TIMES: CommandError =
    CommandError::Text("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");

/// HSETEX key [options] FIELDS numfields field value [field value ...]
pub(super) const HSETEX: DataCommand = Command {
    spec: Spec {
        arity: -6,
        flags: flags::WRITE | flags::DENYOOM | flags::FAST,
        keys: &[first(access::RW | access::INSERT)],
        group: Group::Hash,
        since: "9.0.0",
        complexity: "O(N) where N is the number of specified fields.",
        summary: "Sets fields of a hash and their expiry.",
        syntax: "key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
                 PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields field value \
                 [field value ...]",
        ..Spec::new("hsetex")
    },
    run: hsetex,
    subcommands: &[],
};

/// What becomes of the expiry.
#[derive(Clone, Copy, Debug)]
enum Ttl {
    Keep,
    At(u64),
}

#[derive(Clone, Copy, Debug, Default)]
struct Options {
    /// FXX: all fields exist; FNX: none does.
    all_exist: Option<bool>,
    ttl: Option<Ttl>,
    /// The first field among the arguments, and how many fields follow.
    fields: (usize, usize),
}

impl Options {
    fn parse(args: Args<'_>, now_ms: u64) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut at = 2;
        while at < args.len() {
            let unit = unit_at(args, at);
            if args.is(at, "FXX") || args.is(at, "FNX") {
                if options.all_exist.is_some() {
                    return Err(TWO_CONDITIONS);
                }
                options.all_exist = Some(args.is(at, "FXX"));
                at += 1;
            } else if args.is(at, "KEEPTTL") || unit.is_some() {
                if options.ttl.is_some() {
                    return Err(TWO_TIMES);
                }
                options.ttl = Some(Ttl::Keep);
                at += 1;
                if let Some(unit) = unit {
                    args.get(at).ok_or(CommandError::Syntax)?;
                    options.ttl = Some(Ttl::At(deadline(args, at, unit, now_ms, "hsetex")?));
                    at += 1;
                }
            } else if args.is(at, "FIELDS") {
                let number = args.get(at + 1).and_then(parse_i64);
                let number = number.and_then(|number| usize::try_from(number).ok());
                let number = number.filter(|&number| number > 0).ok_or(BAD_NUMBER)?;
                let rest = args.len() - at - 2;
                if !rest.is_multiple_of(2) || rest / 2 != number {
                    return Err(CommandError::wrong_arity("hsetex"));
                }
                options.fields = (at + 2, number);
                at += 2 + 2 * number;
            } else {
                let text = String::from_utf8_lossy(args.at(at));
                return Err(CommandError::Made(format!("ERR unknown argument: {text}")));
            }
        }
        if options.fields.1 == 0 {
            return Err(NO_FIELDS);
        }
        Ok(options)
    }

    fn names<'a>(&self, args: Args<'a>) -> impl Iterator<Item = &'a [u8]> {
        let (first, number) = self.fields;
        args.from(first).step_by(2).take(number)
    }

    fn hold(&self, hash: Option<HashRef<'_>>, args: Args<'_>, now_ms: u64) -> bool {
        let exists = |field: &[u8]| hash.is_some_and(|hash| hash.get(field, now_ms).is_some());
        self.all_exist
            .is_none_or(|wanted| self.names(args).all(|field| exists(field) == wanted))
    }
}

fn hsetex(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let rules = rules(txn);
    let now_ms = txn.now_ms;
    let options = Options::parse(args, now_ms)?;
    let found = find(txn, key, options.names(args))?;
    let hash = found.map(|found| txn.view::<Hash>(found)).transpose()?;
    if !options.hold(hash, args, now_ms) {
        reply.int(0);
        return Ok(());
    }
    let mut outcome = Outcome::default();
    let (first, number) = options.fields;
    let ((), is_spent) = edit(txn, key, found, |hash| {
        for at in (first..first + 2 * number).step_by(2) {
            let (field, value) = (args.at(at), args.at(at + 1));
            let expiry = match options.ttl {
                None => None,
                Some(Ttl::Keep) => hash.view().get(field, now_ms).and_then(|pair| pair.expiry),
                Some(Ttl::At(at)) if Outcome::is_past(at, now_ms) => {
                    hash.remove(field, now_ms);
                    outcome.removed.push(field);
                    continue;
                }
                Some(Ttl::At(at)) => {
                    outcome.set.push(field);
                    Some(at)
                }
            };
            hash.set(field, value, expiry, &rules);
        }
    })?;
    tell(txn, args, &options, &outcome, is_spent && found.is_some());
    reply.int(1);
    Ok(())
}

/// Notes what happened: for notifications, and for the log without conditions and relative times.
fn tell(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    options: &Options,
    outcome: &Outcome<'_>,
    is_gone: bool,
) {
    let key = args.at(1);
    txn.changed(key, "hset");
    if !outcome.removed.is_empty() {
        outcome.tell(txn, key, 0, is_gone);
        return;
    }
    let (first, number) = options.fields;
    let number = number.to_string();
    let mut effect: Vec<&[u8]> = vec![b"HSETEX", key];
    let at;
    match options.ttl {
        None => {}
        Some(Ttl::Keep) => effect.push(b"KEEPTTL"),
        Some(Ttl::At(time)) => {
            at = time.to_string();
            effect.extend([&b"PXAT"[..], at.as_bytes()]);
            txn.changed(key, "hexpire");
        }
    }
    effect.extend([&b"FIELDS"[..], number.as_bytes()]);
    effect.extend(args.from(first).take(2 * options.fields.1));
    txn.replay_as(&effect);
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn sets_values_and_expiries() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("HSETEX a EX 10 FIELDS 2 f 1 g 2", ":1\r\n"),
            ("HTTL a FIELDS 2 f g", "*2\r\n:10\r\n:10\r\n"),
            ("HSETEX a KEEPTTL FIELDS 1 f 3", ":1\r\n"),
            ("HTTL a FIELDS 1 f", "*1\r\n:10\r\n"),
            ("HSETEX a FIELDS 1 g 4", ":1\r\n"),
            ("HTTL a FIELDS 1 g", "*1\r\n:-1\r\n"),
            ("HSETEX a FNX FIELDS 2 f 5 h 5", ":0\r\n"),
            ("HSETEX a FXX FIELDS 2 f 5 h 5", ":0\r\n"),
            ("HSETEX a FXX PX 7 FIELDS 2 f 5 g 5", ":1\r\n"),
            ("HMGET a f g h", "*3\r\n$1\r\n5\r\n$1\r\n5\r\n$-1\r\n"),
            ("HSETEX a PX 0 FIELDS 2 f 5 g 5", ":1\r\n"),
            ("EXISTS a", ":0\r\n"),
        ]);
        assert_eq!(
            fixture.effects(),
            [
                "HSETEX a PXAT 1700000010000 FIELDS 2 f 1 g 2",
                "HSETEX a KEEPTTL FIELDS 1 f 3",
                "HSETEX a FIELDS 1 g 4",
                "HSETEX a PXAT 1700000000007 FIELDS 2 f 5 g 5",
                "HDEL a f g"
            ]
        );
    }

    #[test]
    fn refuses() {
        let arity = "-ERR wrong number of arguments for 'hsetex' command\r\n";
        let bad_number = "-ERR invalid number of fields\r\n";
        Fixture::new().check(&[
            (
                "HSETEX a BOGUS FIELDS 1 f v",
                "-ERR unknown argument: BOGUS\r\n",
            ),
            (
                "HSETEX a FNX FXX FIELDS 1 f v",
                "-ERR Only one of FXX or FNX arguments can be specified\r\n",
            ),
            (
                "HSETEX a EX 1 KEEPTTL FIELDS 1 f v",
                "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified\r\n",
            ),
            ("HSETEX a FIELDS x f v", bad_number),
            ("HSETEX a FIELDS 0 f v", bad_number),
            ("HSETEX a FIELDS 2 f v", arity),
            ("HSETEX a FIELDS 1 f v g", arity),
        ]);
    }
}
