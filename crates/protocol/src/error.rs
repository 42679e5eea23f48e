//! What a malformed request is answered with, in Redis's own words. After any of these the
//! connection is out of step and has to be closed once the answer is sent.

use thiserror::Error;

/// A request that breaks the protocol. `Display` is the text after `-ERR `.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// The line after `*` is not a number in range.
    #[error("Protocol error: invalid multibulk length")]
    InvalidMultibulkLength,
    /// The line after `*` does not end.
    #[error("Protocol error: too big mbulk count string")]
    TooBigMultibulkCount,
    /// The line after `$` does not end.
    #[error("Protocol error: too big bulk count string")]
    TooBigBulkCount,
    /// Something else stands where an argument should begin.
    #[error("Protocol error: expected '$', got '{}'", printable(*.0))]
    ExpectedDollar(u8),
    /// The line after `$` is not a number in range.
    #[error("Protocol error: invalid bulk length")]
    InvalidBulkLength,
    /// More arguments than a client may send before it has authenticated.
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// A longer argument than a client may send before it has authenticated.
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    /// An inline command with a quote that is not closed, or not followed by a blank.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// An inline command that does not end.
    #[error("Protocol error: too big inline request")]
    TooBigInline,
}

/// The byte as it may stand in a one-line error: Redis puts a space for CR and LF.
fn printable(byte: u8) -> char {
    match byte {
        b'\r' | b'\n' => ' ',
        0x80.. => char::REPLACEMENT_CHARACTER,
        ascii => ascii as char,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unexpected_byte_is_shown() {
        let text = |byte| ProtocolError::ExpectedDollar(byte).to_string();
        assert_eq!(text(b'x'), "Protocol error: expected '$', got 'x'");
        assert_eq!(text(b'\r'), "Protocol error: expected '$', got ' '");
        assert_eq!(text(0xff), "Protocol error: expected '$', got '\u{fffd}'");
    }
}
