//! Writing a snapshot: a thread of its own takes the chunks that the data threads send.

use std::io::{self, BufWriter};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{SystemTime, UNIX_EPOCH};

use rdb::file::{Compression, FrameWriter, Options, Writer};
use scripting::Library;
use store::DbTotals;
use store::snapshot::{Chunk, Progress};

use super::target::{Location, Unfinished};
use crate::identity::{DARNER_VERSION, REDIS_VERSION};
use crate::memory;

/// What a snapshot begins with, as of its instant.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) options: Options,
    pub(super) compression: Compression,
    /// What the databases held.
    pub(super) dbs: Vec<DbTotals>,
    pub(super) libraries: Vec<Arc<Library>>,
    /// For an append-only file to go on from.
    pub(super) is_base: bool,
}

const BUFFER_BYTES: usize = 256 << 10;

/// What the data threads send, for one who writes or several.
#[derive(Debug)]
pub(super) struct Chunks(Mutex<mpsc::Receiver<Chunk>>);

impl Chunks {
    pub(super) fn new(receiver: mpsc::Receiver<Chunk>) -> Self {
        Self(Mutex::new(receiver))
    }

    /// The next one, once it is there. `None` at the end.
    fn next(&self) -> Option<Chunk> {
        let receiver = self.0.lock().expect("never held across a panic");
        receiver.recv().ok()
    }

    /// Waits for the end.
    pub(super) fn drain(&self) {
        while self.next().is_some() {}
    }
}

/// What has become of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) bytes: u64,
    /// 0 if there is none.
    pub(super) checksum: u64,
}

/// A file on its way: keys, in a frame, in pieces that are worth a system call.
pub(super) type Out = Writer<FrameWriter<BufWriter<Unfinished>>>;

/// Writes a snapshot, which appears when it is whole. Returns its size.
pub(super) fn write(
    location: &Location,
    head: &Head,
    chunks: &Chunks,
    progress: &Progress,
) -> io::Result<u64> {
    let write = || {
        let mut writer = begin(location, head)?;
        functions_and_sizes(&mut writer, head)?;
        keys(&mut writer, chunks, progress)?;
        end(writer)
    };
    Ok(give_up_unless(write(), progress)?.bytes)
}

/// Writes a file with some of the keys, which appears when it is whole.
pub(super) fn write_part(
    location: &Location,
    head: &Head,
    chunks: &Chunks,
    progress: &Progress,
) -> io::Result<Written> {
    let write = || {
        let mut writer = begin(location, head)?;
        keys(&mut writer, chunks, progress)?;
        end(writer)
    };
    give_up_unless(write(), progress)
}

fn give_up_unless<T>(written: io::Result<T>, progress: &Progress) -> io::Result<T> {
    if written.is_err() {
        progress.is_given_up.store(true, Ordering::Relaxed);
    }
    written
}

pub(super) fn begin(location: &Location, head: &Head) -> io::Result<Out> {
    let file = location.create(memory::used())?;
    let buffered = BufWriter::with_capacity(BUFFER_BYTES, file);
    let frame = FrameWriter::begin(buffered, head.compression)?;
    let mut writer = Writer::begin(frame, head.options)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let created = now.map_or(0, |since| since.as_secs());
    writer.fact("redis-ver", REDIS_VERSION.as_bytes())?;
    writer.fact("redis-bits", b"64")?;
    writer.fact("ctime", created.to_string().as_bytes())?;
    writer.fact("used-mem", memory::used().to_string().as_bytes())?;
    writer.fact("aof-base", if head.is_base { b"1" } else { b"0" })?;
    writer.fact("darner-ver", DARNER_VERSION.as_bytes())?;
    Ok(writer)
}

/// What belongs to no key.
pub(super) fn functions_and_sizes(writer: &mut Out, head: &Head) -> io::Result<()> {
    for library in &head.libraries {
        writer.function(&library.code)?;
    }
    for (number, held) in head.dbs.iter().enumerate() {
        if held.keys > 0 {
            writer.database(number as u64, held.keys as u64, held.expiring as u64)?;
        }
    }
    Ok(())
}

/// Writes what is sent. Others may take their share of it.
fn keys(writer: &mut Out, chunks: &Chunks, progress: &Progress) -> io::Result<()> {
    let mut db = None;
    while let Some(chunk) = chunks.next() {
        if progress.is_given_up.load(Ordering::Relaxed) {
            return Err(io::Error::other(
                "another file of the snapshot can't be written",
            ));
        }
        if db.replace(chunk.db) != Some(chunk.db) {
            writer.select(chunk.db as u64)?;
        }
        let written = writer.keys(&chunk.bytes);
        let waiting = &progress.waiting_bytes;
        waiting.fetch_sub(chunk.bytes.len(), Ordering::Relaxed);
        written?;
    }
    Ok(())
}

pub(super) fn end(writer: Out) -> io::Result<Written> {
    let (frame, checksum) = writer.finish_with_checksum()?;
    let file = frame.finish()?.into_inner();
    let bytes = file.map_err(io::IntoInnerError::into_error)?.finish()?;
    Ok(Written { bytes, checksum })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn head(compression: Compression) -> Head {
        Head {
            options: Options {
                compress: false,
                checksum: true,
                has_member_expiries: false,
            },
            compression,
            dbs: Vec::new(),
            libraries: Vec::new(),
            is_base: false,
        }
    }

    #[test]
    fn a_snapshot_appears_when_it_is_whole() {
        let folder = std::env::temp_dir().join(format!("darner-snapshot-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the test");
        let path = folder.join("dump.rdb");
        for compression in [Compression::None, Compression::Zstd(2), Compression::Lz4] {
            fs::write(&path, "the one before").expect("written");
            let (sender, receiver) = mpsc::channel();
            let chunks = &Chunks::new(receiver);
            let progress = Progress::default();
            let (location, head) = (&Location::from(path.clone()), &head(compression));
            let progress = &progress;
            std::thread::scope(|scope| {
                let written = scope.spawn(move || write(location, head, chunks, progress));
                assert_eq!(fs::read(&path).expect("there"), b"the one before");
                drop(sender);
                let bytes = written.join().expect("no panic").expect("written");
                assert_eq!(fs::metadata(&path).expect("there").len(), bytes);
            });
            assert_eq!(fs::read_dir(&folder).expect("there").count(), 1);
        }
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn one_that_cannot_be_written_is_given_up() {
        let chunks = Chunks::new(mpsc::channel().1);
        let progress = Progress::default();
        let location = Location::from(std::path::PathBuf::from("/nowhere/dump.rdb"));
        assert!(write(&location, &head(Compression::None), &chunks, &progress).is_err());
        assert!(progress.is_given_up.load(Ordering::Relaxed));
    }
}
