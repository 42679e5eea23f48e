//! What the commands on the expiry of fields share: `FIELDS numfields field …`, times, and what
//! becomes of the fields.

use data::types::hash::HashRef;
use data::{Collection, Hash};
use protocol::number::parse_i64;
use store::{Event, Found, Txn, WrongType};

use crate::{Args, CommandError};

const NO_FIELDS: CommandError =
    CommandError::Text("ERR Mandatory argument FIELDS is missing or not at the right position");
const NOT_POSITIVE: CommandError =
    CommandError::Text("ERR Number of fields must be a positive integer");
const MISMATCH: CommandError =
    CommandError::Text("ERR The `numfields` parameter must match the number of arguments");
const NEGATIVE: CommandError = CommandError::Text("ERR invalid expire time, must be >= 0");

/// The latest expiry of a field, in milliseconds: Redis has so many bits for it.
const EXPIRY_MAX: u64 = (1 << 46) - 1;

/// Where the fields begin among the arguments, after `FIELDS numfields` at argument `at`; all that
/// follows are fields. `not_positive` is the answer to a number below 1.
pub(super) fn first_field(
    args: Args<'_>,
    at: usize,
    not_positive: CommandError,
) -> Result<usize, CommandError> {
    if !args.is(at, "FIELDS") || at + 1 >= args.len() {
        return Err(NO_FIELDS);
    }
    let number = parse_i64(args.at(at + 1)).filter(|&number| number > 0);
    let first = at + 2;
    if number.ok_or(not_positive)? as usize != args.len() - first {
        return Err(MISMATCH);
    }
    Ok(first)
}

/// [`first_field`] with the answer that most commands give.
pub(super) fn fields_at(args: Args<'_>, at: usize) -> Result<usize, CommandError> {
    first_field(args, at, NOT_POSITIVE)
}

/// How a time is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    /// Milliseconds of one.
    ms: i64,
    /// Counted from now on, not from 1970.
    relative: bool,
}

/// EX, HEXPIRE
pub(super) const SECONDS: Unit = Unit {
    ms: 1000,
    relative: true,
};
/// PX, HPEXPIRE
pub(super) const MILLISECONDS: Unit = Unit {
    ms: 1,
    relative: true,
};
/// EXAT, HEXPIREAT
pub(super) const UNIX_SECONDS: Unit = Unit {
    ms: 1000,
    relative: false,
};
/// PXAT, HPEXPIREAT
pub(super) const UNIX_MILLISECONDS: Unit = Unit {
    ms: 1,
    relative: false,
};

/// The unit that an option names.
pub(super) fn unit_at(args: Args<'_>, at: usize) -> Option<Unit> {
    let units = [
        ("EX", SECONDS),
        ("PX", MILLISECONDS),
        ("EXAT", UNIX_SECONDS),
        ("PXAT", UNIX_MILLISECONDS),
    ];
    let found = units.into_iter().find(|(word, _)| args.is(at, word));
    found.map(|(_, unit)| unit)
}

/// The Unix time in milliseconds that argument `at` gives.
pub(super) fn deadline(
    args: Args<'_>,
    at: usize,
    unit: Unit,
    now_ms: u64,
    command: &'static str,
) -> Result<u64, CommandError> {
    let number = args.int(at)?;
    let number = u64::try_from(number).map_err(|_| NEGATIVE)?;
    let from = if unit.relative { now_ms } else { 0 };
    let time = number.checked_mul(unit.ms as u64);
    time.and_then(|time| time.checked_add(from))
        .filter(|&time| time <= EXPIRY_MAX)
        .ok_or(CommandError::InvalidExpire(command))
}

/// The hash at a key, to be read, without those of its fields that have expired. Counts a hit or a
/// miss.
pub(super) fn read<'t, 'a>(
    txn: &'t mut Txn<'_>,
    key: &[u8],
    fields: impl Iterator<Item = &'a [u8]>,
) -> Result<Option<HashRef<'t>>, WrongType> {
    match txn.read(key) {
        Some(found) => match expire(txn, key, found, fields)? {
            Some(found) => txn.view::<Hash>(found).map(Some),
            None => Ok(None),
        },
        None => Ok(None),
    }
}

/// The hash at a key, to be changed; otherwise as [`read`].
pub(super) fn find<'a>(
    txn: &mut Txn<'_>,
    key: &[u8],
    fields: impl Iterator<Item = &'a [u8]>,
) -> Result<Option<Found>, WrongType> {
    match txn.find(key) {
        Some(found) => expire(txn, key, found, fields),
        None => Ok(None),
    }
}

/// Removes those of these fields that have expired: where the key is then.
fn expire<'a>(
    txn: &mut Txn<'_>,
    key: &[u8],
    found: Found,
    fields: impl Iterator<Item = &'a [u8]>,
) -> Result<Option<Found>, WrongType> {
    let (now_ms, keeps_expired) = (txn.now_ms, txn.keeps_expired);
    let hash = txn.view::<Hash>(found)?;
    if keeps_expired || !hash.may_be_due(now_ms) {
        return Ok(Some(found));
    }
    let expired: Vec<&[u8]> = fields
        .filter(|field| hash.has_expired(field, now_ms))
        .collect();
    if expired.is_empty() {
        return Ok(Some(found));
    }
    let ((), is_spent) = edit(txn, key, Some(found), |hash| {
        for field in &expired {
            hash.remove(field, now_ms);
        }
    })?;
    txn.members_expired(b"HDEL", key, &expired, is_spent);
    Ok(txn.peek(key))
}

/// Fields whose expiry a command has changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome<'a> {
    /// They expire at the command's time.
    pub(super) set: Vec<&'a [u8]>,
    /// They have no expiry any more.
    pub(super) persisted: Vec<&'a [u8]>,
    /// They were removed, for that time has passed.
    pub(super) removed: Vec<&'a [u8]>,
}

impl Outcome<'_> {
    /// Whether fields that expire at `at` are removed instead.
    pub(super) fn is_past(at: u64, now_ms: u64) -> bool {
        at <= now_ms
    }

    /// Notes what happened to `key`: for notifications, and for the log with absolute times.
    pub(super) fn tell(&self, txn: &mut Txn<'_>, key: &[u8], at: u64, is_spent: bool) {
        let at = at.to_string();
        tell(
            txn,
            "hexpire",
            &[b"HPEXPIREAT", key, at.as_bytes()],
            &self.set,
        );
        tell(txn, "hpersist", &[b"HPERSIST", key], &self.persisted);
        tell(txn, "hdel", &[b"HDEL", key], &self.removed);
        if is_spent {
            txn.changed(key, "del");
        }
    }
}

/// Tells that some fields were changed, and which command does the same again: how it begins.
fn tell(txn: &mut Txn<'_>, event: Event, command: &[&[u8]], fields: &[&[u8]]) {
    if fields.is_empty() {
        return;
    }
    txn.changed(command[1], event);
    let number = fields.len().to_string();
    let counted: &[&[u8]] = &[b"FIELDS", number.as_bytes()];
    let counted = if event == "hdel" { &[] } else { counted };
    txn.replay_as(&[command, counted, fields].concat());
}

/// Changes the hash at a key; also returns whether nothing was left of it.
pub(super) fn edit<R>(
    txn: &mut Txn<'_>,
    key: &[u8],
    found: Option<Found>,
    edit: impl FnOnce(&mut Hash) -> R,
) -> Result<(R, bool), WrongType> {
    txn.edit(key, found, |hash: &mut Hash| {
        let result = edit(hash);
        (result, hash.is_spent())
    })
}
