//! Properties: data of the host about the request beyond its headers, and data that plugins pass to each other.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::host;

/// The name of the consumer that an auth plugin has identified.
pub const CONSUMER_NAME: Property<String> = Property::new("lockgate.consumer.name");
/// The groups of the consumer, separated by commas.
pub const CONSUMER_GROUPS: Property<String> = Property::new("lockgate.consumer.groups");
/// The upstream of the request. A plugin may set it in the request phase.
pub const UPSTREAM: Property<String> = Property::new("lockgate.upstream");
/// The route that the request has matched.
pub const ROUTE: Property<String> = Property::new("route_name");
/// The id of the request, as in the logs.
pub const REQUEST_ID: Property<String> = Property::new("request\0id");
/// The start time of the request.
pub const REQUEST_TIME: Property<SystemTime> = Property::new("request\0time");
/// The protocol of the request, like `HTTP/1.1`.
pub const PROTOCOL: Property<String> = Property::new("request\0protocol");
/// The status of the response.
pub const RESPONSE_CODE: Property<i64> = Property::new("response\0code");
/// The bytes of the request's body, so far.
pub const REQUEST_SIZE: Property<i64> = Property::new("request\0size");
/// The bytes of the request's headers and body, so far.
pub const REQUEST_TOTAL_SIZE: Property<i64> = Property::new("request\0total_size");
/// The time since the start of the request, in nanoseconds; in Envoy only when it has ended.
pub const REQUEST_DURATION: Property<i64> = Property::new("request\0duration");
/// The scheme of the request, `http` or `https`.
pub const REQUEST_SCHEME: Property<String> = Property::new("request\0scheme");
/// The bytes of the response's body, so far.
pub const RESPONSE_SIZE: Property<i64> = Property::new("response\0size");
/// The bytes of the response's headers, body and trailers, so far.
pub const RESPONSE_TOTAL_SIZE: Property<i64> = Property::new("response\0total_size");
/// The reason of the response, one word like `plugin_failed` or `via_upstream`.
pub const RESPONSE_CODE_DETAILS: Property<String> = Property::new("response\0code_details");
/// The address of the endpoint that the request went to, with its port.
pub const UPSTREAM_ADDRESS: Property<String> = Property::new("upstream\0address");
/// The address and port that the client has connected to.
pub const DESTINATION_ADDRESS: Property<String> = Property::new("destination\0address");
/// The version of TLS of the connection, like `TLSv1.3`; none without TLS.
pub const TLS_VERSION: Property<String> = Property::new("connection\0tls_version");
/// Whether the client has shown a certificate that was accepted.
pub const MTLS: Property<bool> = Property::new("connection\0mtls");
/// The server name that the client has asked for in the TLS handshake.
pub const REQUESTED_SERVER_NAME: Property<String> = Property::new("connection\0requested_server_name");
/// The subject of the client's certificate.
pub const CLIENT_CERTIFICATE_SUBJECT: Property<String> = Property::new("connection\0subject_peer_certificate");
/// The SHA-256 of the client's certificate, in hex.
pub const CLIENT_CERTIFICATE_DIGEST: Property<String> = Property::new("connection\0sha256_peer_certificate_digest");
/// The peer of the connection, with its port.
pub const SOURCE_ADDRESS: Property<String> = Property::new("source\0address");
/// The configured name of this plugin.
pub const PLUGIN_NAME: Property<String> = Property::new("plugin_name");

pub(crate) const CLIENT_ADDRESS: Property<String> = Property::new("lockgate.client.address");

/// A property: its path, with the type of its value.
#[derive(Debug, Clone, Copy)]
pub struct Property<T> {
    path: &'static str,
    kind: PhantomData<fn() -> T>,
}

impl<T: PropertyValue> Property<T> {
    /// The property with this path. The parts of a standard path are separated by NUL (`"source\0address"`). A name
    /// that a plugin defines (`"lockgate.…"`, `"acme.risk"`) is one part that contains dots.
    pub const fn new(path: &'static str) -> Property<T> {
        Property {
            path,
            kind: PhantomData,
        }
    }

    /// The path. The parts of a standard one are separated by NUL.
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// The value; `None` if the host has none.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the value is of another type.
    pub fn value(&self) -> Result<Option<T>> {
        match host::property(self.path).map_err(Error::host("proxy_get_property"))? {
            Some(bytes) => T::decode(bytes).map(Some).ok_or(Error::Malformed("proxy_get_property")),
            None => Ok(None),
        }
    }

    /// Sets the value for the following plugins of the chain.
    ///
    /// # Errors
    /// `BAD_ARGUMENT` if the host refuses the value, such as the name of an unknown upstream.
    pub fn set(&self, value: &T) -> Result<()> {
        host::set_property(self.path, &value.encode()).map_err(Error::host("proxy_set_property"))
    }
}

/// The address of the client: in Lockgate the one before the trusted proxies, in other hosts the connection's peer. An
/// IPv4-mapped IPv6 address is returned as IPv4. `None` if the address is unknown.
pub fn client_address() -> Result<Option<IpAddr>> {
    let text = match CLIENT_ADDRESS.value()? {
        Some(text) if !text.is_empty() => Some(text),
        _ => SOURCE_ADDRESS.value()?,
    };
    Ok(text.and_then(|text| parse_address(&text)))
}

/// Reads `1.2.3.4`, `1.2.3.4:80`, `::1` or `[::1]:80`.
fn parse_address(text: &str) -> Option<IpAddr> {
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<std::net::SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// The types of property values, with their encoding in the ABI.
pub trait PropertyValue: Sized {
    /// Decodes the host's bytes; `None` if they are of another type.
    fn decode(bytes: Vec<u8>) -> Option<Self>;
    /// Encodes the value for the host.
    fn encode(&self) -> Vec<u8>;
}

impl PropertyValue for String {
    fn decode(bytes: Vec<u8>) -> Option<String> {
        Some(crate::text::lossy(bytes))
    }
    fn encode(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl PropertyValue for Vec<u8> {
    fn decode(bytes: Vec<u8>) -> Option<Vec<u8>> {
        Some(bytes)
    }
    fn encode(&self) -> Vec<u8> {
        self.clone()
    }
}

impl PropertyValue for i64 {
    fn decode(bytes: Vec<u8>) -> Option<i64> {
        Some(i64::from_le_bytes(bytes.try_into().ok()?))
    }
    fn encode(&self) -> Vec<u8> {
        self.to_le_bytes().to_vec()
    }
}

impl PropertyValue for u64 {
    fn decode(bytes: Vec<u8>) -> Option<u64> {
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }
    fn encode(&self) -> Vec<u8> {
        self.to_le_bytes().to_vec()
    }
}

impl PropertyValue for bool {
    fn decode(bytes: Vec<u8>) -> Option<bool> {
        match bytes[..] {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
    fn encode(&self) -> Vec<u8> {
        vec![u8::from(*self)]
    }
}

impl PropertyValue for SystemTime {
    fn decode(bytes: Vec<u8>) -> Option<SystemTime> {
        let nanoseconds = i64::decode(bytes)?;
        UNIX_EPOCH.checked_add(Duration::from_nanos(u64::try_from(nanoseconds).ok()?))
    }
    fn encode(&self) -> Vec<u8> {
        let since = self.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        i64::try_from(since).unwrap_or(i64::MAX).encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_a_port() {
        let v4: IpAddr = "192.0.2.7".parse().expect("an address");
        for text in [
            "192.0.2.7",
            "192.0.2.7:443",
            "::ffff:192.0.2.7",
            "[::ffff:192.0.2.7]:443",
        ] {
            assert_eq!(parse_address(text), Some(v4), "{text}");
        }
        assert_eq!(parse_address("[2001:db8::1]:80"), "2001:db8::1".parse().ok());
        assert_eq!(parse_address("unix:/run/socket"), None);
    }

    #[test]
    fn values_of_the_wrong_size_are_refused() {
        assert_eq!(i64::decode(vec![1, 0, 0, 0, 0, 0, 0, 0]), Some(1));
        assert_eq!(i64::decode(vec![1]), None);
        assert_eq!(bool::decode(vec![2]), None);
        assert_eq!(SystemTime::decode((-1i64).to_le_bytes().to_vec()), None);
    }
}
