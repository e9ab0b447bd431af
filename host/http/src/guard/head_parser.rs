//! The parser of one request's head. It takes the head line by line; a line is checked once, when it is complete.

use std::ops::Range;

use super::{Limits, scan};
use crate::problem::{Malformed, Problem};

/// Maximum length of a request target in the HTTP library, in bytes.
const MAX_TARGET: usize = u16::MAX as usize - 1;
/// The start of a line with connection options.
const CONNECTION: &[u8] = b"connection:";
/// Maximum length of a field name in the HTTP library, in bytes.
const MAX_NAME: usize = u16::MAX as usize;

/// The length of the body after a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyLength {
    /// This many bytes.
    Known(u64),
    Chunked,
}

/// What a read has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HeadProgress {
    /// The head is incomplete.
    Partial,
    /// The head ends before `end`.
    Complete {
        end: usize,
        body: BodyLength,
        /// It asks for another protocol behind it.
        is_upgrade: bool,
    },
    /// The request line is valid once its target, which is here, is escaped. It is read again then.
    Unsafe { target: Range<usize> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// State of the parser. Offsets count from the head's first byte.
#[derive(Debug, Default)]
pub(super) struct HeadParser {
    /// No line end before this offset of the current line.
    seen: usize,
    /// Start of the current line.
    line: usize,
    begun: bool,
    /// Version of the request line. None: not read yet.
    version: Option<Version>,
    fields: usize,
    body: Option<BodyLength>,
    /// There was an `Upgrade` field.
    has_upgrade: bool,
}

impl HeadParser {
    /// Reads on in `data`, which begins with the head.
    ///
    /// # Errors
    /// The request is refused with this problem.
    pub(super) fn read(&mut self, data: &[u8], limits: Limits, escapes: bool) -> Result<HeadProgress, Problem> {
        loop {
            let at = scan::control(data, self.seen);
            self.seen = at;
            match (data.get(at), data.get(at + 1)) {
                (Some(b'\r'), Some(b'\n')) => {
                    let end = at + 2;
                    if end > limits.bytes {
                        return Err(self.too_large(data));
                    }
                    match self.end_line(&data[self.line..at], limits) {
                        Ok(true) => {
                            let body = self.body.unwrap_or(BodyLength::Known(0));
                            return Ok(HeadProgress::Complete {
                                end,
                                body,
                                is_upgrade: self.has_upgrade && self.is_upgrade(&data[..end], body),
                            });
                        }
                        Ok(false) => {}
                        Err(problem) => return self.unsafe_target(&data[..at], escapes).ok_or(problem),
                    }
                    (self.seen, self.line) = (end, end);
                }
                (None, _) | (Some(b'\r'), None) => {
                    self.check_partial(data, limits)?;
                    return Ok(HeadProgress::Partial);
                }
                (Some(b'\r' | b'\n'), _) => return Err(Malformed::LineEnd.into()),
                (Some(_), _) => return Err(Malformed::ControlCharacter.into()),
            }
        }
    }

    /// Finds the target of a refused request line, if escapes would make the line valid.
    #[cold]
    fn unsafe_target(&mut self, data: &[u8], escapes: bool) -> Option<HeadProgress> {
        if !escapes || self.version.is_some() {
            return None;
        }
        let line = &data[self.line..];
        let method = scan::token(line);
        let target = line.get(method + 1..)?.split_last_chunk::<9>()?.0;
        let escaped = scan::escaped(target)?;
        let line = [&line[..=method], &escaped, &line[method + 1 + target.len()..]].concat();
        request_line(&line).ok()?;
        let start = self.line + method + 1;
        self.seen = self.line;
        Some(HeadProgress::Unsafe {
            target: start..start + target.len(),
        })
    }

    /// Whether anything other than empty lines has arrived.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Checks a complete line. True: it ends the head.
    fn end_line(&mut self, line: &[u8], limits: Limits) -> Result<bool, Problem> {
        let Some(version) = self.version else {
            // Empty lines before a request are ignored (RFC 9112, section 2.2).
            if !line.is_empty() {
                self.begun = true;
                self.version = Some(request_line(line)?);
            }
            return Ok(false);
        };
        if line.is_empty() {
            return Ok(true);
        }
        self.fields += 1;
        if self.fields > limits.fields {
            return Err(Problem::HeadersTooLarge);
        }
        self.field(line, version).map(|()| false)
    }

    fn field(&mut self, line: &[u8], version: Version) -> Result<(), Problem> {
        let length = scan::token(line);
        let (name, value) = match line.split_at(length) {
            ([], [b' ' | b'\t', ..]) => return Err(Malformed::Folding.into()),
            ([_, ..], [b':', ..]) if length > MAX_NAME => return Err(Problem::HeadersTooLarge),
            (name @ [_, ..], [b':', value @ ..]) => (name, value),
            _ => return Err(Malformed::FieldName.into()),
        };
        let body = match length {
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.has_upgrade = true;
                return Ok(());
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => BodyLength::Known(content_length(value)?),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => transfer_encoding(value, version)?,
            _ => return Ok(()),
        };
        match (self.body.replace(body), body) {
            (None, _) => Ok(()),
            (Some(BodyLength::Known(_)), BodyLength::Known(_)) => Err(Malformed::ContentLength.into()),
            (Some(BodyLength::Chunked), BodyLength::Chunked) => Err(Malformed::TransferEncoding.into()),
            _ => Err(Malformed::TwoLengths.into()),
        }
    }

    /// Whether a complete head with an `Upgrade` field may be followed by bytes that are not HTTP: on HTTP/1.1, when `Connection` lists
    /// the field, and without a body (RFC 9110, section 7.8). Otherwise the field is ignored.
    #[cold]
    fn is_upgrade(&self, head: &[u8], body: BodyLength) -> bool {
        let is_listed = |line: &[u8]| match line.split_at_checked(CONNECTION.len()) {
            Some((name, list)) if name.eq_ignore_ascii_case(CONNECTION) => list
                .split(|&byte| byte == b',')
                .any(|item| item.trim_ascii().eq_ignore_ascii_case(b"upgrade")),
            _ => false,
        };
        self.version == Some(Version::Http11)
            && body == BodyLength::Known(0)
            && head.split(|&byte| byte == b'\n').any(is_listed)
    }

    /// Checks what an incomplete line shows already.
    fn check_partial(&mut self, data: &[u8], limits: Limits) -> Result<(), Problem> {
        if data.len() > limits.bytes {
            return Err(self.too_large(data));
        }
        match data.get(self.line) {
            None | Some(b'\r') => Ok(()),
            // No request, and perhaps no HTTP: a client of another protocol does not have to wait for a time limit.
            Some(&first) if self.version.is_none() && !scan::is_token(first) => Err(Malformed::RequestLine.into()),
            Some(_) => {
                self.begun = true;
                Ok(())
            }
        }
    }

    /// The problem of a head over the limit: in its request target, the target's length; else the header section's.
    fn too_large(&self, data: &[u8]) -> Problem {
        let line = &data[self.line..];
        let is_target = |method: usize| line.get(method) == Some(&b' ');
        if self.version.is_none() && is_target(scan::token(line)) {
            Problem::TargetTooLong
        } else {
            Problem::HeadersTooLarge
        }
    }
}

/// `METHOD TARGET HTTP/1.x` with single spaces.
fn request_line(line: &[u8]) -> Result<Version, Problem> {
    let method = scan::token(line);
    let (Some(b' '), 1..) = (line.get(method), method) else {
        return Err(Malformed::RequestLine.into());
    };
    let (target, version) = match line[method + 1..].split_last_chunk::<9>() {
        Some((target, b" HTTP/1.1")) => (target, Version::Http11),
        Some((target, b" HTTP/1.0")) => (target, Version::Http10),
        _ => return Err(Malformed::RequestLine.into()),
    };
    if target.len() > MAX_TARGET {
        return Err(Problem::TargetTooLong);
    }
    let fits = match target {
        [] => false,
        [b'/', ..] => scan::is_path_and_query(target),
        // Rare enough to be parsed twice. Its meaning is checked after parsing.
        _ => !target.contains(&b'#') && http::Uri::try_from(target).is_ok(),
    };
    match fits {
        true => Ok(version),
        false if target.contains(&b'#') => Err(Malformed::Fragment.into()),
        false => Err(Malformed::Target.into()),
    }
}

/// Digits only, at most as many as always fit in a `u64`.
fn content_length(value: &[u8]) -> Result<u64, Problem> {
    let digits = value.trim_ascii();
    if !(1..=19).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed::ContentLength.into());
    }
    Ok(digits
        .iter()
        .fold(0, |length, digit| length * 10 + u64::from(digit - b'0')))
}

/// Exactly `chunked`, on HTTP/1.1.
fn transfer_encoding(value: &[u8], version: Version) -> Result<BodyLength, Problem> {
    if version == Version::Http11 && value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
        Ok(BodyLength::Chunked)
    } else {
        Err(Malformed::TransferEncoding.into())
    }
}
