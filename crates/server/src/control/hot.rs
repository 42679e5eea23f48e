//! Keys that are used most: for some milliseconds after the console has asked, commands take the
//! slow path, where their keys are noted. At any other time nothing is.

use std::collections::HashMap;
use std::sync::{Mutex, TryLockError};
use std::time::Duration;

use commands::{Args, keys};

use crate::shared::Shared;
use crate::slow_path::Reason;
use crate::table::Entry;

/// How long keys are noted.
const LASTS: Duration = Duration::from_millis(5);
/// Commands that are noted at most in that time.
const MOST: usize = 2000;
/// Longer keys aren't.
const MAX_KEY: usize = 1024;
/// How much what was noted before counts.
const KEPT: f64 = 0.8;
const SHOWN: usize = 10;
/// Keys that are remembered.
const REMEMBERED: usize = 1000;

/// A database and a key in it.
type Place = (usize, Vec<u8>);

/// What is noted at the moment.
#[derive(Debug, Default)]
pub(crate) struct Noted(Mutex<(usize, HashMap<Place, usize>)>);

/// Notes the keys of a command that has run.
#[cold]
pub(crate) fn note(shared: &Shared, db: usize, entry: &Entry, args: Args<'_>) {
    // Who meets another here isn't noted: nobody waits.
    let mut noted = match shared.control.noted.0.try_lock() {
        Ok(noted) => noted,
        Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => return,
    };
    let (commands, counts) = &mut *noted;
    if *commands >= MOST {
        return;
    }
    *commands += 1;
    for &at in &keys::positions(&entry.spec, args) {
        if args.at(at).len() <= MAX_KEY && counts.len() < MOST {
            *counts.entry((db, args.at(at).to_vec())).or_default() += 1;
        }
    }
}

/// What was noted of late.
#[derive(Debug, Default)]
pub(super) struct Hot {
    /// How often a key was noted, and how many commands were.
    scores: HashMap<Place, f64>,
    commands: f64,
}

impl Hot {
    /// Has keys noted for a moment.
    pub(super) fn look(&mut self, shared: &Shared) {
        shared.slow_path.set(Reason::Sampling, true);
        std::thread::sleep(LASTS);
        shared.slow_path.set(Reason::Sampling, false);
        let noted = &mut *shared
            .control
            .noted
            .0
            .lock()
            .expect("never held across a panic");
        let (commands, counts) = std::mem::take(noted);
        self.add(commands, counts);
    }

    fn add(&mut self, commands: usize, counts: HashMap<Place, usize>) {
        if commands == 0 {
            return;
        }
        self.commands = self.commands * KEPT + commands as f64;
        self.scores.values_mut().for_each(|score| *score *= KEPT);
        for (place, count) in counts {
            *self.scores.entry(place).or_default() += count as f64;
        }
        if self.scores.len() > REMEMBERED {
            let mut scores: Vec<f64> = self.scores.values().copied().collect();
            scores.sort_by(f64::total_cmp);
            let least = scores[scores.len() - REMEMBERED];
            self.scores.retain(|_, score| *score > least);
        }
    }

    /// The keys used most: database, key, and which part of the commands names it.
    pub(super) fn shown(&self) -> Vec<(usize, &[u8], f64)> {
        let share = |score: f64| score / self.commands.max(1.0);
        let all = self.scores.iter();
        let mut all: Vec<_> = all
            .map(|((db, key), &score)| (*db, key.as_slice(), share(score)))
            .collect();
        all.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.1.cmp(b.1)));
        all.truncate(SHOWN);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(all: &[(&str, usize)]) -> HashMap<Place, usize> {
        let place = |key: &str| (0, key.as_bytes().to_vec());
        all.iter()
            .map(|&(key, count)| (place(key), count))
            .collect()
    }

    #[test]
    fn what_was_noted_before_counts_less() {
        let mut hot = Hot::default();
        hot.add(100, counts(&[("old", 100)]));
        hot.add(0, HashMap::new());
        assert_eq!(hot.shown(), [(0, &b"old"[..], 1.0)]);
        hot.add(100, counts(&[("new", 100)]));
        let shown = hot.shown();
        assert_eq!((shown[0].1, shown[1].1), (&b"new"[..], &b"old"[..]));
        assert!(shown[0].2 > 0.5 && shown[1].2 < 0.5);
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut hot = Hot::default();
        let names: Vec<String> = (0..2 * REMEMBERED).map(|one| one.to_string()).collect();
        let all = names.iter().map(|name| (name.as_str(), 1));
        let all: Vec<_> = all.chain([("hot", 50)]).collect();
        hot.add(3000, counts(&all));
        assert!(hot.scores.len() <= REMEMBERED);
        assert_eq!(hot.shown()[0].1, b"hot");
    }
}
