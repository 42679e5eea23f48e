//! Which snapshots stay: as many as are wanted, and fewer where the volume hasn't room for the next
//! one, or for the append-only file, beside them.
//!
//! How large the next one gets is only known when it is written, so this is an estimate. Where
//! there seems to be no room it is tried all the same: a save that fills the volume leaves the last
//! good file, one that isn't tried for a wrong estimate may leave nothing.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::names::Pattern;
use super::target::Target;
use super::{Destination, Purpose};
use crate::flags::Config;
use crate::log::{say, warn};
use crate::memory;
use crate::shared::Shared;

/// A snapshot is taken to be larger than the one before by this share of it.
const GROWTH_SHARE: u64 = 8;

impl Shared {
    /// Removes snapshots beyond those that are to be kept.
    pub(super) fn remove_old(&self) {
        let config = self.config();
        let Some((pattern, keep)) = retention(&config) else {
            return;
        };
        let target = Target::of(&config.persistence);
        match target.and_then(|target| pattern.keep_newest(&target, keep)) {
            Ok(0) => {}
            Ok(count) => say(&format!(
                "{count} old snapshots removed (snapshot_keep {keep})"
            )),
            Err(error) => warn(&format!("can't remove old snapshots: {error}")),
        }
    }

    /// Before a snapshot is written: removes older ones, but never the newest, if it doesn't fit
    /// beside them and does without. Returns how many bytes are free then, where that can be told.
    pub(super) fn make_room(&self, destination: &Destination, purpose: Purpose) -> Option<u64> {
        let Target::Folder(folder) = destination.location().target() else {
            return None;
        };
        let free = free_bytes(&folder).ok()?;
        let needed = self.estimate(purpose);
        if free >= needed {
            return Some(free);
        }
        match self.remove_for(&folder, free, needed) {
            Ok(0) => warn(&format!(
                "the next snapshot may take {needed} bytes, and the volume of {} has {free} free: \
                 it may fail",
                folder.display()
            )),
            Ok(count) => say(&format!(
                "{count} old snapshots removed: the next one may take {needed} bytes, and the \
                 volume of {} had {free} free",
                folder.display()
            )),
            Err(error) => warn(&format!("can't remove old snapshots: {error}")),
        }
        free_bytes(&folder).ok()
    }

    /// When the volume of the append-only file is full: removes the oldest snapshot on it, but
    /// never the newest. Returns whether there was one.
    pub(super) fn make_room_for_log(&self) -> bool {
        let Some(folder) = self.persistence.aof.folder() else {
            return false;
        };
        let free = free_bytes(&folder).unwrap_or(0);
        match self.remove_for(&folder, free, free + 1) {
            Ok(0) => false,
            Ok(count) => {
                say(&format!(
                    "{count} old snapshots removed: the volume of {} is full",
                    folder.display()
                ));
                true
            }
            Err(error) => {
                warn(&format!("can't remove old snapshots: {error}"));
                false
            }
        }
    }

    /// Remembers whether so many free bytes were too few.
    pub(super) fn note_room(&self, free: Option<u64>, written: &io::Result<u64>) {
        let too_little_bytes = match written {
            Err(error) if is_full(error) => free.unwrap_or(0),
            _ => 0,
        };
        self.persistence.lock().too_little_bytes = too_little_bytes;
    }

    /// About how many bytes the next snapshot takes: as many as the last one and some more, but no
    /// more than memory is used. If the volume was full before the last one was whole, more than
    /// were free then.
    fn estimate(&self, purpose: Purpose) -> u64 {
        let last = match purpose {
            Purpose::Snapshot => self.newest_bytes().ok().flatten(),
            Purpose::Base => self.persistence.aof.base_bytes(),
        };
        let too_little = self.persistence.lock().too_little_bytes;
        let used = memory::used();
        let like_last = last.map_or(used, |last| last.max(too_little).min(used));
        like_last + like_last / GROWTH_SHARE
    }

    /// The size of the newest snapshot.
    fn newest_bytes(&self) -> io::Result<Option<u64>> {
        let settings = &self.config().persistence;
        let Some(pattern) = Pattern::new(&settings.dbfilename) else {
            return Ok(None);
        };
        let sizes = pattern.sizes_in(&Target::of(settings)?)?;
        Ok(sizes.first().copied())
    }

    /// Removes as many of the oldest snapshots as it takes until so many bytes are free on the
    /// volume of this folder, or none if that doesn't help. Returns how many went.
    fn remove_for(&self, folder: &Path, free: u64, needed: u64) -> io::Result<usize> {
        let config = self.config();
        let target = Target::of(&config.persistence)?;
        let (Some((pattern, _)), Target::Folder(of_snapshots)) = (retention(&config), &target)
        else {
            return Ok(0);
        };
        if fs::metadata(folder)?.dev() != fs::metadata(of_snapshots)?.dev() {
            return Ok(0);
        }
        match may_stay(free, needed, &pattern.sizes_in(&target)?) {
            Some(count) => pattern.keep_newest(&target, count),
            None => Ok(0),
        }
    }
}

/// What snapshots are called of which older ones may go, and how many stay.
fn retention(config: &Config) -> Option<(Pattern, usize)> {
    let keep = config.persistence.snapshot_keep as usize;
    let pattern = Pattern::new(&config.persistence.dbfilename)?;
    (pattern.varies() && keep > 0).then_some((pattern, keep))
}

/// How many snapshots of these sizes, the newest first, may stay so that `needed` bytes are free.
/// `None` if that isn't reached with the newest one alone.
fn may_stay(free: u64, needed: u64, sizes: &[u64]) -> Option<usize> {
    let mut free = free;
    for (newer, size) in sizes.iter().enumerate().rev() {
        if free >= needed {
            return Some(newer + 1);
        }
        free = free.saturating_add(*size);
    }
    None
}

/// Whether there was no room left.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// Bytes that we may still write to the volume of this folder.
fn free_bytes(folder: &Path) -> io::Result<u64> {
    let volume = rustix::fs::statvfs(folder)?;
    Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_and_only_as_many_as_need_be() {
        let sizes = [4, 3, 2, 1];
        assert_eq!(may_stay(10, 10, &sizes), Some(4), "there is room");
        assert_eq!(may_stay(9, 10, &sizes), Some(3));
        assert_eq!(may_stay(7, 10, &sizes), Some(2));
        assert_eq!(may_stay(6, 10, &sizes), Some(1));
        assert_eq!(may_stay(4, 10, &sizes), Some(1));
        assert_eq!(may_stay(3, 10, &sizes), None, "the newest one stays");
        assert_eq!(may_stay(9, 10, &[]), None);
    }

    #[test]
    fn a_volume_tells_its_room() {
        assert!(free_bytes(Path::new("/tmp")).is_ok());
        assert!(free_bytes(Path::new("/nowhere")).is_err());
        assert_eq!(free_bytes(Path::new("/proc")).expect("there"), 0);
    }
}
