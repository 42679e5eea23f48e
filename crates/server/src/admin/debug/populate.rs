//! DEBUG POPULATE: many keys at once.

use commands::{Args, CommandError};
use data::NewValue;
use protocol::{Reply, number};

use crate::session::Call;

const NOT_POSITIVE: CommandError =
    CommandError::Text("ERR value is out of range, must be positive");

struct Options<'a> {
    count: u64,
    prefix: &'a [u8],
    size: Option<usize>,
    random: bool,
}

fn parse(args: Args<'_>) -> Result<Options<'_>, CommandError> {
    let positive = |at| {
        let value = args.get(at).map(number::parse_i64);
        value.map(|value| {
            let value = value.and_then(|value| u64::try_from(value).ok());
            value.ok_or(NOT_POSITIVE)
        })
    };
    let random = args.len() > 5 && args.is(5, "rand");
    if args.len() > 6 || args.len() == 6 && !random {
        return Err(CommandError::Syntax);
    }
    Ok(Options {
        count: positive(2).ok_or(NOT_POSITIVE)??,
        prefix: args.get(3).unwrap_or(b"key"),
        size: positive(4).transpose()?.map(|size| size as usize),
        random,
    })
}

/// DEBUG POPULATE count [prefix] [size] [RAND]
pub(super) fn populate(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), CommandError> {
    let options = parse(call.args)?;
    if options
        .size
        .is_some_and(|size| size as u64 > call.txn.max_string)
    {
        return Err(CommandError::Text(
            "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        ));
    }
    let store = &call.shared.store;
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let mut digits = itoa::Buffer::new();
    for index in 0..options.count {
        let digits = digits.format(index).as_bytes();
        key.clear();
        key.extend_from_slice(options.prefix);
        key.push(b':');
        key.extend_from_slice(digits);
        value.clear();
        if options.random {
            let len = options.size.unwrap_or(0);
            value.extend((0..len).map(|_| b'a' + (call.txn.random().next() % 26) as u8));
        } else {
            value.extend_from_slice(b"value:");
            value.extend_from_slice(digits);
            value.resize(options.size.unwrap_or(value.len()), 0);
        }
        let shard = store.shard_of(&key, store.hash(&key));
        call.txn.in_shard(shard, |txn| {
            if txn.peek(&key).is_none() {
                txn.set(&key, None, NewValue::Str(&value), None);
                txn.replay_as(&[b"SET", &key, &value]);
                txn.changed_silently(&key);
            }
        });
    }
    reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use commands::OwnedArgs;

    use super::*;

    #[test]
    fn both_servers_forms() {
        let args = OwnedArgs::new("debug populate 10 pre 5 RAND".split(' '));
        let options = parse(args.borrow()).unwrap();
        assert_eq!((options.count, options.prefix), (10, &b"pre"[..]));
        assert_eq!((options.size, options.random), (Some(5), true));
        for wrong in ["x", "-1", "1 p x", "1 p -5", "1 p 5 x", "1 p 5 rand x"] {
            let args = OwnedArgs::new(format!("debug populate {wrong}").split(' '));
            assert!(parse(args.borrow()).is_err(), "{wrong}");
        }
    }
}
