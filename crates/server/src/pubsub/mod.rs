//! Publish and subscribe: which channels have subscribers, on which threads.
//!
//! Two registers work together. This one is shared and knows how many subscribers each thread has
//! of a channel: a publisher posts its message once to each of these threads. The other is each
//! thread's own (`local`) and knows the connections, so what a client has left isn't delivered to
//! it even when the message was under way.

mod backlog;
mod local;

use std::ops::Range;
use std::sync::Arc;

use protocol::{Reply, glob};
use smallvec::SmallVec;

use crate::mailboxes::Mailboxes;
use crate::message::Message;
use crate::pubsub::backlog::Backlog;
use crate::sharded::{Name, Sharded};

pub(crate) use local::{Subscribers, Subscriptions};

/// What can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A channel.
    Channel,
    /// All channels whose names match.
    Pattern,
    /// A channel of a slot.
    ShardChannel,
}

impl Kind {
    /// All kinds, by number.
    pub const ALL: [Self; 3] = [Self::Channel, Self::Pattern, Self::ShardChannel];

    /// What the reply to SUBSCRIBE and its relatives begins with.
    pub(crate) fn subscribed(self) -> &'static [u8] {
        [&b"subscribe"[..], b"psubscribe", b"ssubscribe"][self as usize]
    }

    /// What the reply to UNSUBSCRIBE and its relatives begins with.
    pub(crate) fn unsubscribed(self) -> &'static [u8] {
        [&b"unsubscribe"[..], b"punsubscribe", b"sunsubscribe"][self as usize]
    }
}

/// A message under way, with channel and payload in wire form: what differs between subscribers
/// stands before them.
#[derive(Debug)]
pub struct Publication {
    kind: Kind,
    tail: Vec<u8>,
    /// Where the channel's name is in `tail`.
    channel: Range<usize>,
}

impl Publication {
    fn new(kind: Kind, channel: &[u8], payload: &[u8]) -> Self {
        let mut tail = Vec::with_capacity(channel.len() + payload.len() + 32);
        let mut reply = Reply::new(&mut tail, false);
        reply.bulk(channel);
        let end = reply.len() - 2;
        reply.bulk(payload);
        Self {
            kind,
            tail,
            channel: end - channel.len()..end,
        }
    }

    /// Bytes that it takes on its way to a thread, about.
    fn weight(&self) -> usize {
        self.tail.len() + size_of::<Message>() + size_of::<Self>()
    }

    fn channel(&self) -> &[u8] {
        &self.tail[self.channel.clone()]
    }
}

/// Threads, with how many subscribers each has: hardly ever more than fit without an allocation.
#[derive(Debug, Default)]
struct Counts(SmallVec<[(u32, u32); 2]>);

impl Counts {
    fn add(&mut self, thread: usize) {
        match self.0.iter_mut().find(|of| of.0 == thread as u32) {
            Some((_, count)) => *count += 1,
            None => self.0.push((thread as u32, 1)),
        }
    }

    /// One subscriber less; true when none is left.
    fn remove(&mut self, thread: usize) -> bool {
        if let Some(at) = self.0.iter().position(|of| of.0 == thread as u32) {
            self.0[at].1 -= 1;
            if self.0[at].1 == 0 {
                self.0.swap_remove(at);
            }
        }
        self.0.is_empty()
    }

    fn total(&self) -> usize {
        self.0.iter().map(|&(_, count)| count as usize).sum()
    }
}

/// The threads that get a message, and how many subscribers that are.
#[derive(Debug, Default)]
struct Receivers {
    threads: SmallVec<[u32; 8]>,
    count: usize,
}

impl Receivers {
    fn add(&mut self, counts: &Counts) {
        self.count += counts.total();
        for &(thread, _) in &counts.0 {
            if !self.threads.contains(&thread) {
                self.threads.push(thread);
            }
        }
    }
}

/// The shared register, see the module.
#[derive(Debug)]
pub struct PubSub {
    /// By the number of the [`Kind`].
    names: [Sharded<Counts>; 3],
    backlog: Backlog,
    mailboxes: Arc<Mailboxes>,
}

impl PubSub {
    /// A register without channels.
    pub fn new(mailboxes: Arc<Mailboxes>) -> Self {
        Self {
            // A publisher goes through all patterns.
            names: [Sharded::default(), Sharded::whole(), Sharded::default()],
            backlog: Backlog::default(),
            mailboxes,
        }
    }

    /// Whether a message to a channel can find anyone at all: costs no lock.
    #[inline]
    pub fn has_listeners(&self) -> bool {
        self.len(Kind::Channel) + self.len(Kind::Pattern) > 0
    }

    /// How many channels or patterns have subscribers.
    pub fn len(&self, kind: Kind) -> usize {
        self.names(kind).len()
    }

    /// How many subscribers a channel has.
    pub fn subscribers(&self, kind: Kind, name: &[u8]) -> usize {
        let total = |counts: Option<&Counts>| counts.map_or(0, Counts::total);
        self.names(kind).read(name, total)
    }

    /// The channels that match a pattern, in no order.
    pub(crate) fn matching(&self, kind: Kind, pattern: Option<&[u8]>) -> Vec<Name> {
        let mut found = Vec::new();
        self.names(kind).for_each(|name, _| {
            if pattern.is_none_or(|pattern| glob::matches(pattern, name, false)) {
                found.push(Arc::clone(name));
            }
        });
        found
    }

    /// Sends a message to the subscribers of a channel, and to those of patterns that match it;
    /// returns how many there are.
    pub fn publish(&self, kind: Kind, channel: &[u8], payload: &[u8]) -> usize {
        let mut receivers = Receivers::default();
        if self.len(kind) > 0 {
            let add = |counts: Option<&Counts>| counts.into_iter().for_each(|c| receivers.add(c));
            self.names(kind).read(channel, add);
        }
        if kind == Kind::Channel && self.len(Kind::Pattern) > 0 {
            self.names(Kind::Pattern).for_each(|pattern, counts| {
                if glob::matches(pattern, channel, false) {
                    receivers.add(counts);
                }
            });
        }
        if receivers.count > 0 {
            let publication = Arc::new(Publication::new(kind, channel, payload));
            let is_short = self
                .backlog
                .add(publication.weight() * receivers.threads.len());
            self.let_publishers_go_on(is_short);
            for thread in receivers.threads {
                let message = Message::Publish(Arc::clone(&publication));
                self.mailboxes.post(thread as usize, message);
            }
        }
        receivers.count
    }

    /// Whether more is published than is delivered: who publishes has to wait.
    #[inline(always)]
    pub(crate) fn is_behind(&self) -> bool {
        self.backlog.is_long()
    }

    /// A thread has delivered a message.
    fn delivered(&self, publication: &Publication) {
        let is_short = self.backlog.remove(publication.weight());
        self.let_publishers_go_on(is_short);
    }

    fn let_publishers_go_on(&self, is_short: bool) {
        if is_short {
            self.mailboxes.post_all(|| Message::PauseChanged);
        }
    }

    /// One subscriber more on a thread; returns the name as it is stored here.
    fn add(&self, kind: Kind, name: &[u8], thread: usize) -> Name {
        self.names(kind).with(name, |part| {
            let stored = part
                .get_key_value(name)
                .map(|(stored, _)| Arc::clone(stored));
            let stored = stored.unwrap_or_else(|| Name::from(name));
            part.entry(Arc::clone(&stored)).or_default().add(thread);
            stored
        })
    }

    /// One subscriber less on a thread.
    fn remove(&self, kind: Kind, name: &[u8], thread: usize) {
        self.names(kind).with(name, |part| {
            if part
                .get_mut(name)
                .is_some_and(|counts| counts.remove(thread))
            {
                part.remove(name);
            }
        });
    }

    fn names(&self, kind: Kind) -> &Sharded<Counts> {
        &self.names[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register() -> PubSub {
        PubSub::new(Arc::new(Mailboxes::new(4)))
    }

    #[test]
    fn receivers_are_counted_over_threads_and_patterns() {
        let register = register();
        assert_eq!(register.publish(Kind::Channel, b"news", b"x"), 0);
        for thread in [0, 3, 3] {
            register.add(Kind::Channel, b"news", thread);
        }
        register.add(Kind::Pattern, b"n?ws", 1);
        register.add(Kind::Pattern, b"*", 3);
        register.add(Kind::ShardChannel, b"news", 2);
        assert_eq!(register.publish(Kind::Channel, b"news", b"x"), 5);
        assert_eq!(register.publish(Kind::Channel, b"other", b"x"), 1);
        assert_eq!(register.publish(Kind::ShardChannel, b"news", b"x"), 1);
        assert_eq!(register.subscribers(Kind::Channel, b"news"), 3);
    }

    #[test]
    fn who_leaves_leaves_nothing_behind() {
        let register = register();
        for kind in Kind::ALL {
            register.add(kind, b"a", 0);
            register.add(kind, b"a", 1);
            register.remove(kind, b"a", 0);
            assert_eq!(
                (register.len(kind), register.subscribers(kind, b"a")),
                (1, 1)
            );
            register.remove(kind, b"a", 1);
            assert_eq!(register.len(kind), 0);
        }
        assert!(!register.has_listeners());
    }

    #[test]
    fn each_thread_gets_a_message_once() {
        let mut receivers = Receivers::default();
        let mut counts = Counts::default();
        counts.add(1);
        counts.add(1);
        counts.add(2);
        receivers.add(&counts);
        receivers.add(&counts);
        assert_eq!((&receivers.threads[..], receivers.count), (&[1, 2][..], 6));
    }

    #[test]
    fn the_channel_is_found_in_the_message() {
        let publication = Publication::new(Kind::Channel, b"a\r\n", b"payload");
        assert_eq!(publication.channel(), b"a\r\n");
        assert_eq!(publication.tail, b"$3\r\na\r\n\r\n$7\r\npayload\r\n");
    }
}
