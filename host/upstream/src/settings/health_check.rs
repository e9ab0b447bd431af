//! [`HealthCheckSettings`]: how the health of an upstream's endpoints is checked. The checks are made by `lockgate_health`.

mod request;
mod statuses;

use std::num::{NonZeroU16, NonZeroU32};

use lockgate_units::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::request::{ProbeHeaders, ProbeHost};
pub use self::statuses::StatusRange;

/// Active health checks: a probe of every endpoint, again and again, once for the whole process. An endpoint that fails them gets no
/// requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheckSettings {
    /// What a probe is.
    #[serde(rename = "type")]
    pub kind: HealthCheckKind,
    /// Path and query that an HTTP probe asks for. Default: `"/"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^/[!-~]*$"), extend("examples" = ["/healthz"]))]
    pub path: Option<String>,
    /// Method of an HTTP probe. Default: `"GET"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<ProbeMethod>,
    /// `Host` of an HTTP or gRPC probe. Default: the upstream's `host` if that is a name, else the endpoint's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<ProbeHost>,
    /// Further headers of an HTTP or gRPC probe.
    #[serde(default, skip_serializing_if = "ProbeHeaders::is_empty")]
    pub headers: ProbeHeaders,
    /// Statuses that an HTTP probe may be answered with: a number (`204`), a class (`"2xx"`) or a range (`"200-399"`). Default: `["2xx"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<StatusRange>,
    /// Service that a gRPC probe asks for. Default: `""`, the server as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub service: Option<String>,
    /// Port that is probed. Default: the endpoint's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<NonZeroU16>,
    /// Time from the start of a probe to the start of the next, give or take a tenth. A probe that takes longer delays the next.
    #[serde(default = "interval")]
    pub interval: Period,
    /// Maximum time of a probe, connecting included.
    #[serde(default = "timeout")]
    pub timeout: Period,
    /// Number of probes in a row that must pass before an unhealthy endpoint is healthy.
    #[serde(default = "healthy")]
    pub healthy: NonZeroU32,
    /// Number of probes in a row that must fail before a healthy endpoint is unhealthy.
    #[serde(default = "unhealthy")]
    pub unhealthy: NonZeroU32,
    /// Whether an endpoint gets requests before its first probe. That probe decides alone, whatever `healthy` and `unhealthy` say.
    #[serde(default)]
    pub initial: InitialHealth,
}

/// What a probe of an endpoint's health is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthCheckKind {
    /// A request, in the upstream's protocol. The whole response must come, and its status must be one of `expect`.
    Http,
    /// A connection, with its TLS handshake if the upstream has TLS.
    Tcp,
    /// A call of `grpc.health.v1.Health/Check` over HTTP/2. The response must be `SERVING`.
    Grpc,
}

/// Method of an HTTP probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ProbeMethod {
    /// `GET`.
    #[default]
    Get,
    /// `HEAD`: the response has no body.
    Head,
    /// `OPTIONS`.
    Options,
    /// `POST`, without a body.
    Post,
}

/// Whether an endpoint gets requests before its first probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InitialHealth {
    /// It does.
    #[default]
    Healthy,
    /// It does not: it waits for a probe that passes.
    Unhealthy,
}

fn interval() -> Period {
    Period::seconds(5)
}

fn timeout() -> Period {
    Period::seconds(1)
}

fn healthy() -> NonZeroU32 {
    const { NonZeroU32::new(2).unwrap() }
}

fn unhealthy() -> NonZeroU32 {
    const { NonZeroU32::new(3).unwrap() }
}

impl HealthCheckSettings {
    /// The shortest `interval`.
    pub const MIN_INTERVAL: Period = Period::millis(10);

    /// Checks of this kind, with the defaults.
    pub fn of(kind: HealthCheckKind) -> Self {
        Self {
            kind,
            path: None,
            method: None,
            host: None,
            headers: ProbeHeaders::default(),
            expect: Vec::new(),
            service: None,
            port: None,
            interval: interval(),
            timeout: timeout(),
            healthy: healthy(),
            unhealthy: unhealthy(),
            initial: InitialHealth::default(),
        }
    }

    /// The keys that are written and that probes of its kind have no use for.
    pub fn useless_keys(&self) -> Vec<&'static str> {
        let (is_http, is_grpc) = (self.kind == HealthCheckKind::Http, self.kind == HealthCheckKind::Grpc);
        let keys = [
            ("path", self.path.is_some(), is_http),
            ("method", self.method.is_some(), is_http),
            ("expect", !self.expect.is_empty(), is_http),
            ("host", self.host.is_some(), is_http || is_grpc),
            ("headers", !self.headers.is_empty(), is_http || is_grpc),
            ("service", self.service.is_some(), is_grpc),
        ];
        let useless = keys
            .into_iter()
            .filter(|(_, is_written, is_used)| *is_written && !is_used);
        useless.map(|(key, ..)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_written_as_they_were_read() {
        let written = json!({
            "type": "http", "path": "/healthz?full=1", "interval": "2s", "timeout": "1s", "healthy": 2, "unhealthy": 3,
            "expect": ["2xx", 304, "400-404"], "port": 9000, "initial": "healthy",
            "host": "orders.internal", "headers": { "x-probe": "1" }
        });
        let settings: HealthCheckSettings = serde_json::from_value(written.clone()).expect("settings");
        assert_eq!(serde_json::to_value(&settings).expect("JSON"), written);
        assert!(settings.useless_keys().is_empty());
    }

    #[test]
    fn keys_of_another_kind_are_useless() {
        let settings: HealthCheckSettings = serde_json::from_value(json!({
            "type": "tcp", "path": "/", "headers": { "a": "b" }, "service": "x"
        }))
        .expect("settings");
        assert_eq!(settings.useless_keys(), ["path", "headers", "service"]);
    }
}
