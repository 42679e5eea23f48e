//! What DUMP and FUNCTION DUMP give and RESTORE and FUNCTION RESTORE take: values or libraries with
//! a footer.
//!
//! ```text
//! [ type of a value ][ value ]    or    [ mark of a library ][ code ] …
//! [ version (2) ][ checksum of all before (8) ]
//! ```

use data::{Value, ValueRef};

use crate::checksum::checksum;
use crate::codes::{Dialect, VERSION, mark};
use crate::input::Input;
use crate::output::Output;
use crate::{Error, Rules, decode, encode};

const VERSION_BYTES: usize = 2;
const CHECKSUM_BYTES: usize = 8;
const FOOTER_BYTES: usize = VERSION_BYTES + CHECKSUM_BYTES;

/// The payload of a value.
pub fn dump(value: ValueRef<'_>, compress: bool) -> Vec<u8> {
    let mut out = Vec::new();
    encode::value(value, &mut Output::new(&mut out, compress));
    let version = encode::version_for(out[0]);
    finish(out, version)
}

/// A payload whose footer is as it should be.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    body: &'a [u8],
    dialect: Dialect,
}

impl<'a> Payload<'a> {
    /// Checks the footer.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        let payload = Self::open_unchecked(bytes)?;
        let (summed, sum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
        if sum != checksum(summed).to_le_bytes() {
            return Err(Error::Footer);
        }
        Ok(payload)
    }

    /// As [`Payload::open`], whatever the checksum is: to test what broken values do.
    pub fn open_unchecked(bytes: &'a [u8]) -> Result<Self, Error> {
        let body = bytes.len().checked_sub(FOOTER_BYTES).ok_or(Error::Footer)?;
        let (body, footer) = bytes.split_at(body);
        let version = u16::from_le_bytes([footer[0], footer[1]]);
        let dialect = Dialect::of_version(version).ok_or(Error::Footer)?;
        Ok(Self { body, dialect })
    }

    /// The value. As in Redis it doesn't matter what stands behind it.
    pub fn value(&self, rules: &Rules) -> Result<Value, Error> {
        let mut input = Input::new(self.body);
        let kind = input.u8()?;
        decode::value(kind, &mut input, self.dialect, rules)
    }

    /// The code of each library, up to the first that can't be read.
    pub fn functions(&self) -> impl Iterator<Item = Result<Vec<u8>, Error>> + use<'a> {
        let mut input = Input::new(self.body);
        std::iter::from_fn(move || {
            (!input.0.is_empty()).then(|| match input.u8()? {
                mark::FUNCTION => input.string(),
                other => Err(Error::UnknownType(other)),
            })
        })
    }
}

/// The payload of libraries, given as their code.
pub fn dump_functions<'a>(code: impl Iterator<Item = &'a [u8]>, compress: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = Output::new(&mut bytes, compress);
    for code in code {
        out.u8(mark::FUNCTION);
        out.string(code);
    }
    finish(bytes, VERSION)
}

/// A payload with this body: adds the footer.
pub fn finish(mut bytes: Vec<u8>, version: u16) -> Vec<u8> {
    bytes.extend_from_slice(&version.to_le_bytes());
    let sum = checksum(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}
