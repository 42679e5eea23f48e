//! HRANDFIELD.

use data::Hash;
use data::types::hash::Pair;
use protocol::Reply;
use store::Txn;

use crate::elem;
use crate::keys::{access, first};
use crate::set::{OUT_OF_RANGE, REPEATED_MAX};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const TOO_MANY: CommandError = CommandError::Text("ERR value is out of range");

/// HRANDFIELD key [count [WITHVALUES]]
pub(super) const HRANDFIELD: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::Hash,
        since: "6.2.0",
        complexity: "O(N) where N is the number of fields returned",
        summary: "Returns random fields of a hash: different ones, or with a negative count any.",
        syntax: "key [count [WITHVALUES]]",
        tips: &["nondeterministic_output"],
        ..Spec::new("hrandfield")
    },
    run: hrandfield,
    subcommands: &[],
};

fn hrandfield(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (now_ms, random) = (txn.now_ms, txn.random());
    let mut random = || random.next();
    if args.get(2).is_none() {
        let hash = txn.read_as::<Hash>(args.at(1))?;
        match hash.and_then(|hash| hash.sample(now_ms, &mut random)) {
            Some(pair) => elem::bulk(reply, pair.field),
            None => reply.null(),
        }
        return Ok(());
    }
    let count = args.int(2)?;
    if count == i64::MIN {
        return Err(OUT_OF_RANGE);
    }
    let with_values = args.is(3, "WITHVALUES");
    if args.len() > 4 || args.len() == 4 && !with_values {
        return Err(CommandError::Syntax);
    }
    if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(TOO_MANY);
    }
    let Some(hash) = txn.read_as::<Hash>(args.at(1))? else {
        reply.array(0);
        return Ok(());
    };
    if count >= 0 {
        let drawn = hash.draw(count as usize, now_ms, &mut random);
        header(reply, drawn.len(), with_values);
        for pair in drawn {
            show(reply, pair, with_values);
        }
        return Ok(());
    }
    let count = count.unsigned_abs();
    if count > REPEATED_MAX {
        return Err(TOO_MANY);
    }
    if hash.sample(now_ms, &mut random).is_none() {
        reply.array(0);
        return Ok(());
    }
    header(reply, count as usize, with_values);
    for _ in 0..count {
        let pair = hash.sample(now_ms, &mut random).expect("just seen");
        show(reply, pair, with_values);
    }
    Ok(())
}

/// In RESP3 field and value are an array of their own.
fn header(reply: &mut Reply<'_>, len: usize, with_values: bool) {
    let is_flat = with_values && !reply.is_resp3();
    reply.array(if is_flat { len * 2 } else { len });
}

fn show(reply: &mut Reply<'_>, pair: Pair<'_>, with_values: bool) {
    if with_values && reply.is_resp3() {
        reply.array(2);
    }
    elem::bulk(reply, pair.field);
    if with_values {
        elem::bulk(reply, pair.value);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn draws() {
        let mut fixture = Fixture::new();
        let many: Vec<_> = (0..1000).map(|i| format!("f{i} {i}")).collect();
        fixture.run(&format!("HSET a {}", many.join(" ")));
        for (count, drawn) in [
            (0, 0),
            (5, 5),
            (500, 500),
            (2000, 1000),
            (-5, 5),
            (-2000, 2000),
        ] {
            let reply = fixture.run(&format!("HRANDFIELD a {count}"));
            assert!(reply.starts_with(&format!("*{drawn}\r\n")), "{count}");
            let reply = fixture.run(&format!("HRANDFIELD a {count} WITHVALUES"));
            assert!(reply.starts_with(&format!("*{}\r\n", drawn * 2)), "{count}");
        }
        fixture.check(&[
            ("HSET b f 1", ":1\r\n"),
            ("HRANDFIELD b", "$1\r\nf\r\n"),
            (
                "HRANDFIELD b -2 withvalues",
                "*4\r\n$1\r\nf\r\n$1\r\n1\r\n$1\r\nf\r\n$1\r\n1\r\n",
            ),
            ("HRANDFIELD none", "$-1\r\n"),
            ("HRANDFIELD none 3", "*0\r\n"),
            ("HRANDFIELD b 1 x", "-ERR syntax error\r\n"),
            (
                "HRANDFIELD b -9223372036854775807",
                "-ERR value is out of range\r\n",
            ),
            (
                "HRANDFIELD b -9223372036854770000 WITHVALUES",
                "-ERR value is out of range\r\n",
            ),
        ]);
        fixture.resp3 = true;
        fixture.check(&[(
            "HRANDFIELD b 1 WITHVALUES",
            "*1\r\n*2\r\n$1\r\nf\r\n$1\r\n1\r\n",
        )]);
    }

    #[test]
    fn expired_fields_are_not_drawn() {
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("HSET a f 1 g 2", ":2\r\n"),
            ("HPEXPIRE a 5 FIELDS 1 f", "*1\r\n:1\r\n"),
        ]);
        fixture.now_ms += 5;
        fixture.check(&[
            ("HRANDFIELD a", "$1\r\ng\r\n"),
            ("HRANDFIELD a 5", "*1\r\n$1\r\ng\r\n"),
            ("HRANDFIELD a -2", "*2\r\n$1\r\ng\r\n$1\r\ng\r\n"),
        ]);
    }
}
