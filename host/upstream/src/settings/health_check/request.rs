//! [`ProbeHost`] and [`ProbeHeaders`]: what a probe says beside its path.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Headers that the client writes itself, or that only concern a connection.
const RESERVED: [HeaderName; 10] = [
    HOST,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    CONNECTION,
    UPGRADE,
    TE,
    TRAILER,
    EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The `Host` of a probe: a host name or an address, with an optional port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeHost(pub HeaderValue);

impl Serialize for ProbeHost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(self.0.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for ProbeHost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        match (text.parse::<Authority>(), HeaderValue::from_str(&text)) {
            (Ok(authority), Ok(value)) if !authority.as_str().contains('@') => Ok(Self(value)),
            _ => Err(D::Error::custom(format_args!(
                "{text:?} is not a host name; expected a name or an address, such as \"orders.internal\""
            ))),
        }
    }
}

impl JsonSchema for ProbeHost {
    fn schema_name() -> Cow<'static, str> {
        "ProbeHost".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "minLength": 1,
            "description": "A host name or an address, with an optional port.",
            "examples": ["orders.internal"],
        })
    }
}

/// Headers of a probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeHeaders(HeaderMap);

impl ProbeHeaders {
    /// The headers. Host, framing and hop-by-hop fields are not among them.
    pub fn map(&self) -> &HeaderMap {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for ProbeHeaders {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let pairs = self.0.iter().map(|(name, value)| (name.as_str(), text(value)));
        serializer.collect_map(pairs.collect::<BTreeMap<_, _>>())
    }
}

impl<'de> Deserialize<'de> for ProbeHeaders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut headers = HeaderMap::new();
        for (name, value) in BTreeMap::<String, String>::deserialize(deserializer)? {
            let parsed = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| D::Error::custom(format_args!("{name:?} is not a header name")))?;
            if RESERVED.contains(&parsed) {
                let instead = if parsed == HOST {
                    "; expected the key \"host\""
                } else {
                    ""
                };
                return Err(D::Error::custom(format_args!(
                    "a probe writes {name:?} itself{instead}"
                )));
            }
            let value = HeaderValue::from_str(&value)
                .map_err(|_| D::Error::custom(format_args!("the value of {name:?} is not a header value")))?;
            headers.insert(parsed, value);
        }
        Ok(Self(headers))
    }
}

impl JsonSchema for ProbeHeaders {
    fn schema_name() -> Cow<'static, str> {
        "ProbeHeaders".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object", "additionalProperties": { "type": "string" },
            "description": "Header values by name.",
            "examples": [{ "authorization": "Bearer ${env:PROBE_TOKEN}" }],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_that_the_client_writes_are_refused() {
        for (written, reason) in [
            (json!({ "Host": "a" }), "the key \"host\""),
            (json!({ "content-length": "1" }), "writes \"content-length\" itself"),
            (json!({ "a b": "1" }), "\"a b\" is not a header name"),
            (json!({ "a": "1\r\nb: 2" }), "the value of \"a\" is not a header value"),
        ] {
            let error = serde_json::from_value::<ProbeHeaders>(written.clone()).expect_err("refused");
            assert!(error.to_string().contains(reason), "{written}: {error}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        let read = |text: &str| serde_json::from_value::<ProbeHost>(json!(text));
        assert!(read("orders.internal").is_ok() && read("[::1]:80").is_ok() && read("127.0.0.1").is_ok());
        assert!(read("a b").is_err() && read("user@host").is_err() && read("").is_err() && read("http://a").is_err());
    }
}
