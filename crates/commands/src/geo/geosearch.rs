//! GEOSEARCH, GEOSEARCHSTORE.

use protocol::Reply;
use store::Txn;

use super::query::{Family, Query, Target};
use super::search;
use crate::keys::{access, first, range};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// GEOSEARCH key center area [options]
pub(super) const GEOSEARCH: DataCommand = Command {
    spec: Spec {
        arity: -7,
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Geo,
        since: "6.2.0",
        complexity: "O(N+log(M)) where N is the number of elements in the grid-aligned bounding \
                     box area around the shape provided as the filter and M is the number of \
                     items inside the shape",
        summary: "Returns the places in a circle or a box.",
        syntax: "key <FROMMEMBER member | FROMLONLAT longitude latitude> \
                 <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI>> \
                 [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
        ..Spec::new("geosearch")
    },
    run: geosearch,
    subcommands: &[],
};

/// GEOSEARCHSTORE destination source center area [options]
pub(super) const GEOSEARCHSTORE: DataCommand = Command {
    spec: Spec {
        name: "geosearchstore",
        arity: -8,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[
            first(access::OW | access::UPDATE),
            range(2, 0, 1, access::RO | access::ACCESS),
        ],
        summary: "Stores the places in a circle or a box.",
        syntax: "destination source <FROMMEMBER member | FROMLONLAT longitude latitude> \
                 <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI>> \
                 [ASC | DESC] [COUNT count [ANY]] [STOREDIST]",
        ..GEOSEARCH.spec
    },
    run: geosearchstore,
    subcommands: &[],
};

fn geosearch(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search::run(txn, args, 1, reply, |zset| {
        Query::new(Family::Search).parse_options(args, 2, zset)
    })
}

fn geosearchstore(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search::run(txn, args, 2, reply, |zset| {
        let mut query = Query::new(Family::SearchStore);
        query.target = Some(Target {
            at: 1,
            distances: false,
        });
        query.parse_options(args, 3, zset)
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    fn fixture() -> Fixture {
        let mut fixture = Fixture::new();
        fixture.run("GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania");
        fixture.run("GEOADD g 12.758489 38.788135 edge1 17.241510 38.788135 edge2");
        fixture
    }

    #[test]
    fn finds() {
        fixture().check(&[
            (
                "GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC",
                "*2\r\n$7\r\nCatania\r\n$7\r\nPalermo\r\n",
            ),
            (
                "GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km DESC COUNT 2 WITHDIST WITHHASH",
                "*2\r\n*3\r\n$5\r\nedge1\r\n$8\r\n279.7405\r\n:3479273021651468\r\n\
                 *3\r\n$5\r\nedge2\r\n$8\r\n279.7403\r\n:3481342659049484\r\n",
            ),
            (
                "GEOSEARCH g FROMMEMBER Palermo BYRADIUS 0 m WITHCOORD",
                "*1\r\n*2\r\n$7\r\nPalermo\r\n*2\r\n$20\r\n13.36138933897018433\r\n\
                 $20\r\n38.11555639549629859\r\n",
            ),
            (
                "GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1 m COUNT 1 ANY",
                "*0\r\n",
            ),
            ("GEOSEARCH none FROMMEMBER x BYRADIUS 1 m", "*0\r\n"),
        ]);
    }

    #[test]
    fn stores() {
        let mut fixture = fixture();
        fixture.check(&[
            (
                "GEOSEARCHSTORE h g FROMLONLAT 15 37 BYRADIUS 200 km",
                ":2\r\n",
            ),
            ("ZSCORE h Palermo", "$16\r\n3479099956230698\r\n"),
            (
                "GEOSEARCHSTORE h g FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST COUNT 1",
                ":1\r\n",
            ),
            ("ZRANGE h 0 -1", "*1\r\n$7\r\nCatania\r\n"),
            (
                "GEOSEARCHSTORE h none FROMLONLAT 15 37 BYRADIUS 200 km",
                ":0\r\n",
            ),
            ("EXISTS h", ":0\r\n"),
        ]);
    }

    #[test]
    fn refuses() {
        fixture().check(&[
            (
                "GEOSEARCH g FROMMEMBER x BYRADIUS 1 m",
                "-ERR could not decode requested zset member\r\n",
            ),
            (
                "GEOSEARCH g FROMLONLAT 1 1 FROMMEMBER x BYRADIUS 1 m",
                "-ERR syntax error\r\n",
            ),
            (
                "GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m BYBOX 1 1 m",
                "-ERR syntax error\r\n",
            ),
            (
                "GEOSEARCH g BYRADIUS 1 m ASC COUNT 1",
                "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH\r\n",
            ),
            (
                "geosearch g FROMLONLAT 1 1 ASC WITHDIST",
                "-ERR exactly one of BYRADIUS and BYBOX can be specified for geosearch\r\n",
            ),
            (
                "GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m ANY",
                "-ERR the ANY argument requires COUNT argument\r\n",
            ),
            (
                "GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 m COUNT 0",
                "-ERR COUNT must be > 0\r\n",
            ),
            (
                "GEOSEARCH g FROMLONLAT 1 1 BYRADIUS x m",
                "-ERR need numeric radius\r\n",
            ),
            (
                "GEOSEARCH g FROMLONLAT 1 1 BYRADIUS -1 m",
                "-ERR radius cannot be negative\r\n",
            ),
            (
                "GEOSEARCH g FROMLONLAT 1 1 BYBOX x 1 m",
                "-ERR need numeric width\r\n",
            ),
            (
                "GEOSEARCH g FROMLONLAT 1 1 BYBOX 1 x m",
                "-ERR need numeric height\r\n",
            ),
            (
                "GEOSEARCHSTORE h g FROMLONLAT 1 1 BYRADIUS 1 m WITHDIST",
                "-ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD \
                 options\r\n",
            ),
        ]);
    }
}
