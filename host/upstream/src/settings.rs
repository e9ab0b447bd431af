//! The settings of an upstream, as they are written in gateway.json under `upstreams.NAME`.
//!
//! Each subject has a file. Each value is known to be well-formed. An [`Upstream`](crate::Upstream) is made of them.

mod balance;
mod breaker;
mod concurrency;
mod discovery;
mod endpoint;
mod health_check;
mod hedge;
mod host;
mod limits;
mod outlier_detection;
mod retry;
mod server_url;
#[cfg(test)]
mod tests;
mod timeouts;
mod weight;

use std::num::NonZeroUsize;
use std::time::Duration;

use lockgate_client::{Address, Protocol, TlsForm, TlsSettings, optional_tls};
use lockgate_units::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::balance::Balance;
pub use self::breaker::{BreakerMode, BreakerSettings, Fallback, FixedAnswer, Ratio, Threshold};
pub use self::concurrency::{ConcurrencySettings, Criticality};
pub use self::discovery::{
    ConsulDiscovery, DiscoverySettings, DnsDiscovery, FileDiscovery, KubernetesDiscovery, NacosDiscovery,
    RegistrationDiscovery, SrvDiscovery,
};
pub use self::endpoint::EndpointSettings;
pub use self::health_check::{
    HealthCheckKind, HealthCheckSettings, InitialHealth, ProbeHeaders, ProbeHost, ProbeMethod, StatusRange,
};
pub use self::hedge::HedgeSettings;
pub use self::host::HostPolicy;
pub use self::limits::ResponseLimits;
pub use self::outlier_detection::OutlierSettings;
pub use self::retry::{BudgetSettings, RetryMethod, RetryOn, RetrySettings};
pub use self::server_url::ServerUrl;
pub use self::timeouts::UpstreamTimeouts;
pub use self::weight::Weight;

/// A group of endpoints that requests go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSettings {
    /// Endpoints of the upstream, in the order of balancing. May be absent where `discovery` lists them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1))]
    pub endpoints: Vec<EndpointSettings>,
    /// Where further endpoints come from. Absent: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<DiscoverySettings>,
    /// Other names of the upstream for plugins: in callouts, gRPC calls and the property `lockgate.upstream`. Modules for Istio use
    /// names that are no keys here, such as `outbound|443||auth.default.svc.cluster.local`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// How an endpoint is chosen for a request.
    #[serde(default)]
    pub balance: Balance,
    /// The `Host` that the upstream sees.
    #[serde(default)]
    pub host: HostPolicy,
    /// Protocol of the endpoints.
    #[serde(default)]
    pub protocol: Protocol,
    /// TLS towards the endpoints: an object, or `true` for one without settings. Absent or `false`: clear text.
    #[serde(default, deserialize_with = "optional_tls", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<TlsForm>")]
    pub tls: Option<TlsSettings>,
    /// Maximum concurrent requests on one HTTP/2 connection; fewer if the endpoint takes fewer. More open another connection, per
    /// endpoint and worker.
    #[serde(default = "max_streams")]
    #[schemars(range(min = 1))]
    pub max_streams: NonZeroUsize,
    /// Older name of `timeouts.connect`, in whose place it stands. One of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Period>,
    /// Limits of the time that a request may take at the upstream.
    #[serde(default)]
    pub timeouts: UpstreamTimeouts,
    /// Endpoints that fail are left out for a while. Absent: none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlier_detection: Option<OutlierSettings>,
    /// Retries of requests that failed. Absent: only what is always done: another endpoint when one cannot be connected to, and another
    /// connection when one closed before it took the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetrySettings>,
    /// A second attempt beside one that takes unusually long. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedge: Option<HedgeSettings>,
    /// Keeps requests from an upstream that fails. Absent: none is kept from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<BreakerSettings>,
    /// Maximum concurrent requests, and a queue for those above it. Absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<ConcurrencySettings>,
    /// Time that an unused connection is kept for reuse.
    #[serde(default = "idle_timeout")]
    pub idle_timeout: Period,
    /// Maximum unused connections, per endpoint and worker. 0: a new connection for every request.
    #[serde(default = "max_idle")]
    pub max_idle: usize,
    /// Limits of responses.
    #[serde(default)]
    pub limits: ResponseLimits,
    /// Active health checks. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheckSettings>,
}

fn idle_timeout() -> Period {
    Period(Duration::from_secs(60))
}

fn max_idle() -> usize {
    256
}

fn max_streams() -> NonZeroUsize {
    const { NonZeroUsize::new(100).unwrap() }
}

impl UpstreamSettings {
    /// Settings for these endpoints, with the defaults for all others.
    pub fn of(endpoints: impl IntoIterator<Item = Address>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(EndpointSettings::at).collect(),
            discovery: None,
            aliases: Vec::new(),
            balance: Balance::default(),
            host: HostPolicy::default(),
            protocol: Protocol::default(),
            tls: None,
            max_streams: max_streams(),
            connect_timeout: None,
            timeouts: UpstreamTimeouts::default(),
            outlier_detection: None,
            retry: None,
            hedge: None,
            circuit_breaker: None,
            concurrency: None,
            idle_timeout: idle_timeout(),
            max_idle: max_idle(),
            limits: ResponseLimits::default(),
            health_check: None,
        }
    }

    /// Whether something judges endpoints by their outcomes, or has to count what is active at them. The only endpoint of an upstream
    /// without such a policy is spoken to without further ado.
    pub fn has_policy(&self) -> bool {
        self.health_check.is_some()
            || self.outlier_detection.is_some()
            || self.circuit_breaker.is_some()
            || self.concurrency.is_some()
            || self.retry.is_some()
            || self.hedge.is_some()
            || !self.timeouts.per_try.is_zero()
    }

    /// Maximum time to connect, by whichever name it is written.
    pub fn connect_limit(&self) -> Period {
        self.connect_timeout.unwrap_or(self.timeouts.connect)
    }

    /// Whether endpoints take requests before their first health check.
    pub(crate) fn initial_health(&self) -> InitialHealth {
        self.health_check
            .as_ref()
            .map(|check| check.initial)
            .unwrap_or_default()
    }
}
