//! Path normalisation: one spelling for each path, before anything depends on it (RFC 3986, section 6.2.2).
//!
//! Dot segments are removed, and repeated slashes are merged. Escapes of unreserved bytes are decoded; the others get upper-case digits.
//! Bytes outside ASCII are escaped. Paths that upstreams read in different ways are refused; among them is a dot segment with parameters
//! (`/a/..;x/b`), which some servers remove and others do not. The query stays as it is. Nearly all paths
//! are normal already; for these nothing is allocated.

use http::uri::PathAndQuery;

use crate::problem::Malformed;
use crate::settings::EscapedSlashes;

/// The normal form of `target`'s path, with the query unchanged. None: the path is normal already.
///
/// Slashes are merged before dot segments are removed, as nginx does: `/a//../b` is `/b`. A `..` at the root stays there.
///
/// # Errors
/// The target is neither a path nor `*`, an escape is cut short, or the path holds what `escaped` rejects.
pub fn normalise(target: &PathAndQuery, escaped: EscapedSlashes) -> Result<Option<PathAndQuery>, Malformed> {
    let path = target.path();
    if target.as_str().starts_with('/') && is_plain(path.as_bytes()) {
        return Ok(None);
    }
    if path == "*" {
        return Ok(None);
    }
    if !path.starts_with('/') {
        return Err(Malformed::Target);
    }
    let mut decoded = decode(path.as_bytes(), escaped)?;
    if escaped == EscapedSlashes::Reject && decoded.split(|&byte| byte == b'/').any(has_dots_and_parameters) {
        return Err(Malformed::AmbiguousPath);
    }
    remove_dot_segments(&mut decoded);
    if decoded == path.as_bytes() && target.as_str().starts_with('/') {
        return Ok(None);
    }
    if let Some(query) = target.query() {
        decoded.push(b'?');
        decoded.extend_from_slice(query.as_bytes());
    }
    PathAndQuery::try_from(decoded).map(Some).map_err(|_| Malformed::Target)
}

/// The path that a route's expression made of a request's path, in its normal form, with the query unchanged.
///
/// Slashes are merged, and escapes are written as in [`normalise`]. A dot segment is refused rather than removed: the path would leave what
/// its route is about.
///
/// # Errors
/// [`Malformed::RewrittenPath`]: the result is no path, has dot segments, or what `escaped` rejects.
pub fn rewritten(path: &str, query: Option<&str>, escaped: EscapedSlashes) -> Result<PathAndQuery, Malformed> {
    let refused = Malformed::RewrittenPath;
    let is_path = path.starts_with('/')
        && path
            .bytes()
            .all(|byte| byte > b' ' && byte != 0x7f && !matches!(byte, b'?' | b'#'));
    if !is_path {
        return Err(refused);
    }
    let decoded = decode(path.as_bytes(), escaped).map_err(|_| refused)?;
    let mut segments = decoded.split(|&byte| byte == b'/');
    let is_dotted = |segment: &[u8]| {
        is_dot_segment(segment) || escaped == EscapedSlashes::Reject && has_dots_and_parameters(segment)
    };
    if segments.any(is_dotted) {
        return Err(refused);
    }
    let mut target = decoded;
    if let Some(query) = query {
        target.push(b'?');
        target.extend_from_slice(query.as_bytes());
    }
    PathAndQuery::try_from(target).map_err(|_| refused)
}

/// Whether nothing in `path` could need a change: no escape, no backslash, all ASCII, no empty and no dot segment, with parameters or
/// without.
fn is_plain(path: &[u8]) -> bool {
    let mut previous = 0;
    for (at, &byte) in path.iter().enumerate() {
        match byte {
            b'%' | b'\\' | 0x80.. => return false,
            b'/' if previous == b'/' => return false,
            b'.' if previous == b'/' && is_dot_segment(segment_at(path, at)) => return false,
            b'.' if previous == b'/' && has_dots_and_parameters(segment_at(path, at)) => return false,
            _ => previous = byte,
        }
    }
    true
}

/// The segment that starts at `at`.
fn segment_at(path: &[u8], at: usize) -> &[u8] {
    let rest = &path[at..];
    // Dot segments are at most two bytes long, so three bytes decide.
    let end = rest.iter().take(3).position(|&byte| byte == b'/').unwrap_or(rest.len());
    &rest[..end]
}

fn is_dot_segment(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

/// Whether a segment is a dot segment with path parameters, whose semicolon may be escaped.
fn has_dots_and_parameters(segment: &[u8]) -> bool {
    let Some(rest) = segment.strip_prefix(b".") else {
        return false;
    };
    let rest = rest.strip_prefix(b".").unwrap_or(rest);
    rest.starts_with(b";") || rest.starts_with(b"%3B")
}

/// Decodes escapes of unreserved bytes, writes the other escapes in upper case, escapes what is not ASCII, merges slashes.
fn decode(path: &[u8], escaped: EscapedSlashes) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(path.len() + 16);
    let mut at = 0;
    while at < path.len() {
        match path[at] {
            b'%' => {
                let byte = escape_at(path, at).ok_or(Malformed::Escape)?;
                if is_unreserved(byte) {
                    out.push(byte);
                } else {
                    if escaped == EscapedSlashes::Reject
                        && (is_ambiguous(byte, &path[at + 3..]) || is_overlong(byte, &path[at + 3..]))
                    {
                        return Err(Malformed::AmbiguousPath);
                    }
                    push_escape(&mut out, byte);
                }
                at += 3;
                continue;
            }
            b'\\' if escaped == EscapedSlashes::Reject => return Err(Malformed::AmbiguousPath),
            b'/' if out.last() == Some(&b'/') => {}
            byte @ 0x80.. => push_escape(&mut out, byte),
            byte => out.push(byte),
        }
        at += 1;
    }
    Ok(out)
}

/// Whether the escape of `byte`, followed by `rest`, means different things to different upstreams.
fn is_ambiguous(byte: u8, rest: &[u8]) -> bool {
    match byte {
        b'/' | b'\\' | 0 => true,
        b'%' => is_escape_tail(rest),
        _ => false,
    }
}

/// Whether `byte`, escaped, and the escape at the start of `rest` begin a longer form of a shorter code (RFC 3629, section 3): `%C0%AF`
/// is a slash to a reader that does not check.
fn is_overlong(byte: u8, rest: &[u8]) -> bool {
    match byte {
        0xc0 | 0xc1 => true,
        0xe0 => rest.first() == Some(&b'%') && escape_at(rest, 0).is_some_and(|next| (0x80..0xa0).contains(&next)),
        0xf0 => rest.first() == Some(&b'%') && escape_at(rest, 0).is_some_and(|next| (0x80..0x90).contains(&next)),
        _ => false,
    }
}

/// Whether an escaped percent sign followed by `rest` would be an escape once it is decoded: `%2541`, and also `%25%34%31`,
/// whose digits are decoded here.
fn is_escape_tail(rest: &[u8]) -> bool {
    let mut at = 0;
    for _ in 0..2 {
        let digit = match rest.get(at) {
            Some(b'%') => {
                at += 3;
                escape_at(rest, at - 3)
            }
            Some(&byte) => {
                at += 1;
                Some(byte)
            }
            None => None,
        };
        if !digit.is_some_and(|digit| digit.is_ascii_hexdigit()) {
            return false;
        }
    }
    true
}

/// The byte that the escape at `at` stands for; none when it is cut short or not hexadecimal.
fn escape_at(path: &[u8], at: usize) -> Option<u8> {
    let digit = |offset: usize| char::from(*path.get(at + offset)?).to_digit(16);
    Some((digit(1)? * 16 + digit(2)?) as u8)
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

/// RFC 3986, section 5.2.4, in place, for a path that starts with a slash and has no empty segment but perhaps the last.
fn remove_dot_segments(path: &mut Vec<u8>) {
    let mut kept = 0; // path[..kept] is the result so far, always without a slash at its end
    let mut at = 0; // path[at] is the slash in front of the segment that is looked at
    while at < path.len() {
        let end = path[at + 1..]
            .iter()
            .position(|&byte| byte == b'/')
            .map_or(path.len(), |next| at + 1 + next);
        let last = end == path.len();
        match &path[at + 1..end] {
            b"." => {}
            b".." => kept = path[..kept].iter().rposition(|&byte| byte == b'/').unwrap_or(0),
            _ => {
                path.copy_within(at..end, kept);
                kept += end - at;
                if last {
                    path.truncate(kept);
                    return;
                }
            }
        }
        at = end;
    }
    // The last segment was a dot segment: what it leaves is a folder.
    path.truncate(kept);
    path.push(b'/');
}

#[cfg(test)]
mod tests;
