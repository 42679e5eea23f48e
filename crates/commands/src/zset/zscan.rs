//! ZSCAN.

use data::Zset;
use protocol::number::format_double;
use protocol::{Reply, glob};
use store::Txn;

use super::{READ, reply_member};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};
use data::packed::Digits;

/// ZSCAN key cursor [MATCH pattern] [COUNT count] [NOSCORES]
pub(super) const ZSCAN: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::READONLY,
        keys: READ,
        group: Group::SortedSet,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command \
                     calls for the cursor to return back to 0. N is the number of elements inside \
                     the collection.",
        summary: "Returns some members of a sorted set with their scores, and where to go on.",
        syntax: "key cursor [MATCH pattern] [COUNT count] [NOSCORES]",
        tips: &["nondeterministic_output"],
        ..Spec::new("zscan")
    },
    run: zscan,
    subcommands: &[],
};

struct Options<'a> {
    pattern: Option<&'a [u8]>,
    count: usize,
    with_scores: bool,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let mut options = Self {
            pattern: None,
            count: 10,
            with_scores: true,
        };
        let mut at = 3;
        while at < args.len() {
            if args.is(at, "NOSCORES") {
                options.with_scores = false;
                at += 1;
                continue;
            }
            let value = args.get(at + 1).ok_or(CommandError::Syntax)?;
            if args.is(at, "COUNT") {
                let count = args.int(at + 1)?;
                options.count = usize::try_from(count).unwrap_or(0);
                if options.count == 0 {
                    return Err(CommandError::Syntax);
                }
            } else if args.is(at, "MATCH") {
                options.pattern = Some(value);
            } else {
                return Err(CommandError::Syntax);
            }
            at += 2;
        }
        Ok(options)
    }
}

fn zscan(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    const BAD_CURSOR: CommandError = CommandError::Text("ERR invalid cursor");
    let cursor = std::str::from_utf8(args.at(2)).ok();
    let cursor: u64 = cursor
        .and_then(|text| text.parse().ok())
        .ok_or(BAD_CURSOR)?;
    let Some(zset) = txn.read_as::<Zset>(args.at(1))? else {
        reply.array(2);
        reply.bulk_int(0);
        reply.array(0);
        return Ok(());
    };
    let options = Options::parse(args)?;
    let (start, mut parts, mut seen) = (reply.len(), 0, 0);
    let mark = reply.begin_array();
    let mut at = Some(cursor & POSITION_MASK);
    // As in SCAN an empty bucket costs a tenth of an element.
    for _ in 0..options.count.saturating_mul(10) {
        let Some(position) = at.filter(|_| seen < options.count) else {
            break;
        };
        at = zset.scan(position, |member, score| {
            seen += 1;
            let text = &mut Digits::new();
            let matches = |pattern| glob::matches(pattern, member.text(text), false);
            if options.pattern.is_none_or(matches) {
                reply_member(member, reply);
                parts += 1;
                if options.with_scores {
                    reply.bulk(format_double(score).as_bytes());
                    parts += 1;
                }
            }
        });
    }
    reply.end_array(mark, parts);
    let middle = reply.len();
    reply.array(2);
    reply.bulk_int(at.unwrap_or(0) as i64);
    reply.bring_forward(start, middle);
    Ok(())
}

/// Cursors that this server never gave are made such as it could have given.
const POSITION_MASK: u64 = (1 << data::hash::POSITION_BITS) - 1;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crate::testing::Fixture;

    #[test]
    fn shows_all_of_a_small_one() {
        Fixture::new().check(&[
            ("ZADD z 1.5 a 2 b1 3 b2", ":3\r\n"),
            ("ZSCAN none 5", "*2\r\n$1\r\n0\r\n*0\r\n"),
            (
                "ZSCAN z 0 COUNT 1 MATCH b?",
                "*2\r\n$1\r\n0\r\n*4\r\n$2\r\nb1\r\n$1\r\n2\r\n$2\r\nb2\r\n$1\r\n3\r\n",
            ),
            (
                "ZSCAN z 0 MATCH a NOSCORES",
                "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n",
            ),
            ("ZSCAN z x", "-ERR invalid cursor\r\n"),
            ("ZSCAN z 0 COUNT 0", "-ERR syntax error\r\n"),
            ("ZSCAN z 0 MATCH", "-ERR syntax error\r\n"),
        ]);
    }

    #[test]
    fn loses_nobody_while_a_large_one_changes() {
        let mut fixture = Fixture::new();
        for i in 0..2000 {
            fixture.run(&format!("ZADD z {i} m{i}"));
        }
        let (mut cursor, mut seen, mut calls) = ("0".to_owned(), HashSet::new(), 0);
        loop {
            let reply = fixture.run(&format!("ZSCAN z {cursor} NOSCORES COUNT 20"));
            let mut lines = reply.split("\r\n").filter(|s| !s.starts_with(['*', '$']));
            cursor = lines.next().unwrap().to_owned();
            seen.extend(lines.map(str::to_owned));
            calls += 1;
            for i in 0..20 {
                fixture.run(&format!("ZADD z 0 new{}", calls * 20 + i));
                fixture.run(&format!("ZREM z m{}", 1000 + calls * 20 + i));
            }
            if cursor == "0" {
                break;
            }
        }
        assert!(calls > 20);
        assert!((0..1000).all(|i| seen.contains(&format!("m{i}"))));
    }
}
