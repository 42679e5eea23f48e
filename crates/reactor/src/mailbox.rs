//! Messages to one thread from any thread.
//!
//! Many producers push onto a lock-free queue; the owning thread drains it once per tick. A system
//! call wakes the owner only if it sleeps, and the question is how a producer knows.
//!
//! The owner raises `sleeping`, then looks at the queue once more, then sleeps. A producer pushes,
//! then looks at `sleeping`. Both write one place and then read the other, and what must not
//! happen is that both read the old value: the owner an empty queue and the producer a lowered
//! flag, for then the message lies there and the owner sleeps. Acquire and release do not forbid
//! that (each side's read may pass its own write); a sequentially consistent fence between the
//! write and the read on both sides does: the fences have one total order, and whichever side's
//! fence comes second sees the other side's write. So either the owner finds the message and does
//! not sleep, or the producer finds the flag and wakes. The producer that lowers the flag (a swap,
//! so only one of several) makes the call. The tests below explore this with loom.

use crate::sync::{Arc, AtomicBool, Ordering, Queue, fence};
use crate::waker::Waker;
use std::fmt;

/// The receiving end, owned by one thread.
pub struct Mailbox<M> {
    shared: Arc<Shared<M>>,
}

/// A sending end.
pub struct Sender<M> {
    shared: Arc<Shared<M>>,
}

struct Shared<M> {
    queue: Queue<M>,
    sleeping: AtomicBool,
    waker: Waker,
}

impl<M: Send> Mailbox<M> {
    /// A mailbox whose owner sleeps in the poll of the driver that `waker` wakes.
    pub fn new(waker: Waker) -> Self {
        let sleeping = AtomicBool::new(false);
        Mailbox {
            shared: Arc::new(Shared {
                queue: Queue::new(),
                sleeping,
                waker,
            }),
        }
    }

    /// Another sending end.
    pub fn sender(&self) -> Sender<M> {
        Sender {
            shared: Arc::clone(&self.shared),
        }
    }

    /// The oldest message.
    pub fn pop(&self) -> Option<M> {
        self.shared.queue.pop()
    }

    /// Called when the owner has drained the mailbox and is about to poll. True: it may wait, and
    /// a post from now on wakes it. False: something is queued, so poll with a zero timeout.
    pub fn prepare_sleep(&self) -> bool {
        // A swap where a store would do: loom does not know that a store cannot slip between the
        // two halves of the producer's swap, and would report wakes lost that way.
        self.shared.sleeping.swap(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.shared.queue.is_empty() {
            return true;
        }
        self.awake();
        false
    }

    /// Called after the poll: posts need not wake from here on.
    pub fn awake(&self) {
        self.shared.sleeping.store(false, Ordering::Relaxed);
    }
}

impl<M: Send> Sender<M> {
    /// Queues a message, waking the owner if it sleeps.
    pub fn post(&self, message: M) {
        let shared = &*self.shared;
        shared.queue.push(message);
        fence(Ordering::SeqCst);
        // The load keeps posts to a busy owner off the flag's cache line as a writer.
        if shared.sleeping.load(Ordering::Relaxed) && shared.sleeping.swap(false, Ordering::Relaxed)
        {
            shared.waker.wake();
        }
    }
}

impl<M> Clone for Sender<M> {
    fn clone(&self) -> Self {
        Sender {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<M> fmt::Debug for Mailbox<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox")
    }
}

impl<M> fmt::Debug for Sender<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::thread;

    /// The owner's loop, until it has `count` messages. A lost wake shows as a deadlock.
    fn receive(mailbox: &Mailbox<u32>, waker: &Waker, count: usize) -> Vec<u32> {
        let mut got = Vec::new();
        loop {
            while let Some(message) = mailbox.pop() {
                got.push(message);
            }
            if got.len() == count {
                return got;
            }
            if mailbox.prepare_sleep() {
                waker.sleep_until_woken();
                mailbox.awake();
            }
        }
    }

    #[test]
    fn no_wake_is_lost_with_one_sender() {
        loom::model(|| {
            let waker = Waker::for_loom();
            let mailbox = Mailbox::new(waker.clone());
            let sender = mailbox.sender();
            let producer = thread::spawn(move || {
                sender.post(1);
                sender.post(2);
            });
            assert_eq!(receive(&mailbox, &waker, 2), [1, 2]);
            producer.join().expect("the producer does not panic");
        });
    }

    #[test]
    fn no_wake_is_lost_with_two_senders() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let waker = Waker::for_loom();
            let mailbox = Mailbox::new(waker.clone());
            let producers = [1, 2].map(|message| {
                let sender = mailbox.sender();
                thread::spawn(move || sender.post(message))
            });
            let mut got = receive(&mailbox, &waker, 2);
            got.sort_unstable();
            assert_eq!(got, [1, 2]);
            for producer in producers {
                producer.join().expect("the producer does not panic");
            }
        });
    }

    #[test]
    fn a_wake_alone_publishes_what_was_written_before() {
        loom::model(|| {
            let waker = Waker::for_loom();
            let written = Arc::new(AtomicBool::new(false));
            let producer = thread::spawn({
                let (waker, written) = (waker.clone(), written.clone());
                move || {
                    written.store(true, Ordering::Relaxed);
                    waker.wake();
                }
            });
            waker.sleep_until_woken();
            assert!(written.load(Ordering::Relaxed));
            producer.join().expect("the producer does not panic");
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn sleeps_only_when_drained() {
        let mailbox = Mailbox::new(Waker::silent());
        let sender = mailbox.sender();
        assert!(mailbox.prepare_sleep());
        sender.clone().post(1);
        assert!(!mailbox.prepare_sleep());
        assert_eq!(mailbox.pop(), Some(1));
        assert_eq!(mailbox.pop(), None);
        assert!(mailbox.prepare_sleep());
    }

    #[test]
    fn only_a_post_to_a_sleeper_wakes() {
        let waker = Waker::silent();
        let mailbox = Mailbox::new(waker.clone());
        let sender = mailbox.sender();
        sender.post(1);
        assert!(!waker.is_notified());
        assert_eq!(mailbox.pop(), Some(1));
        assert!(mailbox.prepare_sleep());
        sender.post(2);
        assert!(waker.is_notified());
    }
}
