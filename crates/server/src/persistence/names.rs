//! What snapshots are called, which one is the newest, and which ones may go.

use std::io;
use std::path::Path;

use super::target::{Found, Target};
use crate::calendar::Moment;

/// The ending of RDB files, for names that have none.
const ENDING: &str = ".rdb";

/// A name with placeholders: `{timestamp}` and its parts `{Y}`, `{m}` and `{d}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(String);

impl Pattern {
    /// The pattern of the setting `dbfilename`; `None` if nothing is to be saved or loaded.
    pub(super) fn new(dbfilename: &str) -> Option<Self> {
        if dbfilename.is_empty() {
            return None;
        }
        let has_ending = Path::new(dbfilename).extension().is_some();
        Some(Self(if has_ending {
            dbfilename.to_owned()
        } else {
            format!("{dbfilename}{ENDING}")
        }))
    }

    /// The name of a snapshot that is taken at this time.
    pub(super) fn at(&self, unix_seconds: u64) -> String {
        fill_in(&self.0, unix_seconds)
    }

    /// Whether each snapshot may have a name of its own.
    pub(super) fn varies(&self) -> bool {
        self.0 != self.at(0)
    }

    /// The snapshots that there are, the newest first.
    pub(super) fn all_in(&self, target: &Target) -> io::Result<Vec<Found>> {
        let mut found = target.list()?;
        found.retain(|file| is_filled_in(&self.0, &file.name));
        found.sort_unstable_by(|a, b| (b.modified, &b.name).cmp(&(a.modified, &a.name)));
        Ok(found)
    }

    /// Removes all snapshots but the newest ones. Returns how many went.
    pub(super) fn keep_newest(&self, target: &Target, count: usize) -> io::Result<usize> {
        let all = self.all_in(target)?;
        let old = all.get(count.max(1)..).unwrap_or_default();
        for snapshot in old {
            target.at(&snapshot.name).remove()?;
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
        assert!(is_filled_in(&dump.0, &dump.at(1_795_585_210)));
        for other in [
            "dump-.rdb",
            "dump.rdb",
            "dump-2026-11-25T05:40:10.rdb.tmp",
            "x",
        ] {
            assert!(!is_filled_in(&dump.0, other), "{other}");
        }
        assert!(is_filled_in("a{x}b.rdb", "a{x}b.rdb"));
        assert!(is_filled_in("a{d", "a{d"));
        assert!(is_filled_in("dump.rdb", "dump.rdb"));
    }
}
