//! HGETALL, HKEYS, HVALS.

use data::Hash;
use data::types::hash::Pair;
use protocol::{Mark, Reply};
use store::Txn;

use crate::elem;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// HGETALL key
pub(super) const HGETALL: DataCommand = Command {
    spec: Spec {
        arity: 2,
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Hash,
        since: "2.0.0",
        complexity: "O(N) where N is the size of the hash.",
        summary: "Returns all fields of a hash with their values.",
        syntax: "key",
        tips: &["nondeterministic_output_order"],
        ..Spec::new("hgetall")
    },
    run: |txn, args, reply| {
        let write = |reply: &mut Reply<'_>, pair: Pair<'_>| {
            elem::bulk(reply, pair.field);
            elem::bulk(reply, pair.value);
        };
        show(txn, args, reply, write, Reply::end_map)
    },
    subcommands: &[],
};

/// HKEYS key
pub(super) const HKEYS: DataCommand = Command {
    spec: Spec {
        name: "hkeys",
        summary: "Returns all fields of a hash.",
        ..HGETALL.spec
    },
    run: |txn, args, reply| {
        let write = |reply: &mut Reply<'_>, pair: Pair<'_>| elem::bulk(reply, pair.field);
        show(txn, args, reply, write, Reply::end_array)
    },
    subcommands: &[],
};

/// HVALS key
pub(super) const HVALS: DataCommand = Command {
    spec: Spec {
        name: "hvals",
        summary: "Returns the values of all fields of a hash.",
        ..HGETALL.spec
    },
    run: |txn, args, reply| {
        let write = |reply: &mut Reply<'_>, pair: Pair<'_>| elem::bulk(reply, pair.value);
        show(txn, args, reply, write, Reply::end_array)
    },
    subcommands: &[],
};

/// Writes something of all fields.
fn show<'r>(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    reply: &mut Reply<'r>,
    write: impl Fn(&mut Reply<'r>, Pair<'_>),
    end: fn(&mut Reply<'r>, Mark, usize),
) -> CommandResult {
    let now_ms = txn.now_ms;
    let hash = txn.read_as::<Hash>(args.at(1))?;
    let (mark, mut len) = (reply.begin_array(), 0);
    for pair in hash.into_iter().flat_map(|hash| hash.iter(now_ms)) {
        write(reply, pair);
        len += 1;
    }
    end(reply, mark, len);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn shows_everything() {
        let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("HGETALL a", "*0\r\n"),
            ("HSET a f 1 g 2", ":2\r\n"),
            (
                "HGETALL a",
                "*4\r\n$1\r\nf\r\n$1\r\n1\r\n$1\r\ng\r\n$1\r\n2\r\n",
            ),
            ("HKEYS a", "*2\r\n$1\r\nf\r\n$1\r\ng\r\n"),
            ("HVALS a", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"),
            ("SET s 1", "+OK\r\n"),
            ("HKEYS none", "*0\r\n"),
            ("HGETALL s", wrong),
        ]);
        fixture.resp3 = true;
        fixture.check(&[
            (
                "HGETALL a",
                "%2\r\n$1\r\nf\r\n$1\r\n1\r\n$1\r\ng\r\n$1\r\n2\r\n",
            ),
            ("HGETALL none", "%0\r\n"),
        ]);
    }
}
