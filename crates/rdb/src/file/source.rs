//! A buffered reader that knows the checksum of what was read from it.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use super::frame::FrameReader;
use crate::Error;
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
    /// What is read before the rest of the file: a frame that stands in it.
    frame: Option<BufReader<FrameReader<Cursor<Vec<u8>>>>>,
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
            frame: None,
        }
    }

    /// Goes on with what is in a frame.
    pub(super) fn enter_frame(&mut self, frame: Vec<u8>) -> Result<(), Error> {
        if self.is_in_frame() {
            return Err(Error::Corrupt("a frame stands inside of a frame"));
        }
        let frame = FrameReader::open(Cursor::new(frame))?;
        if matches!(frame, FrameReader::Plain(_)) {
            return Err(Error::Corrupt("there is no frame where one should be"));
        }
        self.frame = Some(BufReader::new(frame));
        Ok(())
    }

    /// Goes on with the file if the frame is read. Nothing reaches from one into the other.
    pub(super) fn leave_frame(&mut self) -> io::Result<()> {
        if let Some(frame) = &mut self.frame
            && frame.fill_buf()?.is_empty()
        {
            self.frame = None;
        }
        Ok(())
    }

    /// Whether it is a frame that is read.
    pub(super) fn is_in_frame(&self) -> bool {
        self.frame.is_some()
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
        if let Some(frame) = &mut self.frame {
            return frame.read(out);
        }
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
