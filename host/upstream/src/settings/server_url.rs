//! [`ServerUrl`]: the address of an HTTP API, `http://HOST:PORT`.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use lockgate_client::Address;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The address of an HTTP API: `http://HOST[:PORT]` or `https://HOST[:PORT]`, without a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerUrl {
    /// Whether the API is spoken to by TLS.
    pub is_tls: bool,
    /// Its address.
    pub address: Address,
}

impl ServerUrl {
    /// An API in clear text.
    pub(crate) fn clear_text(ip: [u8; 4], port: u16) -> Self {
        Self {
            is_tls: false,
            address: Address::Socket(SocketAddr::from((ip, port))),
        }
    }
}

impl FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not the URL of a server; expected http://HOST:PORT or https://HOST:PORT");
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (is_tls, port) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return Err(wrong()),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let address = authority
            .parse::<Address>()
            .or_else(|_| format!("{authority}:{port}").parse())
            .map_err(|_| wrong())?;
        Ok(Self { is_tls, address })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(out, "{scheme}://{}", self.address)
    }
}

impl Serialize for ServerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ServerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl JsonSchema for ServerUrl {
    fn schema_name() -> Cow<'static, str> {
        "ServerUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^https?://[^/\\s]+/?$",
            "description": "http://HOST:PORT or https://HOST:PORT, without a path.",
            "examples": ["http://127.0.0.1:8500", "https://consul.internal:8501"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_people_write_them() {
        for (text, shown) in [
            ("http://127.0.0.1:8500", "http://127.0.0.1:8500"),
            ("https://consul.internal/", "https://consul.internal:443"),
            ("http://[::1]", "http://[::1]:80"),
        ] {
            let url = text.parse::<ServerUrl>().expect("a URL");
            assert_eq!(url.to_string(), shown);
            assert_eq!(shown.parse(), Ok(url));
        }
        for text in ["127.0.0.1:8500", "ftp://a:1", "http://", "http://a/b", "http://a b:1"] {
            assert!(text.parse::<ServerUrl>().is_err(), "{text}");
        }
    }
}
