//! Where snapshots lie: in a folder, or in a bucket that speaks S3.

mod bucket;
mod folder;

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use self::bucket::{Bucket, Download, Upload};
use self::folder::NewFile;
pub(super) use self::folder::sync_folder;
use crate::flags::Persistence as Settings;

/// What the address of a bucket begins with.
const S3: &str = "s3://";
/// Addresses that other servers know.
const UNKNOWN: &[&str] = &["gs://", "azure://", "http://", "https://"];

/// A folder or a bucket.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Folder(PathBuf),
    Bucket(Arc<Bucket>),
}

/// A file, or what stands for it in a bucket.
#[derive(Clone, Debug)]
pub(super) enum Location {
    File(PathBuf),
    Object(Arc<Bucket>, String),
}

/// What lies somewhere.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) modified: SystemTime,
    pub(super) bytes: u64,
}

impl Target {
    /// What the settings say.
    pub(super) fn of(settings: &Settings) -> io::Result<Self> {
        let dir = &settings.dir;
        if let Some(address) = dir.strip_prefix(S3) {
            return Ok(Self::Bucket(Arc::new(Bucket::new(address, settings)?)));
        }
        if UNKNOWN.iter().any(|beginning| dir.starts_with(beginning)) {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("dir {dir}: snapshots go to a folder or to {S3}BUCKET/PREFIX"),
            ));
        }
        Ok(Self::Folder(PathBuf::from(dir)))
    }

    /// The file of this name.
    pub(super) fn at(&self, name: &str) -> Location {
        match self {
            Self::Folder(folder) => Location::File(folder.join(name)),
            Self::Bucket(bucket) => Location::Object(Arc::clone(bucket), name.to_owned()),
        }
    }

    /// What there is, in no order. Nothing where there is no such folder.
    pub(super) fn list(&self) -> io::Result<Vec<Found>> {
        match self {
            Self::Folder(folder) => folder::list(folder),
            Self::Bucket(bucket) => bucket.list(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Bucket(bucket) => f.write_str(&bucket.address("")),
        }
    }
}

impl Location {
    /// Its name there.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::File(path) => path.file_name().and_then(OsStr::to_str).unwrap_or_default(),
            Self::Object(_, name) => name,
        }
    }

    /// Where it lies.
    pub(super) fn target(&self) -> Target {
        match self {
            Self::File(path) => Target::Folder(path.parent().unwrap_or(Path::new("")).to_owned()),
            Self::Object(bucket, _) => Target::Bucket(Arc::clone(bucket)),
        }
    }

    /// Its size in bytes.
    pub(super) fn bytes(&self) -> io::Result<u64> {
        match self {
            Self::File(path) => Ok(fs::metadata(path)?.len()),
            Self::Object(bucket, name) => bucket.bytes(name),
        }
    }

    /// Opens it to read it from its beginning.
    pub(super) fn open(&self) -> io::Result<Opened> {
        Ok(match self {
            Self::File(path) => Opened::File(File::open(path)?),
            Self::Object(bucket, name) => Opened::Object(bucket.download(name)?),
        })
    }

    /// Begins a file that appears here when it is whole, which is going to have about so many
    /// bytes at most.
    pub(super) fn create(&self, bytes: u64) -> io::Result<Unfinished> {
        Ok(match self {
            Self::File(path) => Unfinished::File(NewFile::create(path)?),
            Self::Object(bucket, name) => Unfinished::Object(Box::new(bucket.upload(name, bytes)?)),
        })
    }

    /// Removes it.
    pub(super) fn remove(&self) -> io::Result<()> {
        match self {
            Self::File(path) => fs::remove_file(path),
            Self::Object(bucket, name) => bucket.remove(name),
        }
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Object(bucket, name) => write!(f, "{}", bucket.address(name)),
        }
    }
}

/// A file that is being read.
#[derive(Debug)]
pub(super) enum Opened {
    File(File),
    Object(Download),
}

impl Opened {
    /// Waits a little for what is to be read next. Returns whether it is there.
    pub(super) fn wait(&mut self, at_most: Duration) -> bool {
        match self {
            Self::File(_) => true,
            Self::Object(download) => download.wait(at_most),
        }
    }
}

impl Read for Opened {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(out),
            Self::Object(download) => download.read(out),
        }
    }
}

/// A file that is being written. Dropped unfinished it leaves nothing behind.
#[derive(Debug)]
pub(super) enum Unfinished {
    File(NewFile),
    Object(Box<Upload>),
}

impl Unfinished {
    /// Has it appear, now that it is whole. Returns its size.
    pub(super) fn finish(self) -> io::Result<u64> {
        match self {
            Self::File(file) => file.finish(),
            Self::Object(upload) => upload.finish(),
        }
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Object(upload) => upload.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
