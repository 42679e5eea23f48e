//! What GEOSEARCH and GEORADIUS are asked for.

use data::types::zset::ZsetRef;

use super::cell::Position;
use super::shape::Extent;
use super::units::{circle, position, rectangle};
use crate::{Args, CommandError, CommandResult};

/// Which words a command takes, and what it replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// GEOSEARCH: the area is among the options.
    Search,
    /// GEOSEARCHSTORE.
    SearchStore,
    /// GEORADIUS, which may store.
    Radius,
    /// `GEORADIUS_RO`.
    RadiusReadOnly,
}

/// Where the result goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    /// The argument that is the key.
    pub(super) at: usize,
    /// Whether distances are stored rather than places.
    pub(super) distances: bool,
}

/// In which order places come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Any,
    Ascending,
    Descending,
}

/// What the center is named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Nothing,
    Member,
    Coordinates,
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) family: Family,
    from: From,
    /// Unknown as well where there is no sorted set with the member.
    pub(super) center: Option<Position>,
    /// With meters in its unit.
    pub(super) extent: Option<(Extent, f64)>,
    pub(super) with_distance: bool,
    pub(super) with_hash: bool,
    pub(super) with_position: bool,
    pub(super) order: Order,
    /// 0 for all.
    pub(super) count: usize,
    /// Whether any `count` will do, not only the nearest.
    pub(super) any: bool,
    pub(super) target: Option<Target>,
}

/// The place of a member that a search starts from.
pub(super) fn of_member(zset: ZsetRef<'_>, member: &[u8]) -> Result<Position, CommandError> {
    const NONE: CommandError = CommandError::Text("ERR could not decode requested zset member");
    zset.score(member).map(Position::of_score).ok_or(NONE)
}

impl Query {
    pub(super) fn new(family: Family) -> Self {
        Self {
            family,
            from: From::Nothing,
            center: None,
            extent: None,
            with_distance: false,
            with_hash: false,
            with_position: false,
            order: Order::Any,
            count: 0,
            any: false,
            target: None,
        }
    }

    /// Reads the options from argument `at` on.
    pub(super) fn parse_options(
        mut self,
        args: Args<'_>,
        mut at: usize,
        zset: Option<ZsetRef<'_>>,
    ) -> Result<Self, CommandError> {
        while at < args.len() {
            let taken = match (self.parse_usual(args, at)?, self.family) {
                (0, Family::Search | Family::SearchStore) => self.parse_area(args, at, zset)?,
                (0, Family::Radius) => self.parse_target(args, at),
                (taken, _) => taken,
            };
            if taken == 0 {
                return Err(CommandError::Syntax);
            }
            at += taken;
        }
        self.check(args)?;
        // The nearest are only found by their distance.
        if self.count > 0 && self.order == Order::Any && !self.any {
            self.order = Order::Ascending;
        }
        Ok(self)
    }

    /// An option of all these commands; returns how many arguments it is, 0 if it isn't one.
    fn parse_usual(&mut self, args: Args<'_>, at: usize) -> Result<usize, CommandError> {
        const COUNT: CommandError = CommandError::Text("ERR COUNT must be > 0");
        if args.is(at, "WITHDIST") {
            self.with_distance = true;
        } else if args.is(at, "WITHHASH") {
            self.with_hash = true;
        } else if args.is(at, "WITHCOORD") {
            self.with_position = true;
        } else if args.is(at, "ANY") {
            self.any = true;
        } else if args.is(at, "ASC") {
            self.order = Order::Ascending;
        } else if args.is(at, "DESC") {
            self.order = Order::Descending;
        } else if args.is(at, "COUNT") && at + 1 < args.len() {
            let count = usize::try_from(args.int(at + 1)?).ok();
            self.count = count.filter(|&count| count > 0).ok_or(COUNT)?;
            return Ok(2);
        } else {
            return Ok(0);
        }
        Ok(1)
    }

    /// An option of GEORADIUS.
    fn parse_target(&mut self, args: Args<'_>, at: usize) -> usize {
        let distances = args.is(at, "STOREDIST");
        if !distances && !args.is(at, "STORE") || at + 1 >= args.len() {
            return 0;
        }
        self.target = Some(Target {
            at: at + 1,
            distances,
        });
        2
    }

    /// An option of GEOSEARCH.
    fn parse_area(
        &mut self,
        args: Args<'_>,
        at: usize,
        zset: Option<ZsetRef<'_>>,
    ) -> Result<usize, CommandError> {
        let left = args.len() - at - 1;
        let is_box = matches!(self.extent, Some((Extent::Box { .. }, _)));
        if args.is(at, "FROMMEMBER") && left >= 1 && self.from != From::Coordinates {
            self.center = zset
                .map(|zset| of_member(zset, args.at(at + 1)))
                .transpose()?;
            self.from = From::Member;
            Ok(2)
        } else if args.is(at, "FROMLONLAT") && left >= 2 && self.from != From::Member {
            self.center = Some(position(args, at + 1)?);
            self.from = From::Coordinates;
            Ok(3)
        } else if args.is(at, "BYRADIUS") && left >= 2 && !is_box {
            self.extent = Some(circle(args, at + 1)?);
            Ok(3)
        } else if args.is(at, "BYBOX") && left >= 3 && (is_box || self.extent.is_none()) {
            self.extent = Some(rectangle(args, at + 1)?);
            Ok(4)
        } else if let Some(target) = &mut self.target
            && args.is(at, "STOREDIST")
        {
            target.distances = true;
            Ok(1)
        } else {
            Ok(0)
        }
    }

    fn check(&self, args: Args<'_>) -> CommandResult {
        const ANY: CommandError =
            CommandError::Text("ERR the ANY argument requires COUNT argument");
        let is_search = matches!(self.family, Family::Search | Family::SearchStore);
        let shows = self.with_distance || self.with_hash || self.with_position;
        let name = String::from_utf8_lossy(args.at(0));
        if shows && self.target.is_some() {
            let what = if is_search {
                "GEOSEARCHSTORE"
            } else {
                "STORE option in GEORADIUS"
            };
            return Err(CommandError::Made(format!(
                "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        let missing = if is_search && self.from == From::Nothing {
            "FROMMEMBER or FROMLONLAT"
        } else if is_search && self.extent.is_none() {
            "BYRADIUS and BYBOX"
        } else if self.any && self.count == 0 {
            return Err(ANY);
        } else {
            return Ok(());
        };
        Err(CommandError::Made(format!(
            "ERR exactly one of {missing} can be specified for {name}"
        )))
    }
}
