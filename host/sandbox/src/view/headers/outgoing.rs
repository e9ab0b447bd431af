//! The head and the trailers of a plugin's own requests: HTTP callouts and gRPC calls.
//!
//! Plugins copy the headers of a client's request to an authorisation service. So what belongs to the framing of that request, or to
//! its connection, is left out here. A callout must not fail because a client has sent `te: trailers`.

use http::{HeaderMap, HeaderValue};
use lockgate_exchange::{RequestHead, Scheme};

use super::checks::{self, HeaderError};
use super::write::{append, is_authority};

/// Why a plugin's own request is refused: the field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field:?}: {reason}")]
pub(crate) struct FieldError {
    field: String,
    reason: HeaderError,
}

impl FieldError {
    pub(crate) fn new(field: &[u8], reason: HeaderError) -> Self {
        /// Maximum bytes of a name in the log.
        const MAX_NAME: usize = 64;
        let field = &field[..field.len().min(MAX_NAME)];
        Self {
            field: String::from_utf8_lossy(field).into_owned(),
            reason,
        }
    }
}

/// The head of a callout to `upstream`. `:method`, `:path` and `:authority` (or `host`) are mandatory. An empty authority is the
/// upstream's name.
pub(crate) fn callout_head<'p>(
    pairs: impl Iterator<Item = (&'p [u8], &'p [u8])>,
    upstream: &str,
) -> Result<RequestHead, FieldError> {
    let (mut method, mut path, mut authority, mut scheme) = (None, None, None, Scheme::Http);
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let outcome = match name {
            b":method" => checks::method(value).map(|value| method = Some(value)),
            b":path" => checks::path(value).map(|value| path = Some(value)),
            b":scheme" => {
                // The upstream's configuration decides how it is reached.
                scheme = checks::scheme(value).unwrap_or(scheme);
                Ok(())
            }
            _ if is_authority(name) => {
                let value = if value.is_empty() { upstream.as_bytes() } else { value };
                checks::callout_authority(value).map(|value| authority = Some(value))
            }
            [b':', ..] => Err(HeaderError::Pseudo),
            _ => add(&mut headers, name, value),
        };
        outcome.map_err(|reason| FieldError::new(name, reason))?;
    }
    let missing = |name: &str| FieldError::new(name.as_bytes(), HeaderError::Missing);
    Ok(RequestHead {
        method: method.ok_or_else(|| missing(":method"))?,
        path: path.ok_or_else(|| missing(":path"))?,
        authority: authority.ok_or_else(|| missing(":authority"))?,
        scheme,
        headers,
        is_upgrade: false,
    })
}

/// The trailers of a callout, or the metadata of a gRPC call.
pub(crate) fn trailers<'p>(pairs: impl Iterator<Item = (&'p [u8], &'p [u8])>) -> Result<HeaderMap, FieldError> {
    let mut fields = HeaderMap::new();
    for (name, value) in pairs {
        add(&mut fields, name, value).map_err(|reason| FieldError::new(name, reason))?;
    }
    Ok(fields)
}

/// The `:authority` of a gRPC call. `None` for an empty one.
pub(crate) fn grpc_authority(value: &str) -> Result<Option<HeaderValue>, FieldError> {
    if value.is_empty() {
        return Ok(None);
    }
    let authority = checks::callout_authority(value.as_bytes());
    authority
        .map(Some)
        .map_err(|reason| FieldError::new(b":authority", reason))
}

/// The path of a gRPC call. Names that no path can hold are escaped: the upstream says that there is no such method.
pub(crate) fn grpc_path(service: &[u8], method: &[u8]) -> http::uri::PathAndQuery {
    let escaped = checks::escaped(&[b"/", service, b"/", method].concat(), |byte| {
        !byte.is_ascii_graphic() || matches!(byte, b'#' | b'?') || checks::is_refused_in_paths(byte)
    });
    let path = http::uri::PathAndQuery::try_from(escaped);
    path.unwrap_or_else(|_| http::uri::PathAndQuery::from_static("/"))
}

/// Adds a field, unless it belongs to framing or to the connection.
fn add(fields: &mut HeaderMap, name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
    // The gateway waits for no `100 Continue` of a callout.
    if checks::is_framing(name) || name.eq_ignore_ascii_case(b"expect") {
        return Ok(());
    }
    append(fields, checks::name(name)?, checks::value(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: [(&[u8], &[u8]); 3] = [(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a.test")];

    fn with(name: &'static str, value: &'static str) -> Result<RequestHead, FieldError> {
        let more = (name.as_bytes(), value.as_bytes());
        callout_head(HEAD.into_iter().chain([more]), "side")
    }

    #[test]
    fn fields_of_framing_and_of_the_clients_connection_are_left_out() {
        for (name, value) in [
            ("te", "trailers"),
            ("TE", "gzip"),
            ("content-length", "17"),
            ("transfer-encoding", "chunked"),
            ("connection", "keep-alive, x-a"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "close"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
            ("Expect", "100-continue"),
        ] {
            assert!(with(name, value).unwrap().headers.is_empty(), "{name}");
            let trailer = (name.as_bytes(), value.as_bytes());
            assert!(trailers([trailer].into_iter()).unwrap().is_empty(), "{name}");
        }
        assert_eq!(with("x-a", "1").unwrap().headers["x-a"], "1");
    }

    #[test]
    fn what_names_an_upstream_is_an_authority() {
        assert_eq!(with(":authority", "").unwrap().authority, "side");
        assert_eq!(with("host", "").unwrap().authority, "side");
        for name in [
            "outbound|8080||httpbin.default.svc.cluster.local",
            "my_service:80",
            "[::1]:80",
        ] {
            let head = callout_head(
                HEAD[..2].iter().copied().chain([(&b":authority"[..], name.as_bytes())]),
                "side",
            );
            assert_eq!(head.unwrap().authority, name);
        }
        let missing = callout_head(HEAD[..2].iter().copied(), "side").unwrap_err();
        assert_eq!(missing.to_string(), "\":authority\": it is missing");
    }

    #[test]
    fn what_would_break_the_framing_is_refused_by_the_name_of_its_field() {
        for (name, value, field) in [
            (":authority", "a b", ":authority"),
            (":authority", "a/b", ":authority"),
            (":authority", "user@a", ":authority"),
            (":path", "/a b", ":path"),
            (":path", "/a\r\nx: 1", ":path"),
            (":method", "GET /", ":method"),
            (":protocol", "websocket", ":protocol"),
            ("x-a", "1\nx-b: 2", "x-a"),
            ("x a", "1", "x a"),
        ] {
            let refused = with(name, value).unwrap_err();
            assert_eq!(refused.field, field, "{refused}");
        }
    }

    #[test]
    fn quotes_and_the_like_are_escaped_in_a_path() {
        let head = with(":path", "/a?q=\"x\"&r=<y>&s={z}|^`\\").unwrap();
        assert_eq!(head.path, "/a?q=%22x%22&r=%3Cy%3E&s=%7Bz%7D%7C%5E%60%5C");
        assert_eq!(with(":path", "/a%20b?c=d").unwrap().path, "/a%20b?c=d");
    }

    #[test]
    fn an_odd_name_of_a_grpc_method_is_one_that_the_upstream_does_not_know() {
        assert_eq!(grpc_path(b"a.B", b"C"), "/a.B/C");
        assert_eq!(grpc_path(b"a b", b"\xff#?\""), "/a%20b/%FF%23%3F%22");
        assert_eq!(grpc_path(b"", b""), "//");
    }
}
