//! HyperLogLog: the number of distinct elements, estimated from 16,384 registers of 6 bits, with a
//! standard error of 0.81 %. The bytes are exactly those of Redis, whose clients and dumps carry
//! them around as ordinary strings.
//!
//! ```text
//! byte 0      4           5      8                    16
//! [ "HYLL" ][ encoding ][ 0 0 0 ][ cached count (64) ][ registers … ]
//!
//! cached count: little-endian; its top bit set means that it has to be computed again
//! dense  (0):   12,288 bytes, register i is the 6 bits from bit 6·i on, lowest bit first
//! sparse (1):   runs of equal registers, see [`sparse`]
//! ```
//!
//! An element's hash chooses a register and a *rank*, the position of the first one bit in the rest
//! of the hash; a register keeps the highest rank it has seen. A sparse value is some bytes long at
//! first and becomes dense when it outgrows a limit, or a rank is above 32.

mod estimate;
mod hash;
pub mod sparse;

pub use hash::{Mark, mark};

use estimate::Histogram;

/// Number of registers.
pub const REGISTERS: usize = 1 << 14;
/// Length of the header.
pub const HEADER: usize = 16;
/// Length of a dense value.
pub const DENSE_LEN: usize = HEADER + REGISTERS * 6 / 8;
/// The highest rank: 50 bits of the hash are left once the register is chosen.
pub const RANK_MAX: u8 = 51;

const MAGIC: &[u8; 4] = b"HYLL";
const ENCODING: usize = 4;
const COUNT: std::ops::Range<usize> = 8..16;
const STALE: u64 = 1 << 63;

/// How the registers lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// All of them, 6 bits each.
    Dense = 0,
    /// Runs of equal ones.
    Sparse = 1,
}

/// The runs of a sparse value don't cover the registers exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// The encoding of a value, or `None` if the bytes aren't a HyperLogLog's.
pub fn encoding(bytes: &[u8]) -> Option<Encoding> {
    if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
        return None;
    }
    match bytes[ENCODING] {
        0 if bytes.len() == DENSE_LEN => Some(Encoding::Dense),
        1 => Some(Encoding::Sparse),
        _ => None,
    }
}

/// A value that has seen no element: sparse, its count of zero cached.
pub fn empty() -> Vec<u8> {
    let mut bytes = header(Encoding::Sparse);
    sparse::push_run(&mut bytes, sparse::Run::new(0, REGISTERS));
    bytes
}

/// The count that was cached when no register has changed since.
pub fn cached_count(bytes: &[u8]) -> Option<u64> {
    let count = u64::from_le_bytes(bytes[COUNT].try_into().expect("eight bytes"));
    (count & STALE == 0).then_some(count)
}

/// Caches a count.
pub fn cache_count(bytes: &mut [u8], count: u64) {
    bytes[COUNT].copy_from_slice(&(count & !STALE).to_le_bytes());
}

/// Notes that the cached count isn't right any more.
pub fn forget_count(bytes: &mut [u8]) {
    bytes[COUNT.end - 1] |= 0x80;
}

/// Raises a register of a dense value to `rank`; false if it is as high already.
pub fn raise_dense(bytes: &mut [u8], Mark { register, rank }: Mark) -> bool {
    let group = &mut bytes[HEADER + register / 4 * 3..][..3];
    let shift = register % 4 * 6;
    let bits = u32::from_le_bytes([group[0], group[1], group[2], 0]);
    if (bits >> shift & 63) as u8 >= rank {
        return false;
    }
    let bits = bits & !(63 << shift) | u32::from(rank) << shift;
    group.copy_from_slice(&bits.to_le_bytes()[..3]);
    true
}

/// Raises a register of a value of either encoding. A sparse one whose length would pass
/// `sparse_max` becomes dense. O(length) when sparse.
pub fn raise(bytes: &mut Vec<u8>, mark: Mark, sparse_max: usize) -> Result<bool, Corrupt> {
    if bytes[ENCODING] == Encoding::Dense as u8 {
        return Ok(raise_dense(bytes, mark));
    }
    match sparse::raise(bytes, mark, sparse_max)? {
        sparse::Raised::No => Ok(false),
        sparse::Raised::Yes => Ok(true),
        sparse::Raised::DoesNotFit => {
            *bytes = to_dense(bytes)?;
            raise_dense(bytes, mark);
            Ok(true)
        }
    }
}

/// The same registers and cached count, dense.
pub fn to_dense(bytes: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut dense = header(Encoding::Dense);
    dense[COUNT].copy_from_slice(&bytes[COUNT]);
    dense.resize(DENSE_LEN, 0);
    for_each_run(bytes, |first, run| {
        if run.rank > 0 {
            for register in first..first + run.len {
                let rank = run.rank;
                raise_dense(&mut dense, Mark { register, rank });
            }
        }
    })?;
    Ok(dense)
}

/// The number of distinct elements, computed from the registers.
pub fn count(bytes: &[u8]) -> Result<u64, Corrupt> {
    let mut histogram = Histogram::default();
    for_each_run(bytes, |_, run| histogram.add(run.rank, run.len))?;
    Ok(histogram.estimate())
}

/// All registers, one byte each: what several values are united in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers(Box<[u8]>);

impl Default for Registers {
    fn default() -> Self {
        Self(vec![0; REGISTERS].into_boxed_slice())
    }
}

impl Registers {
    /// The ranks in order.
    pub fn ranks(&self) -> &[u8] {
        &self.0
    }

    /// Raises each register to that of `bytes`.
    pub fn merge(&mut self, bytes: &[u8]) -> Result<(), Corrupt> {
        for_each_run(bytes, |first, run| {
            for register in &mut self.0[first..first + run.len] {
                *register = run.rank.max(*register);
            }
        })
    }

    /// The number of distinct elements.
    pub fn count(&self) -> u64 {
        let mut histogram = Histogram::default();
        for &rank in &self.0 {
            histogram.add(rank, 1);
        }
        histogram.estimate()
    }
}

/// Calls `each` with runs that cover all registers, and the first register of each.
#[inline]
fn for_each_run(bytes: &[u8], mut each: impl FnMut(usize, sparse::Run)) -> Result<(), Corrupt> {
    if bytes[ENCODING] == Encoding::Sparse as u8 {
        return sparse::for_each_run(&bytes[HEADER..], each);
    }
    for (number, group) in bytes[HEADER..].as_chunks::<3>().0.iter().enumerate() {
        let bits = u32::from_le_bytes([group[0], group[1], group[2], 0]);
        for at in 0..4 {
            let rank = (bits >> (at * 6) & 63) as u8;
            each(number * 4 + at, sparse::Run::new(rank, 1));
        }
    }
    Ok(())
}

fn header(encoding: Encoding) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[..MAGIC.len()].copy_from_slice(MAGIC);
    bytes[ENCODING] = encoding as u8;
    bytes
}

#[cfg(test)]
mod tests;
