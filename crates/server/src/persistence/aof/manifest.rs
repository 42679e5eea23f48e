//! Which files make up the append-only file: a list on disk, in the form of Redis 7.
//!
//! ```text
//! file appendonly.aof.2.base.rdb seq 2 type b
//! file appendonly.aof.5.incr.aof seq 5 type i
//! ```
//!
//! The base holds the keyspace of an instant, the increments what has changed since, in order.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use protocol::inline::split_args;

use crate::flags::rewrite::quoted;
use crate::persistence::target::sync_folder;

/// One file of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its name, without its folder.
    pub(crate) name: String,
    seq: u64,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) base: Option<Part>,
    pub(crate) increments: Vec<Part>,
    /// Files that are no longer needed and may still be there.
    history: Vec<Part>,
}

/// The longest line of a list.
const LINE_MAX: usize = 1022;

/// Where the files lie and what they are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    /// What all names begin with.
    pub(crate) name: String,
}

impl Place {
    fn manifest(&self) -> PathBuf {
        self.folder.join(format!("{}.manifest", self.name))
    }

    /// The list; `None` if there is none.
    pub(crate) fn read(&self) -> io::Result<Option<Manifest>> {
        let path = self.manifest();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(named(&path, &error)),
        };
        let parsed = Manifest::parse(&text);
        parsed.map(Some).map_err(|wrong| named(&path, &wrong))
    }

    /// Takes over the one file that there was before version 7 of Redis, which lies at `single`: it
    /// becomes the base. An end in the middle leaves a list whose only file isn't there yet.
    pub(crate) fn adopt(&self, single: &Path) -> io::Result<Manifest> {
        let part = Part {
            name: self.name.clone(),
            seq: 1,
        };
        let manifest = Manifest {
            base: Some(part),
            ..Manifest::default()
        };
        fs::create_dir_all(&self.folder)?;
        self.write(&manifest)?;
        fs::rename(single, self.folder.join(&self.name))?;
        sync_folder(single)?;
        sync_folder(&self.manifest())?;
        Ok(manifest)
    }

    /// Whether a list is what [`Place::adopt`] has left that ended in its middle.
    pub(crate) fn is_half_adopted(&self, manifest: &Manifest) -> bool {
        let base = manifest.base.as_ref();
        base.is_some_and(|base| base.name == self.name)
            && manifest.increments.is_empty()
            && !self.folder.join(&self.name).exists()
    }

    /// Replaces the list, and makes that last.
    pub(crate) fn write(&self, manifest: &Manifest) -> io::Result<()> {
        let path = self.manifest();
        let temporary = self.folder.join(format!("temp-{}.manifest", self.name));
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(manifest.text().as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            sync_folder(&path)
        });
        written.map_err(|error| named(&path, &error))
    }

    /// Whether a base may have this name.
    pub(crate) fn is_base(&self, name: &str) -> bool {
        let rest = name.strip_prefix(&self.name);
        rest.is_some_and(|rest| rest.starts_with('.') && rest.ends_with(".base.rdb"))
    }

    /// Removes what a manifest has as history.
    pub(crate) fn remove_history(&self, manifest: &mut Manifest) {
        for part in &manifest.history {
            // What is left behind is in nobody's way.
            let _ = fs::remove_file(self.folder.join(&part.name));
        }
        manifest.forget_history();
    }
}

fn named(path: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}

impl Manifest {
    /// The next base's part, for files called `name`.
    pub(crate) fn next_base(&self, name: &str) -> Part {
        // One that was adopted has another name.
        let base = self.base.as_ref().map_or(0, |base| base.seq);
        let seq = next_seq(self.history.iter(), ".base.").max(base + 1);
        let name = format!("{name}.{seq}.base.rdb");
        Part { name, seq }
    }

    /// The next increment's part.
    pub(crate) fn next_increment(&self, name: &str) -> Part {
        let seq = next_seq(self.history.iter().chain(&self.increments), ".incr.");
        let name = format!("{name}.{seq}.incr.aof");
        Part { name, seq }
    }

    /// With a new base, from which the increments from `first` on go on. What was before is
    /// history. Nothing goes on from it without `first`.
    pub(crate) fn rebased(&self, base: Part, first: Option<&Part>) -> Self {
        let goes_on = |other: &Part| first.is_some_and(|first| other.seq >= first.seq);
        let (mut increments, past): (Vec<_>, Vec<_>) =
            (self.increments.iter().cloned()).partition(goes_on);
        let mut history = self.history.clone();
        history.extend(self.base.clone());
        history.extend(past);
        if increments.is_empty() {
            increments.extend(first.cloned());
        }
        Self {
            base: Some(base),
            increments,
            history,
        }
    }

    /// Whether there is something to remove.
    pub(crate) fn has_history(&self) -> bool {
        !self.history.is_empty()
    }

    /// What was history is removed.
    pub(crate) fn forget_history(&mut self) {
        self.history.clear();
    }

    fn text(&self) -> String {
        let lines = self.base.iter().map(|part| line(part, 'b'));
        let lines = lines.chain(self.history.iter().map(|part| line(part, 'h')));
        lines
            .chain(self.increments.iter().map(|part| line(part, 'i')))
            .collect()
    }

    /// Reads a list. The error says what is wrong, and where.
    fn parse(text: &str) -> Result<Self, String> {
        let mut manifest = Self::default();
        let mut names = HashSet::new();
        if text.is_empty() {
            return Err("Found an empty AOF manifest".into());
        }
        for (number, line) in (1..).zip(text.lines()) {
            let wrong = |what: &str| format!("line {number}: {what}");
            let malformed = || wrong("Invalid AOF manifest file format");
            if line.starts_with('#') {
                continue;
            }
            if line.len() > LINE_MAX {
                return Err(wrong("The AOF manifest file contains too long line"));
            }
            let words = split_args(line.as_bytes()).ok_or_else(malformed)?;
            let words: Result<Vec<String>, _> = words.into_iter().map(String::from_utf8).collect();
            let words = words.map_err(|_| malformed())?;
            if words.len() % 2 != 0 {
                return Err(malformed());
            }
            let (mut name, mut seq, mut kind) = (None, None, None);
            for pair in words.chunks(2) {
                match pair {
                    [key, value] if key == "file" => name = Some(value.clone()),
                    [key, value] if key == "seq" => seq = value.parse().ok(),
                    [key, value] if key == "type" => kind = Some(value.clone()),
                    // Later versions may say more.
                    _ => {}
                }
            }
            let (Some(name), Some(seq), Some(kind)) = (name, seq, kind) else {
                return Err(malformed());
            };
            if name.contains('/') {
                return Err(wrong("File can't be a path, just a filename"));
            }
            if !names.insert(name.clone()) {
                return Err(wrong("Found duplicate file name"));
            }
            let part = Part { name, seq };
            match &*kind {
                "b" if manifest.base.is_none() => manifest.base = Some(part),
                "b" => return Err(wrong("Found duplicate base file information")),
                "h" => manifest.history.push(part),
                "i" if manifest
                    .increments
                    .last()
                    .is_some_and(|last| last.seq >= seq) =>
                {
                    return Err(wrong("Found a non-monotonic sequence number"));
                }
                "i" => manifest.increments.push(part),
                _ => return Err(wrong("Unknown AOF file type")),
            }
        }
        Ok(manifest)
    }
}

/// The number behind those of the parts of a kind, which their names tell.
fn next_seq<'p>(parts: impl Iterator<Item = &'p Part>, kind: &str) -> u64 {
    let of_kind = parts.filter(|part| part.name.contains(kind));
    of_kind.map(|part| part.seq).max().unwrap_or(0) + 1
}

fn line(part: &Part, kind: char) -> String {
    let Part { name, seq } = part;
    format!("file {} seq {seq} type {kind}\n", quoted(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written() {
        let text = "file a.aof.2.base.rdb seq 2 type b\nfile a.aof.3.incr.aof seq 3 type h\n\
                    file a.aof.4.incr.aof seq 4 type i\nfile a.aof.5.incr.aof seq 5 type i\n";
        let manifest = Manifest::parse(text).expect("a list");
        assert_eq!(manifest.text(), text);
        assert_eq!(manifest.next_increment("a.aof").name, "a.aof.6.incr.aof");
        let base = manifest.next_base("a.aof");
        assert_eq!(base.name, "a.aof.3.base.rdb");
        let next = manifest.rebased(base, manifest.increments.get(1));
        let names: Vec<_> = next.history.iter().map(|part| part.seq).collect();
        assert_eq!((next.increments.len(), names), (1, vec![3, 2, 4]));
        let alone = next.rebased(next.next_base("a.aof"), None);
        assert_eq!((alone.increments.len(), alone.history.len()), (0, 5));
        let adopted = Manifest::parse("file a.aof seq 1 type b\n").expect("a list");
        assert_eq!(adopted.next_base("a.aof").name, "a.aof.2.base.rdb");
    }

    #[test]
    fn names_may_be_strange() {
        let part = Part {
            name: "my \"a\\b\"\n\r\u{1} ä.1.incr.aof".into(),
            seq: 1,
        };
        let manifest = Manifest {
            increments: vec![part],
            ..Manifest::default()
        };
        assert_eq!(Manifest::parse(&manifest.text()), Ok(manifest));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, wrong) in [
            ("", "Found an empty AOF manifest"),
            ("file a seq 1", "Invalid AOF manifest file format"),
            (
                "file a seq 1 type i odd",
                "Invalid AOF manifest file format",
            ),
            ("\n", "Invalid AOF manifest file format"),
            ("file a seq x type b", "Invalid AOF manifest file format"),
            ("file \"a seq 1 type i", "Invalid AOF manifest file format"),
            ("file a seq 1 type x", "Unknown AOF file type"),
            (
                "file a seq 1 type b\nfile b seq 2 type b",
                "line 2: Found duplicate base file information",
            ),
            (
                "file a seq 2 type i\nfile b seq 2 type i",
                "non-monotonic sequence number",
            ),
            (
                "file a seq 1 type i\nfile a seq 2 type i",
                "duplicate file name",
            ),
            ("file ../a seq 1 type i", "File can't be a path"),
            (&format!("file {}", "a".repeat(LINE_MAX)), "too long line"),
        ] {
            let error = Manifest::parse(text).expect_err(text);
            assert!(error.contains(wrong), "{text}: {error}");
        }
        assert_eq!(Manifest::parse("# nothing\n"), Ok(Manifest::default()));
    }
}
