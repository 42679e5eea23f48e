//! Reading: lengths and strings. Nothing is believed, and no memory is taken for bytes that aren't
//! there.

use std::io::Read;

use crate::codes::form;
use crate::{Error, lzf};

/// What a value is read from.
#[derive(Debug)]
pub(crate) struct Input<R>(pub(crate) R);

/// Memory for a string is taken in steps of this, as its bytes come.
const STEP: u64 = 1 << 20;
/// No string is longer: elements are kept with lengths of 32 bits.
const STRING_MAX: u64 = u32::MAX as u64 - 1024;

/// What stands where a length is expected.
enum Length {
    Plain(u64),
    /// A string in another form follows.
    Form(u8),
}

impl<R: Read> Input<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self(reader)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn f64(&mut self) -> Result<f64, Error> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    fn any_length(&mut self) -> Result<Length, Error> {
        let first = self.u8()?;
        Ok(match first {
            0..0x40 => Length::Plain(u64::from(first)),
            0x40..0x80 => {
                let both = [first & 0x3f, self.u8()?];
                Length::Plain(u64::from(u16::from_be_bytes(both)))
            }
            0x80 => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            0x81 => Length::Plain(u64::from_be_bytes(self.array()?)),
            0xc0.. => Length::Form(first & 0x3f),
            _ => return Err(Error::Corrupt("a length has an unknown form")),
        })
    }

    /// A number as the format counts.
    pub(crate) fn length(&mut self) -> Result<u64, Error> {
        match self.any_length()? {
            Length::Plain(length) => Ok(length),
            Length::Form(_) => Err(Error::Corrupt("a string stands for a length")),
        }
    }

    /// A string, whatever its form.
    pub(crate) fn string(&mut self) -> Result<Vec<u8>, Error> {
        let int = match self.any_length()? {
            Length::Plain(length) => return self.bytes(length),
            Length::Form(form::LZF) => return self.compressed(),
            Length::Form(form::INT_8) => i32::from(i8::from_le_bytes(self.array()?)),
            Length::Form(form::INT_16) => i32::from(i16::from_le_bytes(self.array()?)),
            Length::Form(form::INT_32) => i32::from_le_bytes(self.array()?),
            Length::Form(_) => return Err(Error::Corrupt("a string has an unknown form")),
        };
        Ok(int.to_string().into_bytes())
    }

    fn compressed(&mut self) -> Result<Vec<u8>, Error> {
        let (compressed, length) = (self.length()?, self.length()?);
        check_string_length(length)?;
        lzf::decompress(&self.bytes(compressed)?, length)
    }

    /// So many bytes.
    pub(crate) fn bytes(&mut self, length: u64) -> Result<Vec<u8>, Error> {
        check_string_length(length)?;
        let (mut bytes, mut left) = (Vec::new(), length);
        while left > 0 {
            let (start, step) = (bytes.len(), left.min(STEP));
            bytes.resize(start + step as usize, 0);
            self.0.read_exact(&mut bytes[start..])?;
            left -= step;
        }
        Ok(bytes)
    }
}

fn check_string_length(length: u64) -> Result<(), Error> {
    if length > STRING_MAX {
        return Err(Error::Corrupt("a string is too long"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forged_lengths_are_refused() {
        for forged in [
            &[0x81, 255, 255, 255, 255, 255, 255, 255, 255][..],
            &[0x80, 255, 255, 0, 0, 1],
            &[0xc3, 1, 0x80, 255, 255, 0, 0, 1],
            &[0xc3, 0x80, 255, 255, 0, 0, 1],
            &[0xc4, 1],
            &[0x82],
            &[0xc2, 1],
            &[5, 1],
            &[],
        ] {
            assert!(Input::new(forged).string().is_err(), "{forged:?}");
        }
    }
}
