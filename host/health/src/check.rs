//! [`Check`]: what an upstream's `health_check` says, ready to be carried out.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, USER_AGENT};
use http::{HeaderValue, Method};
use lockgate_client::{KeepAlive, PoolSettings, Protocol, ResponseHeadLimits, Target};
use lockgate_upstream::{
    HealthCheckKind, HealthCheckSettings, HostPolicy, InitialHealth, ProbeMethod, StatusRange, UpstreamSettings,
};

use crate::grpc_message;
use crate::request::ProbeRequest;
use crate::tracker::Thresholds;

/// Who probes, for the endpoint's log.
const AGENT: HeaderValue = HeaderValue::from_static("lockgate-health-check");

/// The health check of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub(crate) probe: Probe,
    /// The time from the start of a probe to the start of the next.
    pub interval: Duration,
    /// The maximum time of a probe.
    pub timeout: Duration,
    /// How many results change an endpoint's health.
    pub thresholds: Thresholds,
    /// Whether an endpoint gets requests before its first probe.
    pub initial: InitialHealth,
    port: Option<u16>,
}

/// What a probe sends, and what it expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    Http {
        protocol: Protocol,
        request: ProbeRequest,
        expect: Vec<StatusRange>,
    },
    Tcp,
    Grpc(ProbeRequest),
}

impl Check {
    /// The health check of an upstream with these settings; none if they have none.
    pub fn of(upstream: &UpstreamSettings) -> Option<Self> {
        let settings = upstream.health_check.as_ref()?;
        let host = match (&settings.host, &upstream.host) {
            (Some(host), _) => Some(host.0.clone()),
            (None, HostPolicy::Name(name)) => Some(name.clone()),
            (None, HostPolicy::Pass | HostPolicy::Endpoint) => None,
        };
        Some(Self {
            probe: Probe::new(settings, host, upstream.protocol),
            interval: settings.interval.duration(),
            timeout: settings.timeout.duration(),
            thresholds: Thresholds {
                healthy: settings.healthy,
                unhealthy: settings.unhealthy,
            },
            initial: settings.initial,
            port: settings.port.map(Into::into),
        })
    }

    /// What is probed of an endpoint: its target, or another port of it.
    pub(crate) fn target(&self, endpoint: &Target) -> Target {
        match self.port {
            Some(port) => endpoint.at_port(port),
            None => endpoint.clone(),
        }
    }

    /// A connection for a probe serves no other.
    pub(crate) fn pool(&self) -> PoolSettings {
        PoolSettings {
            connect_timeout: self.timeout,
            max_streams: 1,
            response_head: ResponseHeadLimits {
                bytes: 64 * 1024,
                fields: 128,
            },
            keep_alive: KeepAlive {
                idle_timeout: Duration::ZERO,
                max_idle: 0,
            },
        }
    }
}

impl Probe {
    fn new(settings: &HealthCheckSettings, host: Option<HeaderValue>, protocol: Protocol) -> Self {
        let mut headers = settings.headers.map().clone();
        headers.entry(USER_AGENT).or_insert(AGENT);
        match settings.kind {
            HealthCheckKind::Tcp => Self::Tcp,
            HealthCheckKind::Grpc => Self::Grpc(grpc_message::request(
                settings.service.as_deref().unwrap_or_default(),
                host,
                headers,
            )),
            HealthCheckKind::Http => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
                Self::Http {
                    protocol,
                    request: ProbeRequest {
                        method: match settings.method.unwrap_or_default() {
                            ProbeMethod::Get => Method::GET,
                            ProbeMethod::Head => Method::HEAD,
                            ProbeMethod::Options => Method::OPTIONS,
                            ProbeMethod::Post => Method::POST,
                        },
                        path: settings.path.clone().unwrap_or_else(|| "/".to_owned()),
                        host,
                        headers,
                        body: Bytes::new(),
                    },
                    expect: match &settings.expect[..] {
                        [] => vec![StatusRange::SUCCESS],
                        expected => expected.to_vec(),
                    },
                }
            }
        }
    }
}
