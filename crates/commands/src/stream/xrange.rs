//! XRANGE and XREVRANGE.

use data::types::Stream;
use data::types::stream::Entry;
use protocol::Reply;
use store::Txn;

use super::id::{range_end, range_start, reply_id};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// XRANGE key start end [COUNT count]
pub(super) const XRANGE: DataCommand = Command {
    spec: Spec {
        arity: -4,
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(N) with N being the number of elements being returned. If N is constant \
                     (e.g. always asking for the first 10 elements with COUNT), you can consider \
                     it O(1).",
        summary: "Returns the entries of a stream from one ID to another.",
        syntax: "key start end [COUNT count]",
        ..Spec::new("xrange")
    },
    run: |txn, args, reply| xrange(txn, args, reply, false),
    subcommands: &[],
};

/// XREVRANGE key end start [COUNT count]
pub(super) const XREVRANGE: DataCommand = Command {
    spec: Spec {
        complexity: "O(N) with N being the number of elements returned. If N is constant (e.g. \
                     always asking for the first 10 elements with COUNT), you can consider it \
                     O(1).",
        summary: "Returns the entries of a stream from one ID to another, the last one first.",
        syntax: "key end start [COUNT count]",
        name: "xrevrange",
        ..XRANGE.spec
    },
    run: |txn, args, reply| xrange(txn, args, reply, true),
    subcommands: &[],
};

fn xrange(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    backwards: bool,
) -> CommandResult {
    let (start, end) = if backwards { (3, 2) } else { (2, 3) };
    let from = range_start(args.at(start))?;
    let to = range_end(args.at(end))?;
    let mut count = None;
    let mut at = 4;
    while at < args.len() {
        if !args.is(at, "COUNT") || at + 1 == args.len() {
            return Err(CommandError::Syntax);
        }
        count = Some(args.int(at + 1)?.max(0) as usize);
        at += 2;
    }
    let Some(stream) = txn.read_as::<Box<Stream>>(args.at(1))? else {
        reply.array(0);
        return Ok(());
    };
    if count == Some(0) {
        reply.null_array();
        return Ok(());
    }
    let range = stream.range(from, to);
    let count = count.unwrap_or(usize::MAX);
    if backwards {
        reply_entries(range.rev().take(count), reply);
    } else {
        reply_entries(range.take(count), reply);
    }
    Ok(())
}

/// Answers entries as an array; how many there were.
pub(super) fn reply_entries<'e>(
    entries: impl Iterator<Item = Entry<'e>>,
    reply: &mut Reply<'_>,
) -> usize {
    let mark = reply.begin_array();
    let mut count = 0;
    for entry in entries {
        reply_entry(entry, reply);
        count += 1;
    }
    reply.end_array(mark, count);
    count
}

/// Answers an entry: its ID, and its names and values by turns.
#[inline]
pub(super) fn reply_entry(entry: Entry<'_>, reply: &mut Reply<'_>) {
    reply.array(2);
    reply_id(entry.id, reply);
    reply.array(entry.fields * 2);
    let mut digits = data::packed::Digits::new();
    for (name, value) in entry.pairs() {
        reply.bulk(name.text(&mut digits));
        reply.bulk(value.text(&mut digits));
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    const ONE: &str = "*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$1\r\n1\r\n";
    const TWO: &str = "*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\ng\r\n$1\r\nv\r\n";

    #[test]
    fn ranges_in_both_directions() {
        let mut fixture = Fixture::new();
        fixture.run("XADD a 1 f 1");
        fixture.run("XADD a 2 g v");
        fixture.check(&[
            ("XRANGE a - +", &format!("*2\r\n{ONE}{TWO}")),
            ("XREVRANGE a + -", &format!("*2\r\n{TWO}{ONE}")),
            ("XRANGE a - + COUNT 1", &format!("*1\r\n{ONE}")),
            ("XREVRANGE a + - COUNT 1", &format!("*1\r\n{TWO}")),
            ("XRANGE a (1 +", &format!("*1\r\n{TWO}")),
            ("XRANGE a 1 1", &format!("*1\r\n{ONE}")),
            ("XREVRANGE a (2-0 -", &format!("*1\r\n{ONE}")),
            ("XRANGE a + -", "*0\r\n"),
            ("XRANGE a - + COUNT 0", "*-1\r\n"),
            ("XRANGE b - + COUNT 0", "*0\r\n"),
            ("XRANGE a - + COUNT -5", "*-1\r\n"),
            ("XRANGE a - + COUNT", "-ERR syntax error\r\n"),
            (
                "XRANGE a (- +",
                "-ERR Invalid stream ID specified as stream command argument\r\n",
            ),
        ]);
    }
}
