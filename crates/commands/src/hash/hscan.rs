//! HSCAN.

use data::Hash;
use protocol::Reply;
use store::Txn;

use crate::elem;
use crate::keys::{access, first};
use crate::member_scan::{Options, cursor, reply_nothing};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]
pub(super) const HSCAN: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Hash,
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command \
                     calls for the cursor to return back to 0. N is the number of elements inside \
                     the collection.",
        summary: "Returns some fields of a hash, and where to go on.",
        syntax: "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
        tips: &["nondeterministic_output"],
        ..Spec::new("hscan")
    },
    run: hscan,
    subcommands: &[],
};

fn hscan(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cursor = cursor(args)?;
    let now_ms = txn.now_ms;
    let Some(hash) = txn.read_as::<Hash>(args.at(1))? else {
        reply_nothing(reply);
        return Ok(());
    };
    let options = Options::parse(args, "NOVALUES")?;
    options.walk(cursor, reply, |position, reply| {
        let (mut seen, mut written) = (0, 0);
        let next = hash.scan(position, now_ms, |pair| {
            seen += 1;
            if !options.accepts(pair.field) {
                return;
            }
            elem::bulk(reply, pair.field);
            written += 1;
            if !options.names_only {
                elem::bulk(reply, pair.value);
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
    fn shows_every_field() {
        let mut fixture = Fixture::new();
        let many: Vec<_> = (0..1000).map(|i| format!("f{i} {i}")).collect();
        fixture.run(&format!("HSET a {}", many.join(" ")));
        let (mut cursor, mut seen) = (String::from("0"), std::collections::BTreeSet::new());
        loop {
            let reply = fixture.run(&format!("HSCAN a {cursor} COUNT 50 NOVALUES"));
            let lines: Vec<_> = reply.split("\r\n").map(str::to_owned).collect();
            seen.extend(
                lines[4..]
                    .iter()
                    .filter(|line| line.starts_with('f'))
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
            ("HSCAN a 0", "*2\r\n$1\r\n0\r\n*0\r\n"),
            ("HSET a f 1 g 2", ":2\r\n"),
            (
                "HSCAN a 0 MATCH f*",
                "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nf\r\n$1\r\n1\r\n",
            ),
            (
                "HSCAN a 0 NOVALUES MATCH g",
                "*2\r\n$1\r\n0\r\n*1\r\n$1\r\ng\r\n",
            ),
            ("HSCAN a 0 NONSENSE", "-ERR syntax error\r\n"),
        ]);
    }
}
