//! What one thread tells another.

use std::sync::Arc;

use store::Unserved;

use crate::migrate::Migration;
use crate::pubsub::Publication;
use crate::tracking::Invalidation;

/// A message in a thread's mailbox. Connections are named by their [`crate::conn::Token`].
#[derive(Debug)]
pub enum Message {
    /// A lock or the gate that this connection waits for was given back.
    Wake(u64),
    /// Close this connection.
    Kill(u64),
    /// Write these bytes to the connection.
    Push(u64, Arc<[u8]>),
    /// Answer this connection's HTTP request with these bytes, and close it.
    Answer(u64, Vec<u8>),
    /// This connection, which waited for a key, has got this reply.
    Served(u64, Vec<u8>),
    /// This connection waits no more for a key: the reply is an error, or that of the end of its
    /// time.
    Unblock(u64, bool),
    /// Serve those who wait for the first of these keys.
    Serve(Unserved),
    /// What has become of this connection's MIGRATE.
    Migrated(Box<Migration>),
    /// Deliver this to the thread's subscribers.
    Publish(Arc<Publication>),
    /// Tell this connection that keys it may have read have changed.
    Invalidate(u64, Arc<Invalidation>),
    /// Tell all connections that all keys have changed.
    InvalidateAll,
    /// Tell the client with this id of a change in the place of another.
    Redirected(u64, Arc<Invalidation>),
    /// CLIENT PAUSE has ended or changed, or who publishes may go on.
    PauseChanged,
    /// A snapshot has begun: there is something to save.
    Saving,
    /// End the thread.
    Shutdown,
    /// Save if that is wanted, then end all threads.
    SaveAndShutdown,
}
