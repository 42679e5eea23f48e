//! SORT and `SORT_RO` as clients see them.

use crate::testing::Fixture;

/// An array of strings in wire form; `-` is null.
fn array(words: &str) -> String {
    let words: Vec<&str> = words.split_whitespace().collect();
    let texts = words.iter().map(|&word| match word {
        "-" => "$-1\r\n".to_owned(),
        _ => format!("${}\r\n{word}\r\n", word.len()),
    });
    format!("*{}\r\n{}", words.len(), texts.collect::<String>())
}

fn check(fixture: &mut Fixture, expected: &[(&str, &str)]) {
    for (line, words) in expected {
        assert_eq!(fixture.run(line), array(words), "{line}");
    }
}

#[test]
fn sorts_numbers_and_texts() {
    let mut fixture = Fixture::new();
    fixture.run("RPUSH l 10 9 -1.5 1e1 100");
    check(
        &mut fixture,
        &[
            ("SORT nothing", ""),
            ("SORT l", "-1.5 9 10 1e1 100"),
            ("SORT l DESC", "100 1e1 10 9 -1.5"),
            ("SORT l ALPHA", "-1.5 10 100 1e1 9"),
            ("SORT_RO l LIMIT 1 2", "9 10"),
            ("SORT l LIMIT -5 2 DESC", "100 1e1"),
            ("SORT l LIMIT 4 100", "100"),
            ("SORT l LIMIT 5 1", ""),
            ("SORT l LIMIT 3 -2", "1e1 100"),
            ("SORT l BY nosort LIMIT 1 2 DESC", "9 -1.5"),
            ("SORT l DESC GET # GET x", "100 - 1e1 - 10 - 9 - -1.5 -"),
        ],
    );
}

#[test]
fn sorts_sets_and_sorted_sets() {
    let mut fixture = Fixture::new();
    fixture.run("SADD s 3 1 2");
    fixture.run("ZADD z 3 a 2 b 1 c");
    check(
        &mut fixture,
        &[
            ("SORT s DESC", "3 2 1"),
            ("SORT z ALPHA", "a b c"),
            ("SORT z BY nosort", "c b a"),
            ("SORT z BY nosort DESC LIMIT 0 2", "a b"),
        ],
    );
    fixture.check(&[("SORT s BY nosort STORE d", ":3\r\n")]);
    check(&mut fixture, &[("LRANGE d 0 -1", "1 2 3")]);
}

#[test]
fn keys_are_named_after_elements() {
    let mut fixture = Fixture::with_threads(2);
    fixture.run("RPUSH l a b c");
    fixture.run("MSET w_a 3 w_b 2 w_c 1 t_b x");
    fixture.run("HSET h_a weight 1 name A");
    fixture.run("HSET h_b weight 3 name B");
    check(
        &mut fixture,
        &[
            ("SORT l BY w_*", "c b a"),
            ("SORT l BY w_* GET # GET t_* GET l*", "c - - b x - a - -"),
            ("SORT l BY h_*->weight", "c a b"),
            ("SORT l BY h_*->name DESC ALPHA GET h_*->name", "B A -"),
            ("SORT l BY t_* ALPHA", "a c b"),
        ],
    );
}

#[test]
fn stores() {
    let mut fixture = Fixture::logged();
    fixture.check(&[
        ("RPUSH l 2 1", ":2\r\n"),
        ("SET d x EX 100", "+OK\r\n"),
        ("SORT l GET # GET n_* STORE d", ":4\r\n"),
        (
            "LRANGE d 0 -1",
            "*4\r\n$1\r\n1\r\n$0\r\n\r\n$1\r\n2\r\n$0\r\n\r\n",
        ),
        ("TTL d", ":-1\r\n"),
        ("SORT l STORE l", ":2\r\n"),
        ("LINDEX l 0", "$1\r\n1\r\n"),
        ("SORT nothing STORE d", ":0\r\n"),
        ("EXISTS d", ":0\r\n"),
        ("SORT nothing STORE d", ":0\r\n"),
    ]);
    let stored = [
        "SORT l GET # GET n_* STORE d",
        "SORT l STORE l",
        "SORT nothing STORE d",
    ];
    assert_eq!(fixture.effects()[2..], stored);
}

#[test]
fn refuses() {
    let (syntax, not_numbers) = (
        "-ERR syntax error\r\n",
        "-ERR One or more scores can't be converted into double\r\n",
    );
    Fixture::new().check(&[
        ("RPUSH l a 1", ":2\r\n"),
        ("SORT l", not_numbers),
        ("SORT l BY nosort", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
        ("SORT l BY", syntax),
        ("SORT l LIMIT 0", syntax),
        ("SORT l UP", syntax),
        ("SORT_RO l STORE d", syntax),
        (
            "SORT l LIMIT x 1",
            "-ERR value is not an integer or out of range\r\n",
        ),
        ("SET w_a x", "+OK\r\n"),
        ("SORT l BY w_*", not_numbers),
        (
            "SORT w_a",
            "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        ),
    ]);
}
