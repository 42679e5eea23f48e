//! IDs of stream entries: a time in milliseconds and a number within it, in that order. They never
//! go back within a stream.

use std::fmt;

/// An ID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Unix time in milliseconds, or what the client took for it.
    pub ms: u64,
    /// Number within the millisecond.
    pub seq: u64,
}

impl Id {
    /// Before all others; no entry has it.
    pub const MIN: Self = Self::new(0, 0);
    /// Behind all others.
    pub const MAX: Self = Self::new(u64::MAX, u64::MAX);

    /// The ID of these parts.
    pub const fn new(ms: u64, seq: u64) -> Self {
        Self { ms, seq }
    }

    /// The one behind it.
    #[inline]
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Self::new(self.ms, seq)),
            None => Some(Self::new(self.ms.checked_add(1)?, 0)),
        }
    }

    /// The one before it.
    pub fn prev(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Self::new(self.ms, seq)),
            None => Some(Self::new(self.ms.checked_sub(1)?, u64::MAX)),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}
