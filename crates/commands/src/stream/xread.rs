//! XREAD.

use data::types::Stream;
use data::types::stream::Id;
use protocol::Reply;
use store::{AtEnd, Served, Txn};

use super::id::{self, Text};
use super::read::{Request, Streams};
use crate::keys::{Begin, Find, KeySpec, access};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]
pub(super) const XREAD: DataCommand = Command {
    spec: Spec {
        arity: -4,
        flags: flags::READONLY | flags::BLOCKING | flags::MOVABLEKEYS,
        keys: &[streams(1)],
        group: Group::Stream,
        since: "5.0.0",
        complexity: "For each stream mentioned: O(N) with N being the number of elements being \
                     returned, it means that XREAD-ing with a fixed COUNT is O(1). Note that when \
                     the BLOCK option is used, XADD will pay O(M) time in order to serve the M \
                     clients blocked on the stream getting new data.",
        summary: "Returns the entries of streams behind the given IDs; waits for some if there are \
                  none.",
        syntax: "[COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
        serve: Some(serve),
        ..Spec::new("xread")
    },
    run: xread,
    subcommands: &[],
};

/// Keys, then as many IDs, behind the word STREAMS.
pub(super) const fn streams(from: i32) -> KeySpec {
    KeySpec {
        access: access::RO | access::ACCESS,
        begin: Begin::Keyword("STREAMS", from),
        find: Find::Range {
            last: -1,
            step: 1,
            limit: 2,
        },
    }
}

fn xread(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let request = Request::parse(args, false)?;
    let streams = request.streams();
    let behind = streams.map(|(key, id)| resolve(txn, key, id));
    let behind = behind.collect::<Result<Vec<_>, _>>()?;
    let start = reply.len();
    let mut streams = Streams::begin(reply);
    for ((key, _), &id) in request.streams().zip(&behind) {
        answer(txn, key, id, request.count, &mut streams, reply)?;
    }
    if streams.end(reply, start) {
        return Ok(());
    }
    let keys = request.streams().map(|(key, _)| key);
    if request.waits && txn.wait_for(keys, request.timeout_ms, AtEnd::NullArray) {
        let ids = behind.iter().map(|&id| Text::new(id).as_bytes().to_vec());
        txn.repeat_as(request.with_ids(ids));
    } else {
        reply.null_array();
    }
    Ok(())
}

/// The ID behind which entries are asked for.
fn resolve(txn: &mut Txn<'_>, key: &[u8], text: &[u8]) -> Result<Id, CommandError> {
    let stream = txn.read_as::<Box<Stream>>(key)?;
    let last = |stream: &Stream| stream.last_id;
    match text {
        b"$" => Ok(stream.map_or(Id::MIN, last)),
        b"+" => Ok(stream.map_or(Id::MIN, |stream| match stream.last() {
            Some(entry) => entry.id.prev().unwrap_or(Id::MIN),
            None => stream.last_id,
        })),
        b">" => Err(CommandError::Text(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> \
             <consumer> option.",
        )),
        _ => id::id(text),
    }
}

/// Answers what there is of one stream.
fn answer(
    txn: &mut Txn<'_>,
    key: &[u8],
    behind: Id,
    count: usize,
    streams: &mut Streams,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let (Some(found), Some(from)) = (txn.find(key), behind.next()) else {
        return Ok(());
    };
    let stream = txn.view::<Box<Stream>>(found)?;
    let mut entries = stream.range(from, Id::MAX).take(count).peekable();
    if entries.peek().is_some() {
        streams.stream(key, entries, reply);
    }
    Ok(())
}

/// XREAD for a client that waited: the IDs are plain by now.
fn serve(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    key: &[u8],
    reply: &mut Reply<'_>,
) -> Result<Served, CommandError> {
    let request = Request::parse(args, false)?;
    let Some((_, behind)) = request.streams().find(|(other, _)| *other == key) else {
        return Ok(Served::No);
    };
    let start = reply.len();
    let mut streams = Streams::begin(reply);
    // A key that isn't a stream any more may become one again.
    match answer(
        txn,
        key,
        id::id(behind)?,
        request.count,
        &mut streams,
        reply,
    ) {
        Err(CommandError::WrongType) => Ok(Served::No),
        Err(other) => Err(other),
        Ok(()) if streams.end(reply, start) => Ok(Served::Yes),
        Ok(()) => Ok(Served::No),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    const TWO: &str = "*1\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n";

    #[test]
    fn reads_what_is_behind() {
        let mut fixture = Fixture::new();
        fixture.run("XADD a 1 f v");
        fixture.run("XADD a 2 f v");
        fixture.run("SET s 1");
        let two = format!("*1\r\n*2\r\n$1\r\na\r\n{TWO}");
        fixture.check(&[
            ("XREAD STREAMS a 1", &two),
            ("XREAD STREAMS b a 0 1", &two),
            ("XREAD COUNT 1 STREAMS a +", &two),
            ("XREAD STREAMS a 2", "*-1\r\n"),
            ("XREAD STREAMS a $", "*-1\r\n"),
            ("XREAD BLOCK 10 STREAMS a b $ 0", "waits for a b"),
            ("XREAD BLOCK 10 STREAMS a 1", &two),
            (
                "XREAD STREAMS s 0",
                "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
            ),
            ("XREAD BLOCK -1 STREAMS a 0", "-ERR timeout is negative\r\n"),
            (
                "XREAD BLOCK x STREAMS a 0",
                "-ERR timeout is not an integer or out of range\r\n",
            ),
            ("XREAD COUNT 1 a 0", "-ERR syntax error\r\n"),
            (
                "XREAD STREAMS a b 0",
                "-ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' \
                 must be specified.\r\n",
            ),
            (
                "XREAD GROUP g c STREAMS a >",
                "-ERR The GROUP option is only supported by XREADGROUP. You called XREAD \
                 instead.\r\n",
            ),
        ]);
        fixture.resp3 = true;
        assert_eq!(
            fixture.run("XREAD STREAMS a 1"),
            format!("%1\r\n$1\r\na\r\n{TWO}")
        );
    }
}
