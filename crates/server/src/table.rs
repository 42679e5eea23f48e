//! All commands by name.

use commands::keys::{Begin, Find, access};
use commands::spec::{Scope, flags};
use commands::{Args, Command, DataRun, FAMILIES, Spec, keys};
use smallvec::SmallVec;
use thiserror::Error;

use crate::session::{self, SessionRun};

/// What runs a command.
#[derive(Clone, Copy, Debug)]
pub enum Run {
    /// A command on keys.
    Data(DataRun),
    /// A command on the connection or the server.
    Session(SessionRun),
}

/// Where a command stands in the table: its number, and that of a subcommand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    command: usize,
    subcommand: Option<usize>,
}

/// One command or subcommand.
#[derive(Debug)]
pub struct Entry {
    /// Its declaration.
    pub spec: Spec,
    /// What clients call it, unlike its own name if it was renamed; empty if it is turned off.
    called: String,
    /// What runs it.
    pub run: Run,
    /// Its place in per-command statistics.
    pub id: usize,
    /// `config|get` for a subcommand.
    pub full_name: String,
    /// Where it stands in the table, for those who must name it without a reference.
    pub place: Place,
    /// The subcommands of a container.
    pub subcommands: Vec<Entry>,
    /// Keys at these places can be prefetched: first, last (from the end when negative) and step.
    pub simple_keys: Option<(usize, i32, usize)>,
}

impl Entry {
    /// The keys of a command.
    pub fn keys<'a>(&self, args: Args<'a>) -> SmallVec<[&'a [u8]; 8]> {
        match self.simple_keys {
            Some((1, 1, _)) => args.get(1).into_iter().collect(),
            _ => keys::positions(&self.spec, args)
                .iter()
                .map(|&at| args.at(at))
                .collect(),
        }
    }
}

/// All commands.
#[derive(Debug)]
pub struct Table {
    slots: Box<[Slot]>,
    entries: Vec<Entry>,
    count: usize,
}

/// Why a command can't be renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RenameError {
    /// No command has the old name.
    #[error("there is no such command")]
    Unknown,
    /// Another one has the new name.
    #[error("another command has the new name")]
    Taken,
}

const SLOTS: usize = 4096;
const EMPTY: u16 = u16::MAX;

/// A place where a command may be found.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// What its name folds to.
    folded: u64,
    /// Which it is; [`EMPTY`] if there is none.
    number: u16,
    /// The length of the name if length and fold tell it from all others: one of at most eight
    /// letters. Else 0.
    short: u16,
}

impl Slot {
    fn new(number: u16, called: &[u8]) -> Self {
        let is_short = called.len() <= 8 && called.iter().all(u8::is_ascii_alphabetic);
        Self {
            folded: fold(called),
            number,
            short: if is_short { called.len() as u16 } else { 0 },
        }
    }
}

impl Table {
    /// The table of every command there is.
    pub fn new() -> Self {
        let mut count = 0;
        let mut entries = Vec::new();
        for command in FAMILIES.iter().copied().flatten() {
            entries.push(entry(command, Run::Data, "", &mut count));
        }
        for command in session::FAMILIES.iter().copied().flatten() {
            entries.push(entry(command, Run::Session, "", &mut count));
        }
        for (number, entry) in entries.iter_mut().enumerate() {
            entry.place.command = number;
            for (sub_number, sub) in entry.subcommands.iter_mut().enumerate() {
                sub.place = Place {
                    command: number,
                    subcommand: Some(sub_number),
                };
            }
        }
        Self {
            slots: slots(&entries),
            entries,
            count,
        }
    }

    /// Has a command answer to another name, or to none if that is empty (`rename-command`).
    pub fn rename(&mut self, old: &str, new: &str) -> Result<(), RenameError> {
        let found = self.find(old.as_bytes()).ok_or(RenameError::Unknown)?;
        let number = found.place.command;
        let other = self.find(new.as_bytes());
        if other.is_some_and(|other| other.place.command != number) {
            return Err(RenameError::Taken);
        }
        new.clone_into(&mut self.entries[number].called);
        self.slots = slots(&self.entries);
        Ok(())
    }

    /// The command called `name`, in any case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Entry> {
        let folded = fold(name);
        let mut at = slot_of(folded, name.len());
        loop {
            let slot = self.slots[at];
            if slot.number == EMPTY {
                return None;
            }
            let entry = &self.entries[slot.number as usize];
            let is_it = if usize::from(slot.short) == name.len() {
                slot.folded == folded
            } else {
                entry.called.as_bytes().eq_ignore_ascii_case(name)
            };
            if is_it {
                return Some(entry);
            }
            at = (at + 1) % SLOTS;
        }
    }

    /// The command at a place of this table.
    pub fn at(&self, place: Place) -> &Entry {
        let entry = &self.entries[place.command];
        place
            .subcommand
            .map_or(entry, |sub| &entry.subcommands[sub])
    }

    /// All commands, without subcommands.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// All commands and subcommands.
    pub fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .flat_map(|entry| std::iter::once(entry).chain(&entry.subcommands))
    }

    /// The full name of the command or subcommand with this [`Entry::id`].
    pub fn name_of(&self, id: usize) -> &str {
        // A container's number is followed by those of its subcommands.
        let after = self.entries.partition_point(|entry| entry.id <= id);
        let Some(entry) = after.checked_sub(1).map(|at| &self.entries[at]) else {
            return "";
        };
        match entry.subcommands.get((id - entry.id).wrapping_sub(1)) {
            Some(sub) => &sub.full_name,
            None => &entry.full_name,
        }
    }

    /// How many commands and subcommands there are: all [`Entry::id`] are below.
    pub fn count(&self) -> usize {
        self.count
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

impl Entry {
    /// The subcommand called `name`, in any case.
    pub fn subcommand(&self, name: &[u8]) -> Option<&Entry> {
        let is_it = |sub: &&Entry| sub.spec.name.as_bytes().eq_ignore_ascii_case(name);
        self.subcommands.iter().find(is_it)
    }

    /// Whether it publishes, keyspace notifications included, or is EXEC, which may.
    pub(crate) fn may_publish(&self) -> bool {
        self.spec.flags & (flags::WRITE | flags::MAY_REPLICATE) != 0 || self.spec.name == "exec"
    }

    /// Whether it changes data.
    pub fn is_write(&self) -> bool {
        self.spec.has(flags::WRITE)
    }
}

/// Where the entries are found by what they are called.
fn slots(entries: &[Entry]) -> Box<[Slot]> {
    let mut slots = vec![Slot::new(EMPTY, b""); SLOTS].into_boxed_slice();
    for (number, entry) in entries.iter().enumerate() {
        let called = entry.called.as_bytes();
        if called.is_empty() {
            continue;
        }
        let mut at = slot_of(fold(called), called.len());
        while slots[at].number != EMPTY {
            at = (at + 1) % SLOTS;
        }
        slots[at] = Slot::new(number as u16, called);
    }
    slots
}

fn entry<F: Copy>(
    command: &Command<F>,
    wrap: impl Fn(F) -> Run + Copy,
    parent: &str,
    count: &mut usize,
) -> Entry {
    let id = *count;
    *count += 1;
    let spec = command.spec;
    let full_name = if parent.is_empty() {
        spec.name.to_owned()
    } else {
        format!("{parent}|{}", spec.name)
    };
    let subcommands = command
        .subcommands
        .iter()
        .map(|sub| entry(sub, wrap, &full_name, count))
        .collect();
    let simple_keys = match (spec.scope, spec.keys) {
        (Scope::Keys, [key]) if key.access & access::NOT_KEY == 0 => match (key.begin, key.find) {
            (
                Begin::Index(first),
                Find::Range {
                    last,
                    step,
                    limit: 0,
                },
            ) => Some((
                first,
                if last >= 0 { last + first as i32 } else { last },
                step,
            )),
            _ => None,
        },
        _ => None,
    };
    let place = Place {
        command: 0,
        subcommand: None,
    };
    Entry {
        spec,
        called: spec.name.to_owned(),
        run: wrap(command.run),
        id,
        full_name,
        place,
        subcommands,
        simple_keys,
    }
}

/// First and last bytes, letters in lower case: all that there are of a short name. No loop, no
/// copy.
#[inline(always)]
fn fold(name: &[u8]) -> u64 {
    let len = name.len();
    let word = |at: usize| u32::from_le_bytes(name[at..at + 4].try_into().expect("four bytes"));
    let (low, high) = if len >= 4 {
        (word(0), word(len - 4))
    } else if len > 0 {
        (
            u32::from(name[0]) | u32::from(name[len / 2]) << 8,
            u32::from(name[len - 1]),
        )
    } else {
        (0, 0)
    };
    (u64::from(low) | u64::from(high) << 32) | 0x2020_2020_2020_2020
}

/// Where to look first for a name of this length that folds to this.
#[inline(always)]
fn slot_of(folded: u64, len: usize) -> usize {
    let mixed = (folded ^ len as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 52) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_by_its_name_in_any_case() {
        let table = Table::new();
        for entry in table.entries() {
            let found = table
                .find(entry.spec.name.to_uppercase().as_bytes())
                .expect("it is there");
            assert_eq!(found.id, entry.id);
        }
        for entry in table.all() {
            assert_eq!(table.name_of(entry.id), entry.full_name);
        }
        assert!(table.find(b"nonsense").is_none());
        assert!(table.find(b"").is_none());
    }

    #[test]
    fn no_command_is_found_by_another_name() {
        let table = Table::new();
        for entry in table.entries() {
            let name = entry.spec.name.as_bytes();
            for (at, byte) in (0..name.len()).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
                let mut other = name.to_vec();
                other[at] = byte;
                let found = table.find(&other).map(|found| found.spec.name.to_owned());
                let lower = other.to_ascii_lowercase();
                assert!(
                    found.is_none_or(|found| found.as_bytes() == lower),
                    "{other:?}"
                );
            }
        }
    }

    #[test]
    fn renamed_commands_answer_to_their_new_name_only() {
        let mut table = Table::new();
        let own_name = |table: &Table, name: &str| Some(table.find(name.as_bytes())?.spec.name);
        table.rename("FLUSHALL", "Sesame").unwrap();
        assert_eq!(own_name(&table, "sesame"), Some("flushall"));
        assert_eq!(own_name(&table, "flushall"), None);
        table.rename("flushdb", "").unwrap();
        assert_eq!(own_name(&table, "flushdb"), None);
        assert_eq!(own_name(&table, ""), None);
        table.rename("get", "GET").unwrap();
        assert_eq!(own_name(&table, "get"), Some("get"));
        assert_eq!(table.rename("get", "set"), Err(RenameError::Taken));
        assert_eq!(table.rename("nonsense", "x"), Err(RenameError::Unknown));
        assert_eq!(table.rename("", "x"), Err(RenameError::Unknown));
    }
}
