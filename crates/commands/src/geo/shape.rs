//! Circles and boxes on the globe: what lies in them, and which cells cover them.

use super::cell::{Area, Cell, Position, STEPS_MAX};

/// That of Redis's distances.
const EARTH_RADIUS_M: f64 = 6_372_797.560_856;
/// Half of the length of the equator, as the Mercator map has it.
const MAP_MAX_M: f64 = 20_037_726.37;

/// An area around a place; lengths in meters.
#[derive(Clone, Copy, Debug)]
pub(super) enum Extent {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
}

/// An area somewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) center: Position,
    pub(super) extent: Extent,
}

/// The distance of two places in meters, along a great circle.
pub(super) fn distance(a: Position, b: Position) -> f64 {
    let half_sine = |from: f64, to: f64| ((to - from) / 2.0).sin();
    let [x1, x2] = [a, b].map(|position| position.longitude.to_radians());
    let [y1, y2] = [a, b].map(|position| position.latitude.to_radians());
    let (u, v) = (half_sine(y1, y2), half_sine(x1, x2));
    if v == 0.0 {
        return distance_north(a, b);
    }
    let square = u * u + y1.cos() * y2.cos() * v * v;
    2.0 * EARTH_RADIUS_M * square.sqrt().asin()
}

/// How far a place is north or south of another.
fn distance_north(a: Position, b: Position) -> f64 {
    EARTH_RADIUS_M * (b.latitude.to_radians() - a.latitude.to_radians()).abs()
}

impl Shape {
    /// The distance of a place from the center, if it lies inside.
    pub(super) fn distance_of(self, position: Position) -> Option<f64> {
        let is_inside = match self.extent {
            Extent::Circle { radius } => {
                let distance = distance(self.center, position);
                return (distance <= radius).then_some(distance);
            }
            Extent::Box { width, height } => {
                let across = Position {
                    latitude: position.latitude,
                    ..self.center
                };
                distance_north(position, self.center) <= height / 2.0
                    && distance(position, across) <= width / 2.0
            }
        };
        is_inside.then(|| distance(self.center, position))
    }

    /// Cells that cover it, in the order in which Redis looks at them.
    pub(super) fn cells(self) -> Vec<Cell> {
        let bounds = self.bounds();
        let mut steps = self.steps();
        if steps > 1 && !is_covered(Cell::around(self.center, steps), bounds) {
            steps -= 1;
        }
        let cell = Cell::around(self.center, steps);
        let area = cell.area();
        let useful = |east: i32, north: i32| {
            steps < 2
                || !(north < 0 && area.south < bounds.south
                    || north > 0 && area.north > bounds.north
                    || east < 0 && area.west < bounds.west
                    || east > 0 && area.east > bounds.east)
        };
        const ORDER: [(i32, i32); 9] = [
            (0, 0),
            (0, 1),
            (0, -1),
            (1, 0),
            (-1, 0),
            (1, 1),
            (-1, 1),
            (1, -1),
            (-1, -1),
        ];
        let wanted = ORDER
            .into_iter()
            .filter(|&(east, north)| useful(east, north));
        let mut cells: Vec<_> = wanted
            .map(|(east, north)| cell.neighbor(east, north))
            .collect();
        // Of a map of few cells the same come from several sides.
        cells.dedup();
        cells
    }

    /// Half of the width and of the height.
    fn reach(self) -> (f64, f64) {
        match self.extent {
            Extent::Circle { radius } => (radius, radius),
            Extent::Box { width, height } => (width / 2.0, height / 2.0),
        }
    }

    /// The box in degrees that it lies in.
    fn bounds(self) -> Area {
        let Position {
            longitude,
            latitude,
        } = self.center;
        let (x, y) = self.reach();
        let north = (y / EARTH_RADIUS_M).to_degrees();
        // The parallel that is nearer to a pole is the shorter one.
        let parallel = latitude + if latitude < 0.0 { -north } else { north };
        let east = (x / EARTH_RADIUS_M / parallel.to_radians().cos()).to_degrees();
        Area {
            west: longitude - east,
            east: longitude + east,
            south: latitude - north,
            north: latitude + north,
        }
    }

    /// How small cells may be for nine of them to cover it, most likely.
    fn steps(self) -> u32 {
        let mut radius = match self.extent {
            Extent::Circle { radius } => radius,
            Extent::Box { .. } => {
                let (x, y) = self.reach();
                (x * x + y * y).sqrt()
            }
        };
        if radius == 0.0 {
            return STEPS_MAX;
        }
        let mut steps = 1i32;
        while radius < MAP_MAX_M {
            radius *= 2.0;
            steps += 1;
        }
        let latitude = self.center.latitude.abs();
        steps -= 2 + i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        steps.clamp(1, STEPS_MAX as i32) as u32
    }
}

/// Whether a cell and its neighbors reach over all of the bounds.
fn is_covered(cell: Cell, bounds: Area) -> bool {
    let area = |east, north| cell.neighbor(east, north).area();
    area(0, 1).north >= bounds.north
        && area(0, -1).south <= bounds.south
        && area(1, 0).east >= bounds.east
        && area(-1, 0).west <= bounds.west
}
