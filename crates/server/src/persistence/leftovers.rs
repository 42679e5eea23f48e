//! Half-written files that a server left behind which ended in the middle of a save.

use std::fs;
use std::path::Path;

use super::aof;
use super::names::Pattern;
use super::target::Target;
use crate::log::say;
use crate::shared::Shared;

impl Shared {
    /// Removes what is left of saves and rewrites of a server that is gone.
    pub(crate) fn remove_leftovers(&self) {
        let config = self.config();
        let mut removed = 0;
        let Ok(Target::Folder(folder)) = Target::of(&config.persistence) else {
            return;
        };
        if let Some(pattern) = Pattern::new(&config.persistence.dbfilename) {
            removed += remove(&folder, |name| pattern.is_of(name));
        }
        if let Ok(place) = aof::place(&config) {
            removed += remove(&place.folder, |name| place.is_base(name));
        }
        if removed > 0 {
            say(&format!(
                "{removed} files removed that were left behind half-written"
            ));
        }
    }
}

/// Removes files of this folder that were to get a name which `is_ours`. What can't be read or
/// removed is in nobody's way.
fn remove(folder: &Path, is_ours: impl Fn(&str) -> bool) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_left = |name: &str| {
        let (writer, name) = name.strip_prefix("temp-")?.split_once('-')?;
        let writer = writer.parse().ok()?;
        (is_ours(name) && !is_at_work(writer)).then_some(())
    };
    entries
        .filter(|entry| entry.file_name().to_str().and_then(is_left).is_some())
        .filter(|entry| fs::remove_file(entry.path()).is_ok())
        .count()
}

/// Whether a process of this number may still write: another server may share the folder. In a
/// container it had our number.
fn is_at_work(process: u32) -> bool {
    process != std::process::id() && Path::new("/proc").join(process.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_ours_goes_and_nobody_writes() {
        let (own, other) = (std::process::id(), std::os::unix::process::parent_id());
        let folder = std::env::temp_dir().join(format!("darner-leftovers-{own}"));
        fs::create_dir_all(&folder).expect("a folder for the test");
        // No process has such a number.
        let gone = u32::MAX;
        let stays = [
            "a.rdb".to_owned(),
            "temp-a.rdb".to_owned(),
            format!("temp-{gone}-b.rdb"),
            format!("temp-{other}-a.rdb"),
            format!("temp-{gone}x-a.rdb"),
        ];
        let goes = [format!("temp-{own}-a.rdb"), format!("temp-{gone}-a.rdb")];
        for name in stays.iter().chain(&goes) {
            fs::write(folder.join(name), "").expect("written");
        }
        assert_eq!(remove(&folder, |name| name == "a.rdb"), 2);
        for name in &stays {
            assert!(folder.join(name).exists(), "{name}");
        }
        assert_eq!(remove(&folder.join("none"), |_| true), 0);
        fs::remove_dir_all(folder).expect("removed");
    }
}
