//! The packed form: member and score by turns, in the order of the set. Everything is O(length).

use super::score::{self, is_before};
use crate::packed::{Elem, LEN_MAX, Packed, PackedRef, Run};

/// Elements for each member.
const STRIDE: usize = 2;
/// As many members as fit, whatever the thresholds are.
pub(super) const MEMBERS_MAX: usize = LEN_MAX / STRIDE;

pub(super) fn len(list: PackedRef<'_>) -> usize {
    list.len() / STRIDE
}

/// The offset of a member, and its score.
pub(super) fn find(list: PackedRef<'_>, member: &[u8]) -> Option<(usize, f64)> {
    let run = list.run();
    let offset = run.find(Elem::of(member), STRIDE)?;
    Some((offset, pair(run, offset).0.1))
}

/// The rank of the first element that isn't `before`, and its offset.
pub(super) fn partition_point(
    list: PackedRef<'_>,
    before: impl Fn(Elem<'_>, f64) -> bool,
) -> (usize, usize) {
    let run = list.run();
    let (mut rank, mut offset) = (0, 0);
    while offset < run.0.len() {
        let ((member, score), next) = pair(run, offset);
        if !before(member, score) {
            break;
        }
        (rank, offset) = (rank + 1, next);
    }
    (rank, offset)
}

/// Adds a member that isn't there.
pub(super) fn insert(list: &mut Packed, member: &[u8], score: f64) {
    let before = |other: Elem<'_>, at| is_before((other, at), member, score);
    let (_, offset) = partition_point(list.view(), before);
    let score = score::Packed::new(score);
    list.insert(offset, &[Elem::of(member), score.elem()]);
}

pub(super) fn remove(list: &mut Packed, offset: usize, members: usize) {
    list.remove(offset, members * STRIDE);
}

/// The part of the list with these ranks.
pub(super) fn range(list: PackedRef<'_>, range: std::ops::Range<usize>) -> Run<'_> {
    let (run, len) = (list.run(), list.len());
    let [start, end] = [range.start, range.end].map(|rank| run.offset_of(rank * STRIDE, len));
    Run(&run.0[start..end])
}

/// The element at `offset`, and the offset behind it.
#[inline]
fn pair(run: Run<'_>, offset: usize) -> ((Elem<'_>, f64), usize) {
    let (member, at) = run.at(offset);
    let (score, next) = run.at(at);
    ((member, score::of(score)), next)
}
