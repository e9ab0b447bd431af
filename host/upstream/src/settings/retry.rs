//! Retries: which failures of an attempt are followed by another attempt.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use http::Method;
use lockgate_units::{Period, Size};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Retries. They come in addition to what is always done: another endpoint when one cannot be connected to, and another connection when one
/// closed before it took the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetrySettings {
    /// Maximum retries of a request, after its first attempt. None goes to the endpoint that has just failed while there is another.
    #[schemars(range(max = 10))]
    pub attempts: u32,
    /// What is retried. `connect`: no connection was made. `reset`: the connection broke before a response. `refused-stream`: the upstream
    /// says that it has not processed the request. `timeout`: no response within `timeouts.try` or `timeouts.first_byte`. `gateway-error`:
    /// the statuses 502, 503 and 504. `5xx`: every status from 500 on. A number from 400 to 599: this status.
    pub on: Vec<RetryOn>,
    /// Methods that are retried: `idempotent` for all that RFC 9110 calls so (GET, HEAD, OPTIONS, TRACE, PUT, DELETE), or names. Others are
    /// retried only if the upstream cannot have seen the request.
    pub methods: Vec<RetryMethod>,
    /// Wait before the first retry, half of it at random. It doubles with each retry.
    pub backoff: Period,
    /// Maximum wait before a retry.
    pub max_backoff: Period,
    /// Maximum `Retry-After` of a response that is waited for, before a retry at the same endpoint. A response that asks for more is passed
    /// on. Another endpoint is tried without waiting for it.
    pub max_retry_after: Period,
    /// Maximum size of a request's body that is kept for a retry. A larger body is not sent twice.
    pub max_body: Size,
    /// Limit of all retries of the upstream together.
    pub budget: BudgetSettings,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts: 1,
            on: vec![RetryOn::Connect, RetryOn::Reset, RetryOn::RefusedStream],
            methods: vec![RetryMethod::Idempotent],
            backoff: Period::millis(25),
            max_backoff: Period::millis(250),
            max_retry_after: Period::seconds(1),
            max_body: Size::kib(64),
            budget: BudgetSettings::default(),
        }
    }
}

/// A limit of retries, for a share of the requests (Gateway API, GEP-3388). Where both limits are reached, a failed attempt is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetSettings {
    /// Maximum retries in `window`, in percent of the requests in it.
    #[schemars(range(max = 100))]
    pub percent: u8,
    /// Time in which requests and retries are counted.
    pub window: Period,
    /// Retries that are allowed in any second, whatever their share.
    pub min_per_second: u32,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self {
            percent: 20,
            window: Period::seconds(10),
            min_per_second: 10,
        }
    }
}

/// A failure that is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryOn {
    /// No connection was made.
    Connect,
    /// The connection broke before a response.
    Reset,
    /// The upstream says that it has not processed the request.
    RefusedStream,
    /// No response in time.
    Timeout,
    /// The statuses 502, 503 and 504.
    GatewayError,
    /// Every status from 500 on.
    ServerError,
    /// This status, from 400 to 599.
    Status(u16),
}

/// The names of failures that are no status.
const NAMES: [(&str, RetryOn); 6] = [
    ("connect", RetryOn::Connect),
    ("reset", RetryOn::Reset),
    ("refused-stream", RetryOn::RefusedStream),
    ("timeout", RetryOn::Timeout),
    ("gateway-error", RetryOn::GatewayError),
    ("5xx", RetryOn::ServerError),
];

impl FromStr for RetryOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Words are joined by an underscore elsewhere in gateway.json, and by a hyphen in Envoy.
        let name = text.replace('_', "-");
        if let Some((_, known)) = NAMES.iter().find(|(known, _)| *known == name) {
            return Ok(*known);
        }
        match text.parse() {
            Ok(status @ 400..=599) if text.len() == 3 => Ok(Self::Status(status)),
            _ => Err(format!(
                "{text:?} cannot be retried; expected connect, reset, refused-stream, timeout, gateway-error, 5xx or a status from 400 to 599"
            )),
        }
    }
}

impl fmt::Display for RetryOn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, NAMES.iter().find(|(_, known)| known == self)) {
            (_, Some((name, _))) => formatter.write_str(name),
            (Self::Status(status), None) => status.fmt(formatter),
            (_, None) => Ok(()),
        }
    }
}

impl Serialize for RetryOn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RetryOn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for RetryOn {
    fn schema_name() -> Cow<'static, str> {
        "RetryOn".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A failure of an attempt: connect, reset, refused-stream, timeout, gateway-error, 5xx, or a status from 400 to 599.",
            "pattern": "^(connect|reset|refused[-_]stream|timeout|gateway[-_]error|5xx|[45][0-9][0-9])$",
            "examples": ["connect", "reset", "refused-stream", "timeout", "gateway-error", "5xx", "503"],
        })
    }
}

/// A method that is retried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryMethod {
    /// All that are idempotent (RFC 9110, section 9.2.2).
    Idempotent,
    /// This one.
    Named(Method),
}

impl RetryMethod {
    /// Whether it means this method.
    pub(crate) fn includes(&self, method: &Method) -> bool {
        match self {
            Self::Idempotent => method.is_idempotent(),
            Self::Named(name) => name == method,
        }
    }
}

impl Serialize for RetryMethod {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Idempotent => "idempotent",
            Self::Named(method) => method.as_str(),
        })
    }
}

impl<'de> Deserialize<'de> for RetryMethod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        match &*text {
            "idempotent" => Ok(Self::Idempotent),
            name if name.bytes().any(|byte| byte.is_ascii_lowercase()) => Err(de::Error::custom(format_args!(
                "{name:?} is not a method; expected \"idempotent\" or a name in capitals, like \"POST\""
            ))),
            name => Method::from_bytes(name.as_bytes())
                .map(Self::Named)
                .map_err(|_| de::Error::custom(format_args!("{name:?} is not a method"))),
        }
    }
}

impl JsonSchema for RetryMethod {
    fn schema_name() -> Cow<'static, str> {
        "RetryMethod".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "\"idempotent\", or the name of a method.",
            "pattern": "^(idempotent|[A-Z][A-Z0-9_-]*)$",
            "examples": ["idempotent", "POST"],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_documented_example_is_read_and_written() {
        let text = json!({ "attempts": 2, "on": ["connect", "reset", "503"], "methods": ["idempotent"], "backoff": "25ms",
            "budget": { "percent": 20, "window": "10s", "min_per_second": 10 } });
        let settings: RetrySettings = serde_json::from_value(text).expect("the example");
        assert_eq!(settings.on, [RetryOn::Connect, RetryOn::Reset, RetryOn::Status(503)]);
        let written = serde_json::to_value(&settings).expect("settings are plain JSON");
        assert_eq!(written["on"], json!(["connect", "reset", "503"]));
        assert_eq!(
            serde_json::from_value::<RetrySettings>(written).expect("what was written"),
            settings
        );
    }

    #[test]
    fn words_of_a_failure_are_joined_in_either_way() {
        for text in ["refused-stream", "refused_stream"] {
            assert_eq!(text.parse(), Ok(RetryOn::RefusedStream));
        }
        for text in ["6xx", "200", "600", "0503", "", "+503"] {
            assert!(text.parse::<RetryOn>().is_err(), "{text}");
        }
    }
}
