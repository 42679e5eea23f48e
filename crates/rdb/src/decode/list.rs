//! Reading lists.

use std::io::Read;

use data::packed::Elem;
use data::types::list::{End, NodeLimit};
use data::{List, Value};

use super::{count, listpack, ziplist};
use crate::Error;
use crate::codes::node;
use crate::input::Input;

/// Elements one after the other.
pub(super) fn plain<R: Read>(input: &mut Input<R>, limit: NodeLimit) -> Result<Value, Error> {
    let mut list = List::default();
    for _ in 0..count(input)? {
        push(&mut list, &[Elem::of(&input.string()?)], limit);
    }
    whole(list)
}

/// One ziplist.
pub(super) fn ziplist(blob: &[u8], limit: NodeLimit) -> Result<Value, Error> {
    let mut list = List::default();
    push(&mut list, &ziplist::parse(blob)?, limit);
    whole(list)
}

/// A row of ziplists, of which some may be empty.
pub(super) fn quicklist<R: Read>(input: &mut Input<R>, limit: NodeLimit) -> Result<Value, Error> {
    let mut list = List::default();
    for _ in 0..count(input)? {
        push(&mut list, &ziplist::parse(&input.string()?)?, limit);
    }
    whole(list)
}

/// A row of listpacks, of which some may be empty, and of single elements, which are large.
pub(super) fn quicklist_2<R: Read>(input: &mut Input<R>, limit: NodeLimit) -> Result<Value, Error> {
    let mut list = List::default();
    for _ in 0..count(input)? {
        let container = input.length()?;
        let text = input.string()?;
        match container {
            node::PLAIN if text.is_empty() => {
                return Err(Error::Corrupt("a list has a node without anything in it"));
            }
            node::PLAIN => push(&mut list, &[Elem::of(&text)], limit),
            node::PACKED => push(&mut list, &listpack::parse(&text)?, limit),
            _ => return Err(Error::Corrupt("a list has a node of an unknown kind")),
        }
    }
    whole(list)
}

fn push(list: &mut List, elems: &[Elem<'_>], limit: NodeLimit) {
    for &elem in elems {
        list.push(End::Back, elem, limit);
    }
}

fn whole(list: List) -> Result<Value, Error> {
    if list.is_empty() {
        return Err(Error::Empty);
    }
    Ok(Value::List(list))
}
