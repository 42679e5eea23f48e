//! BITPOS.

use protocol::Reply;
use store::Txn;

use super::bits::{Unit, find};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::string::value::bytes_of;
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const BAD_BIT: CommandError = CommandError::Text("ERR The bit argument must be 1 or 0.");

/// BITPOS key bit [start [end [BYTE | BIT]]]
pub(super) const BITPOS: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Bitmap,
        since: "2.8.7",
        complexity: "O(N)",
        summary: "Finds the first bit that is set, or clear, in the string at a key or in a part \
                  of it.",
        syntax: "key bit [start [end [BYTE | BIT]]]",
        ..Spec::new("bitpos")
    },
    run: bitpos,
    subcommands: &[],
};

struct Search {
    wanted: bool,
    start: i64,
    end: Option<i64>,
    unit: Unit,
}

impl Search {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let wanted = match args.int(2)? {
            0 => false,
            1 => true,
            _ => return Err(BAD_BIT),
        };
        if args.len() > 6 {
            return Err(CommandError::Syntax);
        }
        let int_at = |at| (at < args.len()).then(|| args.int(at)).transpose();
        Ok(Self {
            wanted,
            start: int_at(3)?.unwrap_or(0),
            unit: Unit::parse(args, 5)?,
            end: int_at(4)?,
        })
    }

    /// The place of the bit, or -1. A string counts as followed by clear bits unless it was said
    /// where the search ends.
    fn run(&self, bytes: &[u8]) -> i64 {
        let bits = self
            .unit
            .bits(self.start, self.end.unwrap_or(-1), bytes.len());
        let Some((first, last)) = bits else {
            return -1;
        };
        match find(bytes, self.wanted, first, last) {
            Some(at) => at as i64,
            None if !self.wanted && self.end.is_none() => bytes.len() as i64 * 8,
            None => -1,
        }
    }
}

fn bitpos(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let search = Search::parse(args)?;
    let at = match txn.read_str(args.at(1))? {
        Some(value) => search.run(bytes_of(value, &mut itoa::Buffer::new())),
        None if search.wanted => -1,
        None => 0,
    };
    reply.int(at);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn finds() {
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("BITPOS a 0", ":0\r\n"),
            ("BITPOS a 1", ":-1\r\n"),
            ("BITPOS a 0 5 7", ":0\r\n"),
            ("SET n 1", "+OK\r\n"),
            ("BITPOS n 1", ":2\r\n"),
            ("SET e ", "+OK\r\n"),
            ("BITPOS e 0", ":-1\r\n"),
        ]);
        let value: &[u8] = b"\xff\xf0\x00";
        fixture.run_args([b"SET", &b"a"[..], value]);
        let ones: &[u8] = b"\xff\xff\xff";
        fixture.run_args([b"SET", &b"f"[..], ones]);
        for (search, at) in [
            ("a 0", 12),
            ("a 1 2", -1),
            ("a 0 2", 16),
            ("a 0 0 0", -1),
            ("a 1 7 15 BIT", 7),
            ("a 0 -1 -1 bit", 23),
            ("a 0 9 11 BIT", -1),
            ("f 0", 24),
            ("f 0 1", 24),
            ("f 0 0 -1", -1),
            ("f 0 0 100", -1),
            ("f 0 3", -1),
            ("f 1 -100 -101", 0),
        ] {
            let reply = fixture.run(&format!("BITPOS {search}"));
            assert_eq!(reply, format!(":{at}\r\n"), "{search}");
        }
    }

    #[test]
    fn refuses() {
        let not_integer = "-ERR value is not an integer or out of range\r\n";
        Fixture::new().check(&[
            ("BITPOS a 2", "-ERR The bit argument must be 1 or 0.\r\n"),
            ("BITPOS a x", not_integer),
            ("BITPOS a 1 x", not_integer),
            ("BITPOS a 1 0 x", not_integer),
            ("BITPOS a 1 0 1 BITS", "-ERR syntax error\r\n"),
            ("BITPOS a 1 0 1 BIT 1", "-ERR syntax error\r\n"),
        ]);
    }
}
