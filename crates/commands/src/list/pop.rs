//! LPOP, RPOP.

use data::types::list::End;
use data::{Collection, List};
use protocol::{Reply, number};
use store::{Found, Txn, WrongType};

use super::{pop_names, remove_with};
use crate::elem;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const NOT_POSITIVE: CommandError =
    CommandError::Text("ERR value is out of range, must be positive");

/// LPOP key [count]
pub(super) const LPOP: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::ACCESS | access::DELETE)],
        group: Group::List,
        complexity: "O(N) where N is the number of elements returned",
        summary: "Removes and returns the first elements of a list.",
        syntax: "key [count]",
        ..Spec::new("lpop")
    },
    run: |txn, args, reply| pop(txn, args, End::Front, reply),
    subcommands: &[],
};

/// RPOP key [count]
pub(super) const RPOP: DataCommand = Command {
    spec: Spec {
        name: "rpop",
        summary: "Removes and returns the last elements of a list.",
        ..LPOP.spec
    },
    run: |txn, args, reply| pop(txn, args, End::Back, reply),
    subcommands: &[],
};

fn pop(txn: &mut Txn<'_>, args: Args<'_>, end: End, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    if args.len() > 2 {
        return pop_several(txn, args, end, reply);
    }
    match txn.find(key) {
        Some(found) => {
            pop_elems(txn, (key, found), end, 1, reply)?;
        }
        None => reply.null(),
    }
    Ok(())
}

fn pop_several(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    end: End,
    reply: &mut Reply<'_>,
) -> CommandResult {
    if args.len() > 3 {
        return Err(CommandError::wrong_arity(pop_names(end).1));
    }
    let count = number::parse_i64(args.at(2)).and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(NOT_POSITIVE)?;
    let key = args.at(1);
    let Some(found) = txn.find(key) else {
        reply.null_array();
        return Ok(());
    };
    let count = txn.view::<List>(found)?.len().min(count);
    reply.array(count);
    pop_elems(txn, (key, found), end, count, reply)?;
    Ok(())
}

/// Pops up to `count` elements of a list and replies with each; returns how many.
pub(super) fn pop_elems(
    txn: &mut Txn<'_>,
    list: (&[u8], Found),
    end: End,
    count: usize,
    reply: &mut Reply<'_>,
) -> Result<usize, WrongType> {
    remove_with(txn, list, pop_names(end).1, |list| {
        let count = list.len().min(count);
        for elem in list.view().iter_from(end, 0).take(count) {
            elem::bulk(reply, elem);
        }
        list.remove_at(end, count);
        count
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn pops_at_both_ends() {
        Fixture::new().check(&[
            ("LPOP a", "$-1\r\n"),
            ("LPOP a 1", "*-1\r\n"),
            ("RPUSH a 1 2 3 4 5", ":5\r\n"),
            ("LPOP a", "$1\r\n1\r\n"),
            ("RPOP a", "$1\r\n5\r\n"),
            ("LPOP a 0", "*0\r\n"),
            ("RPOP a 2", "*2\r\n$1\r\n4\r\n$1\r\n3\r\n"),
            ("LPOP a 9223372036854775807", "*1\r\n$1\r\n2\r\n"),
            ("EXISTS a", ":0\r\n"),
        ]);
    }

    #[test]
    fn long_lists() {
        let mut fixture = Fixture::new();
        for i in 0..5000 {
            fixture.run(&format!("LPUSH a element-{i}"));
        }
        for i in 0..5000 {
            let element = format!("element-{i}");
            let reply = format!("${}\r\n{element}\r\n", element.len());
            assert_eq!(fixture.run("RPOP a"), reply);
        }
        fixture.check(&[("EXISTS a", ":0\r\n"), ("RPOP a", "$-1\r\n")]);
    }

    #[test]
    fn refuses() {
        let not_positive = "-ERR value is out of range, must be positive\r\n";
        Fixture::new().check(&[
            ("LPOP a -1", not_positive),
            ("LPOP a x", not_positive),
            (
                "RPOP a 1 2",
                "-ERR wrong number of arguments for 'rpop' command\r\n",
            ),
            ("SET a 1", "+OK\r\n"),
            (
                "LPOP a 1",
                "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
            ),
        ]);
    }
}
