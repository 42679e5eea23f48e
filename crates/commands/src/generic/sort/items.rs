//! What is sorted: elements and their weights, all texts in one piece of memory.

use std::cmp::Ordering;
use std::ops::Range;

use data::packed::{Digits, Elem};
use data::types::list::End;
use data::{List, Set, Zset};
use store::Txn;

use crate::CommandError;

type Span = Range<usize>;

/// What an element is sorted by.
#[derive(Clone, Debug)]
enum Weight {
    Number(f64),
    Text(Option<Span>),
}

#[derive(Clone, Debug)]
struct Item {
    text: Span,
    weight: Weight,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Items {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

impl Items {
    /// The elements of a list, a set or a sorted set, in its order.
    pub(super) fn of(txn: &mut Txn<'_>, key: &[u8]) -> Result<Self, CommandError> {
        let (mut items, now_ms) = (Self::default(), txn.now_ms);
        let Some(found) = txn.read(key) else {
            return Ok(items);
        };
        match txn.value(found).type_name() {
            "set" => items.extend(txn.view::<Set>(found)?.iter(now_ms)),
            "zset" => items.extend(txn.view::<Zset>(found)?.iter().map(|(member, _)| member)),
            _ => items.extend(txn.view::<List>(found)?.iter_from(End::Front, 0)),
        }
        Ok(items)
    }

    fn extend<'e>(&mut self, elems: impl Iterator<Item = Elem<'e>>) {
        let mut digits = Digits::new();
        for elem in elems {
            let text = self.keep(elem.text(&mut digits));
            let weight = Weight::Text(Some(text.clone()));
            self.items.push(Item { text, weight });
        }
    }

    fn keep(&mut self, text: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        start..self.bytes.len()
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn text(&self, at: usize) -> &[u8] {
        &self.bytes[self.items[at].text.clone()]
    }

    /// Has an element sorted as this number.
    pub(super) fn set_number(&mut self, at: usize, number: f64) {
        self.items[at].weight = Weight::Number(number);
    }

    /// Has an element sorted as this text; one without comes first.
    pub(super) fn set_text(&mut self, at: usize, text: Option<&[u8]>) {
        self.items[at].weight = Weight::Text(text.map(|text| self.keep(text)));
    }

    pub(super) fn reverse(&mut self) {
        self.items.reverse();
    }

    /// Puts those in order that come to lie in `range`. Equal weights are ordered by the elements,
    /// so that the order doesn't depend on that of a set.
    pub(super) fn sort(&mut self, range: Range<usize>, descending: bool) {
        let Self { bytes, items } = self;
        let order = |a: &Item, b: &Item| {
            let order = a.cmp(b, bytes);
            if descending { order.reverse() } else { order }
        };
        if range.end < items.len() {
            items.select_nth_unstable_by(range.end, order);
        }
        items[..range.end].sort_unstable_by(order);
    }
}

impl Item {
    fn cmp(&self, other: &Self, bytes: &[u8]) -> Ordering {
        let text = |span: &Span| &bytes[span.clone()];
        let by_weight = match (&self.weight, &other.weight) {
            (Weight::Number(a), Weight::Number(b)) => a.partial_cmp(b).expect("a weight isn't NaN"),
            (Weight::Text(a), Weight::Text(b)) => a.as_ref().map(text).cmp(&b.as_ref().map(text)),
            _ => unreachable!("all weights are of one kind"),
        };
        by_weight.then_with(|| text(&self.text).cmp(text(&other.text)))
    }
}
