//! Strings as rows of bits; bit 0 is the highest bit of the first byte.

use crate::DataCommand;

mod bitcount;
mod bitfield;
mod bitop;
mod bitpos;
mod bits;
mod field;
mod setbit;

/// All bitmap commands.
pub const COMMANDS: &[DataCommand] = &[
    bitcount::BITCOUNT,
    bitfield::BITFIELD,
    bitfield::BITFIELD_RO,
    bitop::BITOP,
    bitpos::BITPOS,
    setbit::GETBIT,
    setbit::SETBIT,
];
