//! What an operator wants to see counted of a plugin besides its failures: what it was refused, and how its VMs fare.
//! Labels only; their number is fixed, whatever a guest does.

/// Something that a guest asked for and did not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// A log line beyond `limits.log_lines` or `limits.log_bytes`.
    Log,
    /// A metric too many, or one under a name that cannot be.
    Metric,
    /// A shared value too many or too large.
    SharedData,
    /// A queue too many, or one that is full.
    Queue,
    /// A shorter tick than `limits.tick`.
    Tick,
    /// A callout beyond `limits.callouts` or `limits.callouts_per_request`.
    Callout,
    /// A header write that would grow a map past `limits.header_growth`, or with too many fields.
    Headers,
    /// A body write that would grow a body past `limits.body_growth`.
    Body,
    /// A property too many or too large.
    Property,
    /// A local response larger than `limits.local_response`.
    LocalResponse,
    /// A host call that `capabilities.host_calls` does not name.
    CapabilityHostCall,
    /// A callout to an upstream that `capabilities.upstreams` does not name.
    CapabilityUpstream,
    /// A header write that the capabilities do not allow.
    CapabilityHeader,
    /// A property write that `capabilities.write_properties` does not allow.
    CapabilityProperty,
    /// A function that `capabilities.foreign_functions` does not name.
    CapabilityForeignFunction,
}

impl Refusal {
    /// How many there are.
    pub const COUNT: usize = 15;

    /// A label for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Metric => "metric",
            Self::SharedData => "shared_data",
            Self::Queue => "queue",
            Self::Tick => "tick",
            Self::Callout => "callout",
            Self::Headers => "headers",
            Self::Body => "body",
            Self::Property => "property",
            Self::LocalResponse => "local_response",
            Self::CapabilityHostCall => "capability_host_call",
            Self::CapabilityUpstream => "capability_upstream",
            Self::CapabilityHeader => "capability_header",
            Self::CapabilityProperty => "capability_property",
            Self::CapabilityForeignFunction => "capability_foreign_function",
        }
    }
}

/// Why a plugin is through with one request although its VM has not failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestLimit {
    /// `limits.request_deadline`.
    CpuTime,
    /// `limits.header_growth`.
    HeaderGrowth,
    /// `limits.body_growth`.
    BodyGrowth,
    /// `limits.local_response`.
    LocalResponse,
}

/// A turn in the life of a plugin's VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VmEvent {
    /// It had outgrown `limits.soft_memory`, and a fresh one takes the new requests.
    Recycled,
    /// It has failed again and again: from now on one request at a time tries it.
    Quarantined,
    /// The request that tried it came through: it serves all again.
    Released,
    /// A request that keeps ending fresh VMs is not given to it any more.
    RequestBlocked,
    /// A plugin went past a limit on what it may do to one request, and is through with it; its VM lives on.
    LimitExceeded,
}

impl VmEvent {
    /// A label for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recycled => "recycled",
            Self::Quarantined => "quarantined",
            Self::Released => "released",
            Self::RequestBlocked => "request_blocked",
            Self::LimitExceeded => "limit_exceeded",
        }
    }
}
