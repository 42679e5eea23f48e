//! The thread that writes the append-only file.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::feed::{Feed, Work};
use crate::flags::values::AppendFsync;
use crate::log::{say, warn};
use crate::persistence::retention::is_full;
use crate::process::Indispensable;
use crate::shared::Shared;
use crate::slow_path::Reason;

/// What `everysec` means.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// After a failure.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Writer {
    shared: Arc<Shared>,
    feed: Arc<Feed>,
    file: File,
    /// Up to where the file holds whole pieces.
    len: u64,
    /// A piece stands behind that of which the rest couldn't be written.
    is_torn: bool,
    /// What was written last isn't sure to last.
    is_unsynced: bool,
    synced_at: Instant,
}

impl Writer {
    /// Starts a thread that goes on with `file`, which was opened to append to it.
    pub(super) fn start(shared: Arc<Shared>, feed: Arc<Feed>, file: File) -> io::Result<()> {
        let len = file.metadata()?.len();
        feed.open();
        let writer = Self {
            shared,
            feed,
            file,
            len,
            is_torn: false,
            is_unsynced: false,
            synced_at: Instant::now(),
        };
        std::thread::Builder::new()
            .name("darner-aof".into())
            .spawn(move || writer.run())?;
        Ok(())
    }

    fn run(mut self) {
        // With `always` clients wait for what it writes.
        let _thread = Indispensable;
        loop {
            let policy = self.shared.config().persistence.appendfsync;
            let sync_at = (policy == AppendFsync::EverySecond && self.is_unsynced)
                .then(|| self.synced_at + SYNC_EVERY);
            let work = self.feed.work(policy == AppendFsync::Always, sync_at);
            let is_last = work.is_last;
            if !self.do_until_it_works(work, policy) || is_last {
                return;
            }
        }
    }

    /// False if it didn't work up to the end of the server.
    fn do_until_it_works(&mut self, mut work: Work, policy: AppendFsync) -> bool {
        let shared = Arc::clone(&self.shared);
        let mut has_failed = false;
        while let Err(error) = self.do_now(&mut work, policy) {
            if is_full(&error) && shared.make_room_for_log() {
                continue;
            }
            warn(&format!("can't write the append-only file: {error}"));
            if policy == AppendFsync::Always {
                // Clients were promised that what they are told lasts, and are to be told now.
                warn("appendfsync is always, and that can't be kept: the server ends");
                std::process::exit(1);
            }
            has_failed = true;
            shared.slow_path.set(Reason::AppendFailed, true);
            if !self.feed.failed(error.to_string(), RETRY_AFTER) {
                return false;
            }
        }
        if has_failed {
            say("the append-only file can be written again");
            shared.slow_path.set(Reason::AppendFailed, false);
        }
        if work.is_untidy {
            shared.tidy_aof();
        }
        self.feed.give_back(work.bytes);
        true
    }

    /// What was done is taken off `work`.
    fn do_now(&mut self, work: &mut Work, policy: AppendFsync) -> io::Result<()> {
        if let Some((at, file)) = work.next.take() {
            if let Err(error) = self.write(&work.bytes[..at]) {
                work.next = Some((at, file));
                return Err(error);
            }
            work.bytes.drain(..at);
            self.feed.wrote(at, false);
            if let Err(error) = self.sync().and_then(|()| self.shared.list_increment()) {
                work.next = Some((0, file));
                return Err(error);
            }
            self.feed.wrote(0, true);
            (self.file, self.len) = (file, 0);
            self.feed.switched();
        }
        self.write(&work.bytes)?;
        let len = work.bytes.len();
        work.bytes.clear();
        let is_due = match policy {
            AppendFsync::Always => true,
            AppendFsync::EverySecond => self.synced_at.elapsed() >= SYNC_EVERY,
            AppendFsync::No => false,
        };
        let is_synced = is_due || work.is_awaited || work.is_last;
        self.feed.wrote(len, false);
        if is_synced {
            self.sync()?;
            self.feed.wrote(0, true);
            self.shared.end_log_waits();
        }
        Ok(())
    }

    /// Writes all of this or nothing.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.is_torn {
            self.file.set_len(self.len)?;
            self.is_torn = false;
        }
        self.is_unsynced = true;
        if let Err(error) = self.file.write_all(bytes) {
            self.is_torn = true;
            return Err(error);
        }
        self.len += bytes.len() as u64;
        self.shared.persistence.aof.note_size(self.len);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.is_unsynced {
            self.file.sync_data()?;
        }
        self.is_unsynced = false;
        self.synced_at = Instant::now();
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.slow_path.set(Reason::AppendFailed, false);
        self.feed.ended();
    }
}
