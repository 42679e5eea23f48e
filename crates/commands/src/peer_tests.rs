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

mod strings;
mod zsets;

type Line = Vec<Vec<u8>>;

/// Keys that commands work on.
const KEYS: [&str; 4] = ["a", "b", "c", "d"];

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
            b'*' | b'~' => (0..count).for_each(|_| self.read_reply(reply)),
            b'%' => (0..2 * count).for_each(|_| self.read_reply(reply)),
            _ => {}
        }
    }
}

/// Commands that are tried together.
struct Family {
    /// A word in lower case stands for a random argument.
    templates: &'static [&'static str],
    /// The arguments of this family's own, beside those of [`argument`].
    argument: fn(&str) -> Option<BoxedStrategy<Line>>,
    /// Settings of the peer; those of Darner are the caller's to make.
    settings: &'static [(&'static str, &'static str)],
    resp3: bool,
    cases: u32,
}

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
        "key" => one_of(&KEYS),
        "int" => prop_oneof![
            4 => number(-12i64..12),
            2 => number(-3000i64..3000),
            1 => number(any::<i64>()),
            1 => one_of(&["x", "9223372036854775807", "-9223372036854775808", "1.0"]),
        ]
        .boxed(),
        literal => Just(vec![literal.into()]).boxed(),
    }
}

fn command(family: &'static Family) -> impl Strategy<Value = Line> {
    prop::sample::select(family.templates).prop_flat_map(|template| {
        let of = |word| (family.argument)(word).unwrap_or_else(|| argument(word));
        let args: Vec<_> = template.split(' ').map(of).collect();
        args.prop_map(|args| args.concat())
    })
}

fn compare(family: &'static Family, fixture: impl Fn() -> Fixture) {
    let peer = RefCell::new(Peer::connect());
    peer.borrow_mut()
        .ask(&["HELLO", if family.resp3 { "3" } else { "2" }]);
    let set = |(name, value)| peer.borrow_mut().ask(&["CONFIG", "SET", name, value]);
    family.settings.iter().copied().for_each(|setting| {
        set(setting);
    });
    let config = Config {
        cases: family.cases,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&vec(command(family), 1..40), |lines| {
        let (mut peer, mut fixture) = (peer.borrow_mut(), fixture());
        fixture.resp3 = family.resp3;
        peer.ask(&["FLUSHDB"]);
        for line in &lines {
            let text = line.iter().map(|arg| arg.escape_ascii().to_string());
            let text: Vec<_> = text.collect();
            let expected = String::from_utf8_lossy(&peer.ask(line)).into_owned();
            let mut reply = fixture.run_args(line);
            if reply.starts_with("waits for") {
                // The peer has waited in vain.
                let null = if family.resp3 { "_\r\n" } else { "*-1\r\n" };
                reply = null.into();
            }
            prop_assert_eq!(reply, expected, "{}", text.join(" "));
            for key in KEYS {
                check_key(&mut peer, &fixture, key, &text.join(" "))?;
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

/// A key has to be kept alike on both sides, and to expire at the same time.
fn check_key(
    peer: &mut Peer,
    fixture: &Fixture,
    key: &str,
    command: &str,
) -> Result<(), TestCaseError> {
    let encoding = peer.ask(&["OBJECT", "ENCODING", key]);
    let expiry = peer.ask(&["PEXPIRETIME", key]);
    let expected = String::from_utf8_lossy(&[encoding, expiry].concat()).into_owned();
    let none = if fixture.resp3 {
        "_\r\n:-2\r\n"
    } else {
        "$-1\r\n:-2\r\n"
    };
    let ours = fixture.string_at(key);
    let ours = ours.map_or(none.into(), |(encoding, expiry)| {
        let expiry = expiry.map_or(-1, |at| at as i64);
        format!("${}\r\n{encoding}\r\n:{expiry}\r\n", encoding.len())
    });
    prop_assert!(
        ours == expected,
        "{command} made {key} {ours:?}, not {expected:?}"
    );
    Ok(())
}
