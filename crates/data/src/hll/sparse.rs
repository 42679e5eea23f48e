//! The sparse encoding: runs of registers that hold the same rank.
//!
//! ```text
//! 00llllll              zero  1 to 64 registers of rank 0
//! 01llllll llllllll     xzero 1 to 16,384 registers of rank 0
//! 1rrrrrll              value 1 to 4 registers of rank 1 to 32
//! ```
//!
//! Lengths and ranks are stored minus one. Which of several encodings of the same registers a value
//! has depends on its history; [`raise`] splits and joins runs just where Redis does, so that a
//! value here and there is the same to the byte.

use super::{Corrupt, HEADER, Mark, REGISTERS};

/// The highest rank that a run can have.
pub const RANK_MAX: u8 = 32;
const VALUE: u8 = 0x80;
const XZERO: u8 = 0x40;
const VALUE_LEN_MAX: usize = 4;
const ZERO_LEN_MAX: usize = 64;
/// After a change so many runs are looked at, from the one before it on, for neighbours to join.
const JOIN_LOOKS: usize = 5;

/// Some registers side by side with the same rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Their rank.
    pub rank: u8,
    /// How many there are.
    pub len: usize,
    /// Whether it is written in two bytes.
    pub long: bool,
}

impl Run {
    /// A run as it is to be written.
    #[inline(always)]
    pub fn new(rank: u8, len: usize) -> Self {
        let long = rank == 0 && len > ZERO_LEN_MAX;
        Self { rank, len, long }
    }

    fn is_value(self) -> bool {
        self.rank > 0
    }

    fn bytes(self) -> usize {
        1 + usize::from(self.long)
    }
}

/// What became of an attempt to raise a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// It was as high already.
    No,
    /// It has the new rank.
    Yes,
    /// That can't be told sparsely, or not within the length allowed; nothing has changed.
    DoesNotFit,
}

/// Appends a run.
pub fn push_run(bytes: &mut Vec<u8>, run: Run) {
    let (written, len) = write_run(run);
    bytes.extend_from_slice(&written[..len]);
}

/// The bytes of a run, and how many of them count.
fn write_run(run: Run) -> ([u8; 2], usize) {
    let len = run.len - 1;
    if run.is_value() {
        ([VALUE | (run.rank - 1) << 2 | len as u8, 0], 1)
    } else if run.long {
        ([XZERO | (len >> 8) as u8, len as u8], 2)
    } else {
        ([len as u8, 0], 1)
    }
}

/// The run at the start of `bytes`.
#[inline(always)]
fn read_run(bytes: &[u8]) -> Option<Run> {
    let first = *bytes.first()?;
    Some(if first & VALUE != 0 {
        Run {
            rank: (first >> 2 & 31) + 1,
            len: (first & 3) as usize + 1,
            long: false,
        }
    } else {
        let (high, low, long) = match first & XZERO {
            0 => (0, first, false),
            _ => (first & 63, *bytes.get(1)?, true),
        };
        Run {
            rank: 0,
            len: ((high as usize) << 8 | low as usize) + 1,
            long,
        }
    })
}

/// The runs of a value's body, up to its end or to one that isn't whole.
pub fn runs(mut body: &[u8]) -> impl Iterator<Item = Run> {
    std::iter::from_fn(move || {
        let run = read_run(body)?;
        body = &body[run.bytes()..];
        Some(run)
    })
}

/// Calls `each` with the runs of a value's body and the first register of each.
pub fn for_each_run(body: &[u8], mut each: impl FnMut(usize, Run)) -> Result<(), Corrupt> {
    let mut first = 0;
    for run in runs(body) {
        if first + run.len > REGISTERS {
            return Err(Corrupt);
        }
        each(first, run);
        first += run.len;
    }
    if first == REGISTERS {
        Ok(())
    } else {
        Err(Corrupt)
    }
}

/// Where a register's run is.
struct Found {
    run: Run,
    /// Offset of the run, and of the one before it.
    at: usize,
    before: usize,
    /// Its first register.
    first: usize,
}

/// Raises a register of a sparse value, which is not to be longer than `len_max`. O(length).
pub fn raise(bytes: &mut Vec<u8>, mark: Mark, len_max: usize) -> Result<Raised, Corrupt> {
    if mark.rank > RANK_MAX {
        return Ok(Raised::DoesNotFit);
    }
    let found = find(bytes, mark.register)?;
    if found.run.rank >= mark.rank {
        return Ok(Raised::No);
    }
    let (parts, len) = split(&found, mark);
    let parts = &parts[..len];
    let new_len = bytes.len() + parts.len() - found.run.bytes();
    if new_len > bytes.len() && new_len > len_max {
        return Ok(Raised::DoesNotFit);
    }
    let end = found.at + found.run.bytes();
    bytes.splice(found.at..end, parts.iter().copied());
    join(bytes, found.before);
    Ok(Raised::Yes)
}

fn find(bytes: &[u8], register: usize) -> Result<Found, Corrupt> {
    let (mut at, mut before, mut first) = (HEADER, HEADER, 0);
    loop {
        let run = read_run(&bytes[at..]).ok_or(Corrupt)?;
        if register < first + run.len {
            return Ok(Found {
                run,
                at,
                before,
                first,
            });
        }
        first += run.len;
        before = at;
        at += run.bytes();
    }
}

/// What replaces a run of which one register gets another rank, and how many of its bytes count.
fn split(found: &Found, mark: Mark) -> ([u8; 5], usize) {
    let old = found.run;
    let left = mark.register - found.first;
    let right = old.len - left - 1;
    let (mut parts, mut end) = ([0; 5], 0);
    for (rank, len) in [(old.rank, left), (mark.rank, 1), (old.rank, right)] {
        if len > 0 {
            let (written, count) = write_run(Run::new(rank, len));
            parts[end..end + count].copy_from_slice(&written[..count]);
            end += count;
        }
    }
    (parts, end)
}

/// Joins neighbours of one rank, from the run at `at` on, as far as a run may be long.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_LOOKS {
        let Some(run) = read_run(&bytes[at..]) else {
            return;
        };
        let next = at + run.bytes();
        let together = read_run(&bytes[next..])
            .filter(|next| run.is_value() && next.rank == run.rank)
            .map(|next| run.len + next.len)
            .filter(|&len| len <= VALUE_LEN_MAX);
        if let Some(len) = together {
            bytes.remove(next);
            bytes[at] = bytes[at] & !3 | (len - 1) as u8;
        } else {
            at = next;
        }
    }
}
