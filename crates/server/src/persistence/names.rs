//! What snapshots are called, which one is the newest, and which ones may go.

use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use crate::calendar::Moment;

/// The ending of RDB files, for names that have none.
const ENDING: &str = "rdb";

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
            format!("{dbfilename}.{ENDING}")
        }))
    }

    /// The name of a snapshot that is taken at this time.
    pub(super) fn at(&self, unix_seconds: u64) -> String {
        let at = Moment::new(unix_seconds);
        let date = format!("{}-{:02}-{:02}", at.year, at.month, at.day);
        let time = format!("{:02}:{:02}:{:02}", at.hour, at.minute, at.second);
        self.0
            .replace("{timestamp}", &format!("{date}T{time}"))
            .replace("{Y}", &at.year.to_string())
            .replace("{m}", &format!("{:02}", at.month))
            .replace("{d}", &format!("{:02}", at.day))
    }

    /// Whether each snapshot may have a name of its own.
    pub(super) fn varies(&self) -> bool {
        self.0 != self.at(0)
    }

    /// Whether a file may be a snapshot of this pattern. Placeholders stand for digits and what is
    /// between the parts of a time.
    pub(super) fn matches(&self, name: &str) -> bool {
        let mut rest = name;
        let mut pattern = &*self.0;
        while let Some(start) = pattern.find('{') {
            let Some(after) = rest.strip_prefix(&pattern[..start]) else {
                return false;
            };
            let end = pattern[start..].find('}').map_or(0, |end| start + end + 1);
            let filled = match &pattern[start..end] {
                "{timestamp}" => "2000-01-01T00:00:00".len(),
                "{Y}" => 4,
                "{m}" | "{d}" => 2,
                // No placeholder, and so itself.
                _ => return name == self.0,
            };
            let is_of_time = |byte: u8| byte.is_ascii_digit() || b"-T:".contains(&byte);
            match after.split_at_checked(filled) {
                Some((text, next)) if text.bytes().all(is_of_time) => rest = next,
                _ => return false,
            }
            pattern = &pattern[end..];
        }
        rest == pattern
    }

    /// The snapshots in a folder, the newest first.
    pub(super) fn all_in(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let is_ours = entry
                .file_name()
                .to_str()
                .is_some_and(|name| self.matches(name));
            // One that goes away meanwhile is none.
            if let (true, Ok(about)) = (is_ours, entry.metadata())
                && about.is_file()
            {
                found.push((about.modified()?, entry.path()));
            }
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }

    /// Removes all snapshots but the newest ones. Returns how many went.
    pub(super) fn keep_newest(&self, folder: &Path, count: usize) -> io::Result<usize> {
        let old = self.all_in(folder)?.split_off(count.max(1));
        for path in &old {
            fs::remove_file(path)?;
        }
        Ok(old.len())
    }
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
        assert!(pattern("dump.rdb").matches("dump.rdb"));
    }
}
