//! SORT, `SORT_RO`: the elements of a list, a set or a sorted set in order, or what keys say that
//! are named after them.

mod items;
mod pattern;
#[cfg(test)]
mod tests;

use std::ops::Range;

use data::List;
use data::packed::Elem;
use data::types::list::End;
use protocol::Reply;
use protocol::number::parse_f64;
use store::Txn;

use crate::keys::{Begin, Find, KeySpec, access, first};
use crate::list::node_limit;
use crate::spec::{Group, Scope, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};
use items::Items;
use pattern::Pattern;

const NOT_NUMBERS: CommandError =
    CommandError::Text("ERR One or more scores can't be converted into double");

/// The key behind STORE; the last one counts.
const STORED: KeySpec = KeySpec {
    access: access::OW | access::UPDATE,
    begin: Begin::Keyword("STORE", -2),
    find: Find::Range {
        last: 0,
        step: 1,
        limit: 0,
    },
};

/// SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA] [STORE key]
pub(super) const SORT: DataCommand = Command {
    spec: Spec {
        flags: flags::WRITE | flags::DENYOOM | flags::MOVABLEKEYS,
        keys: &[first(access::RO | access::ACCESS), STORED],
        since: "1.0.0",
        summary: "Sorts the elements of a list, a set or a sorted set, and returns or stores them, \
                  or values of keys that are named after them.",
        syntax: "key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]] \
                 [ASC | DESC] [ALPHA] [STORE destination-key]",
        ..Spec {
            name: "sort",
            ..SORT_RO.spec
        }
    },
    run: |txn, args, reply| Sort::parse(args, true)?.run(txn, reply),
    subcommands: &[],
};

/// `SORT_RO` key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA]
pub(super) const SORT_RO: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::READONLY | flags::MOVABLEKEYS,
        keys: &[first(access::RO | access::ACCESS)],
        scope: Scope::Patterns,
        group: Group::Generic,
        has_group_category: false,
        categories: &["@set", "@sortedset", "@list", "@dangerous"],
        since: "7.0.0",
        complexity: "O(N+M*log(M)) where N is the number of elements in the list or set to sort, \
                     and M the number of returned elements. When the elements are not sorted, \
                     complexity is O(N).",
        summary: "Sorts the elements of a list, a set or a sorted set, and returns them, or values \
                  of keys that are named after them.",
        syntax: "key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]] \
                 [ASC | DESC] [ALPHA]",
        ..Spec::new("sort_ro")
    },
    run: |txn, args, reply| Sort::parse(args, false)?.run(txn, reply),
    subcommands: &[],
};

/// What is to be done.
struct Sort<'a> {
    key: &'a [u8],
    by: Pattern<'a>,
    get: Vec<Pattern<'a>>,
    /// Where the result begins, and how many elements it has; all if negative.
    limit: (i64, i64),
    descending: bool,
    alpha: bool,
    store: Option<&'a [u8]>,
}

impl<'a> Sort<'a> {
    fn parse(args: Args<'a>, may_store: bool) -> Result<Self, CommandError> {
        let mut sort = Self {
            key: args.at(1),
            by: Pattern::Element,
            get: Vec::new(),
            limit: (0, -1),
            descending: false,
            alpha: false,
            store: None,
        };
        let mut at = 2;
        while at < args.len() {
            let value = args.get(at + 1);
            let has = |word| args.is(at, word) && value.is_some();
            let mut taken = 2;
            if has("LIMIT") && at + 2 < args.len() {
                sort.limit = (args.int(at + 1)?, args.int(at + 2)?);
                taken = 3;
            } else if has("STORE") && may_store {
                sort.store = value;
            } else if has("BY") {
                sort.set_by(args.at(at + 1));
            } else if has("GET") {
                sort.get.push(Pattern::parse(args.at(at + 1)));
            } else {
                sort.set_word(args, at)?;
                taken = 1;
            }
            at += taken;
        }
        Ok(sort)
    }

    /// A pattern without `*` asks for no order at all, and no later one changes that.
    fn set_by(&mut self, pattern: &'a [u8]) {
        if self.by != Pattern::Nothing {
            self.by = if pattern.contains(&b'*') {
                Pattern::parse(pattern)
            } else {
                Pattern::Nothing
            };
        }
    }

    fn set_word(&mut self, args: Args<'a>, at: usize) -> CommandResult {
        if args.is(at, "ASC") {
            self.descending = false;
        } else if args.is(at, "DESC") {
            self.descending = true;
        } else if args.is(at, "ALPHA") {
            self.alpha = true;
        } else {
            return Err(CommandError::Syntax);
        }
        Ok(())
    }

    fn run(&mut self, txn: &mut Txn<'_>, reply: &mut Reply<'_>) -> CommandResult {
        let mut items = Items::of(txn, self.key)?;
        let type_name = txn.peek(self.key).map(|found| txn.value(found).type_name());
        let is_kept = self.store.is_some() || txn.in_script;
        if type_name == Some("set") && is_kept && self.by == Pattern::Nothing {
            // What is stored mustn't depend on the order within a set: replicas have another.
            (self.by, self.alpha) = (Pattern::Element, true);
        }
        let range = self.range(items.len());
        if self.by != Pattern::Nothing {
            self.weigh(txn, &mut items)?;
            items.sort(range.clone(), self.descending);
        } else if type_name == Some("zset") && self.descending {
            items.reverse();
        }
        match self.store {
            Some(key) => self.store(txn, key, &items, range, reply),
            None => self.reply(txn, &items, range, reply),
        }
        Ok(())
    }

    /// The places of the result in `len` elements.
    fn range(&self, len: usize) -> Range<usize> {
        let (start, count) = self.limit;
        let start = usize::try_from(start).unwrap_or(0).min(len);
        let count = usize::try_from(count).unwrap_or(len);
        start..start.saturating_add(count).min(len)
    }

    /// Gives each element what it is to be sorted by.
    fn weigh(&self, txn: &mut Txn<'_>, items: &mut Items) -> CommandResult {
        if self.alpha && self.by == Pattern::Element {
            return Ok(());
        }
        let mut element = Vec::new();
        for at in 0..items.len() {
            element.clear();
            element.extend_from_slice(items.text(at));
            self.by.look_up(txn, &element, |value| -> CommandResult {
                if self.alpha {
                    items.set_text(at, value);
                } else {
                    items.set_number(at, number(value.unwrap_or_default())?);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Hands the values of the result to `each`, one after the other.
    fn for_each(
        &self,
        txn: &mut Txn<'_>,
        items: &Items,
        range: Range<usize>,
        mut each: impl FnMut(Option<&[u8]>),
    ) {
        for at in range {
            let element = items.text(at);
            if self.get.is_empty() {
                each(Some(element));
            }
            for pattern in &self.get {
                pattern.look_up(txn, element, &mut each);
            }
        }
    }

    fn reply(&self, txn: &mut Txn<'_>, items: &Items, range: Range<usize>, reply: &mut Reply<'_>) {
        reply.array(range.len() * self.get.len().max(1));
        self.for_each(txn, items, range, |value| match value {
            Some(value) => reply.bulk(value),
            None => reply.null(),
        });
    }

    fn store(
        &self,
        txn: &mut Txn<'_>,
        key: &[u8],
        items: &Items,
        range: Range<usize>,
        reply: &mut Reply<'_>,
    ) {
        let (mut list, limit) = (List::default(), node_limit(txn));
        self.for_each(txn, items, range, |value| {
            list.push(End::Back, Elem::of(value.unwrap_or_default()), limit);
        });
        let (found, len) = (txn.find(key), list.len());
        txn.keep(key, found, None, list);
        if len > 0 {
            txn.changed(key, "sortstore");
        } else if found.is_some() {
            txn.changed(key, "del");
        }
        reply.int(len as i64);
    }
}

/// A weight as C's `strtod` reads it: blanks may come first, and nothing at all is 0.
fn number(text: &[u8]) -> Result<f64, CommandError> {
    match text {
        [] => Ok(0.0),
        _ => parse_f64(text.trim_ascii_start()).ok_or(NOT_NUMBERS),
    }
}
