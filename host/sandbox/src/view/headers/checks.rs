//! Checks of header writes.

use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use lockgate_exchange::Scheme;

/// Why a header write is refused. The plugin gets BAD_ARGUMENT, the log this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error("invalid header name")]
    Name,
    #[error("invalid header value")]
    Value,
    #[error("the gateway alone sets headers of framing and of the connection")]
    Framing,
    #[error("no such pseudo-header here, or one that cannot be removed")]
    Pseudo,
    #[error("it is missing")]
    Missing,
    #[error("it cannot be decoded")]
    Undecodable,
    #[error("there are too many headers")]
    TooMany,
    #[error("\"capabilities\" does not allow it")]
    NotPermitted,
}

/// Maximum fields of a map.
pub(super) const MAX_FIELDS: usize = 1000;

/// Whether a header belongs to the framing of messages or to one hop (RFC 9110, section 7.6.1).
pub(super) fn is_framing(name: &[u8]) -> bool {
    let names: &[&str] = match name.len() {
        2 => &["te"],
        7 => &["upgrade"],
        10 => &["connection", "keep-alive"],
        14 => &["content-length", "http2-settings"],
        16 => &["proxy-connection"],
        17 => &["transfer-encoding"],
        _ => return false,
    };
    names
        .iter()
        .any(|framing| name.eq_ignore_ascii_case(framing.as_bytes()))
}

pub(super) fn name(bytes: &[u8]) -> Result<HeaderName, HeaderError> {
    HeaderName::from_bytes(bytes).map_err(|_| HeaderError::Name)
}

pub(super) fn value(bytes: &[u8]) -> Result<HeaderValue, HeaderError> {
    HeaderValue::from_bytes(bytes).map_err(|_| HeaderError::Value)
}

pub(super) fn method(bytes: &[u8]) -> Result<Method, HeaderError> {
    // CONNECT would make a tunnel of the connection.
    Method::from_bytes(bytes)
        .ok()
        .filter(|method| method != Method::CONNECT)
        .ok_or(HeaderError::Value)
}

/// A path starts with a slash, or is `*`. It has no fragment, which `PathAndQuery` would drop silently. Characters that it does not
/// take although others send them, a quote among them, are escaped.
pub(crate) fn path(bytes: &[u8]) -> Result<PathAndQuery, HeaderError> {
    let rooted = bytes.first() == Some(&b'/') || bytes == b"*";
    if !rooted || bytes.contains(&b'#') {
        return Err(HeaderError::Value);
    }
    PathAndQuery::try_from(bytes)
        .or_else(|_| PathAndQuery::try_from(escaped(bytes, is_refused_in_paths)))
        .map_err(|_| HeaderError::Value)
}

/// Whether `PathAndQuery` may refuse a character that breaks no framing.
pub(super) fn is_refused_in_paths(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}') || byte >= 0x80
}

/// The bytes, with those that are `unsafe_in_it` in percent-encoding.
pub(super) fn escaped(bytes: &[u8], unsafe_in_it: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() + 16);
    for &byte in bytes {
        if unsafe_in_it(byte) {
            text.extend(format!("%{byte:02X}").into_bytes());
        } else {
            text.push(byte);
        }
    }
    text
}

/// The authority of a callout. It may be a name that is no host, as Istio's `outbound|8080||name`; nothing in it ends the field.
pub(super) fn callout_authority(bytes: &[u8]) -> Result<HeaderValue, HeaderError> {
    let breaks = |byte: &u8| !byte.is_ascii_graphic() || matches!(byte, b'/' | b'?' | b'#' | b'@' | b'\\');
    if bytes.is_empty() || bytes.iter().any(breaks) {
        return Err(HeaderError::Value);
    }
    value(bytes)
}

pub(super) fn authority(bytes: &[u8]) -> Result<HeaderValue, HeaderError> {
    let parsed = Authority::try_from(bytes).map_err(|_| HeaderError::Value)?;
    // An authority in HTTP has no credentials.
    if parsed.as_str().contains('@') {
        return Err(HeaderError::Value);
    }
    value(bytes)
}

pub(super) fn scheme(bytes: &[u8]) -> Result<Scheme, HeaderError> {
    match bytes {
        b"http" => Ok(Scheme::Http),
        b"https" => Ok(Scheme::Https),
        _ => Err(HeaderError::Value),
    }
}

/// A final status: 200 to 599.
pub(super) fn status(bytes: &[u8]) -> Result<StatusCode, HeaderError> {
    let status = StatusCode::from_bytes(bytes).map_err(|_| HeaderError::Value)?;
    if (200..600).contains(&status.as_u16()) {
        Ok(status)
    } else {
        Err(HeaderError::Value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_is_known_however_it_is_written() {
        for name in [
            "content-length",
            "Transfer-Encoding",
            "CONNECTION",
            "keep-alive",
            "Proxy-Connection",
            "TE",
            "upgrade",
            "HTTP2-Settings",
        ] {
            assert!(is_framing(name.as_bytes()), "{name}");
        }
        // Plugins may announce trailers.
        assert!(!is_framing(b"trailer"));
        assert!(!is_framing(b"content-lengths") && !is_framing(b"te ") && !is_framing(b"x-bench"));
    }

    #[test]
    fn what_would_split_a_message_is_refused() {
        assert_eq!(name(b"x y"), Err(HeaderError::Name));
        assert_eq!(name(b"x:y"), Err(HeaderError::Name));
        assert_eq!(name(b""), Err(HeaderError::Name));
        for bad in [&b"a\r\nb: c"[..], b"a\nb", b"\0"] {
            assert_eq!(value(bad), Err(HeaderError::Value));
            assert!(path(&[b"/", bad].concat()).is_err());
            assert!(authority(bad).is_err() && method(bad).is_err() && scheme(bad).is_err() && status(bad).is_err());
        }
    }

    #[test]
    fn paths_are_rooted_and_have_neither_spaces_nor_fragments() {
        assert!(path(b"/a?b=c").is_ok() && path(b"*").is_ok());
        for bad in [&b""[..], b"a", b"http://x/", b"/a b", b"/a#b", b"**"] {
            assert!(path(bad).is_err(), "{:?}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn only_final_statuses_can_be_written() {
        assert!(status(b"200").is_ok() && status(b"599").is_ok());
        for bad in [&b"101"[..], b"199", b"600", b"999", b"20", b"0200", b""] {
            assert!(status(bad).is_err());
        }
    }

    #[test]
    fn an_authority_has_no_credentials() {
        assert!(authority(b"example.com:8080").is_ok() && authority(b"[::1]:80").is_ok());
        assert!(authority(b"user@example.com").is_err() && authority(b"").is_err());
    }
}
