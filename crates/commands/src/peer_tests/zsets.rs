//! Sorted sets in either form, and places.

use proptest::prelude::*;

use super::{Family, Line, compare, number, one_of};
use crate::testing::Fixture;

const ZSETS: Family = Family {
    templates: TEMPLATES,
    argument,
    settings: &[("zset-max-listpack-entries", "128")],
    resp3: false,
    cases: 3000,
};

const LARGE: Family = Family {
    settings: &[("zset-max-listpack-entries", "2")],
    resp3: true,
    ..ZSETS
};

const PLACES: Family = Family {
    templates: PLACE_TEMPLATES,
    argument: place_argument,
    settings: &[("zset-max-listpack-entries", "128")],
    ..ZSETS
};

/// All members of `lex` have one score, as the commands by their order want it.
const TEMPLATES: &[&str] = &[
    "ZADD key score member",
    "ZADD key score member score member score member",
    "ZADD key adding score member score member",
    "ZADD key adding adding score member",
    "ZADD key adding adding adding score member",
    "ZADD lex 0 member 0 member",
    "ZINCRBY key score member",
    "ZREM key member member",
    "ZREM lex member",
    "ZCARD key",
    "ZSCORE key member",
    "ZMSCORE key member member member",
    "ZRANK key member",
    "ZREVRANK key member",
    "ZCOUNT key bound bound",
    "ZLEXCOUNT lex lexbound lexbound",
    "ZRANGE key int int",
    "ZRANGE key int int option",
    "ZRANGE key bound bound BYSCORE option option",
    "ZRANGE lex lexbound lexbound BYLEX option",
    "ZREVRANGE key int int",
    "ZREVRANGE key int int WITHSCORES",
    "ZRANGEBYSCORE key bound bound",
    "ZRANGEBYSCORE key bound bound WITHSCORES LIMIT small small",
    "ZREVRANGEBYSCORE key bound bound option",
    "ZRANGEBYLEX lex lexbound lexbound",
    "ZREVRANGEBYLEX lex lexbound lexbound LIMIT small small",
    "ZRANGESTORE key key int int",
    "ZRANGESTORE key key bound bound BYSCORE option",
    "ZREMRANGEBYRANK key int int",
    "ZREMRANGEBYSCORE key bound bound",
    "ZREMRANGEBYLEX lex lexbound lexbound",
    "ZPOPMIN key",
    "ZPOPMAX key small",
    "ZMPOP 2 key key end",
    "ZMPOP 1 key end COUNT small",
    "BZPOPMIN a lex c b d 0.01",
    "BZMPOP 0.01 1 lex end COUNT small",
    "ZUNION 2 key key combining",
    "ZUNION 3 key set key WITHSCORES",
    "ZUNIONSTORE key 2 set key combining",
    "ZINTER 2 key set combining",
    "ZDIFF 2 set key",
    "ZINTER 2 key key combining combining",
    "ZDIFF 2 key key WITHSCORES",
    "ZDIFF 3 key key lex",
    "ZUNIONSTORE key 2 key key combining",
    "ZINTERSTORE key small key key combining",
    "ZDIFFSTORE key 2 key key",
    "ZINTERCARD 2 key key LIMIT small",
    "ZINTERCARD 2 key lex",
    "SADD set member member",
    "SET key member",
    "DEL key",
    "PEXPIREAT key 4000000000001",
];

const PLACE_TEMPLATES: &[&str] = &[
    "GEOADD key longitude latitude member",
    "GEOADD key longitude latitude member longitude latitude member longitude latitude member",
    "GEOADD key placing longitude latitude member longitude latitude member",
    "GEOADD key placing placing longitude latitude member",
    "GEOPOS key member member",
    "GEOHASH key member member",
    "GEODIST key member member",
    "GEODIST key member member unit",
    "GEOSEARCH key from area",
    "GEOSEARCH key from area search search",
    "GEOSEARCH key from area ASC search search",
    "GEOSEARCHSTORE key key from area",
    "GEOSEARCHSTORE key key from area search",
    "GEORADIUS key longitude latitude length unit",
    "GEORADIUS key longitude latitude length unit search search",
    "GEORADIUS key longitude latitude length unit STORE key",
    "GEORADIUSBYMEMBER key member length unit",
    "GEORADIUSBYMEMBER key member length unit search STOREDIST key",
    "GEORADIUS_RO key longitude latitude length unit DESC search",
    "GEORADIUSBYMEMBER_RO key member length unit search",
    "ZRANGE key 0 -1 WITHSCORES",
    "ZADD key rank member",
    "SET key member",
    "DEL key",
];

fn argument(word: &str) -> Option<BoxedStrategy<Line>> {
    let text = |text: String| vec![text.into_bytes()];
    Some(match word {
        word @ ("lex" | "set") => Just(vec![word.into()]).boxed(),
        "member" => prop_oneof![
            4 => one_of(&["m", "n", "o", "10", "9", "-1", "", "mm"]),
            1 => number(0i64..40),
        ]
        .boxed(),
        "score" => prop_oneof![
            4 => number(-5i64..5),
            2 => one_of(&["0.1", "-2.5", "inf", "-inf", "1e17", "nan", "1e-5", "x", "1.0"]),
            1 => any::<i64>().prop_map(move |n| text(n.to_string())),
            1 => (-1e6..1e6f64).prop_map(move |n| text(n.to_string())),
        ]
        .boxed(),
        "bound" => prop_oneof![
            4 => number(-6i64..6),
            3 => (-6i64..6).prop_map(move |n| text(format!("({n}"))),
            2 => one_of(&["-inf", "+inf", "(inf", "(-inf", "1e400", "", "x", "(x", "nan"]),
        ]
        .boxed(),
        "lexbound" => one_of(&[
            "-", "+", "[m", "(m", "[", "(9", "[10", "(n", "[-1", "[nn", "m",
        ]),
        "adding" => one_of(&["NX", "XX", "GT", "LT", "CH", "INCR", "ch", "gt"]),
        "option" => one_of(&[
            "REV",
            "WITHSCORES",
            "LIMIT 1 2",
            "LIMIT 0 -1",
            "LIMIT -1 1",
            "BYLEX",
        ]),
        "small" => number(-1i64..4),
        "rank" => number(0i64..4),
        "end" => one_of(&["MIN", "MAX", "min", "MID"]),
        "combining" => one_of(&[
            "WITHSCORES",
            "WEIGHTS 2 -0.5",
            "WEIGHTS inf 0",
            "AGGREGATE MIN",
            "AGGREGATE max",
            "AGGREGATE SUM",
            "WEIGHTS 1",
            "LIMIT 1",
        ]),
        _ => return None,
    })
}

fn place_argument(word: &str) -> Option<BoxedStrategy<Line>> {
    let text = |text: String| vec![text.into_bytes()];
    Some(match word {
        "longitude" => prop_oneof![
            5 => (-180.0..180.0).prop_map(move |x: f64| text(x.to_string())),
            5 => (10.0..11.0).prop_map(move |x: f64| text(x.to_string())),
            1 => one_of(&["180", "-180", "0", "180.1", "x"]),
        ]
        .boxed(),
        "latitude" => prop_oneof![
            5 => (-85.0..85.0).prop_map(move |y: f64| text(y.to_string())),
            5 => (50.0..51.0).prop_map(move |y: f64| text(y.to_string())),
            1 => one_of(&["85.05112878", "-85.05112878", "0", "86", "x"]),
        ]
        .boxed(),
        "length" => prop_oneof![
            4 => (0.0..500.0).prop_map(move |length: f64| text(length.to_string())),
            4 => number(0i64..20_000),
            1 => one_of(&["0", "-1", "x", "1e9"]),
        ]
        .boxed(),
        "unit" => one_of(&["km", "km", "km", "m", "mi", "ft", "KM", "cm"]),
        "placing" => one_of(&["NX", "XX", "CH"]),
        "from" => {
            prop_oneof![of("FROMLONLAT longitude latitude"), of("FROMMEMBER member"),].boxed()
        }
        "area" => prop_oneof![of("BYRADIUS length unit"), of("BYBOX length length unit")].boxed(),
        "search" => one_of(&[
            "WITHDIST",
            "WITHCOORD",
            "WITHHASH",
            "ASC",
            "DESC",
            "COUNT 1",
            "COUNT 2 ANY",
            "ANY",
            "COUNT 0",
        ]),
        _ => return argument(word),
    })
}

/// Several arguments of this family.
fn of(template: &str) -> BoxedStrategy<Line> {
    let args = template
        .split(' ')
        .map(|word| place_argument(word).unwrap_or(super::argument(word)));
    args.collect::<Vec<_>>()
        .prop_map(|args| args.concat())
        .boxed()
}

#[test]
#[ignore = "needs a redis-server at DARNER_PEER"]
fn peer_answers_the_same_on_sorted_sets() {
    compare(&ZSETS, Fixture::new);
}

#[test]
#[ignore = "needs a redis-server at DARNER_PEER"]
fn peer_answers_the_same_on_large_sorted_sets() {
    compare(&LARGE, || {
        let fixture = Fixture::new();
        fixture.thresholds().zset_entries.set(2);
        fixture
    });
}

#[test]
#[ignore = "needs a redis-server at DARNER_PEER"]
fn peer_answers_the_same_on_places() {
    compare(&PLACES, Fixture::new);
}
