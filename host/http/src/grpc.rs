//! Local responses for gRPC clients: status 200, no body, and the outcome in `grpc-status` and `grpc-message` (gRPC over HTTP/2,
//! "Responses", "Trailers-Only").
//!
//! The form is the last step before the client. Plugins, metrics and the access log have the response with its own status; of the gRPC
//! status that a plugin named, they have the header `grpc-status`.

use std::fmt::Write;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRAILER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use lockgate_exchange::{RequestHead, ResponseHead, grpc_status};

/// Maximum length of a `grpc-message`, in bytes before encoding.
pub const MAX_MESSAGE: usize = 1024;

/// The status of a gRPC response.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The largest status of gRPC, `UNAUTHENTICATED`.
const MAX_STATUS: u32 = 16;

/// Whether the client expects a response in gRPC's form: a `POST` of `application/grpc`, `application/grpc+proto` and so on, but not of
/// `application/grpc-web`.
pub fn is_grpc(request: &RequestHead) -> bool {
    let kind = |headers: &HeaderMap| {
        let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        kind.strip_prefix(b"application/grpc")
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    };
    request.method == Method::POST && kind(&request.headers)
}

/// Notes the gRPC status that a plugin named in the head of its response. A number unknown to gRPC counts as none.
pub fn name_status(head: &mut ResponseHead, grpc_status: Option<u32>) {
    if let Some(status) = grpc_status.filter(|status| *status <= MAX_STATUS) {
        head.headers.insert(GRPC_STATUS, HeaderValue::from(status));
    }
}

/// The gRPC status in these headers or trailers; none if there is none, or another number than gRPC has.
pub fn status_in(headers: &HeaderMap) -> Option<u32> {
    let status = headers.get(GRPC_STATUS)?.to_str().ok()?.parse().ok()?;
    (status <= MAX_STATUS).then_some(status)
}

/// Puts a local response, whose body begins with `body`, into gRPC's form, and returns its gRPC status: the one that a plugin named, or
/// that of the HTTP status.
pub fn put_into_form(response: &mut Response<()>, body: &[u8]) -> u32 {
    let http_status = response.status();
    let status = status_in(response.headers()).unwrap_or_else(|| grpc_status(http_status));
    let headers = response.headers_mut();
    let is_problem = headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value == "application/problem+json");
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRAILER);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, HeaderValue::from(status));
    let message = if is_problem {
        http_status.canonical_reason().unwrap_or_default().as_bytes()
    } else {
        body
    };
    if !message.is_empty() {
        let message = encode_message(&message[..message.len().min(MAX_MESSAGE)]);
        headers.insert(GRPC_MESSAGE, message);
    }
    *response.status_mut() = StatusCode::OK;
    status
}

/// Percent-encodes a `grpc-message`: the percent sign, and every byte but visible ASCII and space.
fn encode_message(message: &[u8]) -> HeaderValue {
    let mut text = String::with_capacity(message.len());
    for &byte in message {
        match byte {
            b' '..=b'~' if byte != b'%' => text.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Decodes a `grpc-message`. Malformed escapes stay as they are.
pub fn decode_message(message: &[u8]) -> String {
    let digit = |at: usize| message.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    let (mut bytes, mut at) = (Vec::with_capacity(message.len()), 0);
    while let Some(&byte) = message.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits are a byte.
                bytes.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use http::uri::PathAndQuery;
    use lockgate_exchange::Scheme;

    use super::*;

    fn request(method: Method, kind: &'static str) -> RequestHead {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        RequestHead {
            method,
            path: PathAndQuery::from_static("/"),
            authority: HeaderValue::from_static("a"),
            scheme: Scheme::Http,
            headers,
            is_upgrade: false,
        }
    }

    /// A local response in gRPC's form, and its gRPC status.
    fn form(status: u16, body: &str, named: Option<u32>) -> (Response<()>, u32) {
        let mut head = ResponseHead {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::new(),
        };
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        name_status(&mut head, named);
        let mut response = Response::new(());
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        let status = put_into_form(&mut response, body.as_bytes());
        (response, status)
    }

    #[test]
    fn a_grpc_client_gets_status_200_and_the_reason_in_headers() {
        for (status, named, expected) in [
            (403, Some(7), 7),
            (429, None, 14),
            (418, None, 2),
            (403, Some(16), 16),
            (403, Some(17), 7),
        ] {
            let (response, told) = form(status, "50% of\u{e4}", named);
            assert_eq!((response.status().as_u16(), told), (200, expected));
            let headers = response.headers();
            assert_eq!(headers["grpc-status"], expected.to_string());
            assert_eq!(headers["grpc-message"], "50%25 of%C3%A4");
            assert_eq!(decode_message(headers["grpc-message"].as_bytes()), "50% of\u{e4}");
            assert!(!headers.contains_key(CONTENT_LENGTH));
        }
    }

    #[test]
    fn only_a_post_of_grpc_is_a_grpc_call() {
        for (method, kind, expected) in [
            (Method::POST, "application/grpc", true),
            (Method::POST, "application/grpc+proto", true),
            (Method::POST, "application/grpc; a=b", true),
            (Method::GET, "application/grpc", false),
            (Method::HEAD, "application/grpc+proto", false),
            (Method::PUT, "application/grpc", false),
            (Method::POST, "application/json", false),
            (Method::POST, "application/grpc-web", false),
            (Method::POST, "application/grpcx", false),
        ] {
            assert_eq!(is_grpc(&request(method.clone(), kind)), expected, "{method} {kind}");
        }
    }

    #[test]
    fn a_status_outside_of_grpc_is_none() {
        for (text, expected) in [
            ("0", Some(0)),
            ("16", Some(16)),
            ("17", None),
            ("x", None),
            ("-1", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_STATUS, HeaderValue::from_static(text));
            assert_eq!(status_in(&headers), expected, "{text}");
        }
        assert_eq!(status_in(&HeaderMap::new()), None);
    }
}
