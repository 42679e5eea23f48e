//! DELEX, DELIFEQ: removal on a condition.

use protocol::Reply;
use store::Txn;

use super::options::{COMPARISONS, Word, compare, word_at};
use super::write::delete;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const NOT_STRING: CommandError =
    CommandError::Text("ERR Key should be of string type if conditions are specified");
const BAD_CONDITION: CommandError =
    CommandError::Text("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");

/// DELEX key [condition]
pub(super) const DELEX: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::DELETE | access::VARIABLE_FLAGS)],
        group: Group::String,
        since: "8.4.0",
        complexity: "O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string \
                     value.",
        summary: "Removes a key, or a string only if its value or its digest is, or isn't, the \
                  given one.",
        syntax: "key [IFEQ ifeq-value | IFNE ifne-value | IFDEQ ifdeq-digest | \
                 IFDNE ifdne-digest]",
        ..Spec::new("delex")
    },
    run: delex,
    subcommands: &[],
};

/// DELIFEQ key value
pub(super) const DELIFEQ: DataCommand = Command {
    spec: Spec {
        arity: 3,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RM | access::DELETE)],
        group: Group::String,
        since: "9.0.0",
        summary: "Removes a string only if it has the given value.",
        syntax: "key value",
        ..Spec::new("delifeq")
    },
    run: delifeq,
    subcommands: &[],
};

/// As in Redis, a missing key makes every condition right, even one that there isn't.
fn delex(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if !matches!(args.len(), 2 | 4) {
        return Err(CommandError::wrong_arity("delex"));
    }
    let key = args.at(1);
    let Some(found) = txn.find(key) else {
        reply.int(0);
        return Ok(());
    };
    let holds = match args.get(3) {
        None => true,
        Some(operand) => {
            let value = txn.str(found).map_err(|_| NOT_STRING)?;
            let word = word_at(args, 2, &COMPARISONS).ok_or(BAD_CONDITION)?;
            compare(word, operand, value)?
        }
    };
    if holds {
        delete(txn, key, found);
    }
    reply.int(i64::from(holds));
    Ok(())
}

fn delifeq(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.at(1);
    let found = txn.find(key);
    let equal = match found {
        Some(found) => compare(Word::IfEq, args.at(2), txn.str(found)?)?,
        None => false,
    };
    if equal && let Some(found) = found {
        delete(txn, key, found);
    }
    reply.int(i64::from(equal));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn delex_removes_on_a_condition() {
        let mut fixture = Fixture::logged();
        let bad_digest = "-ERR must be exactly 16 hexadecimal characters\r\n";
        fixture.check(&[
            ("DELEX a", ":0\r\n"),
            ("DELEX a FOO 1", ":0\r\n"),
            ("DELEX a IFNE 1", ":0\r\n"),
            ("SET a 1", "+OK\r\n"),
            ("DELEX a", ":1\r\n"),
            ("SET a 1", "+OK\r\n"),
            ("DELEX a IFEQ 2", ":0\r\n"),
            ("DELEX a ifeq 1", ":1\r\n"),
            ("SET a hello", "+OK\r\n"),
            ("DELEX a IFNE hello", ":0\r\n"),
            ("DELEX a IFDNE 9555e8555c62dcfd", ":0\r\n"),
            ("DELEX a IFDEQ 0000000000000000", ":0\r\n"),
            ("DELEX a IFDEQ 0", bad_digest),
            (
                "DELEX a FOO hello",
                "-ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE\r\n",
            ),
            (
                "DELEX a IFEQ",
                "-ERR wrong number of arguments for 'delex' command\r\n",
            ),
            ("DELEX a IFDEQ 9555E8555C62DCFD", ":1\r\n"),
        ]);
        let effects = [
            "SET a 1",
            "DEL a",
            "SET a 1",
            "DEL a",
            "SET a hello",
            "DEL a",
        ];
        assert_eq!(fixture.effects(), effects);
    }

    #[test]
    fn delifeq_removes_what_is_equal() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("DELIFEQ a 1", ":0\r\n"),
            ("SET a 1", "+OK\r\n"),
            ("DELIFEQ a 2", ":0\r\n"),
            ("DELIFEQ a 1", ":1\r\n"),
            ("GET a", "$-1\r\n"),
        ]);
        assert_eq!(fixture.effects(), ["SET a 1", "DEL a"]);
    }
}
