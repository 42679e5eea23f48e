//! XADD.

use data::types::stream::{Id, Stream};
use protocol::Reply;
use store::Txn;

use super::block_limits;
use super::id::{NewId, Text};
use super::trim::{Options, Trimming};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// XADD key [options] <* | id> field value [field value ...]
pub(super) const XADD: DataCommand = Command {
    spec: Spec {
        arity: -5,
        flags: flags::WRITE | flags::DENYOOM | flags::FAST,
        keys: &[first(access::RW | access::UPDATE)],
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(1) when adding a new entry, O(N) when trimming where N being the number of \
                     entries evicted.",
        summary: "Adds an entry to a stream. The key is created if it doesn't exist.",
        syntax: "key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> \
                 field value [field value ...]",
        tips: &["nondeterministic_output"],
        ..Spec::new("xadd")
    },
    run: xadd,
    subcommands: &[],
};

const NOT_BEHIND: CommandError = CommandError::Text(
    "ERR The ID specified in XADD is equal or smaller than the target stream top item",
);
const EXHAUSTED: CommandError = CommandError::Text(
    "ERR The stream has exhausted the last possible ID, unable to add more items",
);

fn xadd(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut options = Options::default();
    let mut at = 2;
    loop {
        if args.is(at, "NOMKSTREAM") {
            options.no_mkstream = true;
            at += 1;
        } else if let Some(next) = options.take(args, at)? {
            at = next;
        } else {
            break;
        }
    }
    let trimming = options.finish(txn)?;
    let id = NewId::parse(args.get(at).ok_or(CommandError::Syntax)?)?;
    let texts = args.from(at + 1);
    if texts.len() < 2 || texts.len() % 2 == 1 {
        return Err(CommandError::wrong_arity("xadd"));
    }
    if id == NewId::Given(Id::MIN) {
        return Err(CommandError::Text(
            "ERR The ID specified in XADD must be greater than 0-0",
        ));
    }
    add(txn, args, (at, id), (options.no_mkstream, trimming), reply)
}

fn add(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    (at, id): (usize, NewId),
    (no_mkstream, trimming): (bool, Option<Trimming>),
    reply: &mut Reply<'_>,
) -> CommandResult {
    let key = args.at(1);
    let found = txn.find(key);
    if no_mkstream && found.is_none() {
        reply.null();
        return Ok(());
    }
    let last = match found {
        Some(found) => txn.view::<Box<Stream>>(found)?.last_id,
        None => Id::MIN,
    };
    if last == Id::MAX {
        return Err(EXHAUSTED);
    }
    let id = id.after(last, txn.now_ms).ok_or(NOT_BEHIND)?;
    let texts = args.from(at + 1);
    if Stream::is_too_large(texts.clone().map(<[u8]>::len).sum()) {
        return Err(CommandError::Text(
            "ERR Elements are too large to be stored",
        ));
    }
    let limits = block_limits(txn);
    let (removed, len, first) = txn.edit(key, found, |stream: &mut Box<Stream>| {
        stream.push(id, texts, limits);
        match trimming.map(|trimming| trimming.run(stream)) {
            None | Some(0) => (0, 0, Id::MIN),
            Some(removed) => (removed, stream.len(), stream.first_id()),
        }
    })?;
    txn.changed(key, "xadd");
    if removed > 0 {
        txn.changed(key, "xtrim");
    }
    let text = Text::new(id);
    reply.bulk(text.as_bytes());
    if txn.is_logged() {
        let trimmed = trimming.filter(|_| removed > 0);
        let trimmed = trimmed.map(|trimming| trimming.replay(len, first));
        replay(txn, args, (at, text.as_bytes()), trimmed.as_ref());
    }
    Ok(())
}

/// The log gets the ID that was made and what was trimmed.
#[cold]
fn replay(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    (at, id): (usize, &[u8]),
    trimmed: Option<&[Vec<u8>; 3]>,
) {
    let mut effect: Vec<&[u8]> = vec![b"XADD", args.at(1)];
    effect.extend(trimmed.into_iter().flatten().map(|word| &word[..]));
    effect.push(id);
    effect.extend(args.from(at + 1));
    txn.replay_as(&effect);
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    const NOT_BEHIND: &str =
        "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n";

    #[test]
    fn ids_ascend() {
        Fixture::new().check(&[
            ("XADD a * f v", "$15\r\n1700000000000-0\r\n"),
            ("XADD a * f v", "$15\r\n1700000000000-1\r\n"),
            ("XADD a 1700000000000-1 f v", NOT_BEHIND),
            ("XADD a 5 f v", NOT_BEHIND),
            ("XADD a 1700000000000-* f v", "$15\r\n1700000000000-2\r\n"),
            ("XADD b 0-* f v", "$3\r\n0-1\r\n"),
            ("XADD b 7-* f v", "$3\r\n7-0\r\n"),
            ("XADD b 6-* f v", NOT_BEHIND),
            (
                "XADD b 0-0 f v",
                "-ERR The ID specified in XADD must be greater than 0-0\r\n",
            ),
            (
                "XADD b 18446744073709551615-18446744073709551615 f v",
                "$41\r\n18446744073709551615-18446744073709551615\r\n",
            ),
            (
                "XADD b * f v",
                "-ERR The stream has exhausted the last possible ID, unable to add more items\r\n",
            ),
        ]);
    }

    #[test]
    fn options() {
        let arity = "-ERR wrong number of arguments for 'xadd' command\r\n";
        Fixture::new().check(&[
            ("XADD a NOMKSTREAM 1 f v", "$-1\r\n"),
            ("XADD a 1 f v g", arity),
            ("XADD a MAXLEN 10 1 f", arity),
            ("XADD a MAXLEN 1 1 f v", "$3\r\n1-0\r\n"),
            ("XADD a nomkstream MAXLEN = 1 2 f v", "$3\r\n2-0\r\n"),
            ("XADD a MAXLEN ~ 1 3 f v", "$3\r\n3-0\r\n"),
            ("XLEN a", ":2\r\n"),
            ("XADD a MINID 3 4 f v", "$3\r\n4-0\r\n"),
            ("XLEN a", ":2\r\n"),
            (
                "XADD a MAXLEN -1 4 f v",
                "-ERR The MAXLEN argument must be >= 0.\r\n",
            ),
            (
                "XADD a MAXLEN 1 MINID 1 4 f v",
                "-ERR syntax error, MAXLEN and MINID options at the same time are not \
                 compatible\r\n",
            ),
            (
                "XADD a MAXLEN 1 LIMIT 1 4 f v",
                "-ERR syntax error, LIMIT cannot be used without the special ~ option\r\n",
            ),
            ("SET s 1", "+OK\r\n"),
            (
                "XADD s 1 f v",
                "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
            ),
        ]);
    }

    #[test]
    fn the_log_gets_ids_and_exact_thresholds() {
        let mut fixture = Fixture::logged();
        fixture.run("XADD a * f v");
        fixture.run("XADD a MAXLEN ~ 1000 5-1 f v");
        fixture.run("XADD a MAXLEN 1 1700000000001-* f v g w");
        assert_eq!(
            fixture.effects(),
            [
                "XADD a 1700000000000-0 f v",
                "XADD a MAXLEN = 1 1700000000001-0 f v g w",
            ]
        );
    }
}
