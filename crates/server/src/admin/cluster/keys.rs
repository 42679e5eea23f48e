//! Keys and slots: KEYSLOT, COUNTKEYSINSLOT, GETKEYSINSLOT. Keys are in no order of slots, so
//! what is in a slot is found by a walk through all keys of the selected database.

use std::ops::ControlFlow;

use commands::spec::{Scope, flags};
use commands::{CommandError, Spec};
use protocol::Reply;
use store::Txn;

use super::{SLOTS, check_mode, plain, slot, spec};
use crate::session::{Call, Outcome, SessionCommand};

/// Buckets that are visited before a shard is given back for a moment.
const SLICE: usize = 64;
const PER_KEY: &str = "O(N) where N is the number of keys in the database";

pub(super) const KEYSLOT: SessionCommand = plain(
    Spec {
        flags: flags::STALE,
        complexity: "O(N) where N is the number of bytes in the key",
        summary: "Returns the hash slot for a key.",
        syntax: "key",
        ..spec("keyslot", 3)
    },
    |call, reply| {
        check_mode(call)?;
        reply.int(slot::of_key(call.args.at(2)) as i64);
        Ok(Outcome::Done)
    },
);

pub(super) const COUNTKEYSINSLOT: SessionCommand = plain(
    Spec {
        flags: flags::STALE,
        scope: Scope::EachShard,
        complexity: PER_KEY,
        summary: "Returns the number of keys in a hash slot.",
        syntax: "slot",
        ..spec("countkeysinslot", 3)
    },
    count,
);

pub(super) const GETKEYSINSLOT: SessionCommand = plain(
    Spec {
        flags: flags::STALE,
        scope: Scope::EachShard,
        complexity: PER_KEY,
        summary: "Returns the key names in a hash slot.",
        syntax: "slot count",
        tips: &["nondeterministic_output"],
        ..spec("getkeysinslot", 4)
    },
    get,
);

fn count(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    check_mode(call)?;
    let wanted = call.args.int(2)?;
    if !(0..SLOTS as i64).contains(&wanted) {
        return Err(CommandError::Text("ERR Invalid slot"));
    }
    let mut count = 0;
    walk(call.txn, |slot, _| {
        count += i64::from(slot as i64 == wanted);
        ControlFlow::Continue(())
    });
    reply.int(count);
    Ok(Outcome::Done)
}

fn get(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    check_mode(call)?;
    let (wanted, most) = (call.args.int(2)?, call.args.int(3)?);
    if !(0..SLOTS as i64).contains(&wanted) || most < 0 {
        return Err(CommandError::Text("ERR Invalid slot or number of keys"));
    }
    let (mark, mut count) = (reply.begin_array(), 0);
    walk(call.txn, |slot, key| {
        if count == most {
            return ControlFlow::Break(());
        }
        if slot as i64 == wanted {
            reply.bulk(key);
            count += 1;
        }
        ControlFlow::Continue(())
    });
    reply.end_array(mark, count as usize);
    Ok(Outcome::Done)
}

/// Shows each key of the selected database with its slot, until `visit` has enough.
pub(super) fn walk(txn: &mut Txn<'_>, mut visit: impl FnMut(usize, &[u8]) -> ControlFlow<()>) {
    let mut flow = ControlFlow::Continue(());
    for shard in 0..txn.store().shard_count() {
        let mut position = Some(0);
        while let (Some(at), ControlFlow::Continue(())) = (position, flow) {
            position = txn.in_shard(shard, |txn| {
                let mut next = Some(at);
                for _ in 0..SLICE {
                    let Some(at) = next else { break };
                    next = txn.scan(shard, at, |_, record| {
                        if flow.is_continue() {
                            flow = visit(slot::of_key(record.key()), record.key());
                        }
                    });
                }
                next
            });
        }
    }
}
