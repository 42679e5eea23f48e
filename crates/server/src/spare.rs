//! Output buffers that were sent, kept for the replies to come.

/// How many are kept, how large they may be, and how large together.
const BUFFERS: usize = 128;
const BYTES_EACH: usize = 128 << 10;
const BYTES: usize = 1 << 20;
/// Together they are no larger than this share of `maxmemory`.
const SHARE: u64 = 256;

/// See the module.
#[derive(Debug)]
pub(crate) struct SpareBuffers {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
    limit: usize,
}

impl SpareBuffers {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self {
            buffers: Vec::new(),
            bytes: 0,
            limit: BYTES,
        }
    }

    /// Keeps to a share of `maxmemory` from now on; 0 is no limit.
    pub(crate) fn limit(&mut self, maxmemory: u64) {
        self.limit = match maxmemory {
            0 => BYTES,
            maxmemory => BYTES.min((maxmemory / SHARE) as usize),
        };
    }

    /// An empty buffer.
    #[inline]
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    /// Keeps a buffer if there is room for it.
    #[inline]
    pub(crate) fn keep(&mut self, mut buffer: Vec<u8>) {
        let bytes = self.bytes + buffer.capacity();
        if self.buffers.len() < BUFFERS && buffer.capacity() <= BYTES_EACH && bytes <= self.limit {
            buffer.clear();
            self.bytes = bytes;
            self.buffers.push(buffer);
        }
    }
}

/// Bytes of memory that a connection holds with a buffer for output: small ones go round, so what
/// room they have isn't the connection's.
pub(crate) fn output_memory(buffer: &Vec<u8>) -> usize {
    if buffer.capacity() > BYTES_EACH {
        buffer.capacity()
    } else {
        buffer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_go_round_within_the_limit() {
        let mut spare = SpareBuffers::new();
        for _ in 0..10 * BUFFERS {
            let mut buffer = spare.take();
            buffer.reserve_exact(BYTES_EACH);
            buffer.push(1);
            spare.keep(buffer);
        }
        assert_eq!((spare.buffers.len(), spare.bytes), (1, BYTES_EACH));
        assert!(spare.take().is_empty());
        for _ in 0..2 * BUFFERS {
            spare.keep(Vec::with_capacity(BYTES_EACH / 2));
        }
        assert_eq!(spare.bytes, BYTES);
        while spare.take().capacity() > 0 {}
        spare.limit(100 * SHARE);
        spare.keep(Vec::with_capacity(101));
        spare.keep(Vec::with_capacity(100));
        assert_eq!((spare.buffers.len(), spare.bytes), (1, 100));
    }

    #[test]
    fn large_buffers_are_not_kept_and_count_whole() {
        let mut spare = SpareBuffers::new();
        let mut large = Vec::with_capacity(BYTES_EACH + 1);
        assert_eq!(output_memory(&large), BYTES_EACH + 1);
        large.shrink_to(10);
        large.extend([1; 7]);
        assert_eq!(output_memory(&large), 7);
        spare.keep(Vec::with_capacity(BYTES_EACH + 1));
        assert!(spare.buffers.is_empty());
    }
}
