//! SADDEX: members with a time to live, as Dragonfly has them.

use data::{Collection, Set};
use protocol::Reply;
use store::Txn;

use super::rules;
use crate::field_ttl::deadline_at;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// SADDEX key [KEEPTTL] seconds member [member ...]
///
/// `PXAT` with an absolute time in the place of the seconds is ours, for the log.
pub(super) const SADDEX: DataCommand = Command {
    spec: Spec {
        arity: -4,
        flags: flags::WRITE | flags::DENYOOM | flags::FAST,
        keys: &[first(access::RW | access::INSERT)],
        group: Group::Set,
        complexity: "O(N) where N is the number of members.",
        summary: "Adds members with a time to live to a set, or gives them one.",
        syntax: "key [KEEPTTL] <seconds | PXAT unix-time-milliseconds> member [member ...]",
        ..Spec::new("saddex")
    },
    run: saddex,
    subcommands: &[],
};

fn saddex(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let keeps = args.is(2, "KEEPTTL");
    let (at, members) = deadline_at(args, 2 + usize::from(keeps), txn.now_ms, "saddex")?;
    let rules = rules(txn);
    let now_ms = txn.now_ms;
    let found = txn.find(key);
    let added = txn.edit(key, found, |set: &mut Set| {
        let add = |member: &&[u8]| {
            let is_kept = keeps && set.view().contains(member, now_ms);
            !is_kept && set.add_expiring(member, at, &rules)
        };
        args.from(members).filter(add).count()
    })?;
    txn.changed(key, "sadd");
    if txn.is_logged() {
        let at = at.to_string();
        let mut effect: Vec<&[u8]> = vec![b"SADDEX", key];
        effect.extend(keeps.then_some(&b"KEEPTTL"[..]));
        effect.extend([&b"PXAT"[..], at.as_bytes()]);
        effect.extend(args.from(members));
        txn.replay_as(&effect);
    }
    reply.int(added as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn members_expire() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("SADDEX a 10 x y", ":2\r\n"),
            ("SADDEX a KEEPTTL 20 y z", ":1\r\n"),
            ("SADD a w", ":1\r\n"),
            ("FIELDTTL a x", ":10\r\n"),
            ("FIELDTTL a y", ":10\r\n"),
            ("FIELDTTL a z", ":20\r\n"),
            ("FIELDTTL a w", ":-1\r\n"),
            ("SADDEX a 30 x", ":0\r\n"),
        ]);
        fixture.now_ms += 10_000;
        fixture.check(&[
            ("SISMEMBER a y", ":0\r\n"),
            ("SISMEMBER a x", ":1\r\n"),
            ("SADD a y", ":1\r\n"),
            ("FIELDTTL a y", ":-1\r\n"),
            ("FIELDTTL a nope", ":-3\r\n"),
        ]);
        assert_eq!(
            fixture.effects()[..2],
            [
                "SADDEX a PXAT 1700000010000 x y",
                "SADDEX a KEEPTTL PXAT 1700000020000 y z"
            ]
        );
    }

    #[test]
    fn refuses() {
        Fixture::new().check(&[
            (
                "SADDEX a 0 x",
                "-ERR invalid expire time in 'saddex' command\r\n",
            ),
            (
                "SADDEX a x x",
                "-ERR value is not an integer or out of range\r\n",
            ),
            (
                "SADDEX a KEEPTTL 5",
                "-ERR wrong number of arguments for 'saddex' command\r\n",
            ),
            ("SADDEX a PXAT 1700000000005 x", ":1\r\n"),
        ]);
    }
}
