//! LCS: the longest common subsequence of two strings.
//!
//! The table of the classic algorithm is kept as one bit for each pair of positions: whether the
//! length in a row grows from one column to the next. A row follows from the one above it with four
//! operations on each word of 64 columns (Hyyrö 2004, "Bit-parallel LCS-length computation
//! revisited"), and the way back through the table needs nothing but these bits. That is a 32nd of
//! the memory of a table of numbers, and some 50 times its speed.

use protocol::{Reply, number};
use store::Txn;

use super::value::bytes_of;
use crate::keys::{access, range};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandError, CommandResult, DataCommand, Spec};

const NOT_STRINGS: CommandError =
    CommandError::Text("ERR The specified keys must contain string values");
const BOTH: CommandError =
    CommandError::Text("ERR If you want both the length and indexes, please just use IDX.");
const TOO_LARGE: CommandError = CommandError::Text(
    "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
);
const NO_MEMORY: CommandError =
    CommandError::Text("ERR Insufficient memory, failed allocating transient memory for LCS");

/// LCS key key [options]
pub(super) const LCS: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::READONLY,
        keys: &[range(1, 1, 1, access::RO | access::ACCESS)],
        group: Group::String,
        since: "7.0.0",
        complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively",
        summary: "Returns the longest common subsequence of the strings at two keys, its length, \
                  or where its parts are.",
        syntax: "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
        ..Spec::new("lcs")
    },
    run: lcs,
    subcommands: &[],
};

fn lcs(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (a, b) = (copy(txn, args.at(1))?, copy(txn, args.at(2))?);
    let options = Options::parse(args)?;
    if Table::bytes(&a, &b) > u128::from(txn.max_string) {
        return Err(TOO_LARGE);
    }
    match options.wanted {
        Wanted::Length => reply.int(Table::new(&a, &b, false)?.len() as i64),
        Wanted::Text => {
            let table = Table::new(&a, &b, true)?;
            let mut text = Vec::with_capacity(table.len());
            table.back(&a, &b, |found| {
                text.extend(a[found.a..found.a + found.len].iter().rev());
            });
            text.reverse();
            reply.bulk(&text);
        }
        Wanted::Places => reply_places(&a, &b, options, reply)?,
    }
    Ok(())
}

fn copy(txn: &mut Txn<'_>, key: &[u8]) -> Result<Vec<u8>, CommandError> {
    let value = txn.read_str(key).map_err(|_| NOT_STRINGS)?;
    let copy = value.map(|value| bytes_of(value, &mut itoa::Buffer::new()).to_vec());
    Ok(copy.unwrap_or_default())
}

fn reply_places(a: &[u8], b: &[u8], options: Options, reply: &mut Reply<'_>) -> CommandResult {
    let table = Table::new(a, b, true)?;
    reply.map(2);
    reply.bulk(b"matches");
    let mark = reply.begin_array();
    let mut count = 0;
    table.back(a, b, |found| {
        if (found.len as i64) < options.min_len {
            return;
        }
        count += 1;
        reply.array(if options.with_len { 3 } else { 2 });
        for start in [found.a, found.b] {
            reply.array(2);
            reply.int(start as i64);
            reply.int((start + found.len - 1) as i64);
        }
        if options.with_len {
            reply.int(found.len as i64);
        }
    });
    reply.end_array(mark, count);
    reply.bulk(b"len");
    reply.int(table.len() as i64);
    Ok(())
}

#[derive(Clone, Copy)]
struct Options {
    wanted: Wanted,
    min_len: i64,
    with_len: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Text,
    Length,
    Places,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let (mut len, mut idx) = (false, false);
        let (mut min_len, mut with_len) = (0, false);
        let mut at = 3;
        while at < args.len() {
            if args.is(at, "IDX") {
                idx = true;
            } else if args.is(at, "LEN") {
                len = true;
            } else if args.is(at, "WITHMATCHLEN") {
                with_len = true;
            } else if args.is(at, "MINMATCHLEN") && at + 1 < args.len() {
                at += 1;
                min_len = number::parse_i64(args.at(at)).ok_or(CommandError::NotInteger)?;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        let wanted = match (len, idx) {
            (true, true) => return Err(BOTH),
            (true, false) => Wanted::Length,
            (false, true) => Wanted::Places,
            (false, false) => Wanted::Text,
        };
        Ok(Self {
            wanted,
            min_len,
            with_len,
        })
    }
}

/// Equal bytes of the two strings, one after the other.
#[derive(Clone, Copy)]
struct Match {
    a: usize,
    b: usize,
    len: usize,
}

/// Rows for the positions of the first string, bits for those of the second: 0 where the common
/// subsequence of all up to there is longer than that of one column less.
struct Table {
    columns: usize,
    words: usize,
    rows: Vec<u64>,
}

impl Table {
    /// Memory of all rows; [`Places`] takes no more than that again.
    fn bytes(a: &[u8], b: &[u8]) -> u128 {
        a.len() as u128 * b.len().div_ceil(64) as u128 * 8
    }

    /// Computes all rows, and keeps the last, or all.
    fn new(a: &[u8], b: &[u8], keep_all: bool) -> Result<Self, CommandError> {
        let words = b.len().div_ceil(64).max(1);
        let mut rows = Vec::new();
        rows.try_reserve_exact(words * (if keep_all { a.len() } else { 0 } + 2))
            .map_err(|_| NO_MEMORY)?;
        rows.resize(words, u64::MAX);
        let places = Places::new(a, b, words);
        for &byte in a {
            let above = rows.len() - words;
            let places = places.of(byte);
            let mut carry = false;
            for word in 0..words {
                let row = rows[above + word];
                let here = row & places[word];
                let (sum, over) = row.overflowing_add(here);
                let (sum, over_too) = sum.overflowing_add(u64::from(carry));
                carry = over || over_too;
                rows.push(sum | (row & !here));
            }
            if !keep_all {
                rows.drain(..words);
            }
        }
        Ok(Self {
            columns: b.len(),
            words,
            rows,
        })
    }

    /// Length of the longest common subsequence.
    fn len(&self) -> usize {
        let last = &self.rows[self.rows.len() - self.words..];
        let zeros = |word: usize| {
            let columns = (self.columns - word * 64).min(64) as u32;
            let unused = if columns == 64 { 0 } else { !0 << columns };
            (last[word] | unused).count_zeros() as usize
        };
        (0..self.columns.div_ceil(64)).map(zeros).sum()
    }

    /// Goes back from the ends of the strings and tells of each run of equal bytes.
    fn back(&self, a: &[u8], b: &[u8], mut tell: impl FnMut(Match)) {
        let (mut i, mut j) = (a.len(), b.len());
        let mut found = Match { a: 0, b: 0, len: 0 };
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                found = Match {
                    a: i,
                    b: j,
                    len: found.len + 1,
                };
                continue;
            }
            if found.len > 0 {
                tell(found);
                found.len = 0;
            }
            let column = j - 1;
            let grows = self.rows[i * self.words + column / 64] >> (column % 64) & 1 == 0;
            if grows {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        if found.len > 0 {
            tell(found);
        }
    }
}

/// For each byte of the first string, a bit for each of its places in the second.
struct Places {
    words: usize,
    /// Which part of `bits` is a byte's; the first is for all bytes that nobody will ask for.
    parts: [u16; 256],
    bits: Vec<u64>,
}

impl Places {
    fn new(a: &[u8], b: &[u8], words: usize) -> Self {
        let mut parts = [0; 256];
        let mut count = 1;
        for &byte in a {
            let part = &mut parts[usize::from(byte)];
            if *part == 0 {
                *part = count;
                count += 1;
            }
        }
        let mut bits = vec![0; usize::from(count) * words];
        for (at, &byte) in b.iter().enumerate() {
            let part = usize::from(parts[usize::from(byte)]);
            bits[part * words + at / 64] |= 1 << (at % 64);
        }
        Self { words, parts, bits }
    }

    fn of(&self, byte: u8) -> &[u64] {
        let start = usize::from(self.parts[usize::from(byte)]) * self.words;
        &self.bits[start..start + self.words]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;
    use proptest::prelude::*;

    #[test]
    fn answers_as_redis_does() {
        let mut fixture = Fixture::new();
        fixture.run("MSET a ohmytext b mynewtext");
        fixture.check(&[
            ("LCS a b", "$6\r\nmytext\r\n"),
            ("LCS a b LEN", ":6\r\n"),
            ("LCS a x", "$0\r\n\r\n"),
            (
                "LCS x y IDX",
                "*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0\r\n",
            ),
            (
                "LCS a b IDX",
                "*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n*2\r\n\
                 *2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n",
            ),
            (
                "LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
                "*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n\
                 $3\r\nlen\r\n:6\r\n",
            ),
        ]);
    }

    #[test]
    fn refuses() {
        let mut fixture = Fixture::new();
        fixture.check(&[
            (
                "LCS a b LEN IDX",
                "-ERR If you want both the length and indexes, please just use IDX.\r\n",
            ),
            ("LCS a b NONSENSE", "-ERR syntax error\r\n"),
            ("LCS a b MINMATCHLEN", "-ERR syntax error\r\n"),
            (
                "LCS a b MINMATCHLEN x",
                "-ERR value is not an integer or out of range\r\n",
            ),
        ]);
        fixture.max_string = 63;
        fixture.run("MSET a 12345678 b 1");
        let too_large = "-ERR Insufficient memory, transient memory for LCS exceeds \
                         proto-max-bulk-len\r\n";
        fixture.check(&[("LCS a b", too_large)]);
    }

    /// The table of numbers that the definition gives, and the way back that prefers the second
    /// string, as in Redis.
    fn naive(a: &[u8], b: &[u8]) -> (usize, Vec<(usize, usize)>) {
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                table[i + 1][j + 1] = if x == y {
                    table[i][j] + 1
                } else {
                    table[i][j + 1].max(table[i + 1][j])
                };
            }
        }
        let (mut i, mut j) = (a.len(), b.len());
        let mut pairs = Vec::new();
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                pairs.push((i, j));
            } else if table[i - 1][j] > table[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        (table[a.len()][b.len()], pairs)
    }

    proptest! {
        #[test]
        fn finds_what_the_definition_finds(
            a in prop::collection::vec(b'a'..b'e', 0..200),
            b in prop::collection::vec(b'a'..b'e', 0..200),
        ) {
            let (len, pairs) = naive(&a, &b);
            let table = Table::new(&a, &b, true).unwrap();
            prop_assert_eq!(table.len(), len);
            prop_assert_eq!(Table::new(&a, &b, false).unwrap().len(), len);
            let mut found = Vec::new();
            table.back(&a, &b, |run| {
                found.extend((0..run.len).rev().map(|k| (run.a + k, run.b + k)));
            });
            prop_assert_eq!(found, pairs);
        }
    }
}
