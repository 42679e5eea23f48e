//! SSCAN.

use data::Set;
use protocol::Reply;
use store::Txn;

use crate::elem;
use crate::keys::{access, first};
use crate::member_scan::{Options, cursor, reply_nothing};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// SSCAN key cursor [MATCH pattern] [COUNT count]
pub(super) const SSCAN: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Set,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command \
                     calls for the cursor to return back to 0. N is the number of elements inside \
                     the collection.",
        summary: "Returns some members of a set, and where to go on.",
        syntax: "key cursor [MATCH pattern] [COUNT count]",
        tips: &["nondeterministic_output"],
        ..Spec::new("sscan")
    },
    run: sscan,
    subcommands: &[],
};

fn sscan(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cursor = cursor(args)?;
    let now_ms = txn.now_ms;
    let Some(set) = txn.read_as::<Set>(args.at(1))? else {
        reply_nothing(reply);
        return Ok(());
    };
    let options = Options::parse(args, "")?;
    options.walk(cursor, reply, |position, reply| {
        let (mut seen, mut written) = (0, 0);
        let next = set.scan(position, now_ms, |member| {
            seen += 1;
            if options.accepts(member) {
                elem::bulk(reply, member);
                written += 1;
            }
        });
        (seen, written, next)
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn shows_every_member() {
        let mut fixture = Fixture::new();
        let many: Vec<_> = (0..1000).map(|i| format!("m{i}")).collect();
        fixture.run(&format!("SADD a {}", many.join(" ")));
        let (mut cursor, mut seen) = (String::from("0"), std::collections::BTreeSet::new());
        loop {
            let reply = fixture.run(&format!("SSCAN a {cursor} COUNT 50"));
            let lines: Vec<_> = reply.split("\r\n").map(str::to_owned).collect();
            seen.extend(
                lines[4..]
                    .iter()
                    .filter(|line| line.starts_with('m'))
                    .cloned(),
            );
            cursor.clone_from(&lines[2]);
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(seen.len(), 1000);
    }

    #[test]
    fn options() {
        Fixture::new().check(&[
            ("SSCAN a 0", "*2\r\n$1\r\n0\r\n*0\r\n"),
            ("SSCAN a x", "-ERR invalid cursor\r\n"),
            ("SSCAN a 0 NONSENSE", "*2\r\n$1\r\n0\r\n*0\r\n"),
            ("SADD a x1 x2 y", ":3\r\n"),
            (
                "SSCAN a 0 MATCH x* COUNT 1",
                "*2\r\n$1\r\n0\r\n*2\r\n$2\r\nx1\r\n$2\r\nx2\r\n",
            ),
            ("SSCAN a 0 COUNT 0", "-ERR syntax error\r\n"),
            (
                "SSCAN a 0 COUNT x",
                "-ERR value is not an integer or out of range\r\n",
            ),
            ("SSCAN a 0 MATCH", "-ERR syntax error\r\n"),
            (
                "SSCAN a 0 NOVALUES",
                "-ERR NOVALUES option can only be used in HSCAN\r\n",
            ),
            ("SSCAN a 18446744073709551615", "*2\r\n$1\r\n0\r\n*0\r\n"),
        ]);
    }
}
