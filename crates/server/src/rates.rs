//! Rates of the last moments, such as operations per second: the mean of sixteen samples.

const SAMPLES: usize = 16;

/// What is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Commands.
    Commands,
    /// Bytes received.
    Input,
    /// Bytes sent.
    Output,
    /// Ticks of all event loops.
    Ticks,
}

const RATES: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub struct Rates {
    /// When the last sample was taken, and the counts then.
    last: Option<(u64, [u64; RATES])>,
    /// Per second.
    samples: [[u64; RATES]; SAMPLES],
    next: usize,
}

impl Rates {
    /// Takes a sample: the counts since the beginning, in the order of [`Rate`], now.
    pub fn sample(&mut self, now_us: u64, counts: [u64; RATES]) {
        if let Some((then_us, before)) = self.last {
            let elapsed_us = now_us.saturating_sub(then_us).max(1);
            let sample = &mut self.samples[self.next];
            for (rate, (count, before)) in sample.iter_mut().zip(counts.iter().zip(before)) {
                // Counts fall when they are reset.
                let more = u128::from(count.saturating_sub(before));
                *rate = (more * 1_000_000 / u128::from(elapsed_us)) as u64;
            }
            self.next = (self.next + 1) % SAMPLES;
        }
        self.last = Some((now_us, counts));
    }

    /// The rate per second.
    pub fn per_second(&self, rate: Rate) -> u64 {
        let sum: u64 = self.samples.iter().map(|rates| rates[rate as usize]).sum();
        sum / SAMPLES as u64
    }

    /// Forgets all samples.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_the_last_samples() {
        let mut rates = Rates::default();
        for tick in 0..=SAMPLES as u64 {
            rates.sample(tick * 100_000, [tick * 50, 0, 0, tick]);
        }
        assert_eq!(rates.per_second(Rate::Commands), 500);
        assert_eq!(rates.per_second(Rate::Ticks), 10);
        assert_eq!(rates.per_second(Rate::Input), 0);
        rates.sample(10_000_000, [0; 4]);
        assert!(rates.per_second(Rate::Commands) < 500);
    }
}
