//! The check of framing: it refuses messages whose end, length or host two readers could see differently (RFC 9112, sections 3.2 and 6.3; RFC 9113, 8.2.2).

use http::header::{CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Method, Uri, Version};

use super::fields::{self, Present};
use super::host;
use crate::problem::Malformed;

/// Checks a request as hyper handed it over. [`super::admit`] does this too.
///
/// # Errors
/// The first mistake.
pub fn check_framing(parts: &Parts) -> Result<(), Malformed> {
    check(parts, Present::of(&parts.headers))
}

pub(super) fn check(parts: &Parts, present: Present) -> Result<(), Malformed> {
    check_target(&parts.method, &parts.uri)?;
    check_host(parts, present)?;
    check_lengths(parts.version, &parts.headers, present)?;
    if parts.version == Version::HTTP_2 {
        check_connection_fields(&parts.headers, present)
    } else {
        Ok(())
    }
}

/// Origin form, absolute form with `http` or `https`, or `*` for OPTIONS.
fn check_target(method: &Method, uri: &Uri) -> Result<(), Malformed> {
    if method == Method::CONNECT {
        return Err(Malformed::Connect);
    }
    match uri.scheme_str() {
        None if uri.authority().is_some() => return Err(Malformed::Target),
        None | Some("http" | "https") => {}
        Some(_) => return Err(Malformed::Target),
    }
    if uri.path() == "*" && method != Method::OPTIONS {
        Err(Malformed::Target)
    } else {
        Ok(())
    }
}

/// Exactly one valid host, in the target or in `Host`. HTTP/1.0 needs none.
fn check_host(parts: &Parts, present: Present) -> Result<(), Malformed> {
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    if let Some(authority) = authority {
        host::check(authority)?;
    }
    if !present.any(fields::HOST) {
        return match parts.version {
            Version::HTTP_10 => Ok(()),
            Version::HTTP_2 if authority.is_some() => Ok(()),
            _ => Err(Malformed::HostMissing),
        };
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let (Some(only), None) = (hosts.next(), hosts.next()) else {
        return Err(Malformed::HostConflict);
    };
    host::check(only.as_bytes())?;
    let default_port = match parts.uri.scheme_str() {
        Some("https") => b"443".as_slice(),
        _ => b"80",
    };
    match authority {
        Some(authority) if !host::is_same(authority, only.as_bytes(), default_port) => Err(Malformed::HostConflict),
        _ => Ok(()),
    }
}

fn check_lengths(version: Version, headers: &HeaderMap, present: Present) -> Result<(), Malformed> {
    let chunked = present.any(fields::TRANSFER_ENCODING);
    if chunked {
        let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
        let only = match (encodings.next(), encodings.next()) {
            (Some(only), None) => only.as_bytes(),
            _ => return Err(Malformed::TransferEncoding),
        };
        if version != Version::HTTP_11 || !only.eq_ignore_ascii_case(b"chunked") {
            return Err(Malformed::TransferEncoding);
        }
    }
    if present.any(fields::CONTENT_LENGTH) {
        if chunked {
            return Err(Malformed::TwoLengths);
        }
        let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
        match (lengths.next(), lengths.next()) {
            (Some(only), None) if is_length(only.as_bytes()) => {}
            _ => return Err(Malformed::ContentLength),
        }
    }
    Ok(())
}

/// Digits only, at most as many as always fit in a `u64`.
fn is_length(value: &[u8]) -> bool {
    (1..=19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit)
}

fn check_connection_fields(headers: &HeaderMap, present: Present) -> Result<(), Malformed> {
    const FORBIDDEN: u32 = fields::CONNECTION
        | fields::KEEP_ALIVE
        | fields::PROXY_CONNECTION
        | fields::TRANSFER_ENCODING
        | fields::UPGRADE;
    if present.any(FORBIDDEN)
        || (present.any(fields::TE) && headers.get_all(TE).iter().any(|value| value != "trailers"))
    {
        return Err(Malformed::ConnectionField);
    }
    Ok(())
}
