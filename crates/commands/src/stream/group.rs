//! What the commands on consumer groups share: how a group is found and what is said when there is
//! none, and how deliveries are told to the log.

use data::types::Stream;
use data::types::stream::{ConsumerKey, Group, Id};
use store::{Found, Txn};

use super::id::Text;
use crate::CommandError;

/// There is no such key, or it has no such group.
pub(super) fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
    CommandError::Made(format!(
        "NOGROUP No such key '{key}' or consumer group '{group}'"
    ))
}

/// The key is there, but not the group.
pub(super) fn no_such_group(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
    CommandError::Made(format!(
        "NOGROUP No such consumer group '{group}' for key name '{key}'"
    ))
}

/// The key, if its stream has the group.
pub(super) fn find_group(
    txn: &mut Txn<'_>,
    key: &[u8],
    group: &[u8],
) -> Result<Option<Found>, CommandError> {
    let Some(found) = txn.find(key) else {
        return Ok(None);
    };
    let stream = txn.view::<Box<Stream>>(found)?;
    Ok(stream.groups.contains_key(group).then_some(found))
}

/// Changes a group that [`find_group`] has found.
pub(super) fn edit_group<R>(
    txn: &mut Txn<'_>,
    (key, group): (&[u8], &[u8]),
    found: Found,
    edit: impl FnOnce(&Stream, &mut Group) -> R,
) -> Result<R, CommandError> {
    let result = txn.edit(key, Some(found), |stream: &mut Box<Stream>| {
        stream.edit_group(group, edit)
    })?;
    Ok(result.expect("the group was just found"))
}

/// The consumer, who is asking now; added if there is none. Whether it was added.
pub(super) fn consumer_asks(group: &mut Group, name: &[u8], now_ms: u64) -> (ConsumerKey, bool) {
    let found = group.find_consumer(name);
    let consumer = found.unwrap_or_else(|| group.add_consumer(name, now_ms));
    group.consumer_mut(consumer).seen_ms = now_ms;
    (consumer, found.is_none())
}

/// Where a command notes what the log gets instead of it, if there is anyone to read it.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    key: &'a [u8],
    group: &'a [u8],
    consumer: &'a [u8],
    effects: Option<Vec<Vec<Vec<u8>>>>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        txn: &Txn<'_>,
        (key, group): (&'a [u8], &'a [u8]),
        consumer: &'a [u8],
    ) -> Self {
        Self {
            key,
            group,
            consumer,
            effects: txn.is_logged().then(Vec::new),
        }
    }

    fn push(&mut self, args: &[&[u8]]) {
        if let Some(effects) = &mut self.effects {
            effects.push(args.iter().map(|arg| arg.to_vec()).collect());
        }
    }

    /// The consumer was added.
    pub(super) fn consumer_added(&mut self) {
        let (key, group, consumer) = (self.key, self.group, self.consumer);
        self.push(&[b"XGROUP", b"CREATECONSUMER", key, group, consumer]);
    }

    /// The entry is pending now, as the group has it.
    pub(super) fn delivered(&mut self, group: &Group, id: Id) {
        if self.effects.is_none() {
            return;
        }
        let pending = group.pending()[&id];
        self.push(&[
            b"XCLAIM",
            self.key,
            self.group,
            self.consumer,
            b"0",
            Text::new(id).as_bytes(),
            b"TIME",
            pending.time_ms.to_string().as_bytes(),
            b"RETRYCOUNT",
            pending.deliveries.to_string().as_bytes(),
            b"FORCE",
            b"JUSTID",
            b"LASTID",
            Text::new(group.last_id).as_bytes(),
        ]);
    }

    /// The entry is pending no more.
    pub(super) fn dropped(&mut self, id: Id) {
        let (key, group) = (self.key, self.group);
        self.push(&[b"XACK", key, group, Text::new(id).as_bytes()]);
    }

    /// The group has read on.
    pub(super) fn read_on(&mut self, group: &Group) {
        let read = group.entries_read.map_or("-1".into(), |n| n.to_string());
        let last_id = Text::new(group.last_id);
        let (key, name) = (self.key, self.group);
        self.push(&[
            b"XGROUP",
            b"SETID",
            key,
            name,
            last_id.as_bytes(),
            b"ENTRIESREAD",
            read.as_bytes(),
        ]);
    }

    /// Tells the log.
    pub(super) fn finish(self, txn: &mut Txn<'_>) {
        for effect in self.effects.into_iter().flatten() {
            let args: Vec<&[u8]> = effect.iter().map(|arg| &arg[..]).collect();
            txn.replay_as(&args);
        }
    }
}
