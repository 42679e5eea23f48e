//! Files: ours come back, those of other servers are read, and Redis reads ours.

mod support;

use std::path::Path;

use data::Value;
use data::types::stream::Id;
use rdb::Error;
use rdb::file::{Item, Key, KeyRef, Options, Reader, Writer};
use support::{describe, rules, view};

const OPTIONS: Options = Options {
    compress: true,
    checksum: true,
    has_member_expiries: false,
};

fn items(bytes: &[u8]) -> Result<Vec<Item>, Error> {
    let mut reader = Reader::open(bytes, rules())?;
    let mut items = Vec::new();
    while let Some(item) = reader.next()? {
        items.push(item);
    }
    assert!(reader.next()?.is_none(), "the end stays the end");
    Ok(items)
}

fn describe_item(item: &Item) -> String {
    match item {
        Item::Key(Key {
            name,
            value,
            expiry,
            idle_seconds,
            ..
        }) => {
            let name = String::from_utf8_lossy(name);
            format!("{name} {expiry:?} {idle_seconds:?} {}", describe(value))
        }
        other => format!("{other:?}"),
    }
}

/// Writes items as a file.
fn file(items: &[Item], options: Options) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), options).expect("memory takes all");
    let mut sizes = items.iter().filter_map(|item| match item {
        Item::Sizes { keys, expiring } => Some((*keys, *expiring)),
        _ => None,
    });
    for item in items {
        let written = match item {
            Item::Fact { name, value } => {
                writer.fact(std::str::from_utf8(name).expect("a name is text"), value)
            }
            Item::Function(code) => writer.function(code),
            Item::Database(number) => {
                let (keys, expiring) = sizes.next().expect("each database has its sizes");
                writer.database(*number, keys, expiring)
            }
            Item::Sizes { .. } => Ok(()),
            Item::Key(key) => writer.key(KeyRef {
                name: &key.name,
                value: view(&key.value),
                expiry: key.expiry,
                idle_seconds: key.idle_seconds,
            }),
        };
        written.expect("memory takes all");
    }
    writer.finish().expect("memory takes all")
}

fn some_items() -> Vec<Item> {
    let key = |name: &str, text: &str, expiry, idle_seconds| {
        Item::Key(Key {
            name: name.into(),
            value: Value::Str(text.into()),
            expiry,
            idle_seconds,
            frequency: None,
        })
    };
    vec![
        Item::Fact {
            name: b"redis-ver".into(),
            value: b"7.0.15".into(),
        },
        Item::Function(b"#!lua name=a".into()),
        Item::Database(0),
        Item::Sizes {
            keys: 2,
            expiring: 1,
        },
        key("a", "1", None, None),
        key(
            "12",
            &"text".repeat(100_000),
            Some(1_700_000_000_000),
            Some(7),
        ),
        Item::Database(700),
        Item::Sizes {
            keys: 1,
            expiring: 0,
        },
        key("", "", None, Some(1 << 40)),
    ]
}

#[test]
fn what_was_written_comes_back() {
    let expected: Vec<_> = some_items().iter().map(describe_item).collect();
    for (checksum, compress) in [(true, true), (false, false)] {
        let options = Options {
            checksum,
            compress,
            ..OPTIONS
        };
        let bytes = file(&some_items(), options);
        let back = items(&bytes).expect("we wrote it");
        assert_eq!(back.iter().map(describe_item).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn damage_is_noticed() {
    let bytes = file(&some_items(), OPTIONS);
    for end in 0..bytes.len() {
        assert!(items(&bytes[..end]).is_err(), "cut at {end}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(items(&changed).is_err(), "changed at {at}");
    }
    for head in [
        "REDIS0000",
        "REDIS0013",
        "REDIS0080",
        "REDIS+010",
        "VALKEY010",
        "RUDIS0010",
    ] {
        let changed = [head.as_bytes(), &bytes[9..]].concat();
        assert!(items(&changed).is_err(), "{head}");
    }
}

/// A file of this version, without a checksum.
fn by_hand(head: &str, body: &[u8]) -> Vec<u8> {
    [head.as_bytes(), body, &[0xff, 0, 0, 0, 0, 0, 0, 0, 0]].concat()
}

#[test]
fn what_nobody_needs_is_left_out() {
    // The size of a slot, data of a module in all its parts, a list without elements.
    let body = [
        b"\xf4\x01\x02\x03".as_slice(),
        b"\xf7\x81\x00\x00\x00\x00\x00\x00\x00\x01\x02\x02",
        b"\x01\x05\x02\x06\x03abcd\x04abcdefgh\x05\x03abc\x00",
        b"\xfd\x01\x00\x00\x00\x01\x01a\x00",
        b"\xf9\x05\x00\x01b\x01c",
    ];
    let all = items(&by_hand("REDIS0011", &body.concat())).expect("well formed");
    assert_eq!(
        all.iter().map(describe_item).collect::<Vec<_>>(),
        ["b None None \"c\""]
    );
    let Item::Key(key) = &all[0] else {
        panic!("it is a key");
    };
    assert_eq!(key.frequency, Some(5));
}

#[test]
fn what_cannot_be_kept_is_refused_by_name() {
    // The type of RedisJSON's values.
    let id = 0x4a4d_4a4d_4a4d_4a4d_u64.to_be_bytes();
    let body = [b"\x07\x01a\x81".as_slice(), &id].concat();
    let error = items(&by_hand("REDIS0011", &body)).expect_err("a module's");
    assert!(
        matches!(&error, Error::Module(name) if name.len() == 9),
        "{error}"
    );
    let error = items(&by_hand("REDIS0011", b"\xcc\x01a")).expect_err("unknown");
    assert!(matches!(error, Error::UnknownType(204)), "{error}");
    let error = items(&by_hand("REDIS0009", b"\x1e\x01a\x02{}")).expect_err("JSON");
    assert!(matches!(error, Error::Dragonfly(30)), "{error}");
}

#[test]
fn old_expiries_are_in_seconds() {
    let body =
        b"\xfd\x00\xf1\x53\x65\x00\x01a\x01b\xfc\xff\xff\xff\xff\xff\xff\xff\xff\x00\x01b\x01b";
    let all = items(&by_hand("REDIS0006", body)).expect("well formed");
    let all: Vec<_> = all.iter().map(describe_item).collect();
    assert_eq!(
        all,
        ["a Some(1700000000000) None \"b\"", "b Some(1) None \"b\""]
    );
}

/// Leaves out what older servers don't tell, and when consumers were last seen.
fn forget_what_differs(item: &mut Item) {
    let Item::Key(key) = item else { return };
    key.idle_seconds = None;
    let Value::Stream(stream) = &mut key.value else {
        return;
    };
    (stream.max_deleted_id, stream.entries_added) = (Id::MIN, 0);
    for group in stream.groups.values_mut() {
        group.entries_read = None;
        let names: Vec<_> = group.consumers().map(|one| one.name.clone()).collect();
        for name in names {
            let consumer = group.find_consumer(&name).expect("just seen");
            group.consumer_mut(consumer).seen_ms = 0;
        }
    }
}

/// The same commands to each server, then SAVE: all types, small and large.
#[test]
fn files_of_other_servers_are_read() {
    let mut first: Option<Vec<String>> = None;
    for server in [
        "redis-6.2.14",
        "redis-7.0.15",
        "redis-8.2.3",
        "valkey-9.1.2",
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let bytes = std::fs::read(folder.join(format!("{server}.rdb"))).expect("it is there");
        let mut all = items(&bytes).expect("well formed");
        all.iter_mut().for_each(forget_what_differs);
        let keys = all.iter().filter(|item| matches!(item, Item::Key(_)));
        let mut keys: Vec<_> = keys.map(describe_item).collect();
        keys.sort();
        if let Some(expiring) = keys.iter().position(|key| key.starts_with("expiring ")) {
            let expected = "[(\"a\", \"1\", Some(4000000000000)), (\"b\", \"2\", None)]";
            assert!(keys.remove(expiring).ends_with(expected), "{server}");
        }
        assert_eq!(&keys, first.get_or_insert(keys.clone()), "{server}");
        damage_is_harmless(&bytes);
    }
    let keys = first.expect("there are servers");
    for expected in [
        "hash None None listpack [(\"0\", \"0\", None), (\"a\", \"1\", None), \
         (\"b\", \"text\", None)]",
        "int None None \"-70000\"",
        "ints None None intset [(\"1\", None), (\"2\", None), (\"70000\", None)]",
        "with expiry Some(4000000000000) None \"x\"",
        "zset None None listpack [(\"c\", -3.0), (\"a\", 1.0), (\"b\", 1.5), (\"d\", inf)]",
    ] {
        assert!(keys.iter().any(|key| key == expected), "{expected}");
    }
    assert_eq!(keys.len(), 15);
}

fn damage_is_harmless(bytes: &[u8]) {
    for at in (9..bytes.len()).step_by(7) {
        let mut changed = bytes.to_vec();
        changed[at] ^= 0x55;
        assert!(items(&changed).is_err(), "changed at {at}");
    }
}
