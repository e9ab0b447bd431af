//! [`OutgoingHead`]: the head of a request as it is to be sent, whatever the protocol.

use std::rc::Rc;

use http::{HeaderMap, HeaderValue, Method};

use crate::interim::Interim;
use crate::upgrade::UpgradeOffer;

/// The head of a request as it is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query, or `*`.
    pub target: &'a str,
    /// The host, unless the upstream has one of its own.
    pub host: &'a HeaderValue,
    /// All other fields. `host` and `transfer-encoding` among them are ignored, and `content-length` follows the body.
    pub headers: &'a HeaderMap,
    /// Who is told of interim responses.
    pub interim: &'a Interim,
    /// The upgrade that the headers ask for. Without it, a 101 is malformed.
    pub upgrade: Option<&'a Rc<UpgradeOffer>>,
}
