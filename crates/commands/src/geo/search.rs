//! The search for places in an area, and what becomes of those that are found.

use data::Zset;
use data::packed::{Digits, Elem};
use data::types::zset::ZsetRef;
use protocol::Reply;
use store::Txn;

use super::cell::Position;
use super::query::{Family, Order, Query};
use super::shape::Shape;
use super::units::{reply_distance, reply_position};
use crate::elem;
use crate::zset::{growth, store};
use crate::{Args, CommandError, CommandResult};

/// A place that was found.
struct Match<'a> {
    member: Elem<'a>,
    score: f64,
    position: Position,
    /// Meters from the center.
    distance: f64,
}

/// Searches the sorted set at argument `key` for what `parse` makes of the arguments, which may
/// need the set for that.
pub(super) fn run(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    key: usize,
    reply: &mut Reply<'_>,
    parse: impl FnOnce(Option<ZsetRef<'_>>) -> Result<Query, CommandError>,
) -> CommandResult {
    let growth = growth(txn);
    let zset = txn.read_as::<Zset>(args.at(key))?;
    let query = parse(zset)?;
    let matches = zset.map_or(Vec::new(), |zset| query.matches(zset));
    let unit = query.extent.map_or(1.0, |(_, unit)| unit);
    let Some(target) = query.target else {
        query.reply(&matches, unit, reply);
        return Ok(());
    };
    let mut result = Zset::default();
    for found in &matches {
        let score = if target.distances {
            found.distance / unit
        } else {
            found.score
        };
        result.set(found.member.text(&mut Digits::new()), score, &growth);
    }
    let event = match query.family {
        Family::SearchStore => "geosearchstore",
        _ => "georadiusstore",
    };
    reply.int(store(txn, args.at(target.at), result, event) as i64);
    Ok(())
}

impl Query {
    fn matches<'a>(&self, zset: ZsetRef<'a>) -> Vec<Match<'a>> {
        let (Some(center), Some((extent, _))) = (self.center, self.extent) else {
            return Vec::new();
        };
        let shape = Shape { center, extent };
        let in_cells = shape.cells().into_iter().flat_map(|cell| {
            let scores = cell.scores();
            let [start, end] = [scores.start, scores.end].map(|at| zset.rank_of_score(at, false));
            zset.range(start..end)
        });
        let in_shape = in_cells.filter_map(|(member, score)| {
            let position = Position::of_score(score);
            let distance = shape.distance_of(position)?;
            Some(Match {
                member,
                score,
                position,
                distance,
            })
        });
        let limit = if self.any { self.count } else { usize::MAX };
        let mut matches: Vec<_> = in_shape.take(limit).collect();
        match self.order {
            Order::Any => {}
            Order::Ascending => matches.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
            Order::Descending => matches.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
        }
        if self.count > 0 {
            matches.truncate(self.count);
        }
        matches
    }

    fn reply(&self, matches: &[Match<'_>], unit: f64, reply: &mut Reply<'_>) {
        let extras = [self.with_distance, self.with_hash, self.with_position];
        let extras = extras.into_iter().filter(|&with| with).count();
        reply.array(matches.len());
        for found in matches {
            if extras > 0 {
                reply.array(1 + extras);
            }
            elem::bulk(reply, found.member);
            if self.with_distance {
                reply_distance(found.distance, unit, reply);
            }
            if self.with_hash {
                reply.int(found.score as i64);
            }
            if self.with_position {
                reply_position(found.position, reply);
            }
        }
    }
}
