//! The process as the machine sees it: in the background (`daemonize`), known by its number
//! (`pidfile`), and gone when a thread fails that it can't go on without.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::log::warn;

/// Tells the process in the background that it is there. The flags leave this name alone.
const MARK: &str = "DARNER_DAEMON";

/// Held by a thread for which others wait: if that panics it takes the process with it, or they
/// would wait for ever.
pub(crate) struct Indispensable;

impl Drop for Indispensable {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

/// Starts the server in the background, in a session without a terminal. True if that has happened
/// and this process is done; false if it is the one in the background.
///
/// A fork in the middle of a program is `unsafe`, so the program is started anew, with the same
/// arguments.
pub(crate) fn to_background() -> io::Result<bool> {
    if std::env::var_os(MARK).is_some() {
        // Fails only where it leads a session already.
        let _ = rustix::process::setsid();
        return Ok(false);
    }
    let mut arguments = std::env::args_os();
    let own_name = arguments.next().unwrap_or_default();
    let arguments: Vec<_> = arguments.collect();
    if arguments.first().is_some_and(|first| first == "-") {
        let why = "daemonize: the configuration can't come from standard input";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    Command::new(std::env::current_exe()?)
        .arg0(own_name)
        .args(arguments)
        .env(MARK, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(true)
}

/// The file with the process's number, which goes when the server does.
#[derive(Debug)]
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    /// Writes it, if the settings name one. As in Redis, failing to is no reason not to serve.
    pub(crate) fn write(path: &str) -> Option<Self> {
        if path.is_empty() {
            return None;
        }
        match fs::write(path, format!("{}\n", std::process::id())) {
            Ok(()) => Some(Self(PathBuf::from(path))),
            Err(error) => {
                warn(&format!("can't write the pidfile {path}: {error}"));
                None
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Whoever has removed it already has done no harm.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pidfile_is_there_while_the_server_is() {
        let path = std::env::temp_dir().join(format!("darner-pid-{}", std::process::id()));
        let pidfile = PidFile::write(&path.to_string_lossy());
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim(), std::process::id().to_string());
        drop(pidfile);
        assert!(!path.exists());
        assert!(PidFile::write("").is_none());
        assert!(PidFile::write("/no/such/folder/pid").is_none());
    }
}
