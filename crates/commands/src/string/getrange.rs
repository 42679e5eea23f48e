//! GETRANGE, and SUBSTR as it was called before 2.0.

use protocol::Reply;
use store::Txn;

use super::value::bytes_of;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// GETRANGE key start end
pub(super) const GETRANGE: DataCommand = Command {
    spec: Spec {
        arity: 4,
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::String,
        since: "2.4.0",
        complexity: "O(N) where N is the length of the returned string. The complexity is \
                     ultimately determined by the returned length, but because creating a \
                     substring from an existing string is very cheap, it can be considered O(1) \
                     for small strings.",
        summary: "Returns a part of the string at a key, from one position to another; negative \
                  positions count from the end.",
        syntax: "key start end",
        ..Spec::new("getrange")
    },
    run: getrange,
    subcommands: &[],
};

/// SUBSTR key start end
pub(super) const SUBSTR: DataCommand = Command {
    spec: Spec {
        name: "substr",
        since: "1.0.0",
        ..GETRANGE.spec
    },
    ..GETRANGE
};

fn getrange(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (start, end) = (args.int(2)?, args.int(3)?);
    let mut digits = itoa::Buffer::new();
    let bytes = match txn.read_str(args.at(1))? {
        Some(value) => bytes_of(value, &mut digits),
        None => &[],
    };
    let backwards = start < 0 && end < 0 && start > end;
    let part = match clamp_range(start, end, bytes.len()) {
        Some((first, last)) if !backwards => &bytes[first..=last],
        _ => &[],
    };
    reply.bulk(part);
    Ok(())
}

/// The first and the last position that `start` and `end` mean in `len` elements, if there are any
/// between them. Negative ones count from the end, and those before the beginning mean the
/// beginning, even for `end`: that is how Redis has it.
pub(crate) fn clamp_range(start: i64, end: i64, len: usize) -> Option<(usize, usize)> {
    let len = len as i64;
    let from_end = |at: i64| if at < 0 { (len + at).max(0) } else { at };
    let (first, last) = (from_end(start), from_end(end).min(len - 1));
    (first <= last).then_some((first as usize, last as usize))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn parts_of_a_string() {
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("GETRANGE a 0 -1", "$0\r\n\r\n"),
            (
                "GETRANGE a x 0",
                "-ERR value is not an integer or out of range\r\n",
            ),
            ("SET a 12345", "+OK\r\n"),
            ("GETRANGE a 0 -1", "$5\r\n12345\r\n"),
            ("SUBSTR a 1 -2", "$3\r\n234\r\n"),
            ("SET a abcde", "+OK\r\n"),
        ]);
        for (start, end, part) in [
            (0, 2, "abc"),
            (-3, -2, "cd"),
            (3, 100, "de"),
            (5, 100, ""),
            (3, 2, ""),
            (-100, 0, "a"),
            (0, -100, "a"),
            (-100, -100, "a"),
            (-100, -99, "a"),
            (-99, -100, ""),
            (1, -100, ""),
            (i64::MIN, i64::MAX, "abcde"),
            (i64::MAX, i64::MIN, ""),
        ] {
            let reply = fixture.run(&format!("GETRANGE a {start} {end}"));
            assert_eq!(
                reply,
                format!("${}\r\n{part}\r\n", part.len()),
                "{start} {end}"
            );
        }
        fixture.check(&[("SET a ", "+OK\r\n"), ("GETRANGE a 0 0", "$0\r\n\r\n")]);
    }
}
