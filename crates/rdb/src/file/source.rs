//! A buffered reader that knows the checksum of what was read from it.

use std::io::{self, Read};

use crate::checksum::Checksum;

const BUFFER: usize = 64 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Source<R> {
    reader: R,
    buffer: Box<[u8]>,
    filled: usize,
    at: usize,
    /// Up to where the buffer is in the checksum: it grows in long steps, which are fast.
    summed: usize,
    checksum: Checksum,
}

impl<R: Read> Source<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: vec![0; BUFFER].into(),
            filled: 0,
            at: 0,
            summed: 0,
            checksum: Checksum::new(),
        }
    }

    /// What was read ahead, and the reader.
    pub(super) fn rest(&mut self) -> (&[u8], &mut R) {
        (&self.buffer[self.at..self.filled], &mut self.reader)
    }

    /// The checksum of all that was read.
    pub(super) fn checksum(&mut self) -> u64 {
        self.checksum.update(&self.buffer[self.summed..self.at]);
        self.summed = self.at;
        self.checksum.value()
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.filled {
            self.checksum();
            (self.at, self.summed, self.filled) = (0, 0, 0);
            self.filled = self.reader.read(&mut self.buffer)?;
        }
        let len = out.len().min(self.filled - self.at);
        out[..len].copy_from_slice(&self.buffer[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::checksum;

    #[test]
    fn the_checksum_is_that_of_what_was_read() {
        let bytes: Vec<u8> = (0..200_000u32).map(|i| i as u8).collect();
        for step in [1_000, 65_536, 77_777] {
            let mut source = Source::new(&bytes[..]);
            let mut out = vec![0; step];
            for end in [step, 2 * step] {
                source.read_exact(&mut out).expect("there is as much");
                assert_eq!(out, bytes[end - step..end]);
                assert_eq!(source.checksum(), checksum(&bytes[..end]));
            }
        }
    }
}
