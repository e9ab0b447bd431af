//! The enumerations of the ABI: buffers, maps, streams, metrics, log levels, peers, actions.
//!
//! Each is read from an untrusted `i32` by `TryFrom`. A number that the specification does not define is an [`UnknownKind`],
//! never a default.

/// A number from a guest that the specification does not define.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownKind(pub i32);

impl std::fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unknown kind {}", self.0)
    }
}

impl std::error::Error for UnknownKind {}

/// Declares an enumeration whose values are the ABI's numbers, and its `TryFrom<i32>`.
macro_rules! kinds {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $kind:ident = $value:literal,)+ }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i32)]
        pub enum $name { $($(#[$inner])* $kind = $value,)+ }

        impl TryFrom<i32> for $name {
            type Error = UnknownKind;

            fn try_from(value: i32) -> Result<Self, UnknownKind> {
                match value {
                    $($value => Ok(Self::$kind),)+
                    other => Err(UnknownKind(other)),
                }
            }
        }
    };
}

kinds! {
    /// A buffer (`proxy_buffer_type_t`).
    BufferType {
        /// The request body that the current callback sees.
        HttpRequestBody = 0,
        /// The response body that the current callback sees.
        HttpResponseBody = 1,
        /// Bytes from the client of a TCP stream.
        DownstreamData = 2,
        /// Bytes from the upstream of a TCP stream.
        UpstreamData = 3,
        /// The body of the response to an HTTP callout.
        HttpCallResponseBody = 4,
        /// A gRPC message.
        GrpcReceiveBuffer = 5,
        /// `vm_config`.
        VmConfiguration = 6,
        /// The plugin's `config`.
        PluginConfiguration = 7,
        /// Arguments of a foreign function that the host calls.
        CallData = 8,
    }
}

kinds! {
    /// A header map (`proxy_header_map_type_t`).
    MapType {
        /// Request headers, with `:method`, `:path`, `:authority` and `:scheme`.
        HttpRequestHeaders = 0,
        /// Request trailers.
        HttpRequestTrailers = 1,
        /// Response headers, with `:status`.
        HttpResponseHeaders = 2,
        /// Response trailers.
        HttpResponseTrailers = 3,
        /// Initial metadata of a gRPC callout.
        GrpcReceiveInitialMetadata = 4,
        /// Trailing metadata of a gRPC callout.
        GrpcReceiveTrailingMetadata = 5,
        /// Headers of the response to an HTTP callout, with `:status`.
        HttpCallResponseHeaders = 6,
        /// Trailers of the response to an HTTP callout.
        HttpCallResponseTrailers = 7,
    }
}

kinds! {
    /// A direction of a stream (`proxy_stream_type_t`).
    StreamType {
        /// The request.
        HttpRequest = 0,
        /// The response.
        HttpResponse = 1,
        /// A TCP stream, data from the client.
        Downstream = 2,
        /// A TCP stream, data from the upstream.
        Upstream = 3,
    }
}

kinds! {
    /// The type of a metric (`proxy_metric_type_t`).
    MetricKind {
        /// A value that only rises.
        Counter = 0,
        /// A value that rises and falls.
        Gauge = 1,
        /// A distribution of recorded values.
        Histogram = 2,
    }
}

kinds! {
    /// The level of a log line (`proxy_log_level_t`).
    LogLevel {
        /// The most detailed level.
        Trace = 0,
        /// Details for debugging.
        Debug = 1,
        /// Normal operation.
        Info = 2,
        /// Something unexpected.
        Warn = 3,
        /// Something failed.
        Error = 4,
        /// The plugin cannot continue.
        Critical = 5,
    }
}

kinds! {
    /// The side that closed a connection (`proxy_peer_type_t`).
    PeerType {
        /// Not known.
        Unknown = 0,
        /// This side.
        Local = 1,
        /// The other side.
        Remote = 2,
    }
}

/// The action that a stream callback returns (`proxy_action_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Continue with the next plugin.
    Continue,
    /// Pause until `continue_stream` or a local response.
    Pause,
}

impl Action {
    /// The action of the number that a callback returned.
    ///
    /// 0 continues. Every other number pauses, because an unknown action is safer paused than passed on.
    #[must_use]
    pub const fn from_code(code: i32) -> Self {
        if code == 0 { Self::Continue } else { Self::Pause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_numbers_are_errors_not_defaults() {
        for value in [-1, 9, i32::MAX, i32::MIN] {
            assert_eq!(BufferType::try_from(value), Err(UnknownKind(value)));
            assert_eq!(MapType::try_from(value), Err(UnknownKind(value)));
            assert_eq!(LogLevel::try_from(value), Err(UnknownKind(value)));
        }
        assert_eq!(MapType::try_from(7), Ok(MapType::HttpCallResponseTrailers));
    }

    #[test]
    fn an_unknown_action_holds_the_stream() {
        assert_eq!(Action::from_code(0), Action::Continue);
        for code in [1, 2, -1, i32::MAX] {
            assert_eq!(Action::from_code(code), Action::Pause);
        }
    }
}
