//! APPEND, PREPEND.

use protocol::Reply;
use store::Txn;

use super::edit::{check_len, grow};
use super::value::{bytes_of, encode, len_of};
use super::write::{Ttl, log_set};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// APPEND key value
pub(super) const APPEND: DataCommand = Command {
    spec: Spec {
        arity: 3,
        flags: flags::WRITE | flags::DENYOOM | flags::FAST,
        keys: &[first(access::RW | access::INSERT)],
        group: Group::String,
        since: "2.0.0",
        complexity: "O(1). The amortized time complexity is O(1) assuming the appended value is \
                     small and the already present value is of any size, since the dynamic string \
                     library used by the server will double the free space available on every \
                     reallocation.",
        summary: "Adds a string to the end of the value of a key; a missing key counts as empty.",
        syntax: "key value",
        ..Spec::new("append")
    },
    run: append,
    subcommands: &[],
};

/// PREPEND key value
pub(super) const PREPEND: DataCommand = Command {
    spec: Spec {
        complexity: "O(N) where N is the length of the resulting string.",
        summary: "Adds a string before the value of a key; a missing key counts as empty.",
        since: "1.0.0",
        name: "prepend",
        ..APPEND.spec
    },
    run: prepend,
    subcommands: &[],
};

fn append(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, more) = (args.at(1), args.at(2));
    let (bytes, old) = lengthen(txn, key, more)?;
    if let Some(bytes) = bytes {
        bytes[old..].copy_from_slice(more);
    }
    txn.changed(key, "append");
    reply.int((old + more.len()) as i64);
    Ok(())
}

fn prepend(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, more) = (args.at(1), args.at(2));
    let (bytes, old) = lengthen(txn, key, more)?;
    if let Some(bytes) = bytes {
        bytes.copy_within(..old, more.len());
        bytes[..more.len()].copy_from_slice(more);
    }
    txn.changed(key, "prepend");
    reply.int((old + more.len()) as i64);
    // No Redis knows this command.
    if txn.is_logged()
        && let Some(found) = txn.peek(key)
    {
        let whole = bytes_of(txn.str(found)?, &mut itoa::Buffer::new()).to_vec();
        log_set(txn, key, &whole, Ttl::Keep);
    }
    Ok(())
}

/// Makes room for `more` bytes in the string at `key`: its bytes and how long it was. A missing key
/// is set at once, and there is nothing left to fill in.
fn lengthen<'t>(
    txn: &'t mut Txn<'_>,
    key: &[u8],
    more: &[u8],
) -> Result<(Option<&'t mut [u8]>, usize), CommandError> {
    let Some(found) = txn.find(key) else {
        txn.set(key, None, encode(more), None);
        return Ok((None, 0));
    };
    let old = len_of(txn.str(found)?);
    check_len(txn, old, more.len())?;
    let bytes = grow(txn, key, Some(found), old + more.len())?;
    Ok((Some(bytes), old))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn appends() {
        let mut fixture = Fixture::new();
        fixture.check(&[("APPEND a 1", ":1\r\n")]);
        assert_eq!(fixture.string_at("a"), Some(("int", None)));
        fixture.check(&[
            ("APPEND a 2", ":2\r\n"),
            ("GET a", "$2\r\n12\r\n"),
            ("INCR a", ":13\r\n"),
            ("APPEND a ", ":2\r\n"),
        ]);
        assert_eq!(fixture.string_at("a"), Some(("raw", None)));
        fixture.check(&[("APPEND e ", ":0\r\n"), ("GET e", "$0\r\n\r\n")]);
    }

    #[test]
    fn prepends() {
        let mut fixture = Fixture::logged();
        fixture.run("SET a 3 EX 10");
        fixture.effects();
        fixture.check(&[
            ("PREPEND a 12", ":3\r\n"),
            ("GET a", "$3\r\n123\r\n"),
            ("PREPEND b x", ":1\r\n"),
        ]);
        assert_eq!(fixture.effects(), ["SET a 123 KEEPTTL", "SET b x KEEPTTL"]);
        assert_eq!(
            fixture.string_at("a"),
            Some(("raw", Some(1_700_000_010_000)))
        );
    }

    #[test]
    fn strings_have_a_longest_length() {
        let mut fixture = Fixture::new();
        fixture.max_string = 4;
        let too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
        fixture.check(&[
            ("APPEND a 123", ":3\r\n"),
            ("APPEND a 4", ":4\r\n"),
            ("APPEND a 5", too_long),
            ("PREPEND a 5", too_long),
            ("GET a", "$4\r\n1234\r\n"),
        ]);
    }
}
