//! Integers of 1 to 64 bits at any place in a string, and what happens when they overflow.

/// A field: its place and its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) signed: bool,
    /// At most 64, or 63 without a sign.
    pub(super) bits: u32,
    /// Its first bit.
    pub(super) offset: u64,
}

/// What becomes of a value that a field can't hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overflow {
    /// The bits that don't fit are dropped.
    Wrap,
    /// It becomes the least or the greatest value.
    Saturate,
    /// The field stays as it is.
    Fail,
}

/// Eight bytes are covered by nine when they don't begin with one.
const BYTES_MAX: usize = 9;

impl Field {
    /// How long a string is that holds the field.
    pub(super) fn end(self) -> usize {
        (self.offset + u64::from(self.bits)).div_ceil(8) as usize
    }

    /// The value; beyond the end of `bytes` all bits are 0.
    pub(super) fn get(self, bytes: &[u8]) -> i64 {
        let window = self.window(bytes) << (self.offset % 8);
        self.cut((window >> (128 - self.bits)) as u64)
    }

    /// Overwrites the value; `bytes` are long enough.
    pub(super) fn set(self, bytes: &mut [u8], value: i64) {
        let shift = 128 - self.bits - (self.offset % 8) as u32;
        let mask = (!0 >> (128 - self.bits)) << shift;
        let value = (value as u64 as u128) << shift;
        let window = (self.window(bytes) & !mask | value & mask).to_be_bytes();
        let (start, end) = (self.start(), self.end());
        bytes[start..end].copy_from_slice(&window[..end - start]);
    }

    /// The value that the field takes for `value`, if it takes one.
    pub(super) fn fit(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (least, greatest) = if self.signed {
            (-1 << (self.bits - 1), (1 << (self.bits - 1)) - 1)
        } else {
            (0, (1 << self.bits) - 1)
        };
        if (least..=greatest).contains(&value) {
            return Some(value as i64);
        }
        match overflow {
            Overflow::Wrap => Some(self.cut(value as u64)),
            Overflow::Saturate => Some(value.clamp(least, greatest) as i64),
            Overflow::Fail => None,
        }
    }

    /// What a SET of `value` means: without a sign, a number above all that are possible where it
    /// is negative.
    pub(super) fn read_argument(self, value: i64) -> i128 {
        if self.signed {
            i128::from(value)
        } else {
            i128::from(value as u64)
        }
    }

    fn start(self) -> usize {
        (self.offset / 8) as usize
    }

    /// The bytes that the field touches, first byte highest.
    fn window(self, bytes: &[u8]) -> u128 {
        let mut window = [0; 16];
        let rest = bytes.get(self.start()..).unwrap_or_default();
        let len = rest.len().min(BYTES_MAX);
        window[..len].copy_from_slice(&rest[..len]);
        u128::from_be_bytes(window)
    }

    /// The lowest bits as a value of the field's type.
    fn cut(self, bits: u64) -> i64 {
        let high = bits << (64 - self.bits);
        if self.signed {
            high as i64 >> (64 - self.bits)
        } else {
            (high >> (64 - self.bits)) as i64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bit(bytes: &[u8], at: u64) -> bool {
        let byte = bytes.get((at / 8) as usize);
        byte.is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0)
    }

    fn naive_get(field: Field, bytes: &[u8]) -> i64 {
        let range = field.offset..field.offset + u64::from(field.bits);
        let negative = field.signed && bit(bytes, field.offset);
        range.fold(if negative { -1 } else { 0 }, |value, at| {
            value << 1 | i64::from(bit(bytes, at))
        })
    }

    prop_compose! {
        fn field()(signed in any::<bool>(), bits in 1u32..=64, offset in 0u64..100) -> Field {
            Field { signed, bits: if signed { bits } else { bits.min(63) }, offset }
        }
    }

    proptest! {
        #[test]
        fn as_bit_by_bit(
            field in field(),
            bytes in prop::collection::vec(any::<u8>(), 0..30),
            value in any::<i64>(),
        ) {
            prop_assert_eq!(field.get(&bytes), naive_get(field, &bytes));
            let mut changed = bytes.clone();
            changed.resize(bytes.len().max(field.end()), 0);
            field.set(&mut changed, value);
            let wrapped = field.fit(i128::from(value), Overflow::Wrap);
            prop_assert_eq!(Some(field.get(&changed)), wrapped);
            let inside = field.offset..field.offset + u64::from(field.bits);
            for at in 0..changed.len() as u64 * 8 {
                prop_assert!(inside.contains(&at) || bit(&changed, at) == bit(&bytes, at));
            }
        }
    }

    #[test]
    fn overflows() {
        let field = |signed, bits| Field {
            signed,
            bits,
            offset: 0,
        };
        let all = |field: Field, value| {
            [Overflow::Wrap, Overflow::Saturate, Overflow::Fail].map(|how| field.fit(value, how))
        };
        let (i8, u8, i64) = (field(true, 8), field(false, 8), field(true, 64));
        assert_eq!(all(i8, 127), [Some(127); 3]);
        assert_eq!(all(i8, 128), [Some(-128), Some(127), None]);
        assert_eq!(all(i8, -129), [Some(127), Some(-128), None]);
        assert_eq!(all(u8, 256), [Some(0), Some(255), None]);
        assert_eq!(all(u8, -1), [Some(255), Some(0), None]);
        let above = i128::from(i64::MAX) + 1;
        assert_eq!(all(i64, above), [Some(i64::MIN), Some(i64::MAX), None]);
        let minus_one = u8.read_argument(-1);
        assert_eq!(all(u8, minus_one), [Some(255), Some(255), None]);
    }
}
