//! Writing a snapshot to disk: a thread of its own takes the chunks that the data threads send.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{SystemTime, UNIX_EPOCH};

use rdb::file::{Options, Writer};
use scripting::Library;
use store::DbTotals;
use store::snapshot::{Chunk, Progress};

use crate::identity::{DARNER_VERSION, REDIS_VERSION};
use crate::memory;

/// What a snapshot begins with, as of its instant.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) options: Options,
    /// What the databases held.
    pub(super) dbs: Vec<DbTotals>,
    pub(super) libraries: Vec<Arc<Library>>,
    /// For an append-only file to go on from.
    pub(super) is_base: bool,
}

/// Bytes between two times that what was written is sent to the disk: at the end there is little
/// left to wait for.
const SYNC_BYTES: usize = 32 << 20;
const BUFFER_BYTES: usize = 256 << 10;

/// Writes a snapshot under a name of its own for the time being, then gives it `path`, so that
/// there is a whole file of that name at any time. Returns its size.
pub(super) fn write(
    path: &Path,
    head: &Head,
    chunks: &mpsc::Receiver<Chunk>,
    progress: &Progress,
) -> io::Result<u64> {
    let temporary = temporary(path);
    let written = write_file(&temporary, head, chunks, progress).and_then(|bytes| {
        fs::rename(&temporary, path)?;
        sync_folder(path)?;
        Ok(bytes)
    });
    if written.is_err() {
        progress.is_given_up.store(true, Ordering::Relaxed);
        // What failed may well have left nothing to remove.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("temp-{}-{name}", std::process::id()))
}

fn write_file(
    path: &Path,
    head: &Head,
    chunks: &mpsc::Receiver<Chunk>,
    progress: &Progress,
) -> io::Result<u64> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).open(path)?;
    let mut writer = begin(BufWriter::with_capacity(BUFFER_BYTES, &file), head)?;
    let (mut db, mut unsynced) = (None, 0);
    let mut untold: Vec<_> = head.dbs.iter().copied().map(Some).collect();
    for chunk in chunks {
        if db != Some(chunk.db) {
            let number = chunk.db as u64;
            match untold.get_mut(chunk.db).and_then(Option::take) {
                Some(held) => writer.database(number, held.keys as u64, held.expiring as u64)?,
                None => writer.select(number)?,
            }
            db = Some(chunk.db);
        }
        let written = writer.keys(&chunk.bytes);
        let waiting = &progress.waiting_bytes;
        waiting.fetch_sub(chunk.bytes.len(), Ordering::Relaxed);
        written?;
        unsynced += chunk.bytes.len();
        if unsynced >= SYNC_BYTES {
            unsynced = 0;
            file.sync_data()?;
        }
    }
    writer.finish()?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

fn begin<W: Write>(out: W, head: &Head) -> io::Result<Writer<W>> {
    let mut writer = Writer::begin(out, head.options)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let created = now.map_or(0, |since| since.as_secs());
    writer.fact("redis-ver", REDIS_VERSION.as_bytes())?;
    writer.fact("redis-bits", b"64")?;
    writer.fact("ctime", created.to_string().as_bytes())?;
    writer.fact("used-mem", memory::used().to_string().as_bytes())?;
    writer.fact("aof-base", if head.is_base { b"1" } else { b"0" })?;
    writer.fact("darner-ver", DARNER_VERSION.as_bytes())?;
    for library in &head.libraries {
        writer.function(&library.code)?;
    }
    Ok(writer)
}

/// Makes a new name in a folder last.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            options: Options {
                compress: false,
                checksum: true,
                has_member_expiries: false,
            },
            dbs: Vec::new(),
            libraries: Vec::new(),
            is_base: false,
        }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("darner-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the test");
        folder
    }

    #[test]
    fn a_snapshot_appears_when_it_is_whole() {
        let folder = folder("snapshot");
        let path = folder.join("dump.rdb");
        fs::write(&path, "the one before").expect("written");
        let (sender, chunks) = mpsc::channel();
        let progress = Progress::default();
        let (path, progress) = (&path, &progress);
        std::thread::scope(|scope| {
            let written = scope.spawn(move || write(path, &head(), &chunks, progress));
            assert_eq!(fs::read(path).expect("there"), b"the one before");
            drop(sender);
            let bytes = written.join().expect("no panic").expect("written");
            assert_eq!(fs::metadata(path).expect("there").len(), bytes);
        });
        let names = fs::read_dir(&folder).expect("there").count();
        assert_eq!(names, 1, "nothing is left behind");
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn one_that_cannot_be_written_leaves_the_last_one() {
        let folder = folder("full");
        let (path, temporary) = (folder.join("dump.rdb"), folder.join("dump.rdb"));
        fs::write(&path, "the one before").expect("written");
        fs::create_dir(super::temporary(&temporary)).expect("in the way");
        let (sender, chunks) = mpsc::channel();
        let progress = Progress::default();
        drop(sender);
        assert!(write(&path, &head(), &chunks, &progress).is_err());
        assert!(progress.is_given_up.load(Ordering::Relaxed));
        assert_eq!(fs::read(&path).expect("there"), b"the one before");
        fs::remove_dir_all(folder).expect("removed");
    }
}
