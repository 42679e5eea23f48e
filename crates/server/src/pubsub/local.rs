//! A thread's own register of subscribers, and how it delivers messages to them.

use std::collections::{BTreeMap, BTreeSet};

use protocol::glob;

use crate::clients::flag;
use crate::conn::{Conn, Token};
use crate::pubsub::{Kind, Publication};
use crate::sharded::Name;
use crate::thread::Thread;

/// Which of a thread's connections have subscribed to what, by the number of the [`Kind`].
#[derive(Debug, Default)]
pub(crate) struct Subscribers([BTreeMap<Name, BTreeSet<Token>>; 3]);

impl Subscribers {
    fn of(&self, kind: Kind, name: &[u8]) -> impl Iterator<Item = Token> {
        self.0[kind as usize]
            .get(name)
            .into_iter()
            .flatten()
            .copied()
    }

    fn remove(&mut self, kind: Kind, name: &[u8], token: Token) {
        let names = &mut self.0[kind as usize];
        if let Some(tokens) = names.get_mut(name) {
            tokens.remove(&token);
            if tokens.is_empty() {
                names.remove(name);
            }
        }
    }
}

/// What one client has subscribed to, by the number of the [`Kind`].
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    names: [BTreeSet<Name>; 3],
    bytes: usize,
}

/// What a subscription takes beside its name: here, in its thread's register and in that of all.
const SUBSCRIPTION_BYTES: usize = 3 * size_of::<(Name, Token)>();

impl Subscriptions {
    /// Bytes of memory, about.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.bytes
    }

    /// How many of a kind.
    pub(crate) fn len(&self, kind: Kind) -> usize {
        self.names[kind as usize].len()
    }

    /// True when there are none of any kind.
    fn is_empty(&self) -> bool {
        self.names.iter().all(BTreeSet::is_empty)
    }

    /// The number that replies to (un)subscribing end with: channels and patterns count together.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::ShardChannel => self.len(kind),
            Kind::Channel | Kind::Pattern => self.len(Kind::Channel) + self.len(Kind::Pattern),
        }
    }

    /// All of a kind.
    pub(crate) fn all(&self, kind: Kind) -> Vec<Name> {
        self.names[kind as usize].iter().cloned().collect()
    }
}

impl Thread {
    /// Subscribes a client, unless it has already.
    pub(crate) fn subscribe(&mut self, conn: &mut Conn, kind: Kind, name: &[u8]) {
        let session = &mut conn.session;
        session.set(flag::PUBSUB, true);
        let own = &mut session.subscriptions;
        if own.names[kind as usize].contains(name) {
            return;
        }
        own.bytes += SUBSCRIPTION_BYTES + name.len();
        let name = self.shared.pubsub.add(kind, name, self.number);
        own.names[kind as usize].insert(Name::clone(&name));
        let subscribers = self.subscribers.0[kind as usize].entry(name).or_default();
        subscribers.insert(Token(conn.info.token()));
    }

    /// Ends a subscription of a client, if it has it.
    pub(crate) fn unsubscribe(&mut self, conn: &mut Conn, kind: Kind, name: &[u8]) {
        let session = &mut conn.session;
        let own = &mut session.subscriptions;
        if own.names[kind as usize].remove(name) {
            own.bytes -= SUBSCRIPTION_BYTES + name.len();
            self.subscribers
                .remove(kind, name, Token(conn.info.token()));
            self.shared.pubsub.remove(kind, name, self.number);
        }
        session.set(flag::PUBSUB, !session.subscriptions.is_empty());
    }

    /// Ends all subscriptions of a client.
    pub(crate) fn unsubscribe_all(&mut self, conn: &mut Conn) {
        for kind in Kind::ALL {
            for name in conn.session.subscriptions.all(kind) {
                self.unsubscribe(conn, kind, &name);
            }
        }
    }

    /// Hands a message to this thread's subscribers; returns how many bytes that makes.
    pub(crate) fn deliver(&mut self, publication: &Publication) -> usize {
        let (kind, channel) = (publication.kind, publication.channel());
        let word = if kind == Kind::ShardChannel {
            "smessage"
        } else {
            "message"
        };
        let mut count = 0;
        let subscribers = std::mem::take(&mut self.subscribers);
        for token in subscribers.of(kind, channel) {
            count += 1;
            self.push_in_turn(token, |reply| {
                reply.push(3);
                reply.bulk(word.as_bytes());
                reply.raw(&publication.tail);
            });
        }
        if kind == Kind::Channel {
            let patterns = subscribers.0[Kind::Pattern as usize].iter();
            for (pattern, tokens) in patterns.filter(|of| glob::matches(of.0, channel, false)) {
                count += tokens.len();
                for &token in tokens {
                    self.push_in_turn(token, |reply| {
                        reply.push(4);
                        reply.bulk(b"pmessage");
                        reply.bulk(pattern);
                        reply.raw(&publication.tail);
                    });
                }
            }
        }
        self.subscribers = subscribers;
        self.shared.pubsub.delivered(publication);
        count * publication.tail.len()
    }
}
