//! MSET, MSETNX, MSETEX.

use protocol::{Reply, number};
use smallvec::SmallVec;
use store::Txn;

use super::options::{Options, Word, Words};
use super::value::encode;
use super::write::{Ttl, store};
use crate::keys::{access, counted, range};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// MSET key value [key value ...]
pub(super) const MSET: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[range(1, -1, 2, access::OW | access::UPDATE)],
        group: Group::String,
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        summary: "Sets the string values of several keys.",
        syntax: "key value [key value ...]",
        tips: &[
            "request_policy:multi_shard",
            "response_policy:all_succeeded",
        ],
        ..Spec::new("mset")
    },
    run: mset,
    subcommands: &[],
};

/// MSETNX key value [key value ...]
pub(super) const MSETNX: DataCommand = Command {
    spec: Spec {
        name: "msetnx",
        keys: &[range(1, -1, 2, access::OW | access::INSERT)],
        summary: "Sets the string values of several keys only if none of them exists.",
        tips: &[],
        ..MSET.spec
    },
    run: msetnx,
    subcommands: &[],
};

/// MSETEX numkeys key value [key value ...] [options]
pub(super) const MSETEX: DataCommand = Command {
    spec: Spec {
        name: "msetex",
        arity: -4,
        flags: flags::WRITE | flags::DENYOOM | flags::MOVABLEKEYS,
        keys: &[counted(1, 2, access::OW | access::UPDATE)],
        since: "8.4.0",
        summary: "Sets the string values of several keys with one time to live, on a condition \
                  that all keys have to fulfil.",
        syntax: "numkeys key value [key value ...] [NX | XX] [EX seconds | PX milliseconds | \
                 EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
        ..MSET.spec
    },
    run: msetex,
    subcommands: &[],
};

fn mset(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len().is_multiple_of(2) {
        return Err(CommandError::wrong_arity("mset"));
    }
    set_all(txn, args);
    reply.ok();
    Ok(())
}

#[inline(always)]
fn set_all(txn: &mut Txn<'_>, args: Args<'_>) {
    let mut pairs = args.from(1);
    while let (Some(key), Some(value)) = (pairs.next(), pairs.next()) {
        let found = txn.find(key);
        txn.set(key, found, encode(value), None);
        txn.changed(key, "set");
    }
}

fn msetnx(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len().is_multiple_of(2) {
        return Err(CommandError::wrong_arity("msetnx"));
    }
    if args.from(1).step_by(2).any(|key| txn.find(key).is_some()) {
        reply.int(0);
        return Ok(());
    }
    set_all(txn, args);
    if txn.is_logged() {
        let mset: SmallVec<[&[u8]; 16]> = [&b"MSET"[..]].into_iter().chain(args.from(1)).collect();
        txn.replay_as(&mset);
    }
    reply.int(1);
    Ok(())
}

fn msetex(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let end = end_of_pairs(args)?;
    let options = Options::parse(args, end, MSETEX_WORDS)?;
    let ttl = options.ttl(txn.now_ms, "msetex")?.unwrap_or(Ttl::Clear);
    let mut keys = (2..end).step_by(2).map(|at| args.at(at));
    let holds = match options.condition {
        None => true,
        Some((Word::Nx, _)) => keys.all(|key| txn.find(key).is_none()),
        Some(_) => keys.all(|key| txn.find(key).is_some()),
    };
    if holds {
        for at in (2..end).step_by(2) {
            let found = txn.find(args.at(at));
            store(txn, args.at(at), found, args.at(at + 1), ttl);
        }
    }
    reply.int(i64::from(holds));
    Ok(())
}

const MSETEX_WORDS: Words = &[
    ("EX", Word::Ex),
    ("PX", Word::Px),
    ("EXAT", Word::ExAt),
    ("PXAT", Word::PxAt),
    ("NX", Word::Nx),
    ("XX", Word::Xx),
    ("KEEPTTL", Word::KeepTtl),
];

/// The number of the argument behind the pairs of MSETEX.
fn end_of_pairs(args: Args<'_>) -> Result<usize, CommandError> {
    const BAD_COUNT: CommandError = CommandError::Text("ERR invalid numkeys value");
    const TOO_FEW: CommandError = CommandError::Text("ERR wrong number of key-value pairs");
    let count = number::parse_i64(args.at(1)).ok_or(BAD_COUNT)?;
    if !(1..=i64::from(i32::MAX)).contains(&count) {
        return Err(BAD_COUNT);
    }
    let end = 2 + 2 * count as usize;
    if end > args.len() {
        return Err(TOO_FEW);
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn sets_all() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("SET a x EX 10", "+OK\r\n"),
            ("MSET a 1 b 2 a 3", "+OK\r\n"),
            ("MGET a b", "*2\r\n$1\r\n3\r\n$1\r\n2\r\n"),
            (
                "MSET a 1 b",
                "-ERR wrong number of arguments for 'mset' command\r\n",
            ),
        ]);
        assert_eq!(fixture.string_at("a"), Some(("int", None)));
        assert_eq!(fixture.effects()[1], "MSET a 1 b 2 a 3");
    }

    #[test]
    fn sets_all_or_none() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("MSETNX a 1 b 2", ":1\r\n"),
            ("MSETNX c 1 b 3", ":0\r\n"),
            ("MGET b c", "*2\r\n$1\r\n2\r\n$-1\r\n"),
            ("MSETNX c 1 c 2", ":1\r\n"),
            (
                "MSETNX c 1 b",
                "-ERR wrong number of arguments for 'msetnx' command\r\n",
            ),
        ]);
        assert_eq!(fixture.effects(), ["MSET a 1 b 2", "MSET c 1 c 2"]);
    }

    #[test]
    fn sets_all_for_a_time() {
        let mut fixture = Fixture::logged();
        fixture.check(&[
            ("MSETEX 2 a 1 b 2 EX 10 NX", ":1\r\n"),
            ("MSETEX 2 a 1 c 2 nx", ":0\r\n"),
            ("MSETEX 2 a 1 c 2 XX", ":0\r\n"),
            ("MSETEX 1 a 3 XX KEEPTTL", ":1\r\n"),
            ("MSETEX 1 b 3", ":1\r\n"),
            ("MSETEX 2 b 1 c 1 PXAT 1", ":1\r\n"),
        ]);
        assert_eq!(
            fixture.string_at("a"),
            Some(("int", Some(1_700_000_010_000)))
        );
        assert_eq!(
            fixture.effects(),
            [
                "SET a 1 PXAT 1700000010000",
                "SET b 2 PXAT 1700000010000",
                "SET a 3 KEEPTTL",
                "SET b 3",
                "DEL b"
            ]
        );
    }

    #[test]
    fn msetex_refuses() {
        let bad_count = "-ERR invalid numkeys value\r\n";
        let too_few = "-ERR wrong number of key-value pairs\r\n";
        Fixture::new().check(&[
            ("MSETEX a b c", bad_count),
            ("MSETEX 0 a 1", bad_count),
            ("MSETEX 2147483648 a 1", bad_count),
            ("MSETEX 2147483647 a 1", too_few),
            ("MSETEX 2 a 1 b", too_few),
            ("MSETEX 1 a 1 GET", "-ERR syntax error\r\n"),
            ("MSETEX 1 a 1 NX XX", "-ERR syntax error\r\n"),
            ("MSETEX 1 a 1 EX 1 PX 1", "-ERR syntax error\r\n"),
            (
                "MSETEX 1 a 1 EX 0",
                "-ERR invalid expire time in 'msetex' command\r\n",
            ),
        ]);
    }
}
