//! The checksum of payloads and files: CRC-64 with the polynomial of Jones, low bits first, from 0.

use crc_fast::{CrcAlgorithm, Digest};

/// A checksum that grows with what is written or read.
#[derive(Clone, Debug)]
pub(crate) struct Checksum(Digest);

impl Checksum {
    pub(crate) fn new() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc64Redis))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.finalize()
    }
}

/// The checksum of these bytes.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    let mut checksum = Checksum::new();
    checksum.update(bytes);
    checksum.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_redis_s() {
        // The check value of CRC catalogues, and Redis's own self-test.
        assert_eq!(checksum(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(checksum(b""), 0);
        let long = [7; 10_000];
        let mut parts = Checksum::new();
        long.chunks(33).for_each(|part| parts.update(part));
        assert_eq!(parts.value(), checksum(&long));
    }
}
