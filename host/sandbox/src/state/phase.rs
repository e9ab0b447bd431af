//! [`Phase`]: the callback that is running in a guest.
//!
//! It decides little: bodies are only visible in their own callbacks. Logs, metrics and traps name it.

/// A callback into the guest.
///
/// The order is significant: the phases of [`Phase::TIMED`] come first, so that `phase as usize` is an index into a table of
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// `proxy_on_request_headers`.
    RequestHeaders,
    /// `proxy_on_request_body`.
    RequestBody,
    /// `proxy_on_request_trailers`.
    RequestTrailers,
    /// `proxy_on_response_headers`.
    ResponseHeaders,
    /// `proxy_on_response_body`.
    ResponseBody,
    /// `proxy_on_response_trailers`.
    ResponseTrailers,
    /// `proxy_on_new_connection`.
    NewConnection,
    /// `proxy_on_downstream_data`.
    DownstreamData,
    /// `proxy_on_upstream_data`.
    UpstreamData,
    /// `proxy_on_downstream_connection_close`.
    DownstreamClose,
    /// `proxy_on_upstream_connection_close`.
    UpstreamClose,
    /// [`Phase::Done`], [`Phase::Log`] and [`Phase::Delete`] of a stream context, timed together. No guest runs under this name.
    Finish,
    /// `_initialize` or `_start`.
    Initialise,
    /// `proxy_on_context_create`.
    ContextCreate,
    /// `proxy_on_vm_start`.
    VmStart,
    /// `proxy_on_configure`.
    Configure,
    /// `proxy_on_tick`.
    Tick,
    /// `proxy_on_http_call_response`.
    HttpCallResponse,
    /// `proxy_on_grpc_receive_initial_metadata`.
    GrpcInitialMetadata,
    /// `proxy_on_grpc_receive`.
    GrpcReceive,
    /// `proxy_on_grpc_receive_trailing_metadata`.
    GrpcTrailingMetadata,
    /// `proxy_on_grpc_close`.
    GrpcClose,
    /// `proxy_on_queue_ready`.
    QueueReady,
    /// `proxy_on_foreign_function`.
    ForeignFunction,
    /// `proxy_on_done`.
    Done,
    /// `proxy_on_log`.
    Log,
    /// `proxy_on_delete`.
    Delete,
}

impl Phase {
    /// The phases whose duration is measured for each stream, in the order of their declaration.
    pub const TIMED: [Self; 12] = [
        Self::RequestHeaders,
        Self::RequestBody,
        Self::RequestTrailers,
        Self::ResponseHeaders,
        Self::ResponseBody,
        Self::ResponseTrailers,
        Self::NewConnection,
        Self::DownstreamData,
        Self::UpstreamData,
        Self::DownstreamClose,
        Self::UpstreamClose,
        Self::Finish,
    ];

    /// The value of the label `phase` in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestHeaders => "request_headers",
            Self::RequestBody => "request_body",
            Self::RequestTrailers => "request_trailers",
            Self::ResponseHeaders => "response_headers",
            Self::ResponseBody => "response_body",
            Self::ResponseTrailers => "response_trailers",
            Self::NewConnection => "new_connection",
            Self::DownstreamData => "downstream_data",
            Self::UpstreamData => "upstream_data",
            Self::DownstreamClose => "downstream_close",
            Self::UpstreamClose => "upstream_close",
            Self::Finish => "finish",
            Self::Initialise => "initialise",
            Self::ContextCreate => "context_create",
            Self::VmStart => "vm_start",
            Self::Configure => "configure",
            Self::Tick => "tick",
            Self::HttpCallResponse => "http_call_response",
            Self::GrpcInitialMetadata => "grpc_receive_initial_metadata",
            Self::GrpcReceive => "grpc_receive",
            Self::GrpcTrailingMetadata => "grpc_receive_trailing_metadata",
            Self::GrpcClose => "grpc_close",
            Self::QueueReady => "queue_ready",
            Self::ForeignFunction => "foreign_function",
            Self::Done => "done",
            Self::Log => "log",
            Self::Delete => "delete",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timed_phase_is_its_own_index() {
        for (index, phase) in Phase::TIMED.into_iter().enumerate() {
            assert_eq!(phase as usize, index);
        }
    }
}
