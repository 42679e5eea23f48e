//! The arguments of a command: ranges of the bytes they came in, never copies.

use std::ops::Index;

use protocol::{Arg, number};

use crate::CommandError;

/// A command's arguments; number 0 is its name.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    bytes: &'a [u8],
    ranges: &'a [Arg],
}

impl<'a> Args<'a> {
    /// Arguments that lie in `bytes`.
    #[inline(always)]
    pub fn new(bytes: &'a [u8], ranges: &'a [Arg]) -> Self {
        Self { bytes, ranges }
    }

    /// How many there are, the name included.
    #[inline(always)]
    #[allow(clippy::len_without_is_empty)] // There is always a name.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Argument `index`, or `None`.
    #[inline(always)]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.ranges.get(index).map(|range| range.of(self.bytes))
    }

    /// Argument `index`, which the command's arity promises.
    #[inline(always)]
    pub fn at(&self, index: usize) -> &'a [u8] {
        self.ranges[index].of(self.bytes)
    }

    /// All arguments, the name first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let bytes = self.bytes;
        self.ranges.iter().map(move |range| range.of(bytes))
    }

    /// The arguments from `index` on.
    pub fn from(&self, index: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let bytes = self.bytes;
        self.ranges
            .get(index..)
            .unwrap_or_default()
            .iter()
            .map(move |range| range.of(bytes))
    }

    /// Whether argument `index` is this word, in any case.
    #[inline]
    pub fn is(&self, index: usize, word: &str) -> bool {
        self.get(index)
            .is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Argument `index` as a 64-bit integer.
    pub fn int(&self, index: usize) -> Result<i64, CommandError> {
        number::parse_i64(self.at(index)).ok_or(CommandError::NotInteger)
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];

    #[inline(always)]
    fn index(&self, index: usize) -> &[u8] {
        self.at(index)
    }
}

/// Arguments with bytes of their own: of a queued or an inline command.
#[derive(Clone, Debug, Default)]
pub struct OwnedArgs {
    bytes: Vec<u8>,
    ranges: Vec<Arg>,
}

impl OwnedArgs {
    /// Copies these arguments.
    pub fn new<A: AsRef<[u8]>>(args: impl IntoIterator<Item = A>) -> Self {
        let mut owned = Self::default();
        for arg in args {
            owned.push(arg.as_ref());
        }
        owned
    }

    /// Adds an argument.
    pub fn push(&mut self, arg: &[u8]) {
        self.ranges.push(Arg {
            start: self.bytes.len() as u32,
            len: arg.len() as u32,
        });
        self.bytes.extend_from_slice(arg);
    }

    /// Removes all arguments. Keeps their memory for others, unless it is more than `kept_bytes`.
    pub fn clear(&mut self, kept_bytes: usize) {
        if self.heap_bytes() > kept_bytes {
            *self = Self::default();
        }
        self.bytes.clear();
        self.ranges.clear();
    }

    /// The arguments.
    #[inline]
    pub fn borrow(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.ranges)
    }

    /// Bytes of memory.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.ranges.capacity() * size_of::<Arg>()
    }
}
