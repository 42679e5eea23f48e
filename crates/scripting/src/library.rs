//! Libraries of functions (FUNCTION LOAD): their text, its first line, and what they register.

use std::sync::Arc;

use protocol::inline::split_args;
use thiserror::Error;

use crate::key_pattern::KeyNotes;
use crate::script::{Script, flags};

/// A library, as all threads see it.
#[derive(Debug)]
pub struct Library {
    /// Its name.
    pub name: String,
    /// All of its text.
    pub code: Box<[u8]>,
    /// What it has registered.
    pub functions: Vec<FunctionInfo>,
}

impl Library {
    /// The name that a library's text gives it.
    pub fn name_in(code: &[u8]) -> Result<String, LibraryError> {
        parse_metadata(code).map(|(name, _)| name)
    }
}

/// A function of a library.
#[derive(Debug)]
pub struct FunctionInfo {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// See [`flags`].
    pub flags: u8,
    /// Which keys it touches.
    pub notes: KeyNotes,
}

/// What is wrong with a library.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LibraryError {
    /// It has no first line that says what it is.
    #[error("Missing library metadata")]
    NoMetadata,
    /// That line has no end.
    #[error("Invalid library metadata")]
    EndlessMetadata,
    /// It isn't for Lua.
    #[error("Engine '{0}' not found")]
    Engine(String),
    /// An option other than `name`.
    #[error("Invalid metadata value given: {0}")]
    Option(String),
    /// It has several names.
    #[error("Invalid metadata value, name argument was given multiple times")]
    SeveralNames,
    /// It has no name.
    #[error("Library name was not given")]
    NoName,
    /// Of a library or of a function.
    #[error(
        "Library names can only contain letters, numbers, or underscores(_) and must be at least \
         one character long"
    )]
    BadName,
    /// It registers nothing.
    #[error("No functions registered")]
    NoFunctions,
    /// It doesn't compile.
    #[error("Error compiling function: {0}")]
    Compile(String),
    /// It failed.
    #[error("Error registering functions: {0}")]
    Run(String),
}

/// What the first line of a library says: its name, and where Lua begins.
pub(crate) fn parse_metadata(code: &[u8]) -> Result<(String, usize), LibraryError> {
    if !code.starts_with(b"#!") {
        return Err(LibraryError::NoMetadata);
    }
    let end = code.iter().position(|&byte| byte == b'\n');
    let end = end.ok_or(LibraryError::EndlessMetadata)?;
    let words = split_args(&code[..end]).ok_or(LibraryError::EndlessMetadata)?;
    let mut words = words.iter().map(|word| String::from_utf8_lossy(word));
    let engine = words.next().unwrap_or_default();
    let mut name = None;
    for word in words {
        let Some(value) = word.strip_prefix("name=") else {
            return Err(LibraryError::Option(word.into_owned()));
        };
        if name.replace(value.to_owned()).is_some() {
            return Err(LibraryError::SeveralNames);
        }
    }
    let name = name.ok_or(LibraryError::NoName)?;
    if !is_name(&name) {
        return Err(LibraryError::BadName);
    }
    if !engine[2..].eq_ignore_ascii_case("lua") {
        return Err(LibraryError::Engine(engine[2..].to_owned()));
    }
    Ok((name, end))
}

/// Whether this may be the name of a library or a function.
pub(crate) fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(is_allowed)
}

/// What can be run.
#[derive(Clone, Debug)]
pub enum Callee {
    /// A script.
    Script(Arc<Script>),
    /// A function of a library, by its place there.
    Function(Arc<Library>, usize),
}

impl Callee {
    /// Its name: a script's is its SHA-1.
    pub fn name(&self) -> &str {
        match self {
            Self::Script(script) => script.name(),
            Self::Function(library, at) => &library.functions[*at].name,
        }
    }

    /// Whether all of these flags are set, see [`flags`].
    pub fn has(&self, wanted: u8) -> bool {
        match self {
            Self::Script(script) => script.has(wanted),
            Self::Function(library, at) => library.functions[*at].flags & wanted == wanted,
        }
    }

    /// Which keys it touches.
    pub fn notes(&self) -> &KeyNotes {
        match self {
            Self::Script(script) => &script.notes,
            Self::Function(library, at) => &library.functions[*at].notes,
        }
    }

    /// Whether it is a function.
    pub fn is_function(&self) -> bool {
        matches!(self, Self::Function(..))
    }
}

/// The flag with this name; functions have those that scripts can declare.
pub(crate) fn flag(name: &str) -> Option<u8> {
    let known = flags::NAMES.iter().find(|(known, _)| *known == name);
    known.map(|(_, flag)| *flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_library() {
        let name = |code: &str| parse_metadata(code.as_bytes()).map(|(name, _)| name);
        let error = |code| name(code).unwrap_err().to_string();
        assert_eq!(name("#!lua name=a_1\nx").unwrap(), "a_1");
        assert_eq!(error("x"), "Missing library metadata");
        assert_eq!(error("#!lua name=a"), "Invalid library metadata");
        assert_eq!(error("#!foo name=a\n"), "Engine 'foo' not found");
        assert_eq!(error("#!lua\n"), "Library name was not given");
        assert_eq!(
            error("#!lua name=a x=1\n"),
            "Invalid metadata value given: x=1"
        );
        assert!(error("#!lua name=a$\n").starts_with("Library names can only"));
    }
}
