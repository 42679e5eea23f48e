//! Payloads and files: nothing that comes in may panic or take much memory, and what was accepted
//! can be written and read again.
#![no_main]

use data::types::hash::HashRules;
use data::types::list::NodeLimit;
use data::types::set::SetRules;
use data::types::stream::BlockLimits;
use data::types::zset::Growth;
use data::{KeyHasher, Limits, Value, ValueRef};
use libfuzzer_sys::fuzz_target;
use rdb::Rules;
use rdb::file::{Item, Reader};
use rdb::payload::{self, Payload};

/// Low thresholds, so that short inputs reach all forms.
fn rules() -> Rules {
    let limits = Limits {
        entries: 4,
        text_len: 16,
    };
    let hasher = KeyHasher::with_seed(1);
    Rules {
        list: NodeLimit {
            entries: 4,
            bytes: 64,
        },
        hash: HashRules {
            packed: limits,
            hasher: hasher.clone(),
            now_ms: 0,
        },
        set: SetRules {
            ints: 4,
            packed: limits,
            hasher: hasher.clone(),
            now_ms: 0,
        },
        zset: Growth { limits, hasher },
        stream: BlockLimits {
            bytes: 64,
            entries: 3,
        },
    }
}

/// What was read can be written, and reads the same.
fn comes_back(value: &Value) {
    let first = payload::dump(ValueRef::External(value), true);
    let payload = Payload::open(&first).expect("we wrote it");
    let again = payload.value(&rules()).expect("we wrote it");
    assert_eq!(again.type_name(), value.type_name());
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&how, body)) = bytes.split_first() else {
        return;
    };
    let version = match how {
        0 => return read_file(body),
        1..128 => 12,
        _ => 80,
    };
    let whole = payload::finish(body.to_vec(), version);
    let payload = Payload::open(&whole).expect("its footer is right");
    if let Ok(value) = payload.value(&rules()) {
        comes_back(&value);
    }
    let _ = payload.functions().count();
});

fn read_file(bytes: &[u8]) {
    let Ok(mut reader) = Reader::open(bytes, rules()) else {
        return;
    };
    while let Ok(Some(item)) = reader.next() {
        if let Item::Key(key) = item {
            comes_back(&key.value);
        }
    }
}
