//! The request as the upstream gets it, and what its failure means for the client.

use std::error::Error;

use http::{HeaderValue, Request, Uri, Version, header};
use http_body::Body;
use lockgate_config::model::{PathMatch, Route};
use lockgate_upstream::SendError;

use crate::body::Outgoing;
use crate::chain::Chain;
use crate::problem::{Malformed, Problem};
use crate::source::BodyError;
use crate::{inbound, path};

/// The request for the upstream. Its headers are taken from the exchange, or copied if a plugin may look at them again.
pub(crate) fn request(chain: &Chain, route: &Route, body: Outgoing) -> Request<Outgoing> {
    let mut exchange = chain.exchange.borrow_mut();
    let head = &mut exchange.request;
    let mut headers = if chain.is_empty() {
        std::mem::take(&mut head.headers)
    } else {
        head.headers.clone()
    };
    if !chain.is_empty() {
        inbound::strip_request(&mut headers);
    }
    headers.insert(header::HOST, head.authority.clone());
    if body.is_chained() {
        headers.remove(header::CONTENT_LENGTH);
    }
    if !body.is_end_stream() && body.size_hint().exact().is_none() {
        // Said aloud, as hyper takes a GET of unknown length for one without a body.
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let path = match &route.rewrite {
        Some(rewrite) => path::replace_prefix(&head.path, matched_prefix(&route.matches.path), &rewrite.prefix),
        None => None,
    };
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = Uri::from(path.unwrap_or_else(|| head.path.clone()));
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    request
}

fn matched_prefix(path: &PathMatch) -> &str {
    match path {
        PathMatch::Prefix(prefix) => prefix,
        PathMatch::Exact(path) => path,
        PathMatch::Any | PathMatch::Regex(_) => "/",
    }
}

/// Whose fault it is that there is no answer.
pub(crate) fn problem(error: &SendError) -> Problem {
    match error {
        SendError::NoEndpoint => Problem::NoEndpoint,
        SendError::ConnectTimeout { .. } => Problem::UpstreamTimeout,
        SendError::Protocol { .. } => Problem::UpstreamMalformed,
        SendError::RequestBody { .. } => match body_error(error) {
            Some(BodyError::TooLarge) => Problem::BodyTooLarge,
            _ => Problem::Malformed(Malformed::Body),
        },
        _ => Problem::UpstreamFailed,
    }
}

/// What the request's body itself said, below what the connection made of it.
fn body_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a BodyError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<BodyError>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
