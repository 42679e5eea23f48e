//! Where messages to the threads are posted.

use std::fmt;
use std::sync::OnceLock;

use reactor::Sender;

use crate::message::Message;

/// The mailboxes of all threads.
pub struct Mailboxes(Box<[OnceLock<Sender<Message>>]>);

impl fmt::Debug for Mailboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailboxes({})", self.0.len())
    }
}

impl Mailboxes {
    /// Those of so many threads, to be set.
    pub fn new(threads: usize) -> Self {
        Self((0..threads).map(|_| OnceLock::new()).collect())
    }

    /// Sets the mailbox of a thread, before that serves anyone.
    pub fn set(&self, thread: usize, mailbox: Sender<Message>) {
        let set = self.0[thread].set(mailbox);
        assert!(set.is_ok(), "a thread sets its mailbox once");
    }

    /// Sends a message to a thread (nowhere, while that is still starting).
    pub fn post(&self, thread: usize, message: Message) {
        if let Some(mailbox) = self.0[thread].get() {
            mailbox.post(message);
        }
    }

    /// Sends a message to every thread.
    pub fn post_all(&self, message: impl Fn() -> Message) {
        for thread in 0..self.0.len() {
            self.post(thread, message());
        }
    }
}
