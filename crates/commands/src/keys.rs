//! Where a command's keys are: Redis's key specifications, and the search that follows them.
//! <https://redis.io/docs/latest/develop/reference/key-specs/>

use smallvec::SmallVec;

use crate::{Args, Spec};

/// Positions of keys among a command's arguments.
pub type Positions = SmallVec<[usize; 16]>;

/// One group of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// What is done with them, see [`access`].
    pub access: u32,
    /// Where the search begins.
    pub begin: Begin,
    /// Which arguments from there on are keys.
    pub find: Find,
}

/// Where the search for keys begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At this argument.
    Index(usize),
    /// After this word, looked for from an argument on (from the end when negative).
    Keyword(&'static str, i32),
}

/// Which arguments are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// Every `step`th up to `last`, which counts from the beginning or, negative, from the end.
    Range {
        /// Last key.
        last: i32,
        /// Distance.
        step: usize,
        /// 0, or the divisor of the arguments that are keys.
        limit: i32,
    },
    /// As many as a number says.
    KeyNum {
        /// Where the number is, counted from the beginning.
        number: usize,
        /// Where the first key is, counted from the beginning.
        first: usize,
        /// Distance.
        step: usize,
    },
}

/// What is done with keys.
pub mod access {
    macro_rules! access {
        ($($(#[$doc:meta])* $name:ident = $bit:expr, $text:expr;)*) => {
            $($(#[$doc])* pub const $name: u32 = 1 << $bit;)*
            /// Each with the name that COMMAND INFO gives it.
            pub const NAMES: &[(u32, &str)] = &[$(($name, $text)),*];
        };
    }
    access! {
        /// Read-only.
        RO = 0, "RO";
        /// Read and written.
        RW = 1, "RW";
        /// Overwritten.
        OW = 2, "OW";
        /// Removed.
        RM = 3, "RM";
        /// The value is returned, copied or used.
        ACCESS = 4, "access";
        /// The value is changed with regard to what it was.
        UPDATE = 5, "update";
        /// A value is added, what was there stays.
        INSERT = 6, "insert";
        /// Something is deleted.
        DELETE = 7, "delete";
        /// Not a key after all.
        NOT_KEY = 8, "not_key";
        /// The specification misses some keys.
        INCOMPLETE = 9, "incomplete";
        /// Access depends on arguments.
        VARIABLE_FLAGS = 10, "variable_flags";
    }
}

/// The first argument is the only key.
pub const fn first(access: u32) -> KeySpec {
    range(1, 0, 1, access)
}

/// All arguments from the first on are keys.
pub const fn all(access: u32) -> KeySpec {
    range(1, -1, 1, access)
}

/// Arguments `begin`, `begin + step` … up to `last` (relative to `begin`, or to the end).
pub const fn range(begin: usize, last: i32, step: usize, access: u32) -> KeySpec {
    KeySpec {
        access,
        begin: Begin::Index(begin),
        find: Find::Range {
            last,
            step,
            limit: 0,
        },
    }
}

/// A number of keys at argument `begin`, then the keys, `step` apart.
pub const fn counted(begin: usize, step: usize, access: u32) -> KeySpec {
    KeySpec {
        access,
        begin: Begin::Index(begin),
        find: Find::KeyNum {
            number: 0,
            first: 1,
            step,
        },
    }
}

/// The positions of the keys that `spec` declares in `args`. Arguments that don't make sense yield
/// fewer keys: the command itself will refuse them.
pub fn positions(spec: &Spec, args: Args<'_>) -> Positions {
    spec.keys
        .iter()
        .filter(|key_spec| key_spec.access & access::NOT_KEY == 0)
        .flat_map(|key_spec| positions_of(key_spec, args))
        .collect()
}

/// The positions of the keys of one specification.
pub fn positions_of(spec: &KeySpec, args: Args<'_>) -> Positions {
    let Some(begin) = begin_at(spec.begin, args) else {
        return Positions::new();
    };
    let argc = args.len();
    match spec.find {
        Find::Range { last, step, limit } => {
            let last = match last {
                0.. => begin + last as usize,
                -1 if limit > 1 => begin + (argc - begin) / limit as usize - 1,
                _ => (argc as i64 + i64::from(last)).max(0) as usize,
            };
            (begin..=last)
                .step_by(step)
                .filter(|&at| at < argc)
                .collect()
        }
        Find::KeyNum {
            number,
            first,
            step,
        } => {
            let count = args
                .get(begin + number)
                .and_then(protocol::number::parse_i64);
            let count = count
                .and_then(|count| usize::try_from(count).ok())
                .unwrap_or(0);
            (begin + first..argc).step_by(step).take(count).collect()
        }
    }
}

fn begin_at(begin: Begin, args: Args<'_>) -> Option<usize> {
    match begin {
        Begin::Index(index) => (index < args.len()).then_some(index),
        Begin::Keyword(word, from) => {
            let is_word = |&at: &usize| args[at].eq_ignore_ascii_case(word.as_bytes());
            let found = if from >= 0 {
                (from as usize..args.len()).find(is_word)
            } else {
                let last = args.len().checked_sub(from.unsigned_abs() as usize)?;
                (1..=last).rev().find(is_word)
            };
            found.map(|at| at + 1).filter(|&at| at < args.len())
        }
    }
}

/// First key, last key and step as COMMAND INFO gives them: of the first specification, and of
/// those whose keys follow right behind it (BITOP, COPY).
pub fn legacy_range(spec: &Spec) -> (i64, i64, i64) {
    let mut ranges = spec.keys.iter().map_while(plain_range);
    let Some((first, mut last, step)) = ranges.next() else {
        return (0, 0, 0);
    };
    for (next, next_last, next_step) in ranges {
        if next != last + 1 || step != 1 || next_step != 1 {
            break;
        }
        last = next_last;
    }
    (first, last, step)
}

/// First key, last key (from the end when negative) and step of a range at a fixed place.
fn plain_range(spec: &KeySpec) -> Option<(i64, i64, i64)> {
    let (Begin::Index(first), Find::Range { last, step, .. }) = (spec.begin, spec.find) else {
        return None;
    };
    let first = first as i64;
    let last = i64::from(last);
    Some((
        first,
        if last >= 0 { first + last } else { last },
        step as i64,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OwnedArgs;

    fn found(key_spec: KeySpec, line: &str) -> Vec<usize> {
        let args = OwnedArgs::new(line.split(' '));
        positions_of(&key_spec, args.borrow()).to_vec()
    }

    #[test]
    fn keys_are_found_where_redis_finds_them() {
        assert_eq!(found(first(access::RO), "get a"), [1]);
        assert_eq!(found(all(access::RO), "mget a b c"), [1, 2, 3]);
        assert_eq!(found(range(1, -1, 2, access::OW), "mset a 1 b 2"), [1, 3]);
        assert_eq!(
            found(counted(1, 2, access::OW), "msetex 2 a 1 b 2 nx"),
            [2, 4]
        );
        assert_eq!(found(counted(1, 1, access::RO), "x 9 a b"), [2, 3]);
        assert_eq!(
            found(counted(1, 1, access::RO), "x nonsense a b"),
            [0usize; 0]
        );
        assert_eq!(found(first(access::RO), "get"), [0usize; 0]);
        assert_eq!(found(range(1, -2, 1, access::RO), "blpop a b 0"), [1, 2]);
    }
}
