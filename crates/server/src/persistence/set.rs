//! Snapshots in several files: parts, and a summary that makes them one snapshot. The form is that
//! of Dragonfly's sets (docs/snapshot-sets.md); in ours the summary says more of each part.

use std::io;
use std::sync::atomic::Ordering;

use rdb::Rules;
use rdb::file::{FrameReader, Item, Reader};
use store::snapshot::Progress;

use super::names;
use super::retention::is_full;
use super::target::{Location, Target};
use super::write::{self, Chunks, Head, Written};

/// What the summary says of a part: its name, its size and its checksum.
const PART: &str = "darner-part";
/// How many parts there are.
const COUNT: &str = "shard-count";
/// More are neither written nor believed: their numbers have four digits.
const PARTS_MAX: usize = 10_000;

/// A part of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    /// Its size and its checksum, if they were told. A checksum of 0 says nothing.
    pub(super) told: Option<Written>,
}

impl Part {
    fn fact(&self, written: Written) -> String {
        format!("{} {} {:016x}", self.name, written.bytes, written.checksum)
    }

    fn of_fact(fact: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(fact).ok()?.rsplitn(3, ' ');
        let checksum = u64::from_str_radix(words.next()?, 16).ok()?;
        let bytes = words.next()?.parse().ok()?;
        Some(Self {
            name: words.next()?.to_owned(),
            told: Some(Written { bytes, checksum }),
        })
    }
}

/// The parts of the set with this summary, which are all there.
pub(super) fn parts(summary: &Location, rules: Rules) -> io::Result<Vec<Part>> {
    let broken = |what: &str| io::Error::other(format!("can't load {summary}: {what}"));
    let stem = names::stem_of(summary.name()).ok_or_else(|| broken("it is no summary"))?;
    let (count, told) = facts(summary, rules).map_err(|error| broken(&error.to_string()))?;
    let files = summary.target().list()?;
    let parts = match count {
        _ if told.len() > PARTS_MAX => return Err(broken("it names too many files")),
        Some(count) if count > PARTS_MAX => return Err(broken("it names too many files")),
        Some(count) if !told.is_empty() && told.len() != count => {
            return Err(broken("it contradicts itself"));
        }
        _ if !told.is_empty() => told,
        count => {
            // Dragonfly before it told how many there are.
            let found = files
                .iter()
                .filter(|file| names::stem_of_part(&file.name) == Some(stem));
            let count = count.unwrap_or(found.count());
            let name = |number| names::part(stem, number);
            let part = |number| Part {
                name: name(number),
                told: None,
            };
            (0..count).map(part).collect()
        }
    };
    if parts.is_empty() {
        return Err(broken("the files that belong to it aren't there"));
    }
    for part in &parts {
        let Some(file) = files.iter().find(|file| file.name == part.name) else {
            return Err(broken(&format!(
                "{} is missing, which belongs to it",
                part.name
            )));
        };
        if part.told.is_some_and(|told| told.bytes != file.bytes) {
            return Err(broken(&format!(
                "{} is not the file that belongs to it",
                part.name
            )));
        }
    }
    Ok(parts)
}

/// How many parts a summary says there are, and what it says of each.
fn facts(summary: &Location, rules: Rules) -> Result<(Option<usize>, Vec<Part>), rdb::Error> {
    let mut reader = Reader::open(FrameReader::open(summary.open()?)?, rules)?;
    let (mut count, mut parts) = (None, Vec::new());
    while let Some(item) = reader.next()? {
        let Item::Fact { name, value } = item else {
            continue;
        };
        if name == COUNT.as_bytes() {
            let text = std::str::from_utf8(&value).ok();
            let number = text.and_then(|text| text.parse().ok());
            count = Some(number.ok_or(rdb::Error::Corrupt("its number of files is none"))?);
        } else if name == PART.as_bytes() {
            let part = Part::of_fact(&value);
            parts.push(part.ok_or(rdb::Error::Corrupt("what it says of a file makes no sense"))?);
        }
    }
    Ok((count, parts))
}

/// Writes a set, each part by a thread of its own. It appears when all of it is whole, beside one
/// of the same name that was there before, which then goes. Returns its size.
pub(super) fn write(
    (target, stem): (&Target, &str),
    count: usize,
    head: &Head,
    chunks: &Chunks,
    progress: &Progress,
) -> io::Result<u64> {
    let taken = parts_there(target, stem)?;
    let first = free_numbers(&taken, stem, count);
    let parts: Vec<_> = (first..first + count)
        .map(|number| Part {
            name: names::part(stem, number),
            told: None,
        })
        .collect();
    let written = write_parts(target, &parts, head, chunks, progress)
        .and_then(|written| write_summary((target, stem), &parts, &written, head));
    if written.is_err() {
        progress.is_given_up.store(true, Ordering::Relaxed);
        for part in &parts {
            // What failed may well have left nothing to remove.
            let _ = target.at(&part.name).remove();
        }
        return written;
    }
    for name in taken {
        target.at(&name).remove()?;
    }
    written
}

/// The names of parts with this stem that are there.
fn parts_there(target: &Target, stem: &str) -> io::Result<Vec<String>> {
    let names = target.list()?.into_iter().map(|file| file.name);
    Ok(names
        .filter(|name| names::stem_of_part(name) == Some(stem))
        .collect())
}

/// The first of so many neighbouring numbers that no part has.
fn free_numbers(taken: &[String], stem: &str, count: usize) -> usize {
    let is_free = |number: &usize| !taken.contains(&names::part(stem, *number));
    let mut first = 0;
    while let Some(used) = (first..first + count).rev().find(|number| !is_free(number)) {
        first = used + 1;
    }
    first
}

fn write_parts(
    target: &Target,
    parts: &[Part],
    head: &Head,
    chunks: &Chunks,
    progress: &Progress,
) -> io::Result<Vec<Written>> {
    std::thread::scope(|scope| {
        let write = |part: &Part| {
            let location = target.at(&part.name);
            move || write::write_part(&location, head, chunks, progress)
        };
        let begin = |part| {
            std::thread::Builder::new()
                .name("darner-save-part".into())
                .spawn_scoped(scope, write(part))
        };
        // All are begun before any is waited for.
        let threads: Vec<_> = parts.iter().map(begin).collect();
        let join = |thread: io::Result<std::thread::ScopedJoinHandle<'_, _>>| {
            let ended = thread?.join();
            ended.unwrap_or_else(|_| Err(io::Error::other("a thread has panicked")))
        };
        let ended: Vec<io::Result<Written>> = threads.into_iter().map(join).collect();
        // What has failed first made the others give up.
        let is_cause = |part: &io::Result<Written>| part.as_ref().is_err_and(is_full);
        match ended.iter().position(is_cause) {
            Some(cause) => ended.into_iter().nth(cause).into_iter().collect(),
            None => ended.into_iter().collect(),
        }
    })
}

fn write_summary(
    (target, stem): (&Target, &str),
    parts: &[Part],
    written: &[Written],
    head: &Head,
) -> io::Result<u64> {
    let mut writer = write::begin(&target.at(&names::summary(stem)), head)?;
    writer.fact(COUNT, parts.len().to_string().as_bytes())?;
    for (part, &written) in parts.iter().zip(written) {
        writer.fact(PART, part.fact(written).as_bytes())?;
    }
    write::functions_and_sizes(&mut writer, head)?;
    let of_parts: u64 = written.iter().map(|part| part.bytes).sum();
    Ok(of_parts + write::end(writer)?.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_part_comes_back() {
        let part = Part {
            name: "a name-0003.dfs".to_owned(),
            told: Some(Written {
                bytes: 17,
                checksum: 0xfedc_ba98_7654_3210,
            }),
        };
        let fact = part.fact(part.told.expect("just told"));
        assert_eq!(Part::of_fact(fact.as_bytes()), Some(part));
        for nonsense in ["", "name", "name 1", "name x 0", "name 1 x", "name 1 2 3x"] {
            assert_eq!(Part::of_fact(nonsense.as_bytes()), None, "{nonsense}");
        }
    }

    #[test]
    fn a_set_stands_beside_the_one_before() {
        let taken = |numbers: &[usize]| -> Vec<String> {
            numbers
                .iter()
                .map(|&number| names::part("dump", number))
                .collect()
        };
        assert_eq!(free_numbers(&[], "dump", 2), 0);
        assert_eq!(free_numbers(&taken(&[0, 1]), "dump", 2), 2);
        assert_eq!(free_numbers(&taken(&[2, 3]), "dump", 2), 0);
        assert_eq!(free_numbers(&taken(&[1, 4]), "dump", 2), 2);
        assert_eq!(free_numbers(&taken(&[1, 3]), "dump", 2), 4);
    }
}
