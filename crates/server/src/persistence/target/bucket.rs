//! Snapshots in a bucket that speaks S3.
//!
//! Whoever reads or writes has a runtime of its own on its own thread for as long as that takes:
//! nothing of it runs otherwise. A file is uploaded in parts, of which some are under way at a
//! time, and appears when all are there. It is read in ranges, a few ahead.

use std::collections::VecDeque;
use std::error::Error as _;
use std::io::{self, Read, Write};
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig, WriteMultipart,
};
use tokio::runtime::{self, Runtime};

use super::{Found, S3};
use crate::flags::Persistence as Settings;

/// The smallest part of an upload. S3 takes 5 MiB and more, and at most 10,000 of them.
const PART_BYTES: u64 = 8 << 20;
const PARTS_MAX: u64 = 8_000;
const PARTS_UNDER_WAY: usize = 3;
/// What is read at once, and how many of such lie ready.
const RANGE_BYTES: u64 = 8 << 20;
const RANGES_AHEAD: usize = 2;
/// With so much there a reader goes on without waiting.
const ENOUGH_BYTES: usize = 1 << 20;
/// Who saves at the end has everybody waiting.
const RETRIES: usize = 8;
const RETRY_LIMIT: Duration = Duration::from_mins(1);
/// Variables of the environment that tell where credentials are to be had.
const CREDENTIALS: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// A bucket and where in it.
#[derive(Clone, Debug)]
pub(in crate::persistence) struct Bucket {
    name: String,
    prefix: Path,
    endpoint: Option<String>,
    allow_http: bool,
    sign_payload: bool,
    ask_machine: bool,
}

/// A client, and what it runs on.
#[derive(Debug)]
struct Session {
    runtime: Runtime,
    store: AmazonS3,
}

impl Bucket {
    /// `address` is the name of the bucket and a prefix, after `s3://`.
    pub(super) fn new(address: &str, settings: &Settings) -> io::Result<Self> {
        let (name, prefix) = address.split_once('/').unwrap_or((address, ""));
        if name.is_empty() {
            return Err(invalid(format!("{S3}{address} names no bucket")));
        }
        let prefix = Path::parse(prefix.trim_matches('/'));
        let endpoint = endpoint(&settings.s3_endpoint, settings.s3_use_https);
        Ok(Self {
            name: name.to_owned(),
            prefix: prefix.map_err(|error| invalid(error.to_string()))?,
            allow_http: endpoint.as_ref().is_some_and(|it| it.starts_with("http:")),
            endpoint,
            sign_payload: settings.s3_sign_payload,
            ask_machine: settings.s3_ec2_metadata,
        })
    }

    /// How a file is called.
    pub(super) fn address(&self, name: &str) -> String {
        format!("{S3}{}/{}", self.name, self.path(name))
    }

    fn path(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    fn connect(&self) -> io::Result<Session> {
        let has_credentials = CREDENTIALS
            .iter()
            .any(|name| std::env::var_os(name).is_some());
        if !has_credentials && !self.ask_machine {
            return Err(invalid(
                "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the \
                 environment, or give --s3_ec2_metadata"
                    .to_owned(),
            ));
        }
        // Another one may have been first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&self.name)
            .with_allow_http(self.allow_http)
            .with_unsigned_payload(!self.sign_payload)
            .with_disable_bulk_delete(true)
            .with_retry(RetryConfig {
                max_retries: RETRIES,
                retry_timeout: RETRY_LIMIT,
                ..RetryConfig::default()
            });
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let store = builder.build().map_err(|error| failed(&error))?;
        Ok(Session { runtime, store })
    }

    pub(super) fn list(&self) -> io::Result<Vec<Found>> {
        let Session { runtime, store } = self.connect()?;
        let prefix = (!self.prefix.as_ref().is_empty()).then_some(&self.prefix);
        let listed = runtime.block_on(store.list_with_delimiter(prefix));
        let objects = listed.map_err(|error| failed(&error))?.objects;
        Ok(objects.iter().filter_map(found).collect())
    }

    pub(super) fn bytes(&self, name: &str) -> io::Result<u64> {
        let Session { runtime, store } = self.connect()?;
        let about = runtime.block_on(store.head(&self.path(name)));
        Ok(about.map_err(|error| failed(&error))?.size)
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        let Session { runtime, store } = self.connect()?;
        let removed = runtime.block_on(store.delete(&self.path(name)));
        removed.map_err(|error| failed(&error))
    }

    pub(super) fn upload(&self, name: &str, bytes: u64) -> io::Result<Upload> {
        let session = self.connect()?;
        let begun = session
            .runtime
            .block_on(session.store.put_multipart(&self.path(name)));
        let part_bytes = PART_BYTES.max(bytes / PARTS_MAX) as usize;
        let parts = begun.map_err(|error| failed(&error))?;
        Ok(Upload {
            session,
            parts: Some(WriteMultipart::new_with_chunk_size(parts, part_bytes)),
            bytes: 0,
        })
    }

    pub(super) fn download(&self, name: &str) -> io::Result<Download> {
        let (sender, ranges) = mpsc::sync_channel(RANGES_AHEAD);
        let (bucket, path) = (self.clone(), self.path(name));
        let work = move || {
            if let Err(error) = bucket.send_ranges(&path, &sender) {
                // Who has stopped reading doesn't care.
                let _ = sender.send(Err(error));
            }
        };
        std::thread::Builder::new()
            .name("darner-download".into())
            .spawn(work)?;
        Ok(Download {
            ranges,
            ready: VecDeque::new(),
            at: 0,
            has_ended: false,
            error: None,
        })
    }

    /// Sends all that is in a file, unless the other end goes away. All ranges are of the same
    /// file, even if another one takes its place.
    fn send_ranges(&self, path: &Path, sender: &mpsc::SyncSender<Range>) -> io::Result<()> {
        let Session { runtime, store } = self.connect()?;
        let about = runtime
            .block_on(store.head(path))
            .map_err(|error| failed(&error))?;
        let mut start = 0;
        while start < about.size {
            let end = about.size.min(start + RANGE_BYTES);
            let options = GetOptions {
                if_match: about.e_tag.clone(),
                range: Some(GetRange::Bounded(start..end)),
                ..GetOptions::default()
            };
            let read = async { store.get_opts(path, options).await?.bytes().await };
            let bytes = runtime.block_on(read).map_err(|error| failed(&error))?;
            if sender.send(Ok(bytes.to_vec())).is_err() {
                return Ok(());
            }
            start = end;
        }
        Ok(())
    }
}

/// Bytes of a file, or why there are none.
type Range = io::Result<Vec<u8>>;

/// A file that is on its way here.
#[derive(Debug)]
pub(in crate::persistence) struct Download {
    ranges: mpsc::Receiver<Range>,
    ready: VecDeque<Vec<u8>>,
    /// Up to where the first one was read.
    at: usize,
    /// Nothing more comes.
    has_ended: bool,
    /// Why.
    error: Option<io::Error>,
}

impl Download {
    /// See [`super::Opened::wait`].
    pub(super) fn wait(&mut self, at_most: Duration) -> bool {
        let ready: usize = self.ready.iter().map(Vec::len).sum();
        if self.has_ended || ready - self.at >= ENOUGH_BYTES {
            return true;
        }
        match self.ranges.recv_timeout(at_most) {
            Ok(range) => self.take(Some(range)),
            Err(mpsc::RecvTimeoutError::Disconnected) => self.take(None),
            Err(mpsc::RecvTimeoutError::Timeout) => return false,
        }
        true
    }

    fn take(&mut self, range: Option<Range>) {
        self.has_ended = !matches!(range, Some(Ok(_)));
        match range {
            Some(Ok(bytes)) => self.ready.push_back(bytes),
            Some(Err(error)) => self.error = Some(error),
            None => {}
        }
    }
}

impl Read for Download {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self
            .ready
            .front()
            .is_some_and(|range| range.len() == self.at)
        {
            self.ready.pop_front();
            self.at = 0;
        }
        if self.ready.is_empty() && !self.has_ended {
            let range = self.ranges.recv().ok();
            self.take(range);
        }
        let Some(range) = self.ready.front() else {
            return self.error.take().map_or(Ok(0), Err);
        };
        let range = &range[self.at..];
        let len = out.len().min(range.len());
        out[..len].copy_from_slice(&range[..len]);
        self.at += len;
        Ok(len)
    }
}

/// A file that is on its way to the bucket.
#[derive(Debug)]
pub(in crate::persistence) struct Upload {
    session: Session,
    /// `None` once it has ended.
    parts: Option<WriteMultipart>,
    bytes: u64,
}

impl Upload {
    pub(super) fn finish(mut self) -> io::Result<u64> {
        if let Some(parts) = self.parts.take() {
            let finished = self.session.runtime.block_on(parts.finish());
            finished.map_err(|error| failed(&error))?;
        }
        Ok(self.bytes)
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let parts = self.parts.as_mut().expect("it hasn't ended");
        let written = self.session.runtime.block_on(async {
            parts.write(bytes);
            parts.wait_for_capacity(PARTS_UNDER_WAY).await
        });
        written.map_err(|error| failed(&error))?;
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            // Where this fails too, it is for the bucket's rules to clean up.
            let _ = self.session.runtime.block_on(parts.abort());
        }
    }
}

/// The address of the server, which may have been given without `http`; `None` for Amazon's.
fn endpoint(given: &str, use_https: bool) -> Option<String> {
    if given.is_empty() || given.contains("://") {
        return (!given.is_empty()).then(|| given.to_owned());
    }
    let scheme = if use_https { "https" } else { "http" };
    Some(format!("{scheme}://{given}"))
}

fn found(object: &ObjectMeta) -> Option<Found> {
    let seconds = u64::try_from(object.last_modified.timestamp()).ok()?;
    let modified: SystemTime = UNIX_EPOCH + Duration::from_secs(seconds);
    Some(Found {
        name: object.location.filename()?.to_owned(),
        modified,
        bytes: object.size,
    })
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// With its causes, and in one line, since servers answer with documents.
fn failed(error: &object_store::Error) -> io::Error {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        cause = error.source();
    }
    io::Error::other(text.replace(['\r', '\n'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(address: &str) -> io::Result<Bucket> {
        Bucket::new(address, &Settings::default())
    }

    #[test]
    fn addresses_are_read() {
        let address = |given| bucket(given).map(|bucket| bucket.address("dump.rdb"));
        assert_eq!(address("b").unwrap(), "s3://b/dump.rdb");
        assert_eq!(address("b/").unwrap(), "s3://b/dump.rdb");
        assert_eq!(address("b/in/here/").unwrap(), "s3://b/in/here/dump.rdb");
        assert!(address("").is_err() && address("/x").is_err());
    }

    #[test]
    fn an_endpoint_may_come_without_its_scheme() {
        assert_eq!(endpoint("", true), None);
        assert_eq!(endpoint("minio:9000", false).unwrap(), "http://minio:9000");
        assert_eq!(endpoint("minio", true).unwrap(), "https://minio");
        assert_eq!(endpoint("http://minio", true).unwrap(), "http://minio");
    }
}
