//! GEOPOS, GEODIST, GEOHASH.

use data::Zset;
use data::types::zset::ZsetRef;
use protocol::Reply;
use store::Txn;

use super::cell::Position;
use super::shape::distance;
use super::units::{reply_distance, reply_position, unit};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// GEOPOS key [member [member ...]]
pub(super) const GEOPOS: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Geo,
        since: "3.2.0",
        complexity: "O(1) for each member requested.",
        summary: "Returns the coordinates of places.",
        syntax: "key [member [member ...]]",
        ..Spec::new("geopos")
    },
    run: geopos,
    subcommands: &[],
};

/// GEOHASH key [member [member ...]]
pub(super) const GEOHASH: DataCommand = Command {
    spec: Spec {
        name: "geohash",
        summary: "Returns the geohashes of places, as text of 11 letters.",
        ..GEOPOS.spec
    },
    run: geohash,
    subcommands: &[],
};

/// GEODIST key member1 member2 [unit]
pub(super) const GEODIST: DataCommand = Command {
    spec: Spec {
        name: "geodist",
        arity: -4,
        complexity: "O(1)",
        summary: "Returns the distance of two places.",
        syntax: "key member1 member2 [M | KM | FT | MI]",
        ..GEOPOS.spec
    },
    run: geodist,
    subcommands: &[],
};

fn geopos(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let zset = txn.read_as::<Zset>(args.at(1))?;
    reply.array(args.len() - 2);
    for member in args.from(2) {
        match find(zset, member) {
            Some(position) => reply_position(position, reply),
            None => reply.null_array(),
        }
    }
    Ok(())
}

fn geohash(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let zset = txn.read_as::<Zset>(args.at(1))?;
    reply.array(args.len() - 2);
    for member in args.from(2) {
        match find(zset, member) {
            Some(position) => reply.bulk(&position.text()),
            None => reply.null(),
        }
    }
    Ok(())
}

fn geodist(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let unit = match args.len() {
        4 => 1.0,
        5 => unit(&args[4])?,
        _ => return Err(CommandError::Syntax),
    };
    let zset = txn.read_as::<Zset>(args.at(1))?;
    match (find(zset, args.at(2)), find(zset, args.at(3))) {
        (Some(a), Some(b)) => reply_distance(distance(a, b), unit, reply),
        _ => reply.null(),
    }
    Ok(())
}

fn find(zset: Option<ZsetRef<'_>>, member: &[u8]) -> Option<Position> {
    zset?.score(member).map(Position::of_score)
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn answers_as_redis_does() {
        let mut fixture = Fixture::new();
        fixture.run("GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania");
        fixture.check(&[
            ("GEODIST g Palermo Catania", "$11\r\n166274.1516\r\n"),
            ("GEODIST g Palermo Catania km", "$8\r\n166.2742\r\n"),
            ("GEODIST g Palermo Nowhere", "$-1\r\n"),
            (
                "GEODIST g Palermo Catania x",
                "-ERR unsupported unit provided. please use M, KM, FT, MI\r\n",
            ),
            ("GEODIST g Palermo Catania m m", "-ERR syntax error\r\n"),
            (
                "GEOHASH g Palermo Nowhere Catania",
                "*3\r\n$11\r\nsqc8b49rny0\r\n$-1\r\n$11\r\nsqdtr74hyu0\r\n",
            ),
            (
                "GEOPOS g Palermo Nowhere",
                "*2\r\n*2\r\n$20\r\n13.36138933897018433\r\n$20\r\n38.11555639549629859\r\n*-1\r\n",
            ),
            ("GEOPOS none a", "*1\r\n*-1\r\n"),
            ("GEOPOS g", "*0\r\n"),
            ("GEOHASH none a", "*1\r\n$-1\r\n"),
        ]);
    }
}
