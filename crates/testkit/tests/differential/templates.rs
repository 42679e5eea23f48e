//! What the differential test sends: a template per command and form, whose lower-case words stand
//! for random arguments, and how the replies to it are compared.

use testkit::random::Random;

/// How two replies to the same command are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    /// They are equal.
    Exact,
    /// Their elements are equal in any order.
    Unordered,
    /// So are their pairs of elements.
    Pairs,
    /// So are the parts of what SCAN's kind has found.
    Scan,
    /// Times that are left are both positive, or equal.
    Sign,
    /// All but the milliseconds that pending entries lie idle.
    NoIdle,
    /// All but the number of consumers, which Redis 7.0 adds later than 7.2.
    NoConsumers,
}

/// A family of commands: those work on keys of their own for the most part.
pub(crate) struct Family {
    /// Its keys begin with it.
    pub(crate) name: char,
    /// Its templates.
    pub(crate) templates: &'static [(&'static str, Compare)],
}

use Compare::{Exact, NoConsumers, NoIdle, Pairs, Scan, Sign, Unordered};

/// All of them.
pub(crate) const FAMILIES: &[Family] = &[
    Family {
        name: 's',
        templates: &[
            ("GET key", Exact),
            ("SET key value", Exact),
            ("SET key value condition", Exact),
            ("SET key value GET KEEPTTL", Exact),
            ("SETNX key value", Exact),
            ("GETSET key value", Exact),
            ("GETDEL key", Exact),
            ("GETEX key PERSIST", Exact),
            ("GETRANGE key int int", Exact),
            ("SETRANGE key small value", Exact),
            ("APPEND key value", Exact),
            ("STRLEN key", Exact),
            ("INCRBY key int", Exact),
            ("DECR key", Exact),
            ("INCRBYFLOAT key score", Exact),
            ("MGET key key key", Exact),
            ("MSET key value key value", Exact),
            ("MSETNX key value key value", Exact),
            ("LCS key key LEN", Exact),
            ("SETBIT key small bit", Exact),
            ("GETBIT key small", Exact),
            ("BITCOUNT key", Exact),
            ("BITPOS key bit", Exact),
            ("BITOP operation key key key", Exact),
            ("BITFIELD key INCRBY u5 small small GET i7 small", Exact),
            ("PFCOUNT key", Exact),
        ],
    },
    Family {
        name: 'l',
        templates: &[
            ("LPUSH key value", Exact),
            ("RPUSH key value value value", Exact),
            ("LPUSHX key value", Exact),
            ("RPUSHX key value", Exact),
            ("LPOP key", Exact),
            ("RPOP key count", Exact),
            ("LLEN key", Exact),
            ("LRANGE key int int", Exact),
            ("LINDEX key int", Exact),
            ("LSET key int value", Exact),
            ("LREM key count value", Exact),
            ("LTRIM key int int", Exact),
            ("LINSERT key where value value", Exact),
            ("LPOS key value", Exact),
            ("LPOS key value RANK count COUNT small", Exact),
            ("LMOVE key key side side", Exact),
            ("RPOPLPUSH key key", Exact),
            ("LMPOP 2 key key side COUNT small", Exact),
            ("SORT key", Exact),
            ("SORT key ALPHA DESC", Exact),
        ],
    },
    Family {
        name: 'h',
        templates: &[
            ("HSET key member value", Exact),
            ("HSET key member value member value", Exact),
            ("HSETNX key member value", Exact),
            ("HGET key member", Exact),
            ("HMGET key member member", Exact),
            ("HDEL key member member", Exact),
            ("HLEN key", Exact),
            ("HSTRLEN key member", Exact),
            ("HEXISTS key member", Exact),
            ("HINCRBY key member int", Exact),
            ("HINCRBYFLOAT key member score", Exact),
            ("HGETALL key", Pairs),
            ("HKEYS key", Unordered),
            ("HVALS key", Unordered),
            ("HRANDFIELD key 100", Unordered),
            ("HSCAN key 0 COUNT 1000", Scan),
        ],
    },
    Family {
        name: 'm',
        templates: &[
            ("SADD key member", Exact),
            ("SADD key member member member", Exact),
            ("SREM key member member", Exact),
            ("SCARD key", Exact),
            ("SISMEMBER key member", Exact),
            ("SMISMEMBER key member member", Exact),
            ("SMEMBERS key", Unordered),
            ("SMOVE key key member", Exact),
            ("SINTER key key", Unordered),
            ("SUNION key key key", Unordered),
            ("SDIFF key key", Unordered),
            ("SINTERSTORE key key key", Exact),
            ("SUNIONSTORE key key key", Exact),
            ("SDIFFSTORE key key key", Exact),
            ("SINTERCARD 2 key key", Exact),
            ("SINTERCARD 2 key key LIMIT small", Exact),
            ("SRANDMEMBER key 100", Unordered),
            ("SPOP key 100", Unordered),
            ("SSCAN key 0 COUNT 1000", Scan),
        ],
    },
    Family {
        name: 'z',
        templates: &[
            ("ZADD key score member", Exact),
            ("ZADD key score member score member", Exact),
            ("ZADD key zadd score member", Exact),
            ("ZINCRBY key score member", Exact),
            ("ZREM key member member", Exact),
            ("ZCARD key", Exact),
            ("ZSCORE key member", Exact),
            ("ZMSCORE key member member", Exact),
            ("ZRANK key member", Exact),
            ("ZREVRANK key member", Exact),
            ("ZRANGE key int int", Exact),
            ("ZRANGE key int int REV WITHSCORES", Exact),
            ("ZRANGE key bound bound BYSCORE LIMIT small count", Exact),
            ("ZRANGEBYSCORE key bound bound WITHSCORES", Exact),
            ("ZREVRANGEBYSCORE key bound bound LIMIT int int", Exact),
            ("ZCOUNT key bound bound", Exact),
            ("ZPOPMIN key", Exact),
            ("ZPOPMAX key small", Exact),
            ("ZMPOP 2 key key end COUNT small", Exact),
            ("ZREMRANGEBYRANK key int int", Exact),
            ("ZREMRANGEBYSCORE key bound bound", Exact),
            ("ZRANGESTORE key key int int", Exact),
            ("ZUNIONSTORE key 2 key key WEIGHTS score score", Exact),
            ("ZINTERSTORE key 2 key key AGGREGATE aggregate", Exact),
            ("ZDIFFSTORE key 2 key key", Exact),
            ("ZUNION 2 key key WITHSCORES", Exact),
            ("ZINTER 2 key key WITHSCORES", Exact),
            ("ZDIFF 2 key key WITHSCORES", Exact),
            ("ZINTERCARD 2 key key", Exact),
            ("ZSCAN key 0 COUNT 1000", Scan),
        ],
    },
    // Of members with unequal scores Redis says nothing about ranges by member.
    Family {
        name: 'y',
        templates: &[
            ("ZADD key 0 member", Exact),
            ("ZADD key 0 member 0 member", Exact),
            ("ZRANGE key lex lex BYLEX", Exact),
            ("ZRANGE key lex lex BYLEX REV LIMIT small count", Exact),
            ("ZRANGEBYLEX key lex lex", Exact),
            ("ZREVRANGEBYLEX key lex lex LIMIT int int", Exact),
            ("ZLEXCOUNT key lex lex", Exact),
            ("ZREMRANGEBYLEX key lex lex", Exact),
            ("ZREM key member", Exact),
        ],
    },
    Family {
        name: 'x',
        templates: &[
            ("XADD key nid member value", Exact),
            ("XADD key nid member value member value", Exact),
            ("XADD key NOMKSTREAM trim nid member value", Exact),
            ("XADD key trim nid member value", Exact),
            ("XTRIM key trim", Exact),
            ("XLEN key", Exact),
            ("XRANGE key bid bid", Exact),
            ("XRANGE key bid bid COUNT count", Exact),
            ("XREVRANGE key bid bid", Exact),
            ("XREVRANGE key bid bid COUNT count", Exact),
            ("XDEL key id id", Exact),
            ("XREAD COUNT count STREAMS key key id id", Exact),
            ("XREAD STREAMS key $", Exact),
            ("XGROUP CREATE key group start", Exact),
            ("XGROUP CREATE key group start MKSTREAM", Exact),
            ("XGROUP SETID key group start", Exact),
            ("XGROUP DESTROY key group", Exact),
            ("XGROUP CREATECONSUMER key group f", Exact),
            ("XGROUP DELCONSUMER key group consumer", Exact),
            ("XREADGROUP GROUP group consumer STREAMS key >", Exact),
            (
                "XREADGROUP GROUP group consumer COUNT count STREAMS key >",
                Exact,
            ),
            ("XREADGROUP GROUP group consumer NOACK STREAMS key >", Exact),
            ("XREADGROUP GROUP group consumer STREAMS key id", Exact),
            ("XACK key group id id", Exact),
            ("XPENDING key group", Exact),
            ("XPENDING key group bid bid count", NoIdle),
            ("XPENDING key group bid bid count consumer", NoIdle),
            ("XCLAIM key group claimant 0 id id", Exact),
            ("XCLAIM key group claimant 0 id FORCE JUSTID", Exact),
            (
                "XCLAIM key group claimant 0 id FORCE RETRYCOUNT small LASTID id",
                Exact,
            ),
            ("XCLAIM key group claimant 10000000 id", Exact),
            ("XAUTOCLAIM key group claimant 0 bid COUNT small", Exact),
            ("XAUTOCLAIM key group claimant 0 bid JUSTID", Exact),
            ("XINFO STREAM key", Exact),
            ("XINFO GROUPS key", NoConsumers),
            ("XSETID key 21", Exact),
            ("XSETID key 20-1 ENTRIESADDED small MAXDELETEDID id", Exact),
        ],
    },
    Family {
        name: '*',
        templates: &[
            ("DEL key", Exact),
            ("DEL key key", Exact),
            ("UNLINK key", Exact),
            ("EXISTS key key key", Exact),
            ("TYPE key", Exact),
            ("RENAME key key", Exact),
            ("RENAMENX key key", Exact),
            ("COPY key key", Exact),
            ("COPY key key REPLACE", Exact),
            ("EXPIREAT key 4000000000", Exact),
            ("PEXPIREAT key 4000000000001 GT", Exact),
            ("EXPIRE key -1", Exact),
            ("EXPIRE key 100000 NX", Exact),
            ("PEXPIRE key int XX", Exact),
            ("PERSIST key", Exact),
            ("TTL key", Sign),
            ("PTTL key", Sign),
            ("KEYS *", Unordered),
            ("DBSIZE", Exact),
            ("TOUCH key key", Exact),
        ],
    },
];

const KEYS_PER_FAMILY: usize = 3;

/// A word of the list.
fn one_of(random: &mut Random, words: &[&str]) -> Vec<u8> {
    words[random.below(words.len())].into()
}

fn number(random: &mut Random, low: i64, high: i64) -> Vec<u8> {
    let number = low + random.below((high - low) as usize) as i64;
    number.to_string().into_bytes()
}

fn key(random: &mut Random, family: char) -> Vec<u8> {
    let others = ['s', 'l', 'h', 'm', 'z', 'x'];
    let is_own = family == 'y' || family != '*' && random.below(12) > 0;
    let family = if is_own {
        family
    } else {
        others[random.below(others.len())]
    };
    format!("{family}{}", random.below(KEYS_PER_FAMILY)).into_bytes()
}

/// The arguments that a word of a template stands for.
pub(crate) fn arguments(random: &mut Random, family: char, word: &str) -> Vec<Vec<u8>> {
    let one = match word {
        "key" => key(random, family),
        "value" | "member" => text(random, word == "value"),
        "int" => match random.below(8) {
            0 => one_of(
                random,
                &[
                    "x",
                    "9223372036854775807",
                    "-9223372036854775808",
                    "1.0",
                    "",
                ],
            ),
            1 => number(random, -3000, 3000),
            _ => number(random, -6, 6),
        },
        "small" => number(random, 0, 6),
        "count" => number(random, -1, 4),
        "bit" => one_of(random, &["0", "1", "0", "1", "2"]),
        "condition" => one_of(random, &["NX", "XX"]),
        "operation" => one_of(random, &["AND", "or", "XOR"]),
        "where" => one_of(random, &["BEFORE", "after"]),
        "side" => one_of(random, &["LEFT", "right"]),
        "end" => one_of(random, &["MIN", "max"]),
        "aggregate" => one_of(random, &["SUM", "min", "MAX"]),
        "zadd" => one_of(random, &["NX", "XX", "GT", "LT", "CH", "INCR"]),
        "score" => one_of(
            random,
            &["0", "1", "-1", "2.5", "1e3", "3", "inf", "-inf", "x", "nan"],
        ),
        "bound" => one_of(
            random,
            &["-inf", "+inf", "0", "(1", "2.5", "(3", "1000", "x"],
        ),
        "lex" => one_of(random, &["-", "+", "[m1", "(m2", "[m3", "[", "x"]),
        "id" | "nid" | "bid" | "start" => id(random, word),
        "group" => one_of(random, &["g", "g", "g", "h"]),
        "consumer" => one_of(random, &["c", "d"]),
        // Redis 7.0 adds it when it gets something, 7.2 when it asks.
        "claimant" => b"e".to_vec(),
        "trim" => {
            let word = one_of(random, &["MAXLEN", "MINID"]);
            let sign = one_of(random, &["=", "~", "="]);
            return vec![word, sign, number(random, 0, 12)];
        }
        literal => literal.into(),
    };
    vec![one]
}

fn text(random: &mut Random, is_value: bool) -> Vec<u8> {
    match random.below(if is_value { 12 } else { 16 }) {
        0 => one_of(
            random,
            &["", "1.5", "-2e3", "9223372036854775807", "inf", "007"],
        ),
        1 => vec![b'a' + random.below(3) as u8; random.below(200)],
        // Redis's SORT takes a zero byte for the end of the text.
        2 => (0..random.below(8))
            .map(|_| 1 + random.below(255) as u8)
            .collect(),
        3 | 4 => number(random, -20, 20),
        _ => format!("m{}", random.below(9)).into_bytes(),
    }
}

fn id(random: &mut Random, word: &str) -> Vec<u8> {
    match (random.below(12), word) {
        (0, "start") => b"$".to_vec(),
        (0..5, "start") => b"0".to_vec(),
        (0..2, "bid") => b"-".to_vec(),
        (2..4, "bid") => b"+".to_vec(),
        (4, "bid") => [b"(", &number(random, 0, 9)[..]].concat(),
        (0, "nid") => one_of(random, &["18446744073709551615-1", "5-*", "0-0"]),
        (5, _) => one_of(random, &["x", "-", "0-0", "1-x", "0-*"]),
        (6, _) => number(random, 0, 12),
        _ => format!("{}-{}", random.below(12), random.below(3)).into_bytes(),
    }
}
