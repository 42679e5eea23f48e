//! The last times that something took longer than `latency-monitor-threshold`.

use std::collections::{BTreeMap, VecDeque};

/// Samples kept of each event.
const MAX_SAMPLES: usize = 160;

/// One second in which an event took long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub unix_seconds: u64,
    /// The longest in that second, in milliseconds.
    pub ms: u64,
}

/// All that is known of one event.
#[derive(Clone, Debug, Default)]
pub struct Event {
    samples: VecDeque<Sample>,
    /// The longest ever.
    pub max_ms: u64,
}

impl Event {
    /// The samples, oldest first.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = &Sample> {
        self.samples.iter()
    }

    /// The latest sample.
    pub fn last(&self) -> Sample {
        self.samples.back().copied().unwrap_or_default()
    }

    fn add(&mut self, sample: Sample) {
        self.max_ms = self.max_ms.max(sample.ms);
        if let Some(last) = self.samples.back_mut()
            && last.unix_seconds == sample.unix_seconds
        {
            last.ms = last.ms.max(sample.ms);
            return;
        }
        if self.samples.len() == MAX_SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Monitor(BTreeMap<&'static str, Event>);

impl Monitor {
    /// Notes that an event took this long.
    pub fn add(&mut self, event: &'static str, sample: Sample) {
        self.0.entry(event).or_default().add(sample);
    }

    /// The events that were noted, by name.
    pub fn events(&self) -> impl ExactSizeIterator<Item = (&'static str, &Event)> {
        self.0.iter().map(|(&name, event)| (name, event))
    }

    /// One event.
    pub fn event(&self, name: &[u8]) -> Option<&Event> {
        self.0.get(str::from_utf8(name).ok()?)
    }

    /// Forgets an event; false if there is none of that name.
    pub fn reset(&mut self, name: &[u8]) -> bool {
        let name = str::from_utf8(name).ok();
        name.is_some_and(|name| self.0.remove(name).is_some())
    }

    /// Forgets everything; returns how many events there were.
    pub fn reset_all(&mut self) -> usize {
        std::mem::take(&mut self.0).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_each_second_stays() {
        let mut monitor = Monitor::default();
        for (unix_seconds, ms) in [(1, 20), (1, 50), (1, 30), (2, 10)] {
            monitor.add("command", Sample { unix_seconds, ms });
        }
        let event = monitor.event(b"command").unwrap();
        let samples: Vec<(u64, u64)> = event.samples().map(|s| (s.unix_seconds, s.ms)).collect();
        assert_eq!(samples, [(1, 50), (2, 10)]);
        assert_eq!((event.last().ms, event.max_ms), (10, 50));
        for unix_seconds in 3..300 {
            monitor.add(
                "command",
                Sample {
                    unix_seconds,
                    ms: 1,
                },
            );
        }
        let event = monitor.event(b"command").unwrap();
        assert_eq!((event.samples().len(), event.max_ms), (MAX_SAMPLES, 50));
        assert!(!monitor.reset(b"nonsense"));
        assert_eq!(monitor.reset_all(), 1);
        assert_eq!(monitor.events().len(), 0);
    }
}
