//! BITCOUNT.

use protocol::Reply;
use store::Txn;

use super::bits::{Unit, count};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::string::value::bytes_of;
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// BITCOUNT key [start end [BYTE | BIT]]
pub(super) const BITCOUNT: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Bitmap,
        since: "2.6.0",
        complexity: "O(N)",
        summary: "Counts the bits that are set in the string at a key, or in a part of it.",
        syntax: "key [start end [BYTE | BIT]]",
        ..Spec::new("bitcount")
    },
    run: bitcount,
    subcommands: &[],
};

struct Range {
    start: i64,
    end: i64,
    unit: Unit,
}

impl Range {
    fn parse(args: Args<'_>) -> Result<Option<Self>, CommandError> {
        match args.len() {
            2 => Ok(None),
            4 | 5 => Ok(Some(Self {
                start: args.int(2)?,
                end: args.int(3)?,
                unit: Unit::parse(args, 4)?,
            })),
            _ => Err(CommandError::Syntax),
        }
    }

    fn bits(&self, len: usize) -> Option<(u64, u64)> {
        let backwards = self.start < 0 && self.end < 0 && self.start > self.end;
        let bits = self.unit.bits(self.start, self.end, len);
        bits.filter(|_| !backwards)
    }
}

fn bitcount(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let range = Range::parse(args)?;
    let mut digits = itoa::Buffer::new();
    let bytes = match txn.read_str(args.at(1))? {
        Some(value) => bytes_of(value, &mut digits),
        None => &[],
    };
    let bits = match range {
        Some(range) => range.bits(bytes.len()),
        None => Unit::Byte.bits(0, -1, bytes.len()),
    };
    let ones = bits.map_or(0, |(first, last)| count(bytes, first, last));
    reply.int(ones as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn counts() {
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("BITCOUNT a", ":0\r\n"),
            ("BITCOUNT a 0 -1 BIT", ":0\r\n"),
            ("SET n 1", "+OK\r\n"),
            ("BITCOUNT n", ":3\r\n"),
            ("SET a foobar", "+OK\r\n"),
        ]);
        for (range, ones) in [
            ("", 26),
            (" 0 0", 4),
            (" 1 1 byte", 6),
            (" 0 -5", 10),
            (" 1 -2", 18),
            (" -2 1000", 7),
            (" 1000 2000", 0),
            (" -1 -2", 0),
            (" -100 -101", 0),
            (" -100 -99", 4),
            (" 5 30 BIT", 17),
            (" -3 -1 bit", 1),
            (" 20 10 BIT", 0),
        ] {
            let reply = fixture.run(&format!("BITCOUNT a{range}"));
            assert_eq!(reply, format!(":{ones}\r\n"), "{range}");
        }
    }

    #[test]
    fn refuses() {
        Fixture::new().check(&[
            ("BITCOUNT a 0", "-ERR syntax error\r\n"),
            ("BITCOUNT a 0 1 BITS", "-ERR syntax error\r\n"),
            ("BITCOUNT a 0 1 BIT 2", "-ERR syntax error\r\n"),
            (
                "BITCOUNT a x 1",
                "-ERR value is not an integer or out of range\r\n",
            ),
            (
                "BITCOUNT a 0 x BITS",
                "-ERR value is not an integer or out of range\r\n",
            ),
        ]);
    }
}
