//! Local responses for gRPC clients: status 200, no body, and the outcome in `grpc-status` and `grpc-message` (gRPC over HTTP/2,
//! "Responses", "Trailers-Only").

use std::fmt::Write;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use lockgate_exchange::{RequestHead, ResponseHead};

/// Maximum length of a `grpc-message`, in bytes before encoding.
const MAX_MESSAGE: usize = 1024;

/// The largest status of gRPC, `UNAUTHENTICATED`.
const MAX_STATUS: u32 = 16;

/// The response in gRPC's form if the request was gRPC, else unchanged. `grpc_status` is the status that a plugin named, if any;
/// a number unknown to gRPC counts as none.
pub fn into_grpc_response(
    request: &RequestHead,
    head: ResponseHead,
    body: Bytes,
    grpc_status: Option<u32>,
) -> (ResponseHead, Bytes) {
    if !is_grpc(&request.headers) {
        return (head, body);
    }
    let named = grpc_status.filter(|status| *status <= MAX_STATUS);
    let status = named.unwrap_or_else(|| head.grpc_status());
    let mut headers = head.headers;
    let is_problem = headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value == "application/problem+json");
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from(status));
    let message = if is_problem {
        head.status.canonical_reason().unwrap_or_default().as_bytes()
    } else {
        &body
    };
    if !message.is_empty() {
        headers.insert(
            "grpc-message",
            encode_message(&message[..message.len().min(MAX_MESSAGE)]),
        );
    }
    (
        ResponseHead {
            status: StatusCode::OK,
            headers,
        },
        Bytes::new(),
    )
}

/// `application/grpc`, `application/grpc+proto` and so on, but not `application/grpc-web`.
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    kind.strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
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
    use http::Method;
    use http::uri::PathAndQuery;
    use lockgate_exchange::Scheme;

    use super::*;

    fn answer(kind: &'static str, status: u16, body: &'static str, named: Option<u32>) -> (ResponseHead, Bytes) {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        let request = RequestHead {
            method: Method::POST,
            path: PathAndQuery::from_static("/"),
            authority: HeaderValue::from_static("a"),
            scheme: Scheme::Http,
            headers,
        };
        let head = ResponseHead {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::new(),
        };
        into_grpc_response(&request, head, Bytes::from_static(body.as_bytes()), named)
    }

    #[test]
    fn a_grpc_client_gets_status_200_and_the_reason_in_headers() {
        for (kind, status, named, expected) in [
            ("application/grpc", 403, Some(7), "7"),
            ("application/grpc+proto", 429, None, "14"),
            ("application/grpc; a=b", 418, None, "2"),
            ("application/grpc", 403, Some(16), "16"),
            ("application/grpc", 403, Some(17), "7"),
        ] {
            let (head, body) = answer(kind, status, "50% of\u{e4}", named);
            assert_eq!((head.status.as_u16(), body.len()), (200, 0));
            assert_eq!(head.headers["grpc-status"], expected);
            assert_eq!(head.headers["grpc-message"], "50%25 of%C3%A4");
            assert_eq!(decode_message(head.headers["grpc-message"].as_bytes()), "50% of\u{e4}");
        }
    }

    #[test]
    fn other_clients_get_the_answer_as_it_is() {
        for kind in ["application/json", "application/grpc-web", "application/grpcx"] {
            let (head, body) = answer(kind, 403, "no", Some(7));
            assert_eq!((head.status.as_u16(), &*body), (403, &b"no"[..]));
            assert!(!head.headers.contains_key("grpc-status"));
        }
    }
}
