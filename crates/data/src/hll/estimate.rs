//! From registers to a number: the improved raw estimator of Otmar Ertl, "New cardinality
//! estimation algorithms for HyperLogLog sketches" (2017), algorithm 6. It needs no bias table and
//! no switch to linear counting, and Redis has used it since version 5.

use super::{RANK_MAX, REGISTERS};

/// 1 / (2 ln 2), the limit of the constant alpha for many registers.
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// How many registers have each rank. 64 places, for a dense register could hold up to 63.
#[derive(Clone, Debug)]
pub(super) struct Histogram([u32; 64]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; 64])
    }
}

impl Histogram {
    #[inline(always)]
    pub(super) fn add(&mut self, rank: u8, registers: usize) {
        self.0[rank as usize & 63] += registers as u32;
    }

    /// The estimated number of elements.
    pub(super) fn estimate(&self) -> u64 {
        let m = REGISTERS as f64;
        let of_rank = |rank: u8| f64::from(self.0[rank as usize]);
        let mut z = m * tau((m - of_rank(RANK_MAX)) / m);
        for rank in (1..RANK_MAX).rev() {
            z = (z + of_rank(rank)) * 0.5;
        }
        z += m * sigma(of_rank(0) / m);
        (ALPHA * m * m / z).round() as u64
    }
}

/// Corrects for registers that are still zero: x + Σ x^(2^k) · 2^(k-1) over k ≥ 1.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if before.to_bits() == sum.to_bits() {
            return sum;
        }
    }
}

/// Corrects for registers that can rise no more: (1 - x - Σ (1 - x^(2^-k))² · 2^-k over k ≥ 1) / 3.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * weight;
        if before.to_bits() == sum.to_bits() {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_registers_set_is_nothing_and_all_at_the_top_is_no_number() {
        let mut histogram = Histogram::default();
        histogram.add(0, REGISTERS);
        assert_eq!(histogram.estimate(), 0);
        let mut histogram = Histogram::default();
        histogram.add(RANK_MAX, REGISTERS);
        assert_eq!(histogram.estimate(), u64::MAX);
    }
}
