//! The rest of a command that nobody wants: passed over as it comes in, so that the next command is
//! found without keeping this one.

use super::{Arg, Header, Limits, Parser, Progress, bulk_len, long_header};
use crate::error::ProtocolError;

/// What is still to be passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Bytes of the argument that is under way, its line end included.
    bytes: u64,
    /// Arguments behind that one.
    args: u64,
}

impl Parser {
    /// The arguments so far of a command that isn't whole yet.
    pub fn args(&self) -> &[Arg] {
        self.resume.as_ref().map_or(&[], |resume| &resume.args)
    }

    /// Gives up a command that isn't whole yet; returns where in the buffer the part begins that is
    /// to be passed over, and that. `None` if the number of arguments isn't known: it is short.
    pub fn give_up(&mut self) -> Option<(usize, Skip)> {
        let at = self.resume.as_ref()?.at;
        let behind = at.remaining.checked_sub(1)?;
        self.resume = None;
        let (bytes, args) = match at.bulk_len {
            Some(len) => (len as u64 + 2, behind),
            None => (0, at.remaining),
        };
        Some((at.pos, Skip { bytes, args }))
    }
}

impl Skip {
    /// Passes over what there is in `buf`; returns how much that was. Unless that was the end, the
    /// rest belongs before what comes next.
    pub fn pass(&mut self, buf: &[u8], limits: &Limits) -> Result<usize, ProtocolError> {
        let mut pos = 0;
        loop {
            let skipped = self.bytes.min((buf.len() - pos) as u64);
            self.bytes -= skipped;
            pos += skipped as usize;
            if self.bytes > 0 || self.args == 0 {
                return Ok(pos);
            }
            let mut at = Progress {
                pos,
                scanned: pos,
                remaining: self.args,
                bulk_len: None,
            };
            match long_header(&mut at, buf, limits)? {
                Header::Read { value, end } => {
                    self.bytes = bulk_len(buf[pos], value, limits)? as u64 + 2;
                    self.args -= 1;
                    pos = end;
                }
                Header::Open => return Ok(pos),
            }
        }
    }

    /// Whether all of the command has been passed over.
    pub fn is_done(&self) -> bool {
        self.bytes == 0 && self.args == 0
    }
}
