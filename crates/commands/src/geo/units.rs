//! Coordinates, lengths and their units, as clients give and get them.

use protocol::Reply;
use protocol::number::{format_double_human, parse_f64};

use super::cell::{LATITUDE_MAX, LONGITUDE_MAX, Position};
use super::shape::Extent;
use crate::{Args, CommandError};

/// The place at argument `at` and the one behind it.
pub(super) fn position(args: Args<'_>, at: usize) -> Result<Position, CommandError> {
    let coordinate = |at: usize| parse_f64(&args[at]).ok_or(CommandError::NotFloat);
    let (longitude, latitude) = (coordinate(at)?, coordinate(at + 1)?);
    if longitude.abs() <= LONGITUDE_MAX && latitude.abs() <= LATITUDE_MAX {
        return Ok(Position {
            longitude,
            latitude,
        });
    }
    let text = format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}");
    Err(CommandError::Made(text))
}

/// Meters in the unit of this name.
pub(super) fn unit(name: &[u8]) -> Result<f64, CommandError> {
    const UNITS: [(&str, f64); 4] = [("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)];
    let is_it = |(unit, _): &&(&str, f64)| name.eq_ignore_ascii_case(unit.as_bytes());
    UNITS
        .iter()
        .find(is_it)
        .map(|&(_, meters)| meters)
        .ok_or(CommandError::Text(
            "ERR unsupported unit provided. please use M, KM, FT, MI",
        ))
}

/// A radius and its unit from argument `at` on: the circle, and meters in the unit.
pub(super) fn circle(args: Args<'_>, at: usize) -> Result<(Extent, f64), CommandError> {
    const NOT_NUMBER: CommandError = CommandError::Text("ERR need numeric radius");
    const NEGATIVE: CommandError = CommandError::Text("ERR radius cannot be negative");
    let radius = parse_f64(&args[at]).ok_or(NOT_NUMBER)?;
    if radius < 0.0 {
        return Err(NEGATIVE);
    }
    let unit = unit(&args[at + 1])?;
    let radius = radius * unit;
    Ok((Extent::Circle { radius }, unit))
}

/// Width, height and their unit from argument `at` on: the box, and meters in the unit.
pub(super) fn rectangle(args: Args<'_>, at: usize) -> Result<(Extent, f64), CommandError> {
    const NO_WIDTH: CommandError = CommandError::Text("ERR need numeric width");
    const NO_HEIGHT: CommandError = CommandError::Text("ERR need numeric height");
    const NEGATIVE: CommandError = CommandError::Text("ERR height or width cannot be negative");
    let width = parse_f64(&args[at]).ok_or(NO_WIDTH)?;
    let height = parse_f64(&args[at + 1]).ok_or(NO_HEIGHT)?;
    if width < 0.0 || height < 0.0 {
        return Err(NEGATIVE);
    }
    let unit = unit(&args[at + 2])?;
    let (width, height) = (width * unit, height * unit);
    Ok((Extent::Box { width, height }, unit))
}

/// Writes the coordinates of a place.
pub(super) fn reply_position(position: Position, reply: &mut Reply<'_>) {
    reply.array(2);
    for coordinate in [position.longitude, position.latitude] {
        let text = format_double_human(coordinate);
        if reply.is_resp3() {
            reply.raw(format!(",{text}\r\n").as_bytes());
        } else {
            reply.bulk(text.as_bytes());
        }
    }
}

/// Writes a distance in a unit.
pub(super) fn reply_distance(meters: f64, unit: f64, reply: &mut Reply<'_>) {
    reply.bulk(format!("{:.4}", meters / unit).as_bytes());
}
