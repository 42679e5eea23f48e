//! Places: sorted sets whose scores are positions on the globe.

use crate::DataCommand;

/// All commands of this family.
pub const COMMANDS: &[DataCommand] = &[];
