//! Frames around whole files, as the tools `zstd` and `lz4` write them, and reading a file whether
//! there is one or not: its first bytes tell.

use std::io::{self, BufReader, Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use zstd::{Decoder, Encoder};

/// What a frame of zstd and one of LZ4 begin with.
const ZSTD: [u8; MAGIC] = 0xfd2f_b528_u32.to_le_bytes();
const LZ4: [u8; MAGIC] = 0x184d_2204_u32.to_le_bytes();
const MAGIC: usize = 4;
/// zstd takes no levels beyond these.
const LEVELS: std::ops::RangeInclusive<i32> = 1..=19;

/// How a whole file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// With zstd, at this level.
    Zstd(i32),
    /// With LZ4.
    Lz4,
}

/// Compresses what is written.
pub enum FrameWriter<W: Write> {
    /// Nothing to do.
    Plain(W),
    /// See [`Compression`].
    Zstd(Encoder<'static, W>),
    /// See [`Compression`].
    Lz4(Box<FrameEncoder<W>>),
}

impl<W: Write> FrameWriter<W> {
    /// Begins a frame.
    pub fn begin(writer: W, compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::Plain(writer),
            Compression::Zstd(level) => {
                let level = level.clamp(*LEVELS.start(), *LEVELS.end());
                let mut encoder = Encoder::new(writer, level)?;
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
            Compression::Lz4 => {
                let info = FrameInfo::new()
                    .block_mode(BlockMode::Linked)
                    .block_size(BlockSize::Max256KB)
                    .content_checksum(true);
                Self::Lz4(Box::new(FrameEncoder::with_frame_info(info, writer)))
            }
        })
    }

    /// Where it goes.
    pub fn inner(&mut self) -> &mut W {
        match self {
            Self::Plain(writer) => writer,
            Self::Zstd(encoder) => encoder.get_mut(),
            Self::Lz4(encoder) => encoder.get_mut(),
        }
    }

    /// Ends the frame.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::Plain(writer) => Ok(writer),
            Self::Zstd(encoder) => encoder.finish(),
            Self::Lz4(encoder) => encoder.finish().map_err(io::Error::other),
        }
    }
}

impl<W: Write> Write for FrameWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(writer) => writer.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
            Self::Lz4(encoder) => encoder.write(bytes),
        }
    }

    /// What has been compressed stays together: a frame is ended by [`Self::finish`].
    fn flush(&mut self) -> io::Result<()> {
        self.inner().flush()
    }
}

/// Reads what is in a frame, or a file without one.
pub enum FrameReader<R: Read> {
    /// There is no frame.
    Plain(Peeked<R>),
    /// One of zstd.
    Zstd(Box<Decoder<'static, BufReader<Peeked<R>>>>),
    /// One of LZ4.
    Lz4(Box<FrameDecoder<Peeked<R>>>),
}

impl<R: Read> FrameReader<R> {
    /// Looks at the first bytes.
    pub fn open(reader: R) -> io::Result<Self> {
        let peeked = Peeked::new(reader)?;
        Ok(match peeked.head {
            ZSTD => Self::Zstd(Box::new(Decoder::new(peeked)?)),
            LZ4 => Self::Lz4(Box::new(FrameDecoder::new(peeked))),
            _ => Self::Plain(peeked),
        })
    }

    /// What is read from.
    pub fn get_mut(&mut self) -> &mut R {
        match self {
            Self::Plain(peeked) => peeked.get_mut(),
            Self::Zstd(decoder) => decoder.get_mut().get_mut().get_mut(),
            Self::Lz4(decoder) => decoder.get_mut().get_mut(),
        }
    }
}

impl<R: Read> Read for FrameReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(peeked) => peeked.read(out),
            Self::Zstd(decoder) => decoder.read(out),
            Self::Lz4(decoder) => {
                let len = decoder.read(out)?;
                // The decoder takes the end of the file for that of the frame.
                if len == 0 && decoder.get_ref().has_ended {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(len)
            }
        }
    }
}

/// A reader of which the first bytes were looked at.
pub struct Peeked<R> {
    head: [u8; MAGIC],
    /// Bytes of the head that there are, and that were given on.
    filled: usize,
    at: usize,
    reader: R,
    /// Nothing more came.
    has_ended: bool,
}

impl<R: Read> Peeked<R> {
    fn new(mut reader: R) -> io::Result<Self> {
        let (mut head, mut filled) = ([0; MAGIC], 0);
        while filled < MAGIC {
            match reader.read(&mut head[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(Self {
            head,
            filled,
            at: 0,
            reader,
            has_ended: false,
        })
    }

    /// What is read from.
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }
}

impl<R: Read> Read for Peeked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.filled {
            let len = self.reader.read(out)?;
            self.has_ended |= len == 0 && !out.is_empty();
            return Ok(len);
        }
        let len = out.len().min(self.filled - self.at);
        out[..len].copy_from_slice(&self.head[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

impl<W: Write> std::fmt::Debug for FrameWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FrameWriter")
    }
}

impl<R: Read> std::fmt::Debug for FrameReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FrameReader")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Compression; 3] = [Compression::None, Compression::Zstd(2), Compression::Lz4];

    fn framed(bytes: &[u8], compression: Compression) -> Vec<u8> {
        let mut writer = FrameWriter::begin(Vec::new(), compression).expect("memory takes all");
        for part in bytes.chunks(1000) {
            writer.write_all(part).expect("memory takes all");
        }
        writer.finish().expect("memory takes all")
    }

    fn read(framed: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        FrameReader::open(framed)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn what_was_written_comes_back() {
        for len in [0, 1, 3, 4, 5, 1000, 300_000] {
            let bytes: Vec<u8> = (0..len).map(|i: u32| (i / 7) as u8).collect();
            for compression in ALL {
                let framed = framed(&bytes, compression);
                assert_eq!(
                    read(&framed).expect("whole"),
                    bytes,
                    "{compression:?} {len}"
                );
                if len == 300_000 && compression != Compression::None {
                    assert!(framed.len() < len as usize / 4, "{compression:?}");
                }
            }
        }
    }

    #[test]
    fn a_frame_that_was_cut_or_changed_is_refused() {
        let bytes: Vec<u8> = (0..5000u32).map(|i| (i * i / 7) as u8).collect();
        for compression in &ALL[1..] {
            let framed = framed(&bytes, *compression);
            for len in MAGIC..framed.len() {
                assert!(
                    read(&framed[..len]).is_err(),
                    "{compression:?} cut at {len}"
                );
            }
            for at in (MAGIC..framed.len()).step_by(7) {
                let mut changed = framed.clone();
                changed[at] ^= 1;
                let read = read(&changed);
                assert!(
                    read.is_err() || read.is_ok_and(|read| read == bytes),
                    "{at}"
                );
            }
        }
    }
}
