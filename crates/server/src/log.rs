//! What the server tells whoever runs it, in lines such as Redis writes, so that what reads logs
//! can read these: process, time (UTC), level, text.
//!
//! They go to standard output, to `logfile`, or with `--logtostderr` to standard error; that is
//! also where they go before the settings are known.

use std::backtrace::Backtrace;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{self, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::calendar::Moment;
use crate::flags::Monitoring;
use crate::flags::values::{LogFormat, LogLevel};
use crate::identity::DARNER_VERSION;

static PLACES: OnceLock<Places> = OnceLock::new();
/// The least urgent level that is written.
static LEAST: AtomicU8 = AtomicU8::new(LogLevel::Debug as u8);
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Where the lines go.
#[derive(Debug)]
struct Places {
    main: Place,
    /// To standard error as well.
    is_copied: bool,
}

#[derive(Debug)]
enum Place {
    Output,
    Error,
    /// Opened for each line, so that it may be moved away at any time.
    File(PathBuf),
}

/// Writes the log where the settings want it from now on. An error if the file can't be written.
pub fn open(settings: &Monitoring) -> io::Result<()> {
    let main = if settings.logtostderr {
        Place::Error
    } else if settings.logfile.is_empty() {
        Place::Output
    } else {
        Place::File(path::absolute(&settings.logfile)?)
    };
    main.write("").map_err(|error| {
        let text = format!("Can't open the log file {}: {error}", settings.logfile);
        io::Error::new(error.kind(), text)
    })?;
    let is_copied = settings.alsologtostderr && matches!(main, Place::File(_));
    set_least(settings.loglevel);
    IS_JSON.store(settings.log_format == LogFormat::Json, Ordering::Relaxed);
    // Opened once: a process has one server. (Tests that start several don't come here.)
    let _ = PLACES.set(Places { main, is_copied });
    Ok(())
}

/// Lines below this level are left out from now on.
pub fn set_least(level: LogLevel) {
    LEAST.store(level as u8, Ordering::Relaxed);
}

/// Writes a line.
pub fn say(text: &str) {
    write(LogLevel::Notice, &line(LogLevel::Notice, text));
}

/// Writes a line about something that should be looked at.
pub fn warn(text: &str) {
    write(LogLevel::Warning, &line(LogLevel::Warning, text));
}

/// Writes a text for human eyes, as it is.
pub fn show(text: &str) {
    let line = if IS_JSON.load(Ordering::Relaxed) {
        line(LogLevel::Notice, text)
    } else {
        format!("{text}\n")
    };
    write(LogLevel::Notice, &line);
}

/// Writes why the server can't go on: if the log is a file, to whoever has started it as well.
pub fn fail(text: &str) {
    warn(text);
    let is_seen = PLACES
        .get()
        .is_none_or(|places| places.is_copied || !matches!(places.main, Place::File(_)));
    if !is_seen {
        // Where no one listens there is no one to tell.
        let _ = Place::Error.write(&format!("darner: {text}\n"));
    }
}

/// Has panics told in the log, with the calls that led to them, instead of on standard error, which
/// most servers have closed.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let calls = Backtrace::force_capture();
        warn(&format!(
            "this is a fault of Darner {DARNER_VERSION}, please report it: {panic}\n{calls}"
        ));
    }));
}

fn write(level: LogLevel, line: &str) {
    if (level as u8) < LEAST.load(Ordering::Relaxed) {
        return;
    }
    let places = PLACES.get();
    let main = places.map_or(&Place::Error, |places| &places.main);
    // Where no one listens there is no one to tell.
    let _ = main.write(line);
    if places.is_some_and(|places| places.is_copied) {
        let _ = Place::Error.write(line);
    }
}

impl Place {
    fn write(&self, line: &str) -> io::Result<()> {
        let bytes = line.as_bytes();
        match self {
            Self::Output => io::stdout().lock().write_all(bytes),
            Self::Error => io::stderr().lock().write_all(bytes),
            Self::File(path) => {
                let mut options = OpenOptions::new();
                options.create(true).append(true);
                options.open(path)?.write_all(bytes)
            }
        }
    }
}

fn line(level: LogLevel, text: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let format = if IS_JSON.load(Ordering::Relaxed) {
        format_json
    } else {
        format_line
    };
    format(std::process::id(), now.unwrap_or_default(), level, text)
}

fn format_json(pid: u32, now: Duration, level: LogLevel, text: &str) -> String {
    let level = match level {
        LogLevel::Debug => "debug",
        LogLevel::Verbose => "verbose",
        LogLevel::Notice => "notice",
        LogLevel::Warning => "warning",
    };
    let (at, ms) = (Moment::new(now.as_secs()), now.subsec_millis());
    let (year, month, day) = (at.year, at.month, at.day);
    let (hour, minute, second) = (at.hour, at.minute, at.second);
    let time = format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z");
    let line = serde_json::json!({ "time": time, "level": level, "pid": pid, "message": text });
    format!("{line}\n")
}

/// `M` says that this is a master.
fn format_line(pid: u32, now: Duration, level: LogLevel, text: &str) -> String {
    let mark = match level {
        LogLevel::Debug => '.',
        LogLevel::Verbose => '-',
        LogLevel::Notice => '*',
        LogLevel::Warning => '#',
    };
    let (at, ms) = (Moment::new(now.as_secs()), now.subsec_millis());
    format!(
        "{pid}:M {:02} {} {} {:02}:{:02}:{:02}.{ms:03} {mark} {text}\n",
        at.day,
        at.month_name(),
        at.year,
        at.hour,
        at.minute,
        at.second
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_look_like_those_of_redis() {
        let at = |seconds| {
            let now = Duration::new(seconds, 7_000_000);
            format_line(42, now, LogLevel::Notice, "text")
        };
        assert_eq!(at(0), "42:M 01 Jan 1970 00:00:00.007 * text\n");
        assert_eq!(at(951_782_399), "42:M 28 Feb 2000 23:59:59.007 * text\n");
        assert_eq!(at(951_782_400), "42:M 29 Feb 2000 00:00:00.007 * text\n");
        assert_eq!(at(951_868_800), "42:M 01 Mar 2000 00:00:00.007 * text\n");
        assert_eq!(at(1_767_225_599), "42:M 31 Dec 2025 23:59:59.007 * text\n");
        assert_eq!(at(4_107_542_400), "42:M 01 Mar 2100 00:00:00.007 * text\n");
        let warning = format_line(1, Duration::ZERO, LogLevel::Warning, "text");
        assert!(warning.ends_with(" # text\n"));
    }

    #[test]
    fn lines_of_json() {
        let now = Duration::new(951_782_399, 7_000_000);
        let line = format_json(42, now, LogLevel::Warning, "a \"b\"\n");
        assert!(line.ends_with('\n') && line.matches('\n').count() == 1);
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["time"], "2000-02-28T23:59:59.007Z");
        assert_eq!(
            (&line["level"], &line["pid"]),
            (&"warning".into(), &42.into())
        );
        assert_eq!(line["message"], "a \"b\"\n");
    }

    #[test]
    fn a_file_is_added_to_and_may_be_moved_away() {
        let path = std::env::temp_dir().join(format!("darner-log-{}", std::process::id()));
        let place = Place::File(path.clone());
        place.write("a\n").unwrap();
        place.write("b\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nb\n");
        std::fs::remove_file(&path).unwrap();
        place.write("c\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "c\n");
        std::fs::remove_file(&path).unwrap();
        assert!(Place::File("/".into()).write("").is_err());
    }
}
