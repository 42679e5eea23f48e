//! Sets of integers: a sorted array of numbers that are all 2, 4 or 8 bytes wide.
//!
//! ```text
//! [ 0 0 ][ width (1) ][ number ][ number ] …
//! ```
//!
//! The two zeros tell it from a packed list, which begins with its number of elements.

const HEAD: usize = 3;

/// A set of integers to be read.
#[derive(Clone, Copy, Debug)]
pub struct IntsRef<'a>(&'a [u8]);

impl<'a> IntsRef<'a> {
    /// The set in these bytes, if that is what they are.
    #[inline]
    pub fn of(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() >= HEAD && bytes.starts_with(&[0, 0])).then_some(Self(bytes))
    }

    /// Bytes of each number.
    #[inline]
    pub fn width(self) -> usize {
        usize::from(self.0[2])
    }

    /// The numbers as they lie in memory: ascending, little-endian.
    pub fn numbers(self) -> &'a [u8] {
        &self.0[HEAD..]
    }

    /// How many there are.
    #[inline]
    pub fn len(self) -> usize {
        (self.0.len() - HEAD) / self.width()
    }

    /// True when there is none.
    pub fn is_empty(self) -> bool {
        self.0.len() == HEAD
    }

    /// The one with this index, in ascending order. O(1).
    #[inline]
    pub fn get(self, index: usize) -> i64 {
        let width = self.width();
        let bytes = &self.0[HEAD + index * width..][..width];
        match *bytes {
            [a, b] => i64::from(i16::from_le_bytes([a, b])),
            [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
            _ => i64::from_le_bytes(bytes.try_into().expect("2, 4 or 8 bytes")),
        }
    }

    /// Where it is, or else where it belongs. O(log n).
    fn search(self, int: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).cmp(&int) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// Whether it is there. O(log n).
    pub fn contains(self, int: i64) -> bool {
        self.search(int).is_ok()
    }

    /// All of them, ascending.
    pub fn iter(self) -> impl Iterator<Item = i64> + use<'a> {
        (0..self.len()).map(move |index| self.get(index))
    }
}

/// A set of integers.
#[derive(Clone, Debug)]
pub struct Ints(Vec<u8>);

impl Ints {
    /// An empty set, in this memory.
    pub fn new(mut memory: Vec<u8>) -> Self {
        memory.clear();
        memory.extend_from_slice(&[0, 0, 2]);
        Self(memory)
    }

    /// The set in these bytes, which [`IntsRef::of`] accepts.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The set of these numbers, as [`IntsRef::numbers`] gives them.
    pub fn of_numbers(width: u8, numbers: &[u8]) -> Self {
        Self([&[0, 0, width], numbers].concat())
    }

    /// All its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its bytes, for another use of their memory.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Bytes of memory.
    pub fn heap_bytes(&self) -> usize {
        self.0.capacity()
    }

    /// The set, to be read.
    #[inline]
    pub fn view(&self) -> IntsRef<'_> {
        IntsRef(&self.0)
    }

    /// Adds one; whether it is new. O(n).
    pub fn insert(&mut self, int: i64) -> bool {
        self.widen(width_of(int));
        let Err(index) = self.view().search(int) else {
            return false;
        };
        let width = self.view().width();
        let at = HEAD + index * width;
        self.0
            .splice(at..at, int.to_le_bytes()[..width].iter().copied());
        true
    }

    /// Removes one; whether it was there. O(n).
    pub fn remove(&mut self, int: i64) -> bool {
        let Ok(index) = self.view().search(int) else {
            return false;
        };
        let width = self.view().width();
        let at = HEAD + index * width;
        self.0.drain(at..at + width);
        true
    }

    fn widen(&mut self, width: usize) {
        if width <= self.view().width() {
            return;
        }
        let mut wide = vec![0, 0, width as u8];
        for int in self.view().iter() {
            wide.extend_from_slice(&int.to_le_bytes()[..width]);
        }
        self.0 = wide;
    }
}

fn width_of(int: i64) -> usize {
    if i16::try_from(int).is_ok() {
        2
    } else if i32::try_from(int).is_ok() {
        4
    } else {
        8
    }
}
