//! What one thread tells another.

/// A message in a thread's mailbox. Connections are named by their [`crate::conn::Token`].
#[derive(Debug)]
pub enum Message {
    /// A lock or the gate that this connection waits for was given back.
    Wake(u64),
    /// Close this connection.
    Kill(u64),
    /// Write these bytes to the connection.
    Push(u64, std::sync::Arc<[u8]>),
    /// CLIENT PAUSE has ended or changed.
    PauseChanged,
    /// End the thread.
    Shutdown,
}
