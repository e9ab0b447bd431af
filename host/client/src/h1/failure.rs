//! [`Failure`]: why an exchange brought no response, and how far its request had got.

use super::request::H1Request;
use crate::error::{BodyFailure, ConnectionError};

/// Why an exchange brought no response.
pub(crate) enum Failure<B> {
    /// Not one byte of the request was written.
    Unsent {
        error: ConnectionError,
        request: Box<H1Request<B>>,
    },
    /// The request was written, and the upstream had closed the connection before it came.
    Unread {
        error: ConnectionError,
        request: Box<H1Request<B>>,
    },
    /// The connection ended after it took some of the request and before a byte of a response came.
    Unanswered {
        error: ConnectionError,
        request: Box<H1Request<B>>,
    },
    /// The connection ended within the response's head, or the head is malformed.
    Failed(ConnectionError),
    /// The request's body failed.
    Body(BodyFailure),
}
