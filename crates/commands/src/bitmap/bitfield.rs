//! BITFIELD, `BITFIELD_RO`.

use protocol::{Reply, number};
use smallvec::SmallVec;
use store::Txn;

use super::field::{Field, Overflow};
use super::setbit::{BAD_OFFSET, check_offset};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::string::edit::grow;
use crate::string::value::{bytes_of, len_of};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const BAD_TYPE: CommandError = CommandError::Text(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 \
     is.",
);
const BAD_OVERFLOW: CommandError = CommandError::Text("ERR Invalid OVERFLOW type specified");
const ONLY_GET: CommandError =
    CommandError::Text("ERR BITFIELD_RO only supports the GET subcommand");

/// BITFIELD key [operations]
pub(super) const BITFIELD: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[first(
            access::RW | access::ACCESS | access::UPDATE | access::VARIABLE_FLAGS,
        )],
        group: Group::Bitmap,
        since: "3.2.0",
        complexity: "O(1) for each subcommand specified",
        summary: "Reads, sets and adds to integers of any width inside the string at a key.",
        syntax: "key [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] \
                 <SET encoding offset value | INCRBY encoding offset increment> \
                 [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] \
                 <SET encoding offset value | INCRBY encoding offset increment> ...]]",
        ..Spec::new("bitfield")
    },
    run: bitfield,
    subcommands: &[],
};

/// `BITFIELD_RO` key [operations]
pub(super) const BITFIELD_RO: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::READONLY | flags::FAST,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Bitmap,
        since: "6.0.0",
        complexity: "O(1) for each subcommand specified",
        summary: "Reads integers of any width inside the string at a key.",
        syntax: "key [GET encoding offset [GET encoding offset ...]]",
        ..Spec::new("bitfield_ro")
    },
    run: bitfield_ro,
    subcommands: &[],
};

#[derive(Clone, Copy)]
struct Operation {
    field: Field,
    action: Action,
    overflow: Overflow,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

type Operations = SmallVec<[Operation; 4]>;

fn bitfield(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let operations = parse(args, txn.max_string)?;
    if only_gets(&operations) {
        return read(txn, args.at(1), &operations, reply);
    }
    write(txn, args.at(1), &operations, reply)
}

fn bitfield_ro(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let operations = parse(args, txn.max_string)?;
    if !only_gets(&operations) {
        return Err(ONLY_GET);
    }
    read(txn, args.at(1), &operations, reply)
}

fn only_gets(operations: &[Operation]) -> bool {
    let is_get = |operation: &Operation| operation.action == Action::Get;
    operations.iter().all(is_get)
}

fn parse(args: Args<'_>, max_string: u64) -> Result<Operations, CommandError> {
    let mut operations = Operations::new();
    let mut overflow = Overflow::Wrap;
    let mut at = 2;
    while at < args.len() {
        let operands = args.len() - at - 1;
        if args.is(at, "OVERFLOW") && operands >= 1 {
            overflow = parse_overflow(args, at + 1)?;
            at += 2;
            continue;
        }
        let is = |word, needs| operands >= needs && args.is(at, word);
        let (get, set) = (is("GET", 2), is("SET", 3));
        if !get && !set && !is("INCRBY", 3) {
            return Err(CommandError::Syntax);
        }
        let field = parse_field(args.at(at + 1), args.at(at + 2), max_string)?;
        let action = if get {
            Action::Get
        } else if set {
            Action::Set(args.int(at + 3)?)
        } else {
            Action::Add(args.int(at + 3)?)
        };
        operations.push(Operation {
            field,
            action,
            overflow,
        });
        at += if get { 3 } else { 4 };
    }
    Ok(operations)
}

fn parse_overflow(args: Args<'_>, at: usize) -> Result<Overflow, CommandError> {
    if args.is(at, "WRAP") {
        Ok(Overflow::Wrap)
    } else if args.is(at, "SAT") {
        Ok(Overflow::Saturate)
    } else if args.is(at, "FAIL") {
        Ok(Overflow::Fail)
    } else {
        Err(BAD_OVERFLOW)
    }
}

fn parse_field(kind: &[u8], offset: &[u8], max_string: u64) -> Result<Field, CommandError> {
    let (signed, width) = match kind {
        [b'i', width @ ..] => (true, width),
        [b'u', width @ ..] => (false, width),
        _ => return Err(BAD_TYPE),
    };
    let bits_max = if signed { 64 } else { 63 };
    let bits = number::parse_i64(width)
        .filter(|bits| (1..=bits_max).contains(bits))
        .ok_or(BAD_TYPE)?;
    // `#2` is the place of the third field of this width.
    let (digits, unit) = match offset {
        [b'#', digits @ ..] => (digits, bits),
        digits => (digits, 1),
    };
    let offset = number::parse_i64(digits).and_then(|offset| offset.checked_mul(unit));
    Ok(Field {
        signed,
        bits: bits as u32,
        offset: check_offset(offset.ok_or(BAD_OFFSET)?, max_string)?,
    })
}

fn read(
    txn: &mut Txn<'_>,
    key: &[u8],
    operations: &[Operation],
    reply: &mut Reply<'_>,
) -> CommandResult {
    let mut digits = itoa::Buffer::new();
    let bytes = match txn.read_str(key)? {
        Some(value) => bytes_of(value, &mut digits),
        None => &[],
    };
    reply.array(operations.len());
    for operation in operations {
        reply.int(operation.field.get(bytes));
    }
    Ok(())
}

fn write(
    txn: &mut Txn<'_>,
    key: &[u8],
    operations: &[Operation],
    reply: &mut Reply<'_>,
) -> CommandResult {
    let writes = operations.iter().filter(|op| op.action != Action::Get);
    let len = writes.map(|op| op.field.end()).max().unwrap_or(0);
    let found = txn.find(key);
    let old_len = match found {
        Some(found) => len_of(txn.str(found)?),
        None => 0,
    };
    let bytes = grow(txn, key, found, len)?;
    let mut changed = len > old_len;
    reply.array(operations.len());
    for operation in operations {
        changed |= operation.run(bytes, reply);
    }
    if changed {
        txn.changed(key, "setbit");
    }
    Ok(())
}

impl Operation {
    /// Returns whether it has changed something.
    fn run(self, bytes: &mut [u8], reply: &mut Reply<'_>) -> bool {
        let old = self.field.get(bytes);
        let value = match self.action {
            Action::Get => {
                reply.int(old);
                return false;
            }
            Action::Set(value) => self.field.read_argument(value),
            Action::Add(by) => i128::from(old) + i128::from(by),
        };
        let Some(new) = self.field.fit(value, self.overflow) else {
            reply.null();
            return false;
        };
        self.field.set(bytes, new);
        let is_set = matches!(self.action, Action::Set(_));
        reply.int(if is_set { old } else { new });
        new != old
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn reads_and_writes() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("BITFIELD a", "*0\r\n"),
            ("BITFIELD a GET u8 0", "*1\r\n:0\r\n"),
            (
                "BITFIELD a SET u8 0 65 INCRBY i5 #2 3 get u8 #0",
                "*3\r\n:0\r\n:3\r\n:65\r\n",
            ),
            ("GET a", "$2\r\nA\u{6}\r\n"),
            ("BITFIELD a SET u8 0 65", "*1\r\n:65\r\n"),
            ("BITFIELD_RO a GET i8 #0 GET u4 0", "*2\r\n:65\r\n:4\r\n"),
            ("BITFIELD a GET u63 100", "*1\r\n:0\r\n"),
            ("SET n 12 EX 10", "+OK\r\n"),
            ("BITFIELD n GET u8 8", "*1\r\n:50\r\n"),
        ]);
        assert_eq!(
            fixture.string_at("n"),
            Some(("int", Some(1_700_000_010_000)))
        );
        fixture.check(&[
            ("BITFIELD n INCRBY u8 8 1", "*1\r\n:51\r\n"),
            ("GET n", "$2\r\n13\r\n"),
        ]);
        assert_eq!(
            fixture.string_at("n"),
            Some(("raw", Some(1_700_000_010_000)))
        );
        assert_eq!(fixture.effects().len(), 3);
    }

    #[test]
    fn overflows() {
        let mut fixture = Fixture::new();
        fixture.check(&[
            (
                "BITFIELD a SET u8 0 255 INCRBY u8 0 2",
                "*2\r\n:0\r\n:1\r\n",
            ),
            ("BITFIELD a OVERFLOW SAT INCRBY u8 0 500", "*1\r\n:255\r\n"),
            (
                "BITFIELD a overflow fail INCRBY u8 0 1 GET u8 0",
                "*2\r\n$-1\r\n:255\r\n",
            ),
            (
                "BITFIELD a SET i64 0 9223372036854775807",
                "*1\r\n:-72057594037927936\r\n",
            ),
            (
                "BITFIELD a INCRBY i64 0 1 OVERFLOW SAT INCRBY i64 0 -1",
                "*2\r\n:-9223372036854775808\r\n:-9223372036854775808\r\n",
            ),
            ("BITFIELD f OVERFLOW FAIL SET u8 0 256", "*1\r\n$-1\r\n"),
            ("STRLEN f", ":1\r\n"),
        ]);
    }

    #[test]
    fn refuses() {
        let bad_type = "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is \
                        not supported but i64 is.\r\n";
        let bad_offset = "-ERR bit offset is not an integer or out of range\r\n";
        let syntax = "-ERR syntax error\r\n";
        Fixture::new().check(&[
            ("BITFIELD a GET u64 0", bad_type),
            ("BITFIELD a GET i65 0", bad_type),
            ("BITFIELD a GET i0 0", bad_type),
            ("BITFIELD a GET I8 0", bad_type),
            ("BITFIELD a GET u8 -1", bad_offset),
            ("BITFIELD a GET u8 4294967296", bad_offset),
            ("BITFIELD a GET u8 #536870912", bad_offset),
            ("BITFIELD a GET u8 #9223372036854775807", bad_offset),
            ("BITFIELD a GET u8", syntax),
            ("BITFIELD a SET u8 0", syntax),
            ("BITFIELD a OVERFLOW", syntax),
            (
                "BITFIELD a OVERFLOW X",
                "-ERR Invalid OVERFLOW type specified\r\n",
            ),
            (
                "BITFIELD a SET u8 0 x",
                "-ERR value is not an integer or out of range\r\n",
            ),
            (
                "BITFIELD_RO a SET u8 0 1",
                "-ERR BITFIELD_RO only supports the GET subcommand\r\n",
            ),
            ("STRLEN a", ":0\r\n"),
        ]);
    }
}
