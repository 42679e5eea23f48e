//! SETBIT, GETBIT.

use protocol::{Reply, number};
use store::Txn;

use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::string::edit::grow;
use crate::string::value::{bytes_of, len_of};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const BAD_BIT: CommandError = CommandError::Text("ERR bit is not an integer or out of range");
pub(super) const BAD_OFFSET: CommandError =
    CommandError::Text("ERR bit offset is not an integer or out of range");

/// SETBIT key offset value
pub(super) const SETBIT: DataCommand = Command {
    spec: Spec {
        arity: 4,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[first(access::RW | access::ACCESS | access::UPDATE)],
        group: Group::Bitmap,
        since: "2.2.0",
        summary: "Sets or clears a bit of the string at a key and returns what it was. The string \
                  is made long enough for it.",
        syntax: "key offset value",
        ..Spec::new("setbit")
    },
    run: setbit,
    subcommands: &[],
};

/// GETBIT key offset
pub(super) const GETBIT: DataCommand = Command {
    spec: Spec {
        arity: 3,
        flags: flags::READONLY | flags::FAST,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Bitmap,
        since: "2.2.0",
        summary: "Returns a bit of the string at a key; 0 beyond its end.",
        syntax: "key offset",
        ..Spec::new("getbit")
    },
    run: getbit,
    subcommands: &[],
};

fn setbit(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let (byte, mask) = place(txn, args.at(2))?;
    let on = match number::parse_i64(args.at(3)) {
        Some(bit @ 0..=1) => bit == 1,
        _ => return Err(BAD_BIT),
    };
    let found = txn.find(key);
    let old_len = match found {
        Some(found) => len_of(txn.str(found)?),
        None => 0,
    };
    let bytes = grow(txn, key, found, byte + 1)?;
    let was_on = bytes[byte] & mask != 0;
    if was_on != on {
        bytes[byte] ^= mask;
    }
    if was_on != on || byte >= old_len {
        txn.changed(key, "setbit");
    }
    reply.int(i64::from(was_on));
    Ok(())
}

fn getbit(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (byte, mask) = place(txn, args.at(2))?;
    let mut digits = itoa::Buffer::new();
    let bytes = match txn.read_str(args.at(1))? {
        Some(value) => bytes_of(value, &mut digits),
        None => &[],
    };
    let is_on = bytes.get(byte).is_some_and(|byte| byte & mask != 0);
    reply.int(i64::from(is_on));
    Ok(())
}

/// The byte of a bit, and which one of its eight it is.
fn place(txn: &Txn<'_>, offset: &[u8]) -> Result<(usize, u8), CommandError> {
    let offset = number::parse_i64(offset).ok_or(BAD_OFFSET)?;
    let offset = check_offset(offset, txn.max_string)?;
    Ok(((offset / 8) as usize, 0x80 >> (offset % 8)))
}

/// Refuses a bit that no string has.
pub(super) fn check_offset(offset: i64, max_string: u64) -> Result<u64, CommandError> {
    let offset = u64::try_from(offset).map_err(|_| BAD_OFFSET)?;
    if offset / 8 >= max_string {
        return Err(BAD_OFFSET);
    }
    Ok(offset)
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn sets_and_gets() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("GETBIT a 100", ":0\r\n"),
            ("SETBIT a 1 1", ":0\r\n"),
            ("SETBIT a 1 1", ":1\r\n"),
            ("GET a", "$1\r\n@\r\n"),
            ("SETBIT a 9 0", ":0\r\n"),
            ("STRLEN a", ":2\r\n"),
            ("GETBIT a 1", ":1\r\n"),
            ("GETBIT a 16", ":0\r\n"),
            ("SET n 1 EX 10", "+OK\r\n"),
            ("GETBIT n 2", ":1\r\n"),
            ("SETBIT n 6 1", ":0\r\n"),
            ("GET n", "$1\r\n3\r\n"),
            ("SETBIT n 20000 1", ":0\r\n"),
            ("STRLEN n", ":2501\r\n"),
        ]);
        assert_eq!(
            fixture.string_at("n"),
            Some(("raw", Some(1_700_000_010_000)))
        );
        let effects = fixture.effects();
        assert_eq!(effects[..2], ["SETBIT a 1 1", "SETBIT a 9 0"]);
        assert_eq!(effects.len(), 5);
    }

    #[test]
    fn refuses() {
        let bad_offset = "-ERR bit offset is not an integer or out of range\r\n";
        let bad_bit = "-ERR bit is not an integer or out of range\r\n";
        Fixture::new().check(&[
            ("SETBIT a -1 1", bad_offset),
            ("SETBIT a x 1", bad_offset),
            ("GETBIT a 4294967296", bad_offset),
            ("GETBIT a 4294967295", ":0\r\n"),
            ("SETBIT a 0 2", bad_bit),
            ("SETBIT a 0 x", bad_bit),
            ("STRLEN a", ":0\r\n"),
        ]);
    }
}
