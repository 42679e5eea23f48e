//! Places: sorted sets whose scores are positions on the globe.

use crate::DataCommand;

mod cell;
mod geoadd;
mod geopos;
mod georadius;
mod geosearch;
mod query;
mod search;
mod shape;
mod units;

/// All commands of this family.
pub const COMMANDS: &[DataCommand] = &[
    geoadd::GEOADD,
    geopos::GEODIST,
    geopos::GEOHASH,
    geopos::GEOPOS,
    georadius::GEORADIUS,
    georadius::GEORADIUS_RO,
    georadius::GEORADIUSBYMEMBER,
    georadius::GEORADIUSBYMEMBER_RO,
    geosearch::GEOSEARCH,
    geosearch::GEOSEARCHSTORE,
];
