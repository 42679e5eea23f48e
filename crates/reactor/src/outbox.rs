//! The buffers one connection still has to write, in order, and how far the first one got.
//!
//! The first buffer lives in the struct itself, so a connection that never queues more than one
//! (nearly all of them) allocates nothing here.

use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// The buffer being written; empty only when nothing is queued.
    head: Vec<u8>,
    /// Bytes of `head` already written.
    written: usize,
    rest: VecDeque<Vec<u8>>,
    /// Bytes queued in all, less `written`.
    unsent: usize,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.unsent == 0
    }

    /// Bytes queued and not yet written.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent
    }

    /// Queues a buffer of which the first `written` bytes are already out.
    pub(crate) fn push(&mut self, buf: Vec<u8>, written: usize) {
        debug_assert!(
            written < buf.len(),
            "an outbox holds only unfinished buffers"
        );
        debug_assert!(
            written == 0 || self.is_empty(),
            "only the first buffer can be half written"
        );
        self.unsent += buf.len() - written;
        if self.head.is_empty() {
            self.head = buf;
            self.written = written;
        } else {
            self.rest.push_back(buf);
        }
    }

    /// The unwritten part of the first buffer.
    pub(crate) fn front(&self) -> &[u8] {
        &self.head[self.written..]
    }

    /// How many buffers are queued.
    pub(crate) fn buffers(&self) -> usize {
        usize::from(!self.head.is_empty()) + self.rest.len()
    }

    /// Describes the unwritten parts, first to last, for one vectored write; returns how many
    /// entries of `iovecs` were filled. They point into this outbox and are good until it changes.
    pub(crate) fn fill(&self, iovecs: &mut [libc::iovec]) -> usize {
        let front = (!self.is_empty()).then(|| self.front());
        let parts = front.into_iter().chain(self.rest.iter().map(Vec::as_slice));
        let mut count = 0;
        for (slot, part) in iovecs.iter_mut().zip(parts) {
            slot.iov_base = part.as_ptr().cast_mut().cast();
            slot.iov_len = part.len();
            count += 1;
        }
        count
    }

    /// Records that `bytes` more were written; finished buffers go to `done`, in order.
    pub(crate) fn advance(&mut self, mut bytes: usize, mut done: impl FnMut(Vec<u8>)) {
        assert!(bytes <= self.unsent, "more bytes written than were queued");
        self.unsent -= bytes;
        while bytes > 0 {
            let left = self.head.len() - self.written;
            if bytes < left {
                self.written += bytes;
                return;
            }
            bytes -= left;
            self.written = 0;
            done(std::mem::replace(
                &mut self.head,
                self.rest.pop_front().unwrap_or_default(),
            ));
        }
    }

    /// Empties the outbox, handing every buffer to `done` in order.
    pub(crate) fn drain(&mut self, mut done: impl FnMut(Vec<u8>)) {
        self.unsent = 0;
        self.written = 0;
        if !self.head.is_empty() {
            done(std::mem::take(&mut self.head));
        }
        self.rest.drain(..).for_each(done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_finish_in_order() {
        let mut out = Outbox::default();
        out.push(b"abcd".to_vec(), 1);
        out.push(b"ef".to_vec(), 0);
        out.push(b"ghi".to_vec(), 0);
        assert_eq!((out.unsent(), out.buffers()), (8, 3));
        assert_eq!(out.front(), b"bcd");

        let mut done = Vec::new();
        out.advance(4, |buf| done.push(buf));
        assert_eq!(done, [b"abcd".to_vec()]);
        assert_eq!(out.front(), b"f");

        let mut iovecs = [libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        }; 4];
        assert_eq!(out.fill(&mut iovecs), 2);
        assert_eq!((iovecs[0].iov_len, iovecs[1].iov_len), (1, 3));

        out.advance(4, |buf| done.push(buf));
        assert_eq!(done.len(), 3);
        assert!(out.is_empty());
        assert_eq!((out.buffers(), out.fill(&mut iovecs)), (0, 0));
    }

    #[test]
    fn drain_returns_everything() {
        let mut out = Outbox::default();
        out.push(b"abcd".to_vec(), 2);
        out.push(b"ef".to_vec(), 0);
        let mut done = Vec::new();
        out.drain(|buf| done.push(buf));
        assert_eq!(done, [b"abcd".to_vec(), b"ef".to_vec()]);
        assert!(out.is_empty());
        out.push(b"x".to_vec(), 0);
        assert_eq!(out.front(), b"x");
    }
}
