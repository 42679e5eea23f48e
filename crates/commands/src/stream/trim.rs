//! XTRIM, and the options that XADD shares with it.

use data::types::stream::{Id, Stream, Trim};
use protocol::{Reply, number};
use store::Txn;

use super::id::{self, Text};
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

/// XTRIM key <MAXLEN | MINID> [= | ~] threshold [LIMIT count]
pub(super) const XTRIM: DataCommand = Command {
    spec: Spec {
        arity: -4,
        flags: flags::WRITE,
        keys: &[first(access::RW | access::DELETE)],
        group: Group::Stream,
        since: "5.0.0",
        complexity: "O(N), with N being the number of evicted entries. Constant times are very \
                     small however, since entries are organized in macro nodes containing multiple \
                     entries that can be released with a single deallocation.",
        summary: "Removes entries from the beginning of a stream.",
        syntax: "key <MAXLEN | MINID> [= | ~] threshold [LIMIT count]",
        tips: &["nondeterministic_output"],
        ..Spec::new("xtrim")
    },
    run: xtrim,
    subcommands: &[],
};

const BOTH: CommandError = CommandError::Text(
    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
);

/// How far to trim.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trimming {
    pub(super) to: Trim,
    /// As [`Stream::trim`] takes it.
    limit: Option<usize>,
}

/// The options of XADD and XTRIM.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    trim: Option<Trim>,
    approximately: bool,
    limit: Option<usize>,
    /// XADD only.
    pub(super) no_mkstream: bool,
}

impl Options {
    /// Takes the option at `at`; where the next one is, or `None` if this is none.
    pub(super) fn take(
        &mut self,
        args: Args<'_>,
        at: usize,
    ) -> Result<Option<usize>, CommandError> {
        let more = args.len() - 1 - at;
        let is_max = args.is(at, "MAXLEN");
        if more > 0 && (is_max || args.is(at, "MINID")) {
            if self.trim.is_some() {
                return Err(BOTH);
            }
            let mut at = at + 1;
            let sign = args.is(at, "~") || args.is(at, "=");
            if sign && more >= 2 {
                self.approximately = args.is(at, "~");
                at += 1;
            }
            self.trim = Some(threshold(is_max, args, at)?);
            return Ok(Some(at + 1));
        }
        if more > 0 && args.is(at, "LIMIT") {
            let limit = args.int(at + 1)?;
            let limit = usize::try_from(limit);
            self.limit = Some(
                limit.map_err(|_| CommandError::Text("ERR The LIMIT argument must be >= 0."))?,
            );
            return Ok(Some(at + 2));
        }
        Ok(None)
    }

    /// Checks that the options go together.
    pub(super) fn finish(self, txn: &Txn<'_>) -> Result<Option<Trimming>, CommandError> {
        if self.limit.is_some() && self.trim.is_none() {
            return Err(CommandError::Text(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if self.limit.is_some() && !self.approximately {
            return Err(CommandError::Text(
                "ERR syntax error, LIMIT cannot be used without the special ~ option",
            ));
        }
        let limit = self.approximately.then(|| {
            let entries = txn.store().thresholds.stream_node_entries.get();
            self.limit.unwrap_or(match entries {
                0 => 10_000,
                _ => (100 * entries).min(1_000_000),
            })
        });
        Ok(self.trim.map(|to| Trimming { to, limit }))
    }
}

fn threshold(is_max: bool, args: Args<'_>, at: usize) -> Result<Trim, CommandError> {
    if !is_max {
        return id::id(args.at(at)).map(Trim::MinId);
    }
    let max = number::parse_i64(args.at(at)).ok_or(CommandError::NotInteger)?;
    let max = u64::try_from(max);
    max.map(Trim::MaxLen)
        .map_err(|_| CommandError::Text("ERR The MAXLEN argument must be >= 0."))
}

impl Trimming {
    /// Trims; how many entries that took.
    #[inline]
    pub(super) fn run(self, stream: &mut Stream) -> usize {
        stream.trim(self.to, self.limit)
    }

    /// The exact option and threshold that repeat what was done to a stream.
    pub(super) fn replay(self, len: usize, first: Id) -> [Vec<u8>; 3] {
        let (word, threshold) = match (self.to, self.limit) {
            (Trim::MaxLen(max), None) => ("MAXLEN", max.to_string().into_bytes()),
            (Trim::MaxLen(_), Some(_)) => ("MAXLEN", len.to_string().into_bytes()),
            (Trim::MinId(min), None) => ("MINID", Text::new(min).as_bytes().to_vec()),
            (Trim::MinId(_), Some(_)) => ("MINID", Text::new(first).as_bytes().to_vec()),
        };
        [word.into(), b"=".to_vec(), threshold]
    }
}

fn xtrim(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut options = Options::default();
    let mut at = 2;
    while at < args.len() {
        at = options.take(args, at)?.ok_or(CommandError::Syntax)?;
    }
    let trimming = options.finish(txn)?.ok_or(CommandError::Text(
        "ERR syntax error, XTRIM must be called with a trimming strategy",
    ))?;
    let key = args.at(1);
    let Some(found) = txn.find(key) else {
        reply.int(0);
        return Ok(());
    };
    let (removed, len, first) = txn.edit(key, Some(found), |stream: &mut Box<Stream>| {
        (trimming.run(stream), stream.len(), stream.first_id())
    })?;
    if removed > 0 {
        txn.changed(key, "xtrim");
        if txn.is_logged() {
            let [word, sign, threshold] = trimming.replay(len, first);
            txn.replay_as(&[b"XTRIM", key, &word, &sign, &threshold]);
        }
    }
    reply.int(removed as i64);
    Ok(())
}
