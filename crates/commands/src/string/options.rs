//! The options that SET shares with GETEX, MSETEX and DELEX: conditions and times to live.

use store::{Found, Str, Txn};

use super::digest::digest;
use super::value::bytes_of;
use super::write::Ttl;
use crate::{Args, CommandError};

const BAD_DIGEST: CommandError =
    CommandError::Text("ERR must be exactly 16 hexadecimal characters");

/// An option's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Get,
    Nx,
    Xx,
    IfEq,
    IfNe,
    IfDeq,
    IfDne,
    Ex,
    Px,
    ExAt,
    PxAt,
    KeepTtl,
    Persist,
}

/// Words with their text.
pub(super) type Words = &'static [(&'static str, Word)];

/// The four conditions on the value.
pub(super) const COMPARISONS: [(&str, Word); 4] = [
    ("IFEQ", Word::IfEq),
    ("IFNE", Word::IfNe),
    ("IFDEQ", Word::IfDeq),
    ("IFDNE", Word::IfDne),
];

/// The word at an argument, if it is one of `words`.
pub(super) fn word_at(args: Args<'_>, at: usize, words: Words) -> Option<Word> {
    let found = words.iter().find(|(text, _)| args.is(at, text));
    found.map(|&(_, word)| word)
}

/// Options as they were given; their operands aren't looked into yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options<'a> {
    /// GET.
    pub(super) get: bool,
    /// NX, XX, or a comparison and what is compared with.
    pub(super) condition: Option<(Word, &'a [u8])>,
    /// A word of time and its number.
    time: Option<(Word, &'a [u8])>,
}

impl<'a> Options<'a> {
    /// Reads the arguments from number `at` on. Of several conditions, or several words of time,
    /// only the same word may be repeated; the last one counts.
    pub(super) fn parse(args: Args<'a>, mut at: usize, words: Words) -> Result<Self, CommandError> {
        let mut options = Self::default();
        while at < args.len() {
            let word = word_at(args, at, words).ok_or(CommandError::Syntax)?;
            at += 1;
            let slot = match word {
                Word::Get => {
                    options.get = true;
                    continue;
                }
                Word::Nx | Word::Xx | Word::IfEq | Word::IfNe | Word::IfDeq | Word::IfDne => {
                    &mut options.condition
                }
                _ => &mut options.time,
            };
            if slot.is_some_and(|(other, _)| other != word) {
                return Err(CommandError::Syntax);
            }
            let operand = if matches!(word, Word::Nx | Word::Xx | Word::KeepTtl | Word::Persist) {
                &[]
            } else {
                at += 1;
                args.get(at - 1).ok_or(CommandError::Syntax)?
            };
            *slot = Some((word, operand));
        }
        Ok(options)
    }

    /// The expiry that the options ask for; `None` when they say nothing of it.
    pub(super) fn ttl(
        &self,
        now_ms: u64,
        command: &'static str,
    ) -> Result<Option<Ttl>, CommandError> {
        Ok(match self.time {
            None => None,
            Some((Word::KeepTtl, _)) => Some(Ttl::Keep),
            Some((Word::Persist, _)) => Some(Ttl::Clear),
            Some((word, number)) => Some(Ttl::At(deadline(word, number, now_ms, command)?)),
        })
    }

    /// Whether a key that was `found`, or isn't there, fulfils the condition.
    pub(super) fn condition_holds(
        &self,
        txn: &mut Txn<'_>,
        found: Option<Found>,
    ) -> Result<bool, CommandError> {
        let Some((word, operand)) = self.condition else {
            return Ok(true);
        };
        match found {
            None => Ok(matches!(word, Word::Nx | Word::IfNe | Word::IfDne)),
            Some(_) if matches!(word, Word::Nx | Word::Xx) => Ok(word == Word::Xx),
            Some(found) => compare(word, operand, txn.str(found)?),
        }
    }
}

/// Whether a string fulfils a comparison. A digest is compared in any case, and its length is
/// checked only now: Redis doesn't mind a wrong one as long as there is nothing to compare.
pub(super) fn compare(word: Word, operand: &[u8], value: Str<'_>) -> Result<bool, CommandError> {
    let mut digits = itoa::Buffer::new();
    let value = bytes_of(value, &mut digits);
    let equal = if matches!(word, Word::IfEq | Word::IfNe) {
        value == operand
    } else if operand.len() == 16 {
        digest(value).eq_ignore_ascii_case(operand)
    } else {
        return Err(BAD_DIGEST);
    };
    Ok(equal == matches!(word, Word::IfEq | Word::IfDeq))
}

/// The Unix time in milliseconds that a word of time and its number mean.
pub(super) fn deadline(
    word: Word,
    number: &[u8],
    now_ms: u64,
    command: &'static str,
) -> Result<u64, CommandError> {
    let number = protocol::number::parse_i64(number).ok_or(CommandError::NotInteger)?;
    let unit = if matches!(word, Word::Ex | Word::ExAt) {
        1000
    } else {
        1
    };
    let from = if matches!(word, Word::Ex | Word::Px) {
        now_ms as i64
    } else {
        0
    };
    let time = number.checked_mul(unit).and_then(|ms| ms.checked_add(from));
    time.filter(|_| number > 0)
        .map(|ms| ms as u64)
        .ok_or(CommandError::InvalidExpire(command))
}
