//! SLOT-STATS: how many keys each slot has. Valkey has other figures only where its
//! `cluster-slot-stats-enabled` is set, which by default it isn't.

use std::cmp::Reverse;
use std::ops::{ControlFlow, RangeInclusive};

use commands::spec::Scope;
use commands::{Args, CommandError, Spec};
use protocol::{Reply, number};

use super::{SLOTS, check_mode, keys, plain, slot, spec};
use crate::session::{Call, Outcome, SessionCommand};

pub(super) const SLOT_STATS: SessionCommand = plain(
    Spec {
        scope: Scope::EachShard,
        since: "8.0.0",
        complexity: "O(N) where N is the total number of slots based on arguments. O(N*log(N)) \
                     with ORDERBY subcommand.",
        summary: "Returns the number of keys of each slot.",
        syntax: "<SLOTSRANGE start-slot end-slot | ORDERBY metric [LIMIT limit] [ASC | DESC]>",
        tips: &["nondeterministic_output", "request_policy:all_shards"],
        ..spec("slot-stats", -4)
    },
    slot_stats,
);

/// Which slots are wanted, and in which order.
enum Wanted {
    Range(RangeInclusive<usize>),
    Ordered { limit: usize, ascending: bool },
}

fn slot_stats(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    check_mode(call)?;
    let wanted = parse(call.args)?;
    let mut counts = vec![0_i64; SLOTS];
    keys::walk(call.txn, |slot, _| {
        counts[slot] += 1;
        ControlFlow::Continue(())
    });
    let slots = match wanted {
        Wanted::Range(range) => range.collect(),
        Wanted::Ordered { limit, ascending } => ordered(&counts, limit, ascending),
    };
    reply.array(slots.len());
    for slot in slots {
        reply.array(2);
        reply.int(slot as i64);
        reply.map(1);
        reply.bulk(b"key-count");
        reply.int(counts[slot]);
    }
    Ok(Outcome::Done)
}

/// The slots by their number of keys; of equal ones the lower number comes first.
fn ordered(counts: &[i64], limit: usize, ascending: bool) -> Vec<usize> {
    let mut slots: Vec<usize> = (0..counts.len()).collect();
    if ascending {
        slots.sort_by_key(|&slot| counts[slot]);
    } else {
        slots.sort_by_key(|&slot| Reverse(counts[slot]));
    }
    slots.truncate(limit);
    slots
}

fn parse(args: Args<'_>) -> Result<Wanted, CommandError> {
    if args.is(2, "SLOTSRANGE") && args.len() == 5 {
        let (start, end) = (slot::parse(args.at(3))?, slot::parse(args.at(4))?);
        if start > end {
            let text =
                format!("ERR Start slot number {start} is greater than end slot number {end}");
            return Err(CommandError::Made(text));
        }
        return Ok(Wanted::Range(start..=end));
    }
    if args.is(2, "ORDERBY") {
        return parse_order(args);
    }
    Err(wrong_syntax())
}

fn parse_order(args: Args<'_>) -> Result<Wanted, CommandError> {
    if !args.is(3, "key-count") {
        return Err(CommandError::Text(
            "ERR Unrecognized sort metric for ORDERBY.",
        ));
    }
    let (mut limit, mut ascending) = (None, None);
    let mut at = 4;
    while at < args.len() {
        if args.is(at, "LIMIT") && limit.is_none() && at + 1 < args.len() {
            limit = Some(parse_limit(args.at(at + 1))?);
            at += 2;
        } else if (args.is(at, "ASC") || args.is(at, "DESC")) && ascending.is_none() {
            ascending = Some(args.is(at, "ASC"));
            at += 1;
        } else {
            return Err(wrong_syntax());
        }
    }
    Ok(Wanted::Ordered {
        limit: limit.unwrap_or(SLOTS),
        ascending: ascending.unwrap_or(false),
    })
}

fn parse_limit(text: &[u8]) -> Result<usize, CommandError> {
    let limit = number::parse_i64(text).filter(|limit| (1..=SLOTS as i64).contains(limit));
    limit.map(|limit| limit as usize).ok_or(CommandError::Text(
        "ERR Limit has to lie in between 1 and 16384 (maximum number of slots).",
    ))
}

fn wrong_syntax() -> CommandError {
    CommandError::Text(
        "ERR unknown subcommand or wrong number of arguments for 'SLOT-STATS'. Try CLUSTER HELP.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_slots_come_in_their_own_order() {
        let counts = [1, 3, 0, 3];
        assert_eq!(ordered(&counts, 4, false), [1, 3, 0, 2]);
        assert_eq!(ordered(&counts, 3, true), [2, 0, 1]);
    }
}
