//! The numbers and byte layouts of the proxy-wasm ABI 0.2.1: statuses, kinds of maps, buffers, streams and metrics, and
//! the encoding of header maps. No host call is made here.
//!
//! A test compares the numbers with those of the `proxy-wasm` crate.

pub(crate) mod grpc_status;
pub(crate) mod pairs;
mod status;

pub use status::Status;

/// A header map of the current stream or callout, by its number in the ABI.
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
    /// The initial metadata of a gRPC response.
    GrpcInitial = 4,
    /// The trailing metadata of a gRPC response.
    GrpcTrailing = 5,
    /// The headers of a callout's response.
    CallHeaders = 6,
    /// The trailers of a callout's response.
    CallTrailers = 7,
}

/// A buffer of the host, by its number in the ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Buffer {
    /// The part of the request's body that the host holds.
    RequestBody = 0,
    /// The part of the response's body that the host holds.
    ResponseBody = 1,
    /// Bytes from the client of a TCP connection.
    DownstreamData = 2,
    /// Bytes from the upstream of a TCP connection.
    UpstreamData = 3,
    /// The body of a callout's response.
    CallBody = 4,
    /// A message of a gRPC response.
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

/// The result of a callback: how the host goes on with the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Action {
    /// The stream goes on to the next plugin.
    Continue = 0,
    /// The stream waits for `proxy_continue_stream` or a local response.
    Pause = 1,
}

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum MetricKind {
    /// A number that only rises.
    Counter = 0,
    /// A number that rises and falls.
    Gauge = 1,
    /// A distribution of recorded values.
    Histogram = 2,
}

/// The level of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub(crate) enum LogLevel {
    /// Single steps, for debugging.
    Trace = 0,
    /// Details for the plugin's author.
    Debug = 1,
    /// Normal events, for the operator.
    Info = 2,
    /// Unexpected events, for the operator.
    Warn = 3,
    /// A failure.
    Error = 4,
    /// A panic of the plugin.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        allow(dead_code, reason = "only a panic in a module is one")
    )]
    Critical = 5,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxy_wasm::types;

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
}
