//! SCAN's syntax, filters, and what it guarantees while the keyspace changes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::testing::Fixture;

/// Cursor and keys of a reply.
fn parts(reply: &str) -> (u64, Vec<String>) {
    let lines: Vec<&str> = reply.split("\r\n").collect();
    assert_eq!(lines[0], "*2", "{reply}");
    let keys = lines[4..lines.len() - 1].iter().skip(1).step_by(2);
    (
        lines[2].parse().unwrap(),
        keys.map(|&key| key.into()).collect(),
    )
}

fn scan(fixture: &mut Fixture, cursor: u64, options: &str) -> (u64, Vec<String>) {
    let line = format!("SCAN {cursor} {options}");
    parts(&fixture.run(line.trim_end()))
}

/// All keys of a whole scan, sorted, and the number of calls.
fn scan_all(fixture: &mut Fixture, options: &str) -> (Vec<String>, usize) {
    let (mut cursor, mut all, mut calls) = (0, Vec::new(), 0);
    loop {
        let (next, keys) = scan(fixture, cursor, options);
        all.extend(keys);
        calls += 1;
        cursor = next;
        if cursor == 0 {
            all.sort();
            return (all, calls);
        }
    }
}

#[test]
fn arguments_are_checked_in_redis_s_order() {
    let mut fixture = Fixture::new();
    let cursor = "-ERR invalid cursor\r\n";
    let syntax = "-ERR syntax error\r\n";
    let integer = "-ERR value is not an integer or out of range\r\n";
    fixture.check(&[
        ("SCAN x FOO 1", cursor),
        ("SCAN 0x", cursor),
        ("SCAN 99999999999999999999999", cursor),
        ("SCAN 0 COUNT", syntax),
        ("SCAN 0 COUNT 0", syntax),
        ("SCAN 0 COUNT x FOO 1", integer),
        ("SCAN 0 FOO 1 COUNT x", syntax),
        ("SCAN 0 MATCH", syntax),
        ("SCAN 0 ATTR x", syntax),
        ("SCAN 0 MINMSZ x", integer),
        ("SCAN 00", "*2\r\n$1\r\n0\r\n*0\r\n"),
        ("SCAN 18446744073709551615", "*2\r\n$1\r\n0\r\n*0\r\n"),
    ]);
}

#[test]
fn filters_choose() {
    for threads in [1, 2] {
        let mut fixture = Fixture::with_threads(threads);
        fixture.run("MSET one 1 two 2 three 3 {t}:a 4 {t}:b 5");
        fixture.run("PEXPIRE two 100000");
        fixture.run("SET gone 1 PX 5");
        fixture.run_args(["SET", "large", &"x".repeat(5_000)]);
        fixture.now_ms += 5;
        let mut all = |options: &str| scan_all(&mut fixture, options).0.join(" ");
        assert_eq!(all(""), "large one three two {t}:a {t}:b");
        assert_eq!(all("MATCH t*"), "three two");
        assert_eq!(all("match *e TYPE STRING"), "large one three");
        assert_eq!(all("MATCH one"), "one");
        assert_eq!(all("MATCH gone"), "");
        assert_eq!(all("MATCH {t}*"), "{t}:a {t}:b");
        assert_eq!(all("MATCH * TYPE list"), "");
        assert_eq!(all("TYPE nonsense"), "");
        assert_eq!(all("ATTR v"), "two");
        assert_eq!(all("ATTR p MATCH *o*"), "one");
        assert_eq!(all("MINMSZ 4000"), "large");
    }
}

#[test]
fn a_pattern_that_names_its_place_is_not_searched_for_elsewhere() {
    let mut fixture = Fixture::with_threads(2);
    for i in 0..5_000 {
        fixture.run(&format!("SET key:{i} 1"));
    }
    fixture.run("MSET {t}:a 1 {t}:b 1");
    let (keys, calls) = scan_all(&mut fixture, "MATCH key:77");
    assert_eq!((keys.join(" "), calls), ("key:77".into(), 1));
    let (keys, calls) = scan_all(&mut fixture, "MATCH {t}:?");
    assert_eq!(keys, ["{t}:a", "{t}:b"]);
    assert!(calls <= 4, "{calls}");
    let (_, calls) = scan_all(&mut fixture, "MATCH key:?");
    assert!(calls > 250, "{calls}");
}

#[test]
fn count_bounds_the_work() {
    for threads in [1, 2] {
        let mut fixture = Fixture::with_threads(threads);
        assert_eq!(scan_all(&mut fixture, "").1, 1);
        for i in 0..2_000 {
            fixture.run(&format!("SET key:{i} 1"));
        }
        for count in [1, 10, 100, 1_000, 5_000] {
            let mut cursor = 0;
            loop {
                let (next, keys) = scan(&mut fixture, cursor, &format!("COUNT {count}"));
                assert!(keys.len() < count + 40, "{} for {count}", keys.len());
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        let (keys, calls) = scan_all(&mut fixture, "COUNT 5000");
        assert_eq!((keys.len(), calls), (2_000, 1));
        assert_eq!(scan_all(&mut fixture, "COUNT 9223372036854775807").1, 1);
    }
}

/// What happens between two calls.
#[derive(Clone, Debug)]
enum Change {
    /// So many keys come.
    Insert(u32),
    /// So many of those that came go again.
    Remove(u32),
    /// So many keys come and expire before the next call.
    Expire(u32),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0..400u32).prop_map(Change::Insert),
        (0..600u32).prop_map(Change::Remove),
        (0..40u32).prop_map(Change::Expire),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_stays_is_met_and_what_is_gone_is_not(
        threads in 1..3usize,
        stays in 0..800u32,
        count in 1..200u32,
        changes in prop::collection::vec(change(), 1..40),
    ) {
        let mut fixture = Fixture::with_threads(threads);
        for i in 0..stays {
            let tag = if i % 3 == 0 { "{tag}" } else { "" };
            fixture.run(&format!("SET {tag}stays:{i} 1"));
        }
        let (mut first, mut last) = (0, 0);
        let mut seen = BTreeSet::new();
        let mut cursor = 0;
        let mut changes = changes.iter().cycle();
        // Some calls with changes between, then the rest of the scan.
        for call in 0.. {
            prop_assert!(call < 10_000, "the scan ends");
            let (next, keys) = scan(&mut fixture, cursor, &format!("COUNT {count}"));
            prop_assert!(next < 1 << 53);
            for key in keys {
                prop_assert!(!key.starts_with("expires"), "{} has expired", key);
                if let Some(number) = key.strip_prefix("passes:") {
                    let number: u32 = number.parse().unwrap();
                    prop_assert!((first..last).contains(&number), "{} isn't there", key);
                }
                seen.insert(key);
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
            match changes.next() {
                Some(&Change::Insert(keys)) if last < 20_000 => {
                    for i in last..last + keys {
                        fixture.run(&format!("SET passes:{i} 1"));
                    }
                    last += keys;
                }
                Some(&Change::Remove(keys)) => {
                    for i in first..last.min(first + keys) {
                        fixture.run(&format!("DEL passes:{i}"));
                    }
                    first = last.min(first + keys);
                }
                Some(&Change::Expire(keys)) => {
                    for i in 0..keys {
                        fixture.run(&format!("SET expires:{call}:{i} 1 PX 1"));
                    }
                    fixture.now_ms += 1;
                }
                _ => {}
            }
        }
        let met = seen.iter().filter(|key| key.contains("stays:")).count();
        prop_assert_eq!(met, stays as usize);
    }
}
