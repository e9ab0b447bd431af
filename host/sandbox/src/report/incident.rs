//! What is counted of a plugin besides its failures: refusals, and events of its VMs. Labels only, whose number no guest can
//! raise.

/// What a guest was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// A log line beyond `limits.log_lines` or `limits.log_bytes`.
    Log,
    /// One metric too many, or an invalid name.
    Metric,
    /// One shared value too many, or one that is too large.
    SharedData,
    /// One value of `lockgate.kv` too many.
    Kv,
    /// One queue too many, or a full queue.
    Queue,
    /// A tick period below `limits.tick`.
    Tick,
    /// A callout beyond `limits.callouts` or `limits.callouts_per_request`.
    Callout,
    /// A header write beyond `limits.header_growth`, or one field too many.
    Headers,
    /// A body write beyond `limits.body_growth`.
    Body,
    /// One property too many, or one that is too large.
    Property,
    /// A local response beyond `limits.local_response`.
    LocalResponse,
    /// Bytes for the host to hold, beyond what `limits.memory` leaves for them.
    Memory,
    /// A host call that `capabilities.host_calls` does not name.
    CapabilityHostCall,
    /// A callout to an upstream that `capabilities.upstreams` does not name.
    CapabilityUpstream,
    /// A header write that the capabilities do not allow.
    CapabilityHeader,
    /// A property write that `capabilities.write_properties` does not allow.
    CapabilityProperty,
    /// A foreign function that `capabilities.foreign_functions` does not name.
    CapabilityForeignFunction,
}

impl Refusal {
    /// The number of variants.
    pub const COUNT: usize = 16;

    /// The value of the label `reason`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Metric => "metric",
            Self::SharedData => "shared_data",
            Self::Kv => "kv",
            Self::Queue => "queue",
            Self::Tick => "tick",
            Self::Callout => "callout",
            Self::Headers => "headers",
            Self::Body => "body",
            Self::Property => "property",
            Self::LocalResponse => "local_response",
            Self::Memory => "memory",
            Self::CapabilityHostCall => "capability_host_call",
            Self::CapabilityUpstream => "capability_upstream",
            Self::CapabilityHeader => "capability_header",
            Self::CapabilityProperty => "capability_property",
            Self::CapabilityForeignFunction => "capability_foreign_function",
        }
    }
}

/// Why a plugin has failed for one request. The request is lost to the plugin; the VM stays usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestFault {
    /// `limits.request_deadline`.
    CpuTime,
    /// `limits.header_growth`.
    HeaderGrowth,
    /// `limits.body_growth`.
    BodyGrowth,
    /// `limits.local_response`.
    LocalResponse,
    /// What the host holds for the plugin would exceed its account.
    Memory,
    /// The host has refused what was meant to stop the request.
    Stop,
    /// The host has refused a write, and what the client or the upstream has sent is still there.
    Write,
}

impl RequestFault {
    /// Whether the host has refused what the plugin did. Otherwise the plugin has exceeded a limit.
    pub(crate) const fn is_refusal(self) -> bool {
        matches!(self, Self::Stop | Self::Write)
    }
}

/// An event of a plugin's VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VmEvent {
    /// It has grown beyond `limits.soft_memory`. A new VM takes new requests.
    Recycled,
    /// It has failed repeatedly. From now on one request at a time tries it.
    Quarantined,
    /// A request has passed the quarantined plugin. It takes all requests again.
    Released,
    /// A request that makes one VM after another trap is blocked.
    RequestBlocked,
    /// The plugin exceeded a limit in one request. The VM stays usable.
    LimitExceeded,
    /// An outgrown VM was ended with its requests, because the memory of the plugin's VMs had reached its limit.
    Evicted,
}

impl VmEvent {
    /// The value of the label `event`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recycled => "recycled",
            Self::Quarantined => "quarantined",
            Self::Released => "released",
            Self::RequestBlocked => "request_blocked",
            Self::LimitExceeded => "limit_exceeded",
            Self::Evicted => "evicted",
        }
    }
}
