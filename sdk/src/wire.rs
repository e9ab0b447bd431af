//! The numbers and byte layouts of the proxy-wasm ABI 0.2.1, as a guest meets them: statuses, kinds of maps, buffers,
//! streams and metrics, and the encoding of header pairs. Pure: no host is called here.
//!
//! The numbers are checked by a test against those of the `proxy-wasm` crate.

use std::borrow::Cow;

/// What a host call answered instead of `OK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// 1: the header, property, map, function … does not exist, or not in this phase.
    NotFound,
    /// 2: an argument that the host does not accept.
    BadArgument,
    /// 3: a value could not be serialized.
    SerializationFailure,
    /// 4: a message could not be parsed.
    ParseFailure,
    /// 6: a pointer outside the guest's memory.
    InvalidMemoryAccess,
    /// 7: the queue is empty.
    Empty,
    /// 8: the value has changed since it was read.
    CasMismatch,
    /// 10: the host failed.
    InternalFailure,
    /// 12: the host does not offer this call.
    Unimplemented,
    /// Any other number.
    Other(u32),
}

impl Status {
    /// Reads what a host call returned: `OK` is `Ok(())`.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        allow(dead_code, reason = "the host in memory answers with statuses, not numbers")
    )]
    // Every host call passes here, and modules are built for size: it would be called, not inlined.
    #[inline(always)]
    pub(crate) fn check(code: u32) -> Result<(), Status> {
        if code == 0 { Ok(()) } else { Err(Status::of(code)) }
    }

    /// The status of a number other than 0.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        allow(dead_code, reason = "the host in memory answers with statuses, not numbers")
    )]
    #[inline(never)]
    fn of(code: u32) -> Status {
        match code {
            1 => Status::NotFound,
            2 => Status::BadArgument,
            3 => Status::SerializationFailure,
            4 => Status::ParseFailure,
            6 => Status::InvalidMemoryAccess,
            7 => Status::Empty,
            8 => Status::CasMismatch,
            10 => Status::InternalFailure,
            12 => Status::Unimplemented,
            other => Status::Other(other),
        }
    }

    /// The name in the specification.
    pub fn name(self) -> &'static str {
        match self {
            Status::NotFound => "NOT_FOUND",
            Status::BadArgument => "BAD_ARGUMENT",
            Status::SerializationFailure => "SERIALIZATION_FAILURE",
            Status::ParseFailure => "PARSE_FAILURE",
            Status::InvalidMemoryAccess => "INVALID_MEMORY_ACCESS",
            Status::Empty => "EMPTY",
            Status::CasMismatch => "CAS_MISMATCH",
            Status::InternalFailure => "INTERNAL_FAILURE",
            Status::Unimplemented => "UNIMPLEMENTED",
            Status::Other(_) => "an unknown status",
        }
    }
}

/// A header map of the current stream or callout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Map {
    /// The request's headers, with `:method`, `:path`, `:authority` and `:scheme`.
    RequestHeaders = 0,
    /// The request's trailers.
    RequestTrailers = 1,
    /// The response's headers, with `:status`.
    ResponseHeaders = 2,
    /// The response's trailers.
    ResponseTrailers = 3,
    /// The metadata that a gRPC stream's answer began with.
    GrpcInitial = 4,
    /// Those that came behind its last message.
    GrpcTrailing = 5,
    /// The headers that a callout was answered with.
    CallHeaders = 6,
    /// The trailers that a callout was answered with.
    CallTrailers = 7,
}

/// A buffer that the host holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Buffer {
    /// What of the request's body is at hand.
    RequestBody = 0,
    /// What of the response's body is at hand.
    ResponseBody = 1,
    /// Bytes from the client of a TCP connection.
    DownstreamData = 2,
    /// Bytes from the upstream of a TCP connection.
    UpstreamData = 3,
    /// The body that a callout was answered with.
    CallBody = 4,
    /// The message that a gRPC call was answered with.
    GrpcMessage = 5,
    /// The plugin's configuration.
    Configuration = 7,
}

/// One direction of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Direction {
    /// An HTTP stream, client to upstream.
    Request = 0,
    /// An HTTP stream, upstream to client.
    Response = 1,
    /// A TCP connection, client to upstream.
    Downstream = 2,
    /// A TCP connection, upstream to client.
    Upstream = 3,
}

/// What a callback tells the host to do with the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Action {
    /// Go on to the next plugin.
    Continue = 0,
    /// Wait for `continue_stream` or a local response.
    Pause = 1,
}

/// What a metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum MetricKind {
    /// Only rises.
    Counter = 0,
    /// Rises and falls.
    Gauge = 1,
    /// A distribution of recorded values.
    Histogram = 2,
}

/// The level of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub(crate) enum LogLevel {
    /// Every step.
    Trace = 0,
    /// For the plugin's author.
    Debug = 1,
    /// For the operator, of interest.
    Info = 2,
    /// For the operator, to look at.
    Warn = 3,
    /// Something failed.
    Error = 4,
    /// The plugin itself is broken.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        allow(dead_code, reason = "only a panic in a module is one")
    )]
    Critical = 5,
}

/// Encodes headers as the ABI's maps: a count, the lengths of each pair, then the texts, each followed by NUL.
pub(crate) fn encode_pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Vec<u8> {
    let texts: usize = pairs
        .iter()
        .map(|(name, value)| name.as_ref().len() + value.as_ref().len() + 10)
        .sum();
    let mut bytes = Vec::with_capacity(4 + texts);
    bytes.extend_from_slice(&(pairs.len() as u32).to_le_bytes());
    for (name, value) in pairs {
        bytes.extend_from_slice(&(name.as_ref().len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(value.as_ref().len() as u32).to_le_bytes());
    }
    for (name, value) in pairs {
        bytes.extend_from_slice(name.as_ref());
        bytes.push(0);
        bytes.extend_from_slice(value.as_ref());
        bytes.push(0);
    }
    bytes
}

/// Decodes a map; `None` when the bytes are not one.
pub(crate) fn decode_pairs(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let count = length_at(bytes, 0)?;
    let mut texts = count.checked_mul(8)?.checked_add(4)?;
    let mut pairs = Vec::with_capacity(count.min(bytes.len() / 8));
    for index in 0..count {
        let name = text_at(bytes, &mut texts, length_at(bytes, 4 + index * 8)?)?;
        let value = text_at(bytes, &mut texts, length_at(bytes, 8 + index * 8)?)?;
        pairs.push((name, value));
    }
    Some(pairs)
}

fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?) as usize)
}

fn text_at<'a>(bytes: &'a [u8], at: &mut usize, length: usize) -> Option<&'a [u8]> {
    let end = at.checked_add(length)?;
    let text = bytes.get(*at..end)?;
    *at = end.checked_add(1)?;
    Some(text)
}

/// Text from a host: UTF-8, or as near as it gets.
pub(crate) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| mended(error.as_bytes()))
}

/// The same of bytes that are somebody else's.
pub(crate) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(mended(bytes)),
    }
}

/// As `String::from_utf8_lossy`, in a tenth of its code: nobody waits for it.
#[cold]
#[inline(never)]
fn mended(mut bytes: &[u8]) -> String {
    let mut text = String::new();
    loop {
        let error = match std::str::from_utf8(bytes) {
            Ok(rest) => {
                text.push_str(rest);
                return text;
            }
            Err(error) => error,
        };
        let (good, rest) = bytes.split_at_checked(error.valid_up_to()).unwrap_or((bytes, &[]));
        text.push_str(std::str::from_utf8(good).unwrap_or_default());
        text.push('\u{fffd}');
        bytes = error.error_len().and_then(|bad| rest.get(bad..)).unwrap_or_default();
        if bytes.is_empty() {
            return text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxy_wasm::types;

    #[test]
    fn what_is_no_text_is_mended_as_the_standard_library_does() {
        let cases: [&[u8]; 7] = [
            b"",
            b"abc",
            b"\xff",
            b"a\xe4b",
            "ä\u{1f600}".as_bytes(),
            b"\xf0\x9f\x98 x\xc3",
            b"\xed\xa0\x80\x80z",
        ];
        for bytes in cases {
            assert_eq!(text(bytes.to_vec()), String::from_utf8_lossy(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn the_numbers_are_those_of_the_proxy_wasm_crate() {
        assert_eq!(Map::RequestHeaders as u32, types::MapType::HttpRequestHeaders as u32);
        assert_eq!(Map::RequestTrailers as u32, types::MapType::HttpRequestTrailers as u32);
        assert_eq!(Map::ResponseHeaders as u32, types::MapType::HttpResponseHeaders as u32);
        assert_eq!(
            Map::ResponseTrailers as u32,
            types::MapType::HttpResponseTrailers as u32
        );
        assert_eq!(Map::CallHeaders as u32, types::MapType::HttpCallResponseHeaders as u32);
        assert_eq!(
            Map::CallTrailers as u32,
            types::MapType::HttpCallResponseTrailers as u32
        );
        assert_eq!(Buffer::RequestBody as u32, types::BufferType::HttpRequestBody as u32);
        assert_eq!(Buffer::ResponseBody as u32, types::BufferType::HttpResponseBody as u32);
        assert_eq!(Buffer::CallBody as u32, types::BufferType::HttpCallResponseBody as u32);
        assert_eq!(
            Buffer::Configuration as u32,
            types::BufferType::PluginConfiguration as u32
        );
        assert_eq!(Direction::Request as u32, types::StreamType::HttpRequest as u32);
        assert_eq!(Direction::Response as u32, types::StreamType::HttpResponse as u32);
        assert_eq!(Action::Continue as u32, types::Action::Continue as u32);
        assert_eq!(Action::Pause as u32, types::Action::Pause as u32);
        assert_eq!(MetricKind::Histogram as u32, types::MetricType::Histogram as u32);
        assert_eq!(LogLevel::Critical as u32, types::LogLevel::Critical as u32);
    }

    #[test]
    fn the_statuses_are_those_of_the_proxy_wasm_crate() {
        let check = |status: types::Status| Status::check(status as u32);
        assert_eq!(check(types::Status::Ok), Ok(()));
        assert_eq!(check(types::Status::NotFound), Err(Status::NotFound));
        assert_eq!(check(types::Status::BadArgument), Err(Status::BadArgument));
        assert_eq!(
            check(types::Status::SerializationFailure),
            Err(Status::SerializationFailure)
        );
        assert_eq!(check(types::Status::ParseFailure), Err(Status::ParseFailure));
        assert_eq!(check(types::Status::Empty), Err(Status::Empty));
        assert_eq!(check(types::Status::CasMismatch), Err(Status::CasMismatch));
        assert_eq!(check(types::Status::InternalFailure), Err(Status::InternalFailure));
        assert_eq!(Status::check(4_000_000_000), Err(Status::Other(4_000_000_000)));
    }

    #[test]
    fn pairs_survive_the_way_there_and_back() {
        let pairs = [("a", "1"), ("", ""), ("a", "two words")];
        let bytes = encode_pairs(&pairs);
        let decoded = decode_pairs(&bytes).expect("a map");
        let expected: Vec<_> = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        assert_eq!(decoded, expected);
        assert_eq!(decode_pairs(&[]), Some(Vec::new()));
    }

    #[test]
    fn a_map_that_is_cut_short_or_lies_about_lengths_is_refused() {
        let bytes = encode_pairs(&[("name", "value")]);
        for end in 1..bytes.len() - 1 {
            assert_eq!(decode_pairs(&bytes[..end]), None, "{end} bytes");
        }
        assert_eq!(decode_pairs(&[255; 16]), None);
    }
}
