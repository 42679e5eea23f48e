//! Sorted sets.

use crate::DataCommand;

/// All commands of this family.
pub const COMMANDS: &[DataCommand] = &[];
