//! One element of a packed list, and its encoding: that of Redis's listpacks, so that a snapshot
//! takes and gives such lists as they are.
//! <https://github.com/antirez/listpack/blob/master/listpack.md>
//!
//! ```text
//! entry: [ head (1..9) ][ bytes of a string ][ length of head and bytes, backwards (1..5) ]
//!
//! head:  0xxxxxxx                 7-bit unsigned integer
//!        10xxxxxx                 string of up to 63 bytes
//!        110xxxxx xxxxxxxx        13-bit signed integer
//!        1110xxxx xxxxxxxx        string of up to 4095 bytes
//!        f0 + 4 bytes             string of up to 4 GiB
//!        f1, f2, f3, f4           16, 24, 32, 64-bit signed integer
//! ```
//!
//! An integer is always kept as such and in the shortest form, so equal elements have equal bytes.

use protocol::number::parse_i64;

/// An element, as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Elem<'a> {
    /// A string that isn't the decimal form of a 64-bit integer.
    Bytes(&'a [u8]),
    /// An integer, which stands for its decimal form.
    Int(i64),
}

/// Room for the digits of an element, see [`Elem::text`].
pub type Digits = itoa::Buffer;

const STR_MAX_6: usize = 63;
const STR_MAX_12: usize = 4095;
const HEAD_MAX: usize = 9;
const BACK_MAX: usize = 5;

impl<'a> Elem<'a> {
    /// The element with this text.
    #[inline]
    pub fn of(text: &'a [u8]) -> Self {
        let may_be_int = text.len() <= 20 && text.first().is_some_and(|&b| b <= b'9');
        match may_be_int.then(|| parse_i64(text)).flatten() {
            Some(int) => Self::Int(int),
            None => Self::Bytes(text),
        }
    }

    /// Its text; that of an integer is written into `digits`.
    #[inline]
    pub fn text<'t>(self, digits: &'t mut Digits) -> &'t [u8]
    where
        'a: 't,
    {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Int(int) => digits.format(int).as_bytes(),
        }
    }

    /// A copy of its text.
    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut Digits::new()).to_vec()
    }

    /// How long its text is.
    pub fn text_len(self) -> usize {
        self.text(&mut Digits::new()).len()
    }
}

/// Head and bytes of an element, ready to be written.
pub(super) struct Encoded<'a> {
    head: [u8; HEAD_MAX],
    head_len: usize,
    bytes: &'a [u8],
}

impl<'a> Encoded<'a> {
    #[inline]
    pub(super) fn new(elem: Elem<'a>) -> Self {
        let mut head = [0; HEAD_MAX];
        let (head_len, bytes): (usize, &[u8]) = match elem {
            Elem::Bytes(bytes) => (encode_length(bytes.len(), &mut head), bytes),
            Elem::Int(int) => (encode_int(int, &mut head), &[]),
        };
        Self {
            head,
            head_len,
            bytes,
        }
    }

    pub(super) fn head(&self) -> &[u8] {
        &self.head[..self.head_len]
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Length of head and bytes.
    fn forward_len(&self) -> usize {
        self.head_len + self.bytes.len()
    }

    /// Length of the whole entry.
    pub(super) fn len(&self) -> usize {
        let forward = self.forward_len();
        forward + back_len(forward)
    }

    /// Writes the entry, which takes the whole of `out`.
    #[inline]
    pub(super) fn write(&self, out: &mut [u8]) {
        let forward = self.forward_len();
        out[..self.head_len].copy_from_slice(self.head());
        out[self.head_len..forward].copy_from_slice(self.bytes);
        write_back_len(forward, &mut out[forward..]);
    }

    /// Appends the entry.
    #[inline]
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        let forward = self.forward_len();
        out.reserve(forward + BACK_MAX);
        out.extend_from_slice(self.head());
        out.extend_from_slice(self.bytes);
        if forward < 128 {
            out.push(forward as u8);
        } else {
            let mut back = [0; BACK_MAX];
            let back = &mut back[..back_len(forward)];
            write_back_len(forward, back);
            out.extend_from_slice(back);
        }
    }
}

fn encode_length(len: usize, head: &mut [u8; HEAD_MAX]) -> usize {
    match len {
        0..=STR_MAX_6 => {
            head[0] = 0x80 | len as u8;
            1
        }
        64..=STR_MAX_12 => {
            head[0] = 0xe0 | (len >> 8) as u8;
            head[1] = len as u8;
            2
        }
        _ => {
            head[0] = 0xf0;
            let len = u32::try_from(len).expect("an element is below 4 GiB");
            head[1..5].copy_from_slice(&len.to_le_bytes());
            5
        }
    }
}

fn encode_int(int: i64, head: &mut [u8; HEAD_MAX]) -> usize {
    let (kind, len) = match int {
        0..=127 => {
            head[0] = int as u8;
            return 1;
        }
        -4096..=4095 => {
            let bits = (int & 0x1fff) as u16;
            head[0] = 0xc0 | (bits >> 8) as u8;
            head[1] = bits as u8;
            return 2;
        }
        -0x8000..=0x7fff => (0xf1, 2),
        -0x80_0000..=0x7f_ffff => (0xf2, 3),
        -0x8000_0000..=0x7fff_ffff => (0xf3, 4),
        _ => (0xf4, 8),
    };
    head[0] = kind;
    head[1..=len].copy_from_slice(&int.to_le_bytes()[..len]);
    1 + len
}

/// How many bytes tell backwards that `forward` bytes stand before them.
#[inline]
fn back_len(forward: usize) -> usize {
    match forward {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

/// The lowest 7 bits come last; a byte with its top bit set has another one before it.
fn write_back_len(forward: usize, out: &mut [u8]) {
    let mut rest = forward;
    let last = out.len() - 1;
    for (i, byte) in out.iter_mut().enumerate().rev() {
        *byte = (rest & 127) as u8 | if i == 0 { 0 } else { 128 };
        rest >>= 7;
    }
    debug_assert!(rest == 0 && last < 5);
}

/// The entry that begins at `at`, and where the next one begins.
#[inline]
pub(super) fn decode(run: &[u8], at: usize) -> (Elem<'_>, usize) {
    let (elem, forward) = decode_head(&run[at..]);
    (elem, at + forward + back_len(forward))
}

/// Where the entry after the one at `at` begins.
#[inline]
pub(super) fn skip(run: &[u8], at: usize) -> usize {
    let head = run[at];
    let forward = match head {
        0..=0x7f => 1,
        0x80..=0xbf => 1 + (head & 0x3f) as usize,
        _ => return decode(run, at).1,
    };
    at + forward + 1
}

/// Where the entry begins that ends before `end`.
#[inline]
pub(super) fn start_before(run: &[u8], end: usize) -> usize {
    let (mut forward, mut shift, mut at) = (0, 0, end - 1);
    loop {
        forward |= usize::from(run[at] & 127) << shift;
        if run[at] & 128 == 0 {
            return at - forward;
        }
        shift += 7;
        at -= 1;
    }
}

#[inline]
fn decode_head(entry: &[u8]) -> (Elem<'_>, usize) {
    let head = entry[0];
    let string = |start: usize, len: usize| (Elem::Bytes(&entry[start..start + len]), start + len);
    match head {
        0..=0x7f => (Elem::Int(i64::from(head)), 1),
        0x80..=0xbf => string(1, (head & 0x3f) as usize),
        0xc0..=0xdf => {
            let bits = i64::from(head & 0x1f) << 8 | i64::from(entry[1]);
            (Elem::Int(bits << 51 >> 51), 2)
        }
        0xe0..=0xef => string(2, usize::from(head & 0xf) << 8 | usize::from(entry[1])),
        0xf0 => {
            let len = entry[1..5].try_into().expect("four bytes");
            string(5, u32::from_le_bytes(len) as usize)
        }
        0xf1 => (Elem::Int(signed(&entry[1..3])), 3),
        0xf2 => (Elem::Int(signed(&entry[1..4])), 4),
        0xf3 => (Elem::Int(signed(&entry[1..5])), 5),
        _ => (Elem::Int(signed(&entry[1..9])), 9),
    }
}

/// A little-endian signed integer of up to 8 bytes.
fn signed(bytes: &[u8]) -> i64 {
    let mut wide = [0; 8];
    wide[8 - bytes.len()..].copy_from_slice(bytes);
    i64::from_le_bytes(wide) >> (64 - 8 * bytes.len())
}
