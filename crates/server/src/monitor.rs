//! MONITOR: clients that are shown every command of every other. A line is made once and handed to
//! all of them as it is, through the mailboxes of their threads.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use commands::Args;
use commands::spec::flags;
use reactor::Now;

use crate::clients::{ClientInfo, flag};
use crate::conn::Conn;
use crate::message::Message;
use crate::secrets::{REDACTED, secret_args};
use crate::shared::Shared;
use crate::slow_path::Reason;
use crate::table::Entry;

/// The clients that watch: their threads and tokens.
#[derive(Debug, Default)]
pub(crate) struct Monitors {
    list: Mutex<Vec<(usize, u64)>>,
    count: AtomicUsize,
}

impl Monitors {
    fn lock(&self) -> MutexGuard<'_, Vec<(usize, u64)>> {
        self.list.lock().expect("never held across a panic")
    }
}

impl Shared {
    /// How many clients watch.
    pub fn monitors(&self) -> usize {
        self.monitors.count.load(Ordering::Relaxed)
    }

    /// From now on the client is shown every command.
    pub(crate) fn add_monitor(&self, info: &ClientInfo) {
        let mut list = self.monitors.lock();
        list.push((info.thread(), info.token()));
        self.monitors_changed(&list);
    }

    /// The client is shown commands no more.
    pub(crate) fn remove_monitor(&self, info: &ClientInfo) {
        let mut list = self.monitors.lock();
        list.retain(|&(_, token)| token != info.token());
        self.monitors_changed(&list);
    }

    fn monitors_changed(&self, list: &[(usize, u64)]) {
        self.monitors.count.store(list.len(), Ordering::Relaxed);
        self.slow_path.set(Reason::Monitors, !list.is_empty());
    }

    /// Shows a command that has run to the clients that watch.
    #[cold]
    pub(crate) fn feed_monitors(&self, now: Now, conn: &Conn, entry: &Entry, args: Args<'_>) {
        let is_hidden = entry.spec.flags & (flags::SKIP_MONITOR | flags::ADMIN) != 0;
        if !is_hidden {
            self.show_to_monitors(now, conn, (entry, args));
        }
    }

    /// As [`Shared::feed_monitors`], for a command that shows itself: before those of its script.
    pub(crate) fn show_to_monitors(
        &self,
        now: Now,
        conn: &Conn,
        (entry, args): (&Entry, Args<'_>),
    ) {
        if self.monitors() == 0 {
            return;
        }
        let info = &conn.info;
        let source = if info.has(flag::UNIX) {
            format!("unix:{}", info.socket.addr.trim_end_matches(":0"))
        } else {
            info.socket.addr.clone()
        };
        self.show(now, conn.session.db, &source, (entry, args));
    }

    /// Shows a command that a script has called.
    #[cold]
    pub(crate) fn feed_monitors_from_script(
        &self,
        now: Now,
        db: usize,
        command: (&Entry, Args<'_>),
    ) {
        let is_hidden = command.0.spec.flags & (flags::SKIP_MONITOR | flags::ADMIN) != 0;
        if !is_hidden && self.monitors() > 0 {
            self.show(now, db, "lua", command);
        }
    }

    fn show(&self, now: Now, db: usize, source: &str, (entry, args): (&Entry, Args<'_>)) {
        let secrets = secret_args(entry, args);
        let line = line(now.wall_us, db, source, args, &secrets);
        let line: Arc<[u8]> = line.into();
        for &(thread, token) in self.monitors.lock().iter() {
            self.post(thread, Message::Push(token, Arc::clone(&line)));
        }
    }
}

/// A line in wire form: `+1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`.
fn line(wall_us: u64, db: usize, source: &str, args: Args<'_>, secrets: &[usize]) -> Vec<u8> {
    let mut line = Vec::with_capacity(64);
    let (seconds, micros) = (wall_us / 1_000_000, wall_us % 1_000_000);
    write!(line, "+{seconds}.{micros:06} [{db} {source}]").expect("memory takes it");
    for (number, arg) in args.iter().enumerate() {
        let is_secret = secrets.contains(&number);
        line.extend_from_slice(b" ");
        quote(&mut line, if is_secret { REDACTED } else { arg });
    }
    line.extend_from_slice(b"\r\n");
    line
}

/// Appends bytes in quotes, those that can't be printed as escapes.
fn quote(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            7 => out.extend(b"\\a"),
            8 => out.extend(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => write!(out, "\\x{byte:02x}").expect("memory takes it"),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use commands::OwnedArgs;

    use super::*;

    #[test]
    fn lines_are_redis_lines() {
        let args = OwnedArgs::new([&b"set"[..], b"a b\"\\", b"\n\r\t\x07\x08\x00\xff~"]);
        let line = line(
            1_339_518_083_000_412,
            3,
            "127.0.0.1:60866",
            args.borrow(),
            &[],
        );
        let expected = concat!(
            "+1339518083.000412 [3 127.0.0.1:60866] \"set\" ",
            r#""a b\"\\" "\n\r\t\a\b\x00\xff~""#,
            "\r\n"
        );
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }

    #[test]
    fn secrets_are_not_shown() {
        let args = OwnedArgs::new(["auth", "secret"]);
        let line = line(1, 0, "x", args.borrow(), &[1]);
        assert_eq!(line, b"+0.000001 [0 x] \"auth\" \"(redacted)\"\r\n");
    }
}
