//! Settings of the resolver, as they are written in gateway.json.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use lockgate_units::Period;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How host names of endpoints become addresses. Absent: as /etc/hosts and /etc/resolv.conf say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResolverSettings {
    /// DNS servers, as `"IP"` or `"IP:PORT"`, in the order in which they are asked. Empty: those of /etc/resolv.conf, which is read again when
    /// it changes.
    pub servers: Vec<ServerAddress>,
    /// Domains to which names with fewer than `ndots` dots are completed, in this order. A name that ends with a dot is never completed. Absent:
    /// those of /etc/resolv.conf, if `servers` is empty.
    #[schemars(example = ["svc.cluster.local", "cluster.local"])]
    pub search: Option<Vec<String>>,
    /// Number of dots from which on a name is first looked up as it is written. Absent: that of /etc/resolv.conf, or 1.
    #[schemars(range(max = 15))]
    pub ndots: Option<u8>,
    /// Maximum time for a DNS server to answer. After it, the next server is asked.
    pub timeout: Period,
    /// How often every server is asked before a lookup fails.
    #[schemars(range(min = 1, max = 10))]
    pub attempts: u8,
    /// Minimum time between two lookups of a name, whatever the TTL of its records.
    pub min_ttl: Period,
    /// Maximum time between two lookups of a name, whatever the TTL of its records.
    pub max_ttl: Period,
    /// Which addresses of a name are used.
    pub families: Families,
    /// Path of the hosts file, whose names are not looked up. It is read again when it changes.
    pub hosts: PathBuf,
}

impl Default for ResolverSettings {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            search: None,
            ndots: None,
            timeout: Period(Duration::from_secs(2)),
            attempts: 2,
            min_ttl: Period(Duration::from_secs(1)),
            max_ttl: Period(Duration::from_secs(60)),
            families: Families::default(),
            hosts: PathBuf::from("/etc/hosts"),
        }
    }
}

/// Families of IP addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Families {
    /// IPv4 and IPv6 (A and AAAA records).
    #[default]
    Both,
    /// IPv4 (A records).
    Ipv4,
    /// IPv6 (AAAA records).
    Ipv6,
}

impl Families {
    /// Whether addresses of this family are used.
    pub(crate) fn contain(self, address: IpAddr) -> bool {
        match self {
            Self::Both => true,
            Self::Ipv4 => address.is_ipv4(),
            Self::Ipv6 => address.is_ipv6(),
        }
    }
}

/// The address of a DNS server: `IP` or `IP:PORT`; the port is 53 if none is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerAddress(pub SocketAddr);

impl FromStr for ServerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        match (text.parse::<SocketAddr>(), bare.unwrap_or(text).parse::<IpAddr>()) {
            (Ok(address), _) if address.port() != 0 => Ok(Self(address)),
            (_, Ok(address)) => Ok(Self(SocketAddr::new(address, 53))),
            _ => Err(format!(
                "{text:?} is not the address of a DNS server; expected an IP address, or IP:PORT"
            )),
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Serialize for ServerAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ServerAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl JsonSchema for ServerAddress {
    fn schema_name() -> Cow<'static, str> {
        "DnsServer".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "minLength": 2,
            "description": "The address of a DNS server: IP, or IP:PORT. The port is 53 if none is written.",
            "examples": ["10.0.0.2", "127.0.0.1:5353", "[::1]:53"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_people_write_them() {
        for (text, address) in [
            ("10.0.0.2", "10.0.0.2:53"),
            ("127.0.0.1:5353", "127.0.0.1:5353"),
            ("::1", "[::1]:53"),
            ("[::1]", "[::1]:53"),
            ("[::1]:5353", "[::1]:5353"),
        ] {
            assert_eq!(
                text.parse::<ServerAddress>().map(|server| server.to_string()),
                Ok(address.to_owned())
            );
        }
        for text in ["dns.internal", "", "127.0.0.1:0", "127.0.0.1:66000"] {
            assert!(text.parse::<ServerAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn settings_survive_being_written_and_read_again() {
        let written = serde_json::to_value(ResolverSettings::default()).unwrap();
        assert_eq!(
            serde_json::from_value::<ResolverSettings>(written).unwrap(),
            ResolverSettings::default()
        );
        let unknown = serde_json::from_str::<ResolverSettings>(r#"{"server": []}"#).unwrap_err();
        assert!(unknown.to_string().contains("unknown field `server`"), "{unknown}");
    }
}
