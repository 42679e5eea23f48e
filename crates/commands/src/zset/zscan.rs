//! ZSCAN.

use data::Zset;
use protocol::Reply;
use protocol::number::format_double;
use store::Txn;

use super::READ;
use crate::elem;
use crate::member_scan::{Options, cursor, reply_nothing};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

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

fn zscan(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cursor = cursor(args)?;
    let Some(zset) = txn.read_as::<Zset>(args.at(1))? else {
        reply_nothing(reply);
        return Ok(());
    };
    let options = Options::parse(args, "NOSCORES")?;
    options.walk(cursor, reply, |position, reply| {
        let (mut seen, mut written) = (0, 0);
        let next = zset.scan(position, |member, score| {
            seen += 1;
            if !options.accepts(member) {
                return;
            }
            elem::bulk(reply, member);
            written += 1;
            if !options.names_only {
                reply.bulk(format_double(score).as_bytes());
                written += 1;
            }
        });
        (seen, written, next)
    });
    Ok(())
}

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
