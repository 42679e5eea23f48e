//! The text of a script: its SHA-1, which names it, and the flags that its first line declares.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use sha1::{Digest, Sha1};
use thiserror::Error;

use crate::key_pattern::KeyNotes;

/// The SHA-1 of a script's text in forty hexadecimal digits.
pub type Sha = [u8; 40];

/// What a script declares of itself.
pub mod flags {
    /// It changes no data.
    pub const NO_WRITES: u8 = 1;
    /// It may run when memory is short.
    pub const ALLOW_OOM: u8 = 1 << 1;
    /// It may run on a replica that has lost its master.
    pub const ALLOW_STALE: u8 = 1 << 2;
    /// It can't run in a cluster.
    pub const NO_CLUSTER: u8 = 1 << 3;
    /// Its keys may lie in several slots.
    pub const ALLOW_CROSS_SLOT_KEYS: u8 = 1 << 4;
    /// It touches keys that it doesn't declare (Dragonfly).
    pub const ALLOW_UNDECLARED_KEYS: u8 = 1 << 5;
    /// Others may run between its commands (Dragonfly).
    pub const DISABLE_ATOMICITY: u8 = 1 << 6;
    /// It declares nothing: the rules of old are its rules.
    pub const COMPATIBLE: u8 = 1 << 7;

    /// Redis's flags by name.
    pub const NAMES: [(&str, u8); 5] = [
        ("no-writes", NO_WRITES),
        ("allow-oom", ALLOW_OOM),
        ("allow-stale", ALLOW_STALE),
        ("no-cluster", NO_CLUSTER),
        ("allow-cross-slot-keys", ALLOW_CROSS_SLOT_KEYS),
    ];

    /// Dragonfly's flags by name.
    pub const DRAGONFLY_NAMES: [(&str, u8); 3] = [
        ("allow-undeclared-keys", ALLOW_UNDECLARED_KEYS),
        ("disable-atomicity", DISABLE_ATOMICITY),
        ("no-writes", NO_WRITES),
    ];
}

/// What is wrong with a script's first line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScriptError {
    /// The line has no end.
    #[error("Invalid script shebang")]
    Endless,
    /// It isn't for Lua.
    #[error("Unexpected engine in script shebang: {0}")]
    Engine(String),
    /// An option other than `flags`.
    #[error("Unknown lua shebang option: {0}")]
    Option(String),
    /// No flag has this name.
    #[error("Unexpected flag in script shebang: {0}")]
    Flag(String),
    /// No flag of Dragonfly has this name.
    #[error("Invalid argument: {0}")]
    DragonflyFlag(String),
}

/// A script, as all threads see it.
#[derive(Debug)]
pub struct Script {
    /// Its name.
    pub sha: Sha,
    /// All of it.
    pub text: Box<[u8]>,
    /// See [`flags`].
    flags: AtomicU8,
    /// Which keys it touches.
    pub notes: KeyNotes,
    /// When it ran last, in a unit of the host's; `u64::MAX` before its first run.
    pub last_use: AtomicU64,
    /// It was loaded to be run by name.
    pub is_loaded: AtomicBool,
    /// Where the part begins that is Lua.
    body: usize,
}

impl Script {
    /// Reads the first line of a script.
    pub fn parse(text: &[u8]) -> Result<Self, ScriptError> {
        let (flags, body) = parse_shebang(text)?;
        Ok(Self {
            sha: sha(text),
            text: text.into(),
            flags: AtomicU8::new(flags),
            notes: KeyNotes::default(),
            last_use: AtomicU64::new(u64::MAX),
            is_loaded: AtomicBool::new(false),
            body,
        })
    }

    /// The part that is Lua. A shebang leaves an empty line behind, so that lines are counted as in
    /// the whole text.
    pub fn body(&self) -> &[u8] {
        &self.text[self.body..]
    }

    /// Whether all of these flags are set.
    pub fn has(&self, flags: u8) -> bool {
        self.flags.load(Ordering::Relaxed) & flags == flags
    }

    /// Sets flags beside its own.
    pub fn grant(&self, flags: u8) {
        self.flags.fetch_or(flags, Ordering::Relaxed);
    }

    /// The name as text.
    pub fn name(&self) -> &str {
        std::str::from_utf8(&self.sha).expect("digits")
    }
}

/// The name of a script with this text.
pub(crate) fn sha(text: &[u8]) -> Sha {
    let mut digits = [0; 40];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(Sha1::digest(text)) {
        pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    digits
}

/// The flags that the first line declares, and where Lua begins.
fn parse_shebang(text: &[u8]) -> Result<(u8, usize), ScriptError> {
    if let Some(rest) = text.strip_prefix(b"--!df flags=") {
        let line = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let list = String::from_utf8_lossy(line);
        let declared = parse_flags(&list, &flags::DRAGONFLY_NAMES);
        return Ok((
            declared.map_err(ScriptError::DragonflyFlag)? | flags::COMPATIBLE,
            0,
        ));
    }
    if !text.starts_with(b"#!") {
        return Ok((flags::COMPATIBLE, 0));
    }
    let end = text.iter().position(|&byte| byte == b'\n');
    let end = end.ok_or(ScriptError::Endless)?;
    let line = String::from_utf8_lossy(&text[..end]);
    let mut words = line.split_ascii_whitespace();
    let engine = words.next().unwrap_or_default();
    if engine != "#!lua" {
        return Err(ScriptError::Engine(engine[2..].to_owned()));
    }
    let mut declared = 0;
    for word in words {
        let list = word.strip_prefix("flags=");
        let list = list.ok_or_else(|| ScriptError::Option(word.to_owned()))?;
        declared |= parse_flags(list, &flags::NAMES).map_err(ScriptError::Flag)?;
    }
    Ok((declared, end))
}

/// The flags that Dragonfly's SCRIPT FLAGS gives a script.
pub fn dragonfly_flag(name: &str) -> Result<u8, ScriptError> {
    parse_flags(name, &flags::DRAGONFLY_NAMES).map_err(ScriptError::DragonflyFlag)
}

/// The flags of a list, or the name that isn't one.
fn parse_flags(list: &str, names: &[(&str, u8)]) -> Result<u8, String> {
    let mut declared = 0;
    for word in list.split(',').map(str::trim).filter(|w| !w.is_empty()) {
        let known = names.iter().find(|(name, _)| *name == word);
        declared |= known.ok_or(word)?.1;
    }
    Ok(declared)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags_of(text: &str) -> Result<u8, String> {
        let script = Script::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        Ok(script.flags.into_inner())
    }

    #[test]
    fn the_first_line_declares_flags() {
        assert_eq!(flags_of("return 1"), Ok(flags::COMPATIBLE));
        assert_eq!(flags_of("#!lua\nreturn 1"), Ok(0));
        assert_eq!(
            flags_of("#!lua flags=no-writes,allow-oom\nreturn 1"),
            Ok(flags::NO_WRITES | flags::ALLOW_OOM)
        );
        assert_eq!(
            flags_of("--!df flags=disable-atomicity\nreturn 1"),
            Ok(flags::DISABLE_ATOMICITY | flags::COMPATIBLE)
        );
        let error = |text| flags_of(text).unwrap_err();
        assert_eq!(error("#!lua"), "Invalid script shebang");
        assert_eq!(
            error("#!not-lua\n"),
            "Unexpected engine in script shebang: not-lua"
        );
        assert_eq!(error("#!lua x=y\n"), "Unknown lua shebang option: x=y");
        assert_eq!(
            error("#!lua flags=bad\n"),
            "Unexpected flag in script shebang: bad"
        );
    }

    #[test]
    fn scripts_are_named_by_their_sha() {
        let script = Script::parse(b"return 1").unwrap();
        assert_eq!(script.name(), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
        assert_eq!(Script::parse(b"#!lua\nx").unwrap().body(), b"\nx");
    }
}
