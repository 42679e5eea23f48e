//! The syntax that XREAD and XREADGROUP share, and how they answer.

use protocol::{Reply, number};

use data::types::stream::Entry;

use super::xrange::reply_entries;
use crate::{Args, CommandError};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    args: Args<'a>,
    /// Most entries per stream.
    pub(super) count: usize,
    /// Whether to wait when there is nothing.
    pub(super) waits: bool,
    /// For how long at most.
    pub(super) timeout_ms: Option<u64>,
    /// Group and consumer.
    pub(super) group: Option<(&'a [u8], &'a [u8])>,
    /// Whether what is delivered counts as acknowledged.
    pub(super) no_ack: bool,
    /// Position of the first key.
    keys: usize,
    /// How many keys there are.
    streams: usize,
}

impl<'a> Request<'a> {
    pub(super) fn parse(args: Args<'a>, with_group: bool) -> Result<Self, CommandError> {
        let mut request = Self {
            args,
            count: usize::MAX,
            waits: false,
            timeout_ms: None,
            group: None,
            no_ack: false,
            keys: 0,
            streams: 0,
        };
        let mut at = 1;
        while at < args.len() {
            let more = args.len() - 1 - at;
            if more >= 1 && args.is(at, "BLOCK") {
                (request.waits, request.timeout_ms) = (true, timeout_ms(args.at(at + 1))?);
                at += 2;
            } else if more >= 1 && args.is(at, "COUNT") {
                let count = args.int(at + 1)?.max(0) as usize;
                request.count = if count == 0 { usize::MAX } else { count };
                at += 2;
            } else if more >= 1 && args.is(at, "STREAMS") {
                request.set_streams(at + 1, with_group)?;
                break;
            } else if more >= 2 && args.is(at, "GROUP") {
                only_with_group(with_group, "GROUP")?;
                request.group = Some((args.at(at + 1), args.at(at + 2)));
                at += 3;
            } else if args.is(at, "NOACK") {
                only_with_group(with_group, "NOACK")?;
                request.no_ack = true;
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        if request.streams == 0 {
            return Err(CommandError::Syntax);
        }
        if with_group && request.group.is_none() {
            return Err(CommandError::Text(
                "ERR Missing GROUP option for XREADGROUP",
            ));
        }
        Ok(request)
    }

    fn set_streams(&mut self, keys: usize, with_group: bool) -> Result<(), CommandError> {
        let words = self.args.len() - keys;
        if words % 2 == 1 {
            return Err(CommandError::Text(if with_group {
                "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' \
                 must be specified."
            } else {
                "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' \
                 must be specified."
            }));
        }
        (self.keys, self.streams) = (keys, words / 2);
        Ok(())
    }

    /// Each key, and from where on its stream is asked for.
    pub(super) fn streams(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let (args, keys, streams) = (self.args, self.keys, self.streams);
        (keys..keys + streams).map(move |at| (args.at(at), args.at(at + streams)))
    }

    /// The arguments with these IDs in place of what was asked for.
    pub(super) fn with_ids(&self, ids: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
        let others = self.args.iter().take(self.keys + self.streams);
        others.map(<[u8]>::to_vec).chain(ids).collect()
    }
}

fn only_with_group(with_group: bool, option: &str) -> Result<(), CommandError> {
    if with_group {
        return Ok(());
    }
    Err(CommandError::Made(format!(
        "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
    )))
}

fn timeout_ms(text: &[u8]) -> Result<Option<u64>, CommandError> {
    let ms = number::parse_i64(text).ok_or(CommandError::Text(
        "ERR timeout is not an integer or out of range",
    ))?;
    let ms = u64::try_from(ms).map_err(|_| CommandError::Text("ERR timeout is negative"))?;
    Ok((ms > 0).then_some(ms))
}

/// The reply: entries by stream.
#[derive(Debug)]
pub(super) struct Streams {
    mark: protocol::Mark,
    count: usize,
}

impl Streams {
    pub(super) fn begin(reply: &mut Reply<'_>) -> Self {
        Self {
            mark: reply.begin_array(),
            count: 0,
        }
    }

    /// Begins the answer for one more stream: its entries are to follow.
    pub(super) fn begin_stream(&mut self, key: &[u8], reply: &mut Reply<'_>) {
        if !reply.is_resp3() {
            reply.array(2);
        }
        reply.bulk(key);
        self.count += 1;
    }

    /// Answers the entries of one more stream.
    pub(super) fn stream<'e>(
        &mut self,
        key: &[u8],
        entries: impl Iterator<Item = Entry<'e>>,
        reply: &mut Reply<'_>,
    ) {
        self.begin_stream(key, reply);
        reply_entries(entries, reply);
    }

    /// Ends the reply; false when there is nothing in it, and nothing was written then.
    pub(super) fn end(self, reply: &mut Reply<'_>, start: usize) -> bool {
        if self.count == 0 {
            reply.truncate(start);
        } else if reply.is_resp3() {
            reply.end_map(self.mark, self.count);
        } else {
            reply.end_array(self.mark, self.count);
        }
        self.count > 0
    }
}
