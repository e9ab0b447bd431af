//! What the HTTP library's errors say about a stream.

use h2::{Error, Reason};

/// Whether the upstream has not processed the request: a refused stream, or one beyond the last that a closing connection still
/// answers, whatever it closes for (RFC 9113, sections 6.8 and 8.7). Streams up to the last break with their connection, which is
/// another error.
pub(super) fn is_unprocessed(error: &Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
}

/// Whether the upstream broke the protocol, or speaks another one.
pub(super) fn is_malformed(error: &Error) -> bool {
    !error.is_remote() && !error.is_io()
}
