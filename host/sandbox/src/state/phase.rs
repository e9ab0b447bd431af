//! Which callback is running. Decides little (bodies are only there in their own callbacks); mostly it is for telling where
//! something went wrong.

/// A callback into the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Initialise,
    ContextCreate,
    VmStart,
    Configure,
    Tick,
    RequestHeaders,
    RequestBody,
    RequestTrailers,
    ResponseHeaders,
    ResponseBody,
    ResponseTrailers,
    NewConnection,
    DownstreamData,
    UpstreamData,
    DownstreamClose,
    UpstreamClose,
    HttpCallResponse,
    GrpcInitialMetadata,
    GrpcReceive,
    GrpcTrailingMetadata,
    GrpcClose,
    QueueReady,
    Done,
    Log,
    Delete,
}

impl Phase {
    /// A short name, for logs and labels.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Initialise => "initialise",
            Self::ContextCreate => "context_create",
            Self::VmStart => "vm_start",
            Self::Configure => "configure",
            Self::Tick => "tick",
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
            Self::HttpCallResponse => "http_call_response",
            Self::GrpcInitialMetadata => "grpc_receive_initial_metadata",
            Self::GrpcReceive => "grpc_receive",
            Self::GrpcTrailingMetadata => "grpc_receive_trailing_metadata",
            Self::GrpcClose => "grpc_close",
            Self::QueueReady => "queue_ready",
            Self::Done => "done",
            Self::Log => "log",
            Self::Delete => "delete",
        }
    }
}
