//! [`Address`]: the address of an endpoint as it is written, `HOST:PORT`. The host is an IP address or a name.
//!
//! The addresses of a name are those of its record when a connection is made ([`HostRecord`](crate::HostRecord)): the next connection follows a
//! change.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The address that an endpoint listens on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and a port: nothing is looked up.
    Socket(SocketAddr),
    /// A host name in lower case and a port. New connections go to the addresses that the name has then.
    Name(Arc<str>, u16),
}

/// Why a text is not the address of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It has a scheme or a path.
    #[error("{0:?} is a URL; an endpoint is HOST:PORT, such as \"127.0.0.1:9001\"")]
    Url(String),
    /// It has no port from 1 to 65535.
    #[error("{0:?} has no port from 1 to 65535; an endpoint is HOST:PORT, such as \"127.0.0.1:9001\"")]
    Port(String),
    /// Its host is neither an IP address nor a host name (RFC 1123).
    #[error("{0:?} has no valid host; an endpoint is HOST:PORT, such as \"127.0.0.1:9001\" or \"[::1]:9001\"")]
    Host(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('/') {
            return Err(AddressError::Url(text.to_owned()));
        }
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return if socket.port() == 0 {
                Err(AddressError::Port(text.to_owned()))
            } else {
                Ok(Self::Socket(socket))
            };
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(AddressError::Port(text.to_owned()));
        };
        let port = match port.parse::<u16>() {
            Ok(port) if port != 0 => port,
            _ => return Err(AddressError::Port(text.to_owned())),
        };
        if !is_host_name(host) {
            return Err(AddressError::Host(text.to_owned()));
        }
        Ok(Self::Name(host.to_ascii_lowercase().into(), port))
    }
}

/// RFC 1123 names, with `_` allowed because service names in the wild have it. A last label of digits only would be a
/// broken IPv4 address, not a name.
fn is_host_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    host.len() <= 253
        && host.split('.').all(is_label)
        && host
            .rsplit('.')
            .next()
            .is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()))
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(socket) => socket.fmt(formatter),
            Self::Name(host, port) => write!(formatter, "{host}:{port}"),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[^/\\s]+:[0-9]{1,5}$",
            "description": "HOST:PORT. The host is an IP address (IPv6 in brackets), or a name, whose addresses are kept current.",
            "examples": ["127.0.0.1:9001", "[::1]:9001", "orders.internal:8080"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        assert_eq!(
            "127.0.0.1:80".parse(),
            Ok(Address::Socket(SocketAddr::from(([127, 0, 0, 1], 80))))
        );
        assert!(matches!("[::1]:80".parse(), Ok(Address::Socket(socket)) if socket.is_ipv6()));
        assert_eq!(
            "Orders.Internal:8080".parse(),
            Ok(Address::Name("orders.internal".into(), 8080))
        );
        assert_eq!(
            "my_service:1".parse::<Address>().map(|address| address.to_string()),
            Ok("my_service:1".into())
        );
    }

    #[test]
    fn what_is_not_an_address_is_refused_with_its_reason() {
        for (text, expected) in [
            ("http://a:80", AddressError::Url("http://a:80".into())),
            ("orders", AddressError::Port("orders".into())),
            ("orders:0", AddressError::Port("orders:0".into())),
            ("127.0.0.1:0", AddressError::Port("127.0.0.1:0".into())),
            ("orders:65536", AddressError::Port("orders:65536".into())),
            ("300.0.0.1:80", AddressError::Host("300.0.0.1:80".into())),
            ("::1:80", AddressError::Host("::1:80".into())),
            ("-a:80", AddressError::Host("-a:80".into())),
            ("a..b:80", AddressError::Host("a..b:80".into())),
            (":80", AddressError::Host(":80".into())),
        ] {
            let read = text.parse::<Address>();
            // "::1:80" is also a valid bare IPv6 address, which has no port.
            assert_eq!(read, Err(expected), "{text}");
        }
    }
}
