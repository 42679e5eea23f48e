//! How ready the kernel should be to kill this process when memory runs out (`oom-score-adj`).

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::flags::Process;
use crate::flags::values::OomScoreAdj;

/// What the kernel takes.
const LEAST: i32 = -1000;
const MOST: i32 = 1000;

/// See the module.
#[derive(Debug)]
pub(crate) struct OomScore {
    path: PathBuf,
    /// The score that was there when the setting was turned on.
    before: Mutex<Option<i32>>,
}

impl Default for OomScore {
    fn default() -> Self {
        Self::at("/proc/self/oom_score_adj".into())
    }
}

impl OomScore {
    fn at(path: PathBuf) -> Self {
        Self {
            path,
            before: Mutex::new(None),
        }
    }

    /// Does as the settings say: sets the score, or gives back the one that was there before. An
    /// error if the kernel refuses, as it does for lower scores without privileges; nothing is
    /// changed then.
    pub(crate) fn apply(&self, settings: &Process) -> io::Result<()> {
        let mut before = self.before.lock().expect("no one panics while holding it");
        if settings.oom_score_adj == OomScoreAdj::No {
            if let Some(score) = *before {
                self.set(score)?;
                *before = None;
            }
            return Ok(());
        }
        let base = match *before {
            Some(score) => score,
            None => self.get()?,
        };
        let [own, ..] = settings.oom_score_adj_values;
        let score = match settings.oom_score_adj {
            OomScoreAdj::Absolute => own,
            _ => base + own,
        };
        self.set(score.clamp(LEAST, MOST))?;
        *before = Some(base);
        Ok(())
    }

    fn get(&self) -> io::Result<i32> {
        let text = fs::read_to_string(&self.path)?;
        text.trim().parse().map_err(io::Error::other)
    }

    fn set(&self, score: i32) -> io::Result<()> {
        fs::write(&self.path, score.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_set_and_given_back() {
        let path = std::env::temp_dir().join(format!("darner-oom-{}", std::process::id()));
        fs::write(&path, "22\n").unwrap();
        let score = OomScore::at(path.clone());
        let mut settings = Process {
            oom_score_adj_values: [9, 200, 800],
            ..Process::default()
        };
        for (wanted, found) in [
            (OomScoreAdj::No, 22),
            (OomScoreAdj::Yes, 31),
            (OomScoreAdj::Absolute, 9),
            (OomScoreAdj::Relative, 31),
            (OomScoreAdj::No, 22),
        ] {
            settings.oom_score_adj = wanted;
            score.apply(&settings).unwrap();
            assert_eq!(score.get().unwrap(), found, "{wanted:?}");
        }
        settings.oom_score_adj_values = [2000, 0, 0];
        settings.oom_score_adj = OomScoreAdj::Yes;
        score.apply(&settings).unwrap();
        assert_eq!(score.get().unwrap(), MOST);
        fs::remove_file(path).unwrap();
        assert!(
            OomScore::at("/no/such/file".into())
                .apply(&settings)
                .is_err()
        );
    }
}
