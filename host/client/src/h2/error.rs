//! What the HTTP library's errors say about a stream.

use std::error::Error;

/// Whether the upstream has not processed the request: a refused stream, or one beyond the last that a closing connection still
/// answers (RFC 9113, section 8.7).
pub(super) fn is_unprocessed(error: &hyper::Error) -> bool {
    h2_error(error).is_some_and(|error| {
        error.is_remote()
            && (error.reason() == Some(h2::Reason::REFUSED_STREAM)
                || error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR))
    })
}

/// Whether the upstream broke the protocol, or speaks another one.
pub(super) fn is_malformed(error: &hyper::Error) -> bool {
    h2_error(error).is_some_and(|error| !error.is_remote() && !error.is_io())
}

fn h2_error(error: &hyper::Error) -> Option<&h2::Error> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
