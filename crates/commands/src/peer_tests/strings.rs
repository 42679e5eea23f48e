//! Strings, bitmaps and what keys have in common.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Family, Line, compare, number, one_of};
use crate::testing::Fixture;

const STRINGS: Family = Family {
    templates: TEMPLATES,
    argument,
    settings: &[],
    resp3: false,
    cases: 3000,
};

const TEMPLATES: &[&str] = &[
    "GET key",
    "SET key value",
    "SET key value condition",
    "SET key value condition GET",
    "SET key value time",
    "SET key value GET KEEPTTL",
    "SET key value time time",
    "SETNX key value",
    "GETSET key value",
    "GETDEL key",
    "GETEX key",
    "GETEX key time",
    "GETEX key PERSIST",
    "GETRANGE key int int",
    "SUBSTR key int int",
    "SETRANGE key int value",
    "APPEND key value",
    "STRLEN key",
    "INCR key",
    "DECR key",
    "INCRBY key int",
    "DECRBY key int",
    "INCRBYFLOAT key value",
    "MGET key key key",
    "MSET key value key value",
    "MSETNX key value key value",
    "LCS key key",
    "LCS key key LEN",
    "LCS key key IDX WITHMATCHLEN MINMATCHLEN int",
    "SETBIT key offset bit",
    "GETBIT key offset",
    "BITCOUNT key",
    "BITCOUNT key number number",
    "BITCOUNT key number number unit",
    "BITPOS key bit",
    "BITPOS key bit number",
    "BITPOS key bit number number",
    "BITPOS key bit number number unit",
    "BITOP operation key key",
    "BITOP operation key key key key",
    "BITFIELD key GET encoding offset",
    "BITFIELD key SET encoding offset int GET encoding offset",
    "BITFIELD key OVERFLOW overflow INCRBY encoding offset int INCRBY encoding offset int",
    "BITFIELD_RO key GET encoding offset GET encoding offset",
];

fn argument(word: &str) -> Option<BoxedStrategy<Line>> {
    Some(match word {
        "condition" => one_of(&["NX", "XX", "nx", "XX KEEPTTL"]),
        "time" => one_of(&[
            "EXAT 4000000000",
            "pxat 4000000000001",
            "PXAT 1",
            "EX 0",
            "EX -1",
            "PX x",
            "KEEPTTL",
            "PERSIST",
            "EX 9223372036854775807",
        ]),
        "bit" => one_of(&["0", "1", "0", "1", "2"]),
        "unit" => one_of(&["BIT", "BYTE", "bit"]),
        "operation" => one_of(&["AND", "or", "XOR", "NOT"]),
        "overflow" => one_of(&["WRAP", "sat", "FAIL"]),
        "encoding" => one_of(&["u8", "i8", "u63", "i64", "i5", "u1", "i17", "u32", "u64"]),
        "offset" => prop_oneof![
            number(0i64..40),
            number(0i64..20_000),
            one_of(&["#0", "#3", "#100", "-1", "4294967295000"]),
        ]
        .boxed(),
        // Redis 7.0 looks at these only if there is a key.
        "number" => number(prop_oneof![-12i64..12, -3000i64..3000, any::<i64>()]),
        "value" => prop_oneof![
            number(-100i64..100),
            one_of(&[
                "",
                "1.5",
                "-2e3",
                "0.1",
                "9223372036854775807",
                "inf",
                "ab",
                "1x"
            ]),
            vec(b'a'..b'd', 0..60).prop_map(|value| vec![value]),
            vec(any::<u8>(), 0..10).prop_map(|value| vec![value]),
            (any::<u8>(), 1800usize..3000).prop_map(|(byte, len)| vec![vec![byte; len]]),
            Just(vec![vec![0xff; 40]]),
        ]
        .boxed(),
        _ => return None,
    })
}

#[test]
#[ignore = "needs a redis-server at DARNER_PEER"]
fn peer_answers_the_same() {
    compare(&STRINGS, Fixture::new);
}
