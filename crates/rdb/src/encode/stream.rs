//! Writing streams, in the form of Redis 7.0. See [`crate::decode`] for what it is.

use data::packed::{Elem, Run, push_entry};
use data::types::stream::{Consumer, Group, Id, Node, Stream};

use crate::codes::kind;
use crate::output::Output;

/// Says that it isn't known how many entries a group has read.
const READ_UNKNOWN: u64 = u64::MAX;

pub(super) fn stream(stream: &Stream, out: &mut Output<'_>) {
    out.u8(kind::STREAM_2);
    out.length(stream.blocks() as u64);
    stream.nodes().for_each(|node| block(node, out));
    out.length(stream.len() as u64);
    id(stream.last_id, out);
    id(stream.first_id(), out);
    id(stream.max_deleted_id, out);
    out.length(stream.entries_added);
    out.length(stream.groups.len() as u64);
    for (name, group) in &stream.groups {
        out.string(name);
        self::group(group, out);
    }
}

fn block(node: Node<'_>, out: &mut Output<'_>) {
    let mut head = Vec::new();
    // Deleted entries aren't kept: there are 0.
    for number in [node.len as i64, 0, node.fields as i64] {
        push_entry(Elem::Int(number), &mut head);
    }
    let mut end = Vec::new();
    push_entry(Elem::Int(0), &mut end);
    let parts = [Run(&head), node.names, Run(&end), node.entries];
    out.string(&to_bytes(node.first));
    out.listpack(&parts, parts.iter().map(|part| part.iter().count()).sum());
}

fn group(group: &Group, out: &mut Output<'_>) {
    id(group.last_id, out);
    out.length(group.entries_read.unwrap_or(READ_UNKNOWN));
    out.length(group.pending().len() as u64);
    for (&entry, pending) in group.pending() {
        out.raw(&to_bytes(entry));
        out.u64(pending.time_ms);
        out.length(pending.deliveries);
    }
    let consumers = group.consumers();
    out.length(consumers.len() as u64);
    consumers.for_each(|one| consumer(one, out));
}

fn consumer(consumer: &Consumer, out: &mut Output<'_>) {
    out.string(&consumer.name);
    out.u64(consumer.seen_ms);
    out.length(consumer.pending().len() as u64);
    for &entry in consumer.pending() {
        out.raw(&to_bytes(entry));
    }
}

fn id(id: Id, out: &mut Output<'_>) {
    out.length(id.ms);
    out.length(id.seq);
}

fn to_bytes(id: Id) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}
