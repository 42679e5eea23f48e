//! PFDEBUG: a look inside, for tests.

use std::fmt::Write;

use data::hll::{self, Encoding, HEADER, Registers, sparse};
use protocol::Reply;
use store::{Found, Txn};

use super::value::{read, store};
use crate::keys::{access, range};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const NO_KEY: CommandError = CommandError::Text("ERR The specified key does not exist");
const NOT_SPARSE: CommandError = CommandError::Text("ERR HLL encoding is not sparse");
const NOT_A_SWITCH: CommandError = CommandError::Text("ERR Argument must be ON or OFF");

/// PFDEBUG <GETREG | DECODE | ENCODING | TODENSE> key
pub(super) const PFDEBUG: DataCommand = Command {
    spec: Spec {
        arity: 3,
        flags: flags::WRITE | flags::DENYOOM | flags::ADMIN,
        keys: &[range(2, 0, 1, access::RW | access::ACCESS)],
        group: Group::HyperLogLog,
        since: "2.8.9",
        complexity: "N/A",
        summary: "Shows the registers and the encoding of a HyperLogLog.",
        syntax: "<GETREG | DECODE | ENCODING | TODENSE> key",
        ..Spec::new("pfdebug")
    },
    run: pfdebug,
    subcommands: &[],
};

fn pfdebug(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.is(1, "SIMD") {
        return simd(args, reply);
    }
    let key = args.at(2);
    let found = txn.find(key).ok_or(NO_KEY)?;
    let (bytes, encoding) = read(txn, found)?;
    if args.is(1, "GETREG") {
        let mut registers = Registers::default();
        registers.merge(bytes)?;
        make_dense(txn, key, found)?;
        reply.array(hll::REGISTERS);
        for &rank in registers.ranks() {
            reply.int(i64::from(rank));
        }
    } else if args.is(1, "DECODE") {
        if encoding == Encoding::Dense {
            return Err(NOT_SPARSE);
        }
        reply.bulk(decode(bytes).as_bytes());
    } else if args.is(1, "ENCODING") {
        reply.simple(match encoding {
            Encoding::Dense => "dense",
            Encoding::Sparse => "sparse",
        });
    } else if args.is(1, "TODENSE") {
        let was_sparse = make_dense(txn, key, found)?;
        reply.int(i64::from(was_sparse));
    } else {
        let unknown = String::from_utf8_lossy(args.at(1));
        return Err(CommandError::Made(format!(
            "ERR Unknown PFDEBUG subcommand '{unknown}'"
        )));
    }
    Ok(())
}

/// Redis 8 switches its vector code off and on here; the results are the same and so is ours.
fn simd(args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if !args.is(2, "ON") && !args.is(2, "OFF") {
        return Err(NOT_A_SWITCH);
    }
    reply.ok();
    Ok(())
}

/// Returns whether it was sparse. No notification tells of it, but replicas and the log.
fn make_dense(txn: &mut Txn<'_>, key: &[u8], found: Found) -> Result<bool, CommandError> {
    let (bytes, encoding) = read(txn, found)?;
    if encoding == Encoding::Dense {
        return Ok(false);
    }
    let dense = hll::to_dense(bytes)?;
    store(txn, key, Some(found), dense);
    txn.changed_silently(key);
    Ok(true)
}

/// The runs as Redis writes them: `z:length`, `Z:length` (in two bytes), `v:rank,length`.
fn decode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for run in sparse::runs(&bytes[HEADER..]) {
        if !text.is_empty() {
            text.push(' ');
        }
        let written = match (run.rank, run.long) {
            (0, false) => write!(text, "z:{}", run.len),
            (0, true) => write!(text, "Z:{}", run.len),
            (rank, _) => write!(text, "v:{rank},{}", run.len),
        };
        written.expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn shows_both_encodings() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("PFDEBUG FOO h", "-ERR The specified key does not exist\r\n"),
            ("PFADD h a", ":1\r\n"),
            ("PFDEBUG FOO h", "-ERR Unknown PFDEBUG subcommand 'FOO'\r\n"),
            ("PFDEBUG encoding h", "+sparse\r\n"),
            ("PFDEBUG TODENSE h", ":1\r\n"),
            ("PFDEBUG TODENSE h", ":0\r\n"),
            ("PFDEBUG ENCODING h", "+dense\r\n"),
            ("PFDEBUG DECODE h", "-ERR HLL encoding is not sparse\r\n"),
            ("PFCOUNT h", ":1\r\n"),
            ("PFDEBUG SIMD OFF", "+OK\r\n"),
            ("PFDEBUG SIMD h", "-ERR Argument must be ON or OFF\r\n"),
        ]);
        assert_eq!(
            fixture.effects(),
            ["PFADD h a", "PFDEBUG TODENSE h", "PFCOUNT h"]
        );
    }

    #[test]
    fn registers_are_shown_of_a_value_made_dense() {
        let mut fixture = Fixture::new();
        fixture.run("PFADD h a b c");
        let decoded = fixture.run("PFDEBUG DECODE h");
        assert!(decoded.contains("Z:8436 v:1,1 Z:4274 v:2,1 "));
        let reply = fixture.run("PFDEBUG GETREG h");
        let registers: Vec<&str> = reply.split("\r\n").collect();
        assert_eq!(registers[0], "*16384");
        assert_eq!(registers[1 + 8_436], ":1");
        assert_eq!(registers[1 + 8_436 + 1 + 4_274], ":2");
        assert_eq!(
            registers.iter().filter(|&&rank| rank == ":0").count(),
            16_381
        );
        fixture.check(&[("PFDEBUG ENCODING h", "+dense\r\n")]);
    }
}
