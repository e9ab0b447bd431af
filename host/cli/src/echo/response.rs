//! Responses of the demo upstream.

use std::collections::BTreeMap;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};
use serde::Serialize;

use super::body::EchoBody;
use super::options::ResponseOptions;

/// A received request.
#[derive(Debug, Serialize)]
struct Received<'a> {
    /// Name of this upstream.
    server: &'a str,
    method: &'a str,
    path: &'a str,
    query: &'a str,
    /// By name; the values of a repeated header are joined with commas.
    headers: BTreeMap<&'a str, String>,
    /// Size of the body in bytes.
    body_bytes: u64,
}

/// The request as JSON, or the response that its options ask for.
pub(super) fn response(name: &str, head: &Parts, body_bytes: u64, options: &ResponseOptions) -> Response<EchoBody> {
    let mut response = match options.size {
        Some(size) => {
            let mut response = Response::new(EchoBody::Filler(size));
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            response
        }
        None => json(&Received {
            server: name,
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            headers: readable(&head.headers),
            body_bytes,
        }),
    };
    *response.status_mut() = options.status;
    if let Some(seconds) = options.cache {
        let value = HeaderValue::from_str(&format!("max-age={seconds}")).expect("digits are a header value");
        response.headers_mut().insert(CACHE_CONTROL, value);
    }
    response
}

/// Status 400: the query or the body is invalid.
pub(super) fn bad_request(error: &str) -> Response<EchoBody> {
    let mut response = json(&BTreeMap::from([("error", error)]));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

fn json(value: &impl Serialize) -> Response<EchoBody> {
    let mut text = serde_json::to_vec_pretty(value).expect("maps with text keys become JSON");
    text.push(b'\n');
    let mut response = Response::new(EchoBody::Text(Some(text.into())));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn readable(headers: &HeaderMap) -> BTreeMap<&str, String> {
    let join = |name| {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        values.join(", ")
    };
    headers.keys().map(|name| (name.as_str(), join(name))).collect()
}
