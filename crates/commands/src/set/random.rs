//! SPOP, SRANDMEMBER.

use data::Set;
use data::packed::{Digits, Elem};
use protocol::Reply;
use protocol::number::parse_i64;
use store::{Found, Txn};

use crate::elem;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// The most members that one reply repeats.
pub(crate) const REPEATED_MAX: u64 = 1 << 30;

/// The answer to a count that has no absolute value.
pub(crate) const OUT_OF_RANGE: CommandError = CommandError::Text(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);
const NOT_POSITIVE: CommandError =
    CommandError::Text("ERR value is out of range, must be positive");

/// SPOP key [count]
pub(super) const SPOP: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::WRITE | flags::FAST,
        keys: &[first(access::RW | access::ACCESS | access::DELETE)],
        group: Group::Set,
        complexity: "Without the count argument O(1), otherwise O(N) where N is the value of the \
                     passed count.",
        summary: "Removes random members from a set and returns them.",
        syntax: "key [count]",
        tips: &["nondeterministic_output"],
        ..Spec::new("spop")
    },
    run: spop,
    subcommands: &[],
};

/// SRANDMEMBER key [count]
pub(super) const SRANDMEMBER: DataCommand = Command {
    spec: Spec {
        name: "srandmember",
        flags: flags::READONLY,
        keys: &[first(access::RO | access::ACCESS)],
        complexity: "Without the count argument O(1), otherwise O(N) where N is the absolute value \
                     of the passed count.",
        summary: "Returns random members of a set: different ones, or with a negative count any.",
        ..SPOP.spec
    },
    run: srandmember,
    subcommands: &[],
};

fn spop(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let key = args.at(1);
    let count = match args.get(2) {
        None => None,
        Some(text) => {
            let count = parse_i64(text).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(NOT_POSITIVE)?)
        }
    };
    let (now_ms, random) = (txn.now_ms, txn.random());
    let Some(found) = txn.find(key) else {
        match count {
            None => reply.null(),
            Some(_) => reply.set(0),
        }
        return Ok(());
    };
    let set = txn.view::<Set>(found)?;
    let drawn: Vec<Vec<u8>> = match count {
        None => {
            let drawn = set.sample(now_ms, &mut || random.next());
            drawn.into_iter().map(Elem::to_vec).collect()
        }
        Some(count) => {
            let drawn = set.draw(count, now_ms, &mut || random.next());
            drawn.into_iter().map(Elem::to_vec).collect()
        }
    };
    if count.is_some() {
        reply.set(drawn.len());
    } else if drawn.is_empty() {
        reply.null();
    }
    for member in &drawn {
        reply.bulk(member);
    }
    remove(txn, key, found, &drawn)
}

fn remove(txn: &mut Txn<'_>, key: &[u8], found: Found, drawn: &[Vec<u8>]) -> CommandResult {
    if drawn.is_empty() {
        return Ok(());
    }
    let now_ms = txn.now_ms;
    let is_all = drawn.len() == txn.view::<Set>(found)?.len();
    if is_all {
        txn.remove(found);
    } else {
        txn.edit(key, Some(found), |set: &mut Set| {
            for member in drawn {
                set.remove(member, now_ms);
            }
        })?;
    }
    txn.changed(key, "spop");
    if is_all {
        txn.changed(key, "del");
        txn.replay_as(&[b"DEL", key]);
    } else if txn.is_logged() {
        let mut effect: Vec<&[u8]> = vec![b"SREM", key];
        effect.extend(drawn.iter().map(|member| &member[..]));
        txn.replay_as(&effect);
    }
    Ok(())
}

fn srandmember(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let (now_ms, random) = (txn.now_ms, txn.random());
    let mut random = || random.next();
    let Some(_) = args.get(2) else {
        let set = txn.read_as::<Set>(args.at(1))?;
        match set.and_then(|set| set.sample(now_ms, &mut random)) {
            Some(member) => elem::bulk(reply, member),
            None => reply.null(),
        }
        return Ok(());
    };
    let count = args.int(2)?;
    if count == i64::MIN {
        return Err(OUT_OF_RANGE);
    }
    let Some(set) = txn.read_as::<Set>(args.at(1))? else {
        reply.array(0);
        return Ok(());
    };
    if count >= 0 {
        let drawn = set.draw(count as usize, now_ms, &mut random);
        reply.array(drawn.len());
        for member in drawn {
            elem::bulk(reply, member);
        }
        return Ok(());
    }
    let count = count.unsigned_abs();
    if count > REPEATED_MAX {
        return Err(CommandError::Text("ERR value is out of range"));
    }
    if set.sample(now_ms, &mut random).is_none() {
        reply.array(0);
        return Ok(());
    }
    reply.array(count as usize);
    let mut digits = Digits::new();
    for _ in 0..count {
        let member = set.sample(now_ms, &mut random).expect("just seen");
        reply.bulk(member.text(&mut digits));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn pops() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("SPOP a", "$-1\r\n"),
            ("SPOP a 2", "*0\r\n"),
            ("SADD a x", ":1\r\n"),
            ("SPOP a 0", "*0\r\n"),
            ("SPOP a", "$1\r\nx\r\n"),
            ("EXISTS a", ":0\r\n"),
            ("SADD a 1 2 3", ":3\r\n"),
        ]);
        assert!(fixture.run("SPOP a 2").starts_with("*2\r\n"));
        fixture.check(&[("SCARD a", ":1\r\n")]);
        assert!(fixture.run("SPOP a 9").starts_with("*1\r\n"));
        fixture.check(&[("EXISTS a", ":0\r\n")]);
        let effects = fixture.effects();
        assert_eq!(effects[..3], ["SADD a x", "DEL a", "SADD a 1 2 3"]);
        assert!(effects[3].starts_with("SREM a "));
        assert_eq!(effects[4..], ["DEL a"]);
    }

    #[test]
    fn draws() {
        let mut fixture = Fixture::new();
        let many: Vec<_> = (0..1000).map(|i| format!("m{i}")).collect();
        fixture.run(&format!("SADD a {}", many.join(" ")));
        for (count, drawn) in [
            (0, 0),
            (5, 5),
            (500, 500),
            (2000, 1000),
            (-5, 5),
            (-2000, 2000),
        ] {
            let reply = fixture.run(&format!("SRANDMEMBER a {count}"));
            assert!(reply.starts_with(&format!("*{drawn}\r\n")), "{count}");
        }
        fixture.check(&[
            ("SADD b 1", ":1\r\n"),
            ("SRANDMEMBER b", "$1\r\n1\r\n"),
            ("SRANDMEMBER b -2", "*2\r\n$1\r\n1\r\n$1\r\n1\r\n"),
            ("SRANDMEMBER none", "$-1\r\n"),
            ("SRANDMEMBER none 3", "*0\r\n"),
            ("SRANDMEMBER b 1 2", "-ERR syntax error\r\n"),
            (
                "SPOP b -1",
                "-ERR value is out of range, must be positive\r\n",
            ),
            (
                "SPOP b x",
                "-ERR value is out of range, must be positive\r\n",
            ),
            (
                "SRANDMEMBER b -9223372036854775808",
                "-ERR value is out of range, value must between -9223372036854775807 and \
                 9223372036854775807\r\n",
            ),
            (
                "SRANDMEMBER b -9223372036854775807",
                "-ERR value is out of range\r\n",
            ),
        ]);
    }
}
