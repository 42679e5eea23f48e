//! GEOADD.

use protocol::Reply;
use protocol::number::format_double;
use store::Txn;

use super::units::position;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::zset::{Adding, add};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// GEOADD key [options] longitude latitude member [longitude latitude member ...]
pub(super) const GEOADD: DataCommand = Command {
    spec: Spec {
        arity: -5,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[first(access::RW | access::UPDATE)],
        group: Group::Geo,
        since: "3.2.0",
        complexity: "O(log(N)) for each item added, where N is the number of elements in the \
                     sorted set.",
        summary: "Adds places to a sorted set, or moves them.",
        syntax: "key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]",
        ..Spec::new("geoadd")
    },
    run: geoadd,
    subcommands: &[],
};

fn geoadd(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (adding, start) = parse(args);
    if !(args.len() - start).is_multiple_of(3) || adding.nx && adding.xx {
        return Err(CommandError::Syntax);
    }
    let mut elements = Vec::new();
    for at in (start..args.len()).step_by(3) {
        elements.push((position(args, at)?.score(), args.at(at + 2)));
    }
    let tally = add(txn, args.at(1), &elements, adding)?;
    reply.int(tally.count(adding) as i64);
    if txn.is_logged() {
        let scores: Vec<_> = elements
            .iter()
            .map(|(score, _)| format_double(*score))
            .collect();
        let mut zadd: Vec<&[u8]> = vec![b"ZADD"];
        zadd.extend(args.iter().take(start).skip(1));
        for (score, (_, member)) in scores.iter().zip(&elements) {
            zadd.extend([score.as_bytes(), member]);
        }
        txn.replay_as(&zadd);
    }
    Ok(())
}

/// The options, and where the first longitude is.
fn parse(args: Args<'_>) -> (Adding, usize) {
    let mut adding = Adding::default();
    for at in 2..args.len() {
        if args.is(at, "NX") {
            adding.nx = true;
        } else if args.is(at, "XX") {
            adding.xx = true;
        } else if args.is(at, "CH") {
            adding.ch = true;
        } else {
            return (adding, at);
        }
    }
    (adding, args.len())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn adds_and_moves() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            (
                "GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
                ":2\r\n",
            ),
            ("ZSCORE g Palermo", "$16\r\n3479099956230698\r\n"),
            ("GEOADD g NX 1 1 Palermo", ":0\r\n"),
            ("GEOADD g XX 1 1 Nowhere", ":0\r\n"),
            ("GEOADD g XX CH 13.5 38 Palermo", ":1\r\n"),
            ("GEOADD g 1 1 a 2", "-ERR syntax error\r\n"),
            ("GEOADD g NX XX 1 1 a", "-ERR syntax error\r\n"),
            ("GEOADD g x 1 a", "-ERR value is not a valid float\r\n"),
            (
                "GEOADD g 1 1 a 181 86 b",
                "-ERR invalid longitude,latitude pair 181.000000,86.000000\r\n",
            ),
        ]);
        assert_eq!(
            fixture.effects(),
            [
                "ZADD g 3479099956230698 Palermo 3479447370796909 Catania",
                "ZADD g XX CH 3479097324432493 Palermo"
            ]
        );
    }
}
