//! What snapshots are called, which one is the newest, and which ones may go.

use std::io;
use std::path::Path;

use super::target::{Found, Target};
use crate::calendar::Moment;

/// The ending of RDB files, for names that have none.
const ENDING: &str = ".rdb";
/// How the names of the files of a set end: that of the file which makes it one, and after a
/// number of four digits those of the others.
const SUMMARY: &str = "-summary.dfs";
const SET: &str = ".dfs";
const DIGITS: usize = 4;

/// Names with placeholders: `{timestamp}` and its parts `{Y}`, `{m}` and `{d}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Of a snapshot in one file.
    single: String,
    /// What the names of the files of a set begin with.
    stem: String,
}

impl Pattern {
    /// The pattern of the setting `dbfilename`; `None` if nothing is to be saved or loaded. The
    /// name of a set's summary is as good as that of the set.
    pub(super) fn new(dbfilename: &str) -> Option<Self> {
        if dbfilename.is_empty() {
            return None;
        }
        let of_set = dbfilename.strip_suffix(SUMMARY);
        let of_set = of_set.or(dbfilename.strip_suffix(SET));
        let stem = of_set.or(dbfilename.strip_suffix(ENDING));
        let has_ending = of_set.is_none() && Path::new(dbfilename).extension().is_some();
        let stem = stem.unwrap_or(dbfilename).to_owned();
        let single = if has_ending {
            dbfilename.to_owned()
        } else {
            format!("{stem}{ENDING}")
        };
        Some(Self { single, stem })
    }

    /// The name of a snapshot in one file that is taken at this time.
    pub(super) fn at(&self, unix_seconds: u64) -> String {
        fill_in(&self.single, unix_seconds)
    }

    /// What the names of a set begin with that is taken at this time.
    pub(super) fn stem_at(&self, unix_seconds: u64) -> String {
        fill_in(&self.stem, unix_seconds)
    }

    /// Whether each snapshot may have a name of its own.
    pub(super) fn varies(&self) -> bool {
        self.single != self.at(0)
    }

    /// Whether a file of this name is a snapshot of this pattern: in one file, or a summary.
    fn matches(&self, name: &str) -> bool {
        is_filled_in(&self.single, name) || stem_of(name).is_some_and(|stem| self.is_stem(stem))
    }

    /// Whether a file of this name is a snapshot of this pattern or part of one.
    pub(super) fn is_of(&self, name: &str) -> bool {
        self.matches(name) || stem_of_part(name).is_some_and(|stem| self.is_stem(stem))
    }

    fn is_stem(&self, stem: &str) -> bool {
        is_filled_in(&self.stem, stem)
    }

    /// The snapshots that there are, the newest first.
    pub(super) fn all_in(&self, target: &Target) -> io::Result<Vec<Found>> {
        let mut found = target.list()?;
        found.retain(|file| self.matches(&file.name));
        found.sort_unstable_by(|a, b| (b.modified, &b.name).cmp(&(a.modified, &a.name)));
        Ok(found)
    }

    /// The sizes of the snapshots that there are, the newest first.
    pub(super) fn sizes_in(&self, target: &Target) -> io::Result<Vec<u64>> {
        let (all, files) = (self.all_in(target)?, target.list()?);
        let parts_of = |stem: &str| -> u64 {
            let parts = files.iter();
            let parts = parts.filter(|file| stem_of_part(&file.name) == Some(stem));
            parts.map(|file| file.bytes).sum()
        };
        let size = |it: &Found| it.bytes + stem_of(&it.name).map_or(0, parts_of);
        Ok(all.iter().map(size).collect())
    }

    /// Removes all snapshots but the newest ones, the oldest first. Returns how many went.
    pub(super) fn keep_newest(&self, target: &Target, count: usize) -> io::Result<usize> {
        let all = self.all_in(target)?;
        let (kept, old) = all.split_at(count.max(1).min(all.len()));
        for snapshot in old.iter().rev() {
            target.at(&snapshot.name).remove()?;
        }
        let Some(newest) = kept.first() else {
            return Ok(0);
        };
        // Parts of sets that went, or that were never whole.
        let kept: Vec<_> = kept.iter().filter_map(|file| stem_of(&file.name)).collect();
        for file in target.list()? {
            if let Some(stem) = stem_of_part(&file.name)
                && self.is_stem(stem)
                && !kept.contains(&stem)
                && file.modified <= newest.modified
            {
                target.at(&file.name).remove()?;
            }
        }
        Ok(old.len())
    }
}

fn fill_in(pattern: &str, unix_seconds: u64) -> String {
    let at = Moment::new(unix_seconds);
    let date = format!("{}-{:02}-{:02}", at.year, at.month, at.day);
    let time = format!("{:02}:{:02}:{:02}", at.hour, at.minute, at.second);
    pattern
        .replace("{timestamp}", &format!("{date}T{time}"))
        .replace("{Y}", &at.year.to_string())
        .replace("{m}", &format!("{:02}", at.month))
        .replace("{d}", &format!("{:02}", at.day))
}

/// Whether a name may come of a pattern. Placeholders stand for digits and what is between the
/// parts of a time.
fn is_filled_in(pattern: &str, name: &str) -> bool {
    let (mut rest_of_pattern, mut rest) = (pattern, name);
    while let Some(start) = rest_of_pattern.find('{') {
        let Some(after) = rest.strip_prefix(&rest_of_pattern[..start]) else {
            return false;
        };
        let end = rest_of_pattern[start..].find('}');
        let end = end.map_or(0, |end| start + end + 1);
        let filled = match rest_of_pattern.get(start..end) {
            Some("{timestamp}") => "2000-01-01T00:00:00".len(),
            Some("{Y}") => 4,
            Some("{m}" | "{d}") => 2,
            // No placeholder, and so itself.
            _ => return name == pattern,
        };
        let is_of_time = |byte: u8| byte.is_ascii_digit() || b"-T:".contains(&byte);
        match after.split_at_checked(filled) {
            Some((text, next)) if text.bytes().all(is_of_time) => rest = next,
            _ => return false,
        }
        rest_of_pattern = &rest_of_pattern[end..];
    }
    rest == rest_of_pattern
}

/// The name of a set's summary.
pub(super) fn summary(stem: &str) -> String {
    format!("{stem}{SUMMARY}")
}

/// The name of a part of a set.
pub(super) fn part(stem: &str, number: usize) -> String {
    format!("{stem}-{number:0DIGITS$}{SET}")
}

/// What the names of a set begin with whose summary this is.
pub(super) fn stem_of(summary: &str) -> Option<&str> {
    summary.strip_suffix(SUMMARY)
}

/// What the names of a set begin with of which this is a part.
pub(super) fn stem_of_part(part: &str) -> Option<&str> {
    let (stem, number) = part.strip_suffix(SET)?.rsplit_once('-')?;
    let is_number = number.len() == DIGITS && number.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(name: &str) -> Pattern {
        Pattern::new(name).expect("a name")
    }

    #[test]
    fn placeholders_are_filled_in() {
        let at = 1_795_585_210;
        assert_eq!(pattern("dump.rdb").at(at), "dump.rdb");
        assert_eq!(pattern("dump").at(at), "dump.rdb");
        assert_eq!(
            pattern("dump-{timestamp}").at(at),
            "dump-2026-11-25T05:40:10.rdb"
        );
        assert_eq!(pattern("{Y}/{m}-{d}.x").at(at), "2026/11-25.x");
        assert_eq!(Pattern::new(""), None);
        assert!(pattern("a{d}").varies() && !pattern("a{x}").varies());
    }

    #[test]
    fn own_files_are_known() {
        let dump = pattern("dump-{timestamp}");
        assert!(dump.matches(&dump.at(1_795_585_210)));
        for other in [
            "dump-.rdb",
            "dump.rdb",
            "dump-2026-11-25T05:40:10.rdb.tmp",
            "x",
        ] {
            assert!(!dump.matches(other), "{other}");
        }
        assert!(pattern("a{x}b.rdb").matches("a{x}b.rdb"));
        assert!(pattern("a{d").matches("a{d.rdb"));
        assert!(pattern("dump.rdb").matches("dump.rdb"));
    }

    #[test]
    fn a_half_written_file_is_ours_by_the_name_it_was_to_get() {
        let dump = pattern("dump-{timestamp}");
        let (stem, of_another) = (dump.stem_at(1_795_585_210), "dump-yesterday");
        for name in [dump.at(1_795_585_210), summary(&stem), part(&stem, 3)] {
            assert!(dump.is_of(&name), "{name}");
        }
        for name in [
            format!("{of_another}.rdb"),
            summary(of_another),
            part(of_another, 3),
        ] {
            assert!(!dump.is_of(&name), "{name}");
        }
        let plain = pattern("dump.rdb");
        assert!(plain.is_of("dump.rdb") && plain.is_of("dump-0003.dfs"));
        assert!(
            !plain.is_of("dump-3.dfs") && !plain.is_of("dump.dfs") && !plain.is_of("other.rdb")
        );
    }

    #[test]
    fn sets_are_known_by_their_summaries() {
        for name in ["dump", "dump.rdb", "dump.dfs", "dump-summary.dfs"] {
            let dump = pattern(name);
            assert!(dump.matches("dump-summary.dfs") && dump.matches("dump.rdb"));
            assert!(!dump.matches("dump-0000.dfs") && !dump.matches("other-summary.dfs"));
            assert_eq!(dump.stem_at(0), "dump");
        }
        let dump = pattern("dump-{timestamp}");
        assert!(dump.matches("dump-2026-11-25T05:40:10-summary.dfs"));
        assert_eq!(stem_of_part(&part("dump", 7)), Some("dump"));
        for other in [
            "dump-summary.dfs",
            "dump-00000.dfs",
            "dump.dfs",
            "dump-0000",
        ] {
            assert_eq!(stem_of_part(other), None, "{other}");
        }
    }
}
