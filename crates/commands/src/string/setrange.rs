//! SETRANGE.

use protocol::Reply;
use store::Txn;

use super::edit::{check_len, grow};
use super::value::len_of;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const BAD_OFFSET: CommandError = CommandError::Text("ERR offset is out of range");

/// SETRANGE key offset value
pub(super) const SETRANGE: DataCommand = Command {
    spec: Spec {
        arity: 4,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[first(access::RW | access::UPDATE)],
        group: Group::String,
        since: "2.2.0",
        complexity: "O(1), not counting the time taken to copy the new string in place. Usually, \
                     this string is very small so the amortized complexity is O(1). Otherwise, \
                     complexity is O(M) with M being the length of the value argument.",
        summary: "Overwrites a part of the string at a key from a position on, with zeros before \
                  it where the string ends earlier.",
        syntax: "key offset value",
        ..Spec::new("setrange")
    },
    run: setrange,
    subcommands: &[],
};

fn setrange(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, value) = (args.at(1), args.at(3));
    let offset = usize::try_from(args.int(2)?).map_err(|_| BAD_OFFSET)?;
    let found = txn.find(key);
    let old = match found {
        Some(found) => len_of(txn.str(found)?),
        None => 0,
    };
    if value.is_empty() {
        reply.int(old as i64);
        return Ok(());
    }
    check_len(txn, offset, value.len())?;
    let bytes = grow(txn, key, found, offset + value.len())?;
    bytes[offset..offset + value.len()].copy_from_slice(value);
    let len = bytes.len();
    txn.changed(key, "setrange");
    reply.int(len as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn overwrites_a_part() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("SETRANGE a 5 ", ":0\r\n"),
            ("GET a", "$-1\r\n"),
            ("SETRANGE a 2 xy", ":4\r\n"),
            ("GET a", "$4\r\n\0\0xy\r\n"),
            ("SETRANGE a 0 ab", ":4\r\n"),
            ("SETRANGE a 3 cde", ":6\r\n"),
            ("GET a", "$6\r\nabxcde\r\n"),
            ("SET n 1234", "+OK\r\n"),
            ("SETRANGE n 1 ", ":4\r\n"),
        ]);
        assert_eq!(fixture.string_at("n"), Some(("int", None)));
        fixture.check(&[("SETRANGE n 1 9", ":4\r\n"), ("GET n", "$4\r\n1934\r\n")]);
        assert_eq!(fixture.string_at("n"), Some(("raw", None)));
        assert_eq!(fixture.effects().len(), 5);
    }

    #[test]
    fn refuses() {
        let too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("SETRANGE a -1 x", "-ERR offset is out of range\r\n"),
            (
                "SETRANGE a x x",
                "-ERR value is not an integer or out of range\r\n",
            ),
            ("SETRANGE a 9223372036854775807 x", too_long),
            ("SETRANGE a 536870912 x", too_long),
        ]);
        assert_eq!(fixture.string_at("a"), None);
    }
}
