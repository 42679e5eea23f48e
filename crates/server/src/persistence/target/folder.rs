//! Snapshots in a folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Found;

/// Bytes between two times that what was written is sent to the disk: at the end there is little
/// left to wait for.
const SYNC_BYTES: usize = 32 << 20;

/// A file that is written under another name first, so that there is a whole file of its own name
/// at any time.
#[derive(Debug)]
pub(in crate::persistence) struct NewFile {
    path: PathBuf,
    temporary: PathBuf,
    file: File,
    unsynced: usize,
    is_finished: bool,
}

impl NewFile {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let temporary = temporary(path);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true);
        Ok(Self {
            file: file.open(&temporary)?,
            path: path.to_owned(),
            temporary,
            unsynced: 0,
            is_finished: false,
        })
    }

    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.file.sync_all()?;
        let bytes = self.file.metadata()?.len();
        fs::rename(&self.temporary, &self.path)?;
        self.is_finished = true;
        sync_folder(&self.path)?;
        Ok(bytes)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.unsynced += written;
        if self.unsynced >= SYNC_BYTES {
            self.unsynced = 0;
            self.file.sync_data()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_finished {
            // What failed may well have left nothing to remove.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("temp-{}-{name}", std::process::id()))
}

/// The files of a folder.
pub(super) fn list(folder: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    if !fs::exists(folder)? {
        return Ok(found);
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // One that goes away meanwhile is none.
        if let (Ok(name), Ok(about)) = (entry.file_name().into_string(), entry.metadata())
            && about.is_file()
        {
            found.push(Found {
                name,
                modified: about.modified()?,
                bytes: about.len(),
            });
        }
    }
    Ok(found)
}

/// Makes a new name in a folder last.
pub(in crate::persistence) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("darner-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the test");
        folder
    }

    #[test]
    fn a_file_appears_when_it_is_whole() {
        let folder = folder("new-file");
        let path = folder.join("dump.rdb");
        fs::write(&path, "the one before").expect("written");
        let mut file = NewFile::create(&path).expect("created");
        file.write_all(b"the next").expect("written");
        assert_eq!(fs::read(&path).expect("there"), b"the one before");
        assert_eq!(file.finish().expect("finished"), 8);
        assert_eq!(fs::read(&path).expect("there"), b"the next");
        assert_eq!(
            list(&folder).expect("there").len(),
            1,
            "nothing is left behind"
        );
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn one_that_is_given_up_leaves_the_one_before() {
        let folder = folder("given-up");
        let path = folder.join("dump.rdb");
        fs::write(&path, "the one before").expect("written");
        let mut file = NewFile::create(&path).expect("created");
        file.write_all(b"the next").expect("written");
        drop(file);
        assert_eq!(fs::read(&path).expect("there"), b"the one before");
        assert_eq!(
            list(&folder).expect("there").len(),
            1,
            "nothing is left behind"
        );
        fs::create_dir(temporary(&path)).expect("in the way");
        assert!(NewFile::create(&path).is_err());
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn no_folder_holds_nothing() {
        assert!(list(Path::new("/nowhere/at/all")).expect("fine").is_empty());
    }
}
