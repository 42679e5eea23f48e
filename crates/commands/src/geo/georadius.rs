//! GEORADIUS, GEORADIUSBYMEMBER and their forms that only read.

use data::types::zset::ZsetRef;
use protocol::Reply;
use store::Txn;

use super::query::{Family, Query, of_member};
use super::search;
use super::units::{circle, position};
use crate::keys::{Begin, Find, KeySpec, access, first, positions};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// GEORADIUS key longitude latitude radius unit [options]
pub(super) const GEORADIUS: DataCommand = Command {
    spec: Spec {
        arity: -6,
        flags: flags::WRITE | flags::DENYOOM | flags::MOVABLEKEYS,
        keys: &[
            first(access::RO | access::ACCESS),
            target("STORE", 6),
            target("STOREDIST", 6),
        ],
        group: Group::Geo,
        since: "3.2.0",
        complexity: "O(N+log(M)) where N is the number of elements inside the bounding box of the \
                     circular area delimited by center and radius and M is the number of items \
                     inside the index.",
        summary: "Returns or stores the places in a circle.",
        syntax: "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] \
                 [WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]",
        ..Spec::new("georadius")
    },
    run: |txn, args, reply| by_position(txn, args, Family::Radius, reply),
    subcommands: &[],
};

/// GEORADIUSBYMEMBER key member radius unit [options]
pub(super) const GEORADIUSBYMEMBER: DataCommand = Command {
    spec: Spec {
        name: "georadiusbymember",
        arity: -5,
        keys: &[
            first(access::RO | access::ACCESS),
            target("STORE", 5),
            target("STOREDIST", 5),
        ],
        summary: "Returns or stores the places in a circle around another.",
        syntax: "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] \
                 [COUNT count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]",
        ..GEORADIUS.spec
    },
    run: |txn, args, reply| by_member(txn, args, Family::Radius, reply),
    subcommands: &[],
};

/// `GEORADIUS_RO` key longitude latitude radius unit [options]
pub(super) const GEORADIUS_RO: DataCommand = Command {
    spec: Spec {
        name: "georadius_ro",
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        since: "3.2.10",
        summary: "Returns the places in a circle.",
        syntax: "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] \
                 [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
        ..GEORADIUS.spec
    },
    run: |txn, args, reply| by_position(txn, args, Family::RadiusReadOnly, reply),
    subcommands: &[],
};

/// `GEORADIUSBYMEMBER_RO` key member radius unit [options]
pub(super) const GEORADIUSBYMEMBER_RO: DataCommand = Command {
    spec: Spec {
        name: "georadiusbymember_ro",
        arity: -5,
        summary: "Returns the places in a circle around another.",
        syntax: "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] \
                 [COUNT count [ANY]] [ASC | DESC]",
        ..GEORADIUS_RO.spec
    },
    run: |txn, args, reply| by_member(txn, args, Family::RadiusReadOnly, reply),
    subcommands: &[],
};

/// The key behind this word.
const fn target(word: &'static str, from: i32) -> KeySpec {
    KeySpec {
        access: access::OW | access::UPDATE | access::VARIABLE_FLAGS,
        begin: Begin::Keyword(word, from),
        find: Find::Range {
            last: 0,
            step: 1,
            limit: 0,
        },
    }
}

fn by_position(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    family: Family,
    reply: &mut Reply<'_>,
) -> CommandResult {
    search::run(txn, args, 1, reply, |zset| {
        let mut query = Query::new(family);
        query.center = Some(position(args, 2)?);
        query.extent = Some(circle(args, 4)?);
        finish(query.parse_options(args, 6, zset)?, &GEORADIUS.spec, args)
    })
}

fn by_member(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    family: Family,
    reply: &mut Reply<'_>,
) -> CommandResult {
    search::run(txn, args, 1, reply, |zset: Option<ZsetRef<'_>>| {
        let mut query = Query::new(family);
        if let Some(zset) = zset {
            query.center = Some(of_member(zset, args.at(2))?);
            query.extent = Some(circle(args, 3)?);
        }
        let query = query.parse_options(args, 5, zset)?;
        finish(query, &GEORADIUSBYMEMBER.spec, args)
    })
}

/// Refuses a target that isn't locked: the search for keys takes each word only once.
fn finish(query: Query, spec: &Spec, args: Args<'_>) -> Result<Query, CommandError> {
    let is_locked = |at: usize| positions(spec, args).contains(&at);
    match query.target {
        Some(target) if !is_locked(target.at) => Err(CommandError::Syntax),
        _ => Ok(query),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn finds_and_stores() {
        let mut fixture = Fixture::with_threads(2);
        fixture.check(&[
            (
                "GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
                ":2\r\n",
            ),
            (
                "GEORADIUS g 15 37 200 km WITHDIST ASC",
                "*2\r\n*2\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n\
                 *2\r\n$7\r\nPalermo\r\n$8\r\n190.4424\r\n",
            ),
            ("GEORADIUS_RO g 15 37 100 km", "*1\r\n$7\r\nCatania\r\n"),
            ("GEORADIUSBYMEMBER g Catania 1 m", "*1\r\n$7\r\nCatania\r\n"),
            (
                "GEORADIUSBYMEMBER_RO g Catania 1 m COUNT 1",
                "*1\r\n$7\r\nCatania\r\n",
            ),
            ("GEORADIUS g 15 37 200 km STORE h", ":2\r\n"),
            (
                "GEORADIUSBYMEMBER g Catania 200 km STOREDIST h COUNT 1",
                ":1\r\n",
            ),
            ("ZSCORE h Catania", "$1\r\n0\r\n"),
            ("GEORADIUS none 15 37 200 km STORE h", ":0\r\n"),
            ("EXISTS h", ":0\r\n"),
        ]);
    }

    #[test]
    fn refuses() {
        Fixture::with_threads(2).check(&[
            (
                "GEORADIUS g 15 37 200 km STORE a STORE b",
                "-ERR syntax error\r\n",
            ),
            (
                "GEORADIUS g 15 37 200 km STOREDIST STORE STORE b",
                "-ERR syntax error\r\n",
            ),
            (
                "GEORADIUS_RO g 15 37 200 km STORE a",
                "-ERR syntax error\r\n",
            ),
            ("GEORADIUS g 15 37 200 km STORE", "-ERR syntax error\r\n"),
            ("GEORADIUSBYMEMBER none x y z", "*0\r\n"),
            (
                "GEORADIUS g 15 37 200 km STORE a WITHDIST",
                "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and \
                 WITHCOORD options\r\n",
            ),
        ]);
    }
}
