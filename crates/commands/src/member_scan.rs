//! What SSCAN, HSCAN and ZSCAN share: cursor, MATCH and COUNT, and the walk through one collection.

use data::packed::{Digits, Elem};
use protocol::{Reply, glob};

use crate::{Args, CommandError};

/// Buckets that are looked at for each element that COUNT asks for.
const BUCKETS_PER_ELEMENT: usize = 10;

/// The cursor at argument 2: a position in the collection's table, 0 at beginning and end.
pub(crate) fn cursor(args: Args<'_>) -> Result<u64, CommandError> {
    let text = std::str::from_utf8(args.at(2)).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or(CommandError::Text("ERR invalid cursor"))
}

/// The answer when there is no collection.
pub(crate) fn reply_nothing(reply: &mut Reply<'_>) {
    reply.array(2);
    reply.bulk_int(0);
    reply.array(0);
}

/// What of a collection is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options<'a> {
    pattern: Option<&'a [u8]>,
    count: usize,
    /// NOVALUES or NOSCORES: names alone.
    pub(crate) names_only: bool,
}

const NO_VALUES: CommandError = CommandError::Text("ERR NOVALUES option can only be used in HSCAN");
const NO_SCORES: CommandError = CommandError::Text("ERR NOSCORES option can only be used in ZSCAN");

impl<'a> Options<'a> {
    /// Reads the arguments from number 3 on; `names_only` is the command's own word for that.
    pub(crate) fn parse(args: Args<'a>, names_only: &str) -> Result<Self, CommandError> {
        let mut options = Self {
            pattern: None,
            count: 10,
            names_only: false,
        };
        let mut at = 3;
        while at < args.len() {
            let mut words = [("NOVALUES", NO_VALUES), ("NOSCORES", NO_SCORES)].into_iter();
            if let Some((word, error)) = words.find(|(word, _)| args.is(at, word)) {
                if word != names_only {
                    return Err(error);
                }
                options.names_only = true;
                at += 1;
                continue;
            }
            let value = args.get(at + 1).ok_or(CommandError::Syntax)?;
            if args.is(at, "COUNT") {
                let count = args.int(at + 1)?;
                options.count = usize::try_from(count).unwrap_or(0);
                if options.count == 0 {
                    return Err(CommandError::Syntax);
                }
            } else if args.is(at, "MATCH") {
                options.pattern = Some(value);
            } else {
                return Err(CommandError::Syntax);
            }
            at += 2;
        }
        Ok(options)
    }

    /// Whether an element of this name is wanted.
    #[inline]
    pub(crate) fn accepts(&self, name: Elem<'_>) -> bool {
        self.pattern.is_none_or(|pattern| {
            pattern == b"*" || glob::matches(pattern, name.text(&mut Digits::new()), false)
        })
    }

    /// Walks from `cursor` on: `step` shows the elements at a position, of which it writes some and
    /// returns how many there were, how many replies it wrote, and where to go on.
    pub(crate) fn walk(
        &self,
        cursor: u64,
        reply: &mut Reply<'_>,
        mut step: impl FnMut(u64, &mut Reply<'_>) -> (usize, usize, Option<u64>),
    ) {
        let start = reply.len();
        let mark = reply.begin_array();
        let (mut elements, mut buckets, mut written) = (0, 0, 0);
        let mut at = (cursor >> data::hash::POSITION_BITS == 0).then_some(cursor);
        while let Some(position) = at
            && elements < self.count
            && buckets / BUCKETS_PER_ELEMENT < self.count
        {
            let (seen, wrote, next) = step(position, reply);
            (elements, written, buckets) = (elements + seen, written + wrote, buckets + 1);
            at = next;
        }
        reply.end_array(mark, written);
        let middle = reply.len();
        reply.array(2);
        reply.bulk_int(at.unwrap_or(0) as i64);
        reply.bring_forward(start, middle);
    }
}
