//! Cells: the globe halved again and again by longitude and latitude, each cell named by the bits
//! of these choices. A score holds the 52 bits of the smallest cell.
//! <https://en.wikipedia.org/wiki/Geohash>

use std::ops::Range;

/// Times that either direction is halved for a score.
pub(super) const STEPS_MAX: u32 = 26;
pub(super) const LONGITUDE_MAX: f64 = 180.0;
/// The Mercator map is a square up to here.
pub(super) const LATITUDE_MAX: f64 = 85.051_128_78;
const POLE: f64 = 90.0;

const BASE32: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// A place on the globe, in degrees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

/// A cell: its number in either direction, of 2^`steps` each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    steps: u32,
    longitude: u32,
    latitude: u32,
}

/// The edges of a cell, in degrees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) west: f64,
    pub(super) east: f64,
    pub(super) south: f64,
    pub(super) north: f64,
}

impl Position {
    /// The score of the smallest cell around it.
    pub(super) fn score(self) -> f64 {
        Cell::around(self, STEPS_MAX).bits() as f64
    }

    /// The middle of the cell that a score names.
    pub(super) fn of_score(score: f64) -> Self {
        let bits = score as u64;
        let cell = Cell {
            steps: STEPS_MAX,
            longitude: every_other(bits >> 1),
            latitude: every_other(bits),
        };
        let area = cell.area();
        let middle = |a: f64, b: f64, max: f64| f64::midpoint(a, b).clamp(-max, max);
        Self {
            longitude: middle(area.west, area.east, LONGITUDE_MAX),
            latitude: middle(area.south, area.north, LATITUDE_MAX),
        }
    }

    /// The usual text of 11 letters, whose latitudes go from pole to pole.
    pub(super) fn text(self) -> [u8; 11] {
        let bits = Cell::within(self, STEPS_MAX, POLE).bits();
        std::array::from_fn(|i| {
            // 52 bits make ten letters; the last is filled up with zeros.
            let letter = if i < 10 {
                bits >> (52 - 5 * (i + 1)) & 31
            } else {
                0
            };
            BASE32[letter as usize]
        })
    }
}

impl Cell {
    /// The cell of so many steps around a place.
    pub(super) fn around(position: Position, steps: u32) -> Self {
        Self::within(position, steps, LATITUDE_MAX)
    }

    fn within(position: Position, steps: u32, latitude_max: f64) -> Self {
        let number = |degrees: f64, max: f64| {
            let fraction = (degrees + max) / (max + max);
            (fraction * (1u64 << steps) as f64) as u32
        };
        Self {
            steps,
            longitude: number(position.longitude, LONGITUDE_MAX),
            latitude: number(position.latitude, latitude_max),
        }
    }

    /// The edges.
    pub(super) fn area(self) -> Area {
        let edge = |number: u64, max: f64| {
            -max + (number as f64 / (1u64 << self.steps) as f64) * (max + max)
        };
        let [x, y] = [self.longitude, self.latitude].map(u64::from);
        Area {
            west: edge(x, LONGITUDE_MAX),
            east: edge(x + 1, LONGITUDE_MAX),
            south: edge(y, LATITUDE_MAX),
            north: edge(y + 1, LATITUDE_MAX),
        }
    }

    /// The cell so many cells to the east and to the north; the map has no edges.
    pub(super) fn neighbor(self, east: i32, north: i32) -> Self {
        let mask = ((1u64 << self.steps) - 1) as u32;
        // Where nothing is added, the number behind the last stays: the one of 180 degrees.
        let add = |number: u32, n: i32| match n {
            0 => number,
            n => number.wrapping_add_signed(n) & mask,
        };
        Self {
            longitude: add(self.longitude, east),
            latitude: add(self.latitude, north),
            ..self
        }
    }

    /// The scores of the places in it.
    pub(super) fn scores(self) -> Range<f64> {
        let shift = 2 * (STEPS_MAX - self.steps);
        let bits = self.bits();
        (bits << shift) as f64..((bits + 1) << shift) as f64
    }

    fn bits(self) -> u64 {
        spread(self.latitude) | spread(self.longitude) << 1
    }
}

/// Puts a zero before each bit.
fn spread(number: u32) -> u64 {
    [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555u64),
    ]
    .into_iter()
    .fold(u64::from(number), |bits, (shift, mask)| {
        (bits | bits << shift) & mask
    })
}

/// Bits 0, 2, 4 and so on: what [`spread`] has put there.
fn every_other(bits: u64) -> u32 {
    [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffffu64),
    ]
    .into_iter()
    .fold(bits & 0x5555_5555_5555_5555, |bits, (shift, mask)| {
        (bits | bits >> shift) & mask
    }) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_come_back(number: u32) {
            prop_assert_eq!(every_other(spread(number)), number);
        }

        #[test]
        fn places_come_back_within_a_meter(x in -180.0..180.0, y in -85.0..85.0) {
            let position = Position { longitude: x, latitude: y };
            let back = Position::of_score(position.score());
            prop_assert!((back.longitude - x).abs() < 6e-6 && (back.latitude - y).abs() < 6e-6);
            for steps in 1..=STEPS_MAX {
                let area = Cell::around(position, steps).area();
                prop_assert!((area.west..=area.east).contains(&x));
                prop_assert!((area.south..=area.north).contains(&y));
            }
        }
    }

    #[test]
    fn the_map_has_no_edges() {
        let corner = Cell::around(
            Position {
                longitude: -180.0,
                latitude: -85.0,
            },
            3,
        );
        let neighbor = corner.neighbor(-1, -1);
        assert_eq!((neighbor.longitude, neighbor.latitude), (7, 7));
        assert_eq!(neighbor.neighbor(1, 1), corner);
    }
}
