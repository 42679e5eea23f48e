//! The same random commands to Darner and to a Redis server, and every reply compared:
//! `DARNER_PEER=127.0.0.1:6399 cargo test -p commands peer -- --ignored`, with a `redis-server`
//! there whose database 0 may be emptied.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};

use crate::testing::Fixture;

type Line = Vec<Vec<u8>>;

struct Peer(BufReader<TcpStream>);

impl Peer {
    fn connect() -> Self {
        let address = std::env::var("DARNER_PEER").expect("DARNER_PEER names a redis-server");
        let stream = TcpStream::connect(address).expect("a redis-server listens there");
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// The reply in wire form.
    fn ask<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Vec<u8> {
        let mut request = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args.iter().map(AsRef::as_ref) {
            request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            request.extend_from_slice(arg);
            request.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&request).unwrap();
        let mut reply = Vec::new();
        self.read_reply(&mut reply);
        reply
    }

    fn read_reply(&mut self, reply: &mut Vec<u8>) {
        let start = reply.len();
        self.0.read_until(b'\n', reply).unwrap();
        let head = String::from_utf8_lossy(&reply[start..]).into_owned();
        let count = head[1..].trim().parse::<i64>().unwrap_or(0);
        match head.as_bytes()[0] {
            b'$' if count >= 0 => {
                let mut bytes = vec![0; count as usize + 2];
                self.0.read_exact(&mut bytes).unwrap();
                reply.extend_from_slice(&bytes);
            }
            b'*' => (0..count).for_each(|_| self.read_reply(reply)),
            _ => {}
        }
    }
}

/// Templates: a word in lower case stands for a random argument, see [`argument`].
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

fn one_of(words: &'static [&'static str]) -> BoxedStrategy<Line> {
    let word = prop::sample::select(words);
    word.prop_map(|word| word.split(' ').map(Vec::from).collect())
        .boxed()
}

fn number(number: impl Strategy<Value = i64> + 'static) -> BoxedStrategy<Line> {
    number
        .prop_map(|number| vec![number.to_string().into_bytes()])
        .boxed()
}

fn argument(word: &str) -> BoxedStrategy<Line> {
    match word {
        "key" => one_of(&["a", "b", "c", "d"]),
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
        "int" => prop_oneof![
            4 => number(-12i64..12),
            2 => number(-3000i64..3000),
            1 => number(any::<i64>()),
            1 => one_of(&["x", "9223372036854775807", "-9223372036854775808", "1.0"]),
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
        literal => Just(vec![literal.into()]).boxed(),
    }
}

fn command() -> impl Strategy<Value = Line> {
    prop::sample::select(TEMPLATES).prop_flat_map(|template| {
        let args: Vec<_> = template.split(' ').map(argument).collect();
        args.prop_map(|args| args.concat())
    })
}

#[test]
#[ignore = "needs a redis-server at DARNER_PEER"]
fn peer_answers_the_same() {
    let peer = RefCell::new(Peer::connect());
    let config = Config {
        cases: 3000,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&vec(command(), 1..40), |lines| {
        let mut peer = peer.borrow_mut();
        let mut fixture = Fixture::new();
        peer.ask(&["FLUSHDB"]);
        for line in &lines {
            let text = line.iter().map(|arg| arg.escape_ascii().to_string());
            let text: Vec<_> = text.collect();
            let expected = String::from_utf8_lossy(&peer.ask(line)).into_owned();
            prop_assert_eq!(fixture.run_args(line), expected, "{}", text.join(" "));
            for key in ["a", "b", "c", "d"] {
                let encoding = peer.ask(&["OBJECT", "ENCODING", key]);
                let expiry = peer.ask(&["PEXPIRETIME", key]);
                let expected = String::from_utf8_lossy(&[encoding, expiry].concat()).into_owned();
                let ours = fixture.string_at(key);
                let ours = ours.map_or("$-1\r\n:-2\r\n".into(), |(encoding, expiry)| {
                    let expiry = expiry.map_or(-1, |at| at as i64);
                    format!("${}\r\n{encoding}\r\n:{expiry}\r\n", encoding.len())
                });
                prop_assert!(
                    ours == expected,
                    "{} made {key} {ours:?}, not {expected:?}",
                    text.join(" ")
                );
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        match error {
            TestError::Fail(reason, _) | TestError::Abort(reason) => panic!("{reason}"),
        }
    }
}
