//! [`Template`]: a text with values of the request, like `"{consumer|address}"`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer};

use crate::abi::Map;
use crate::error::Result;
use crate::http::headers::Headers;
use crate::http::query::Query;
use crate::services::property::{self, CONSUMER_GROUPS, CONSUMER_NAME, REQUEST_ID, ROUTE};
use crate::text;

/// A text with placeholders for values of the request. `{a|b}` is replaced by the value of the first of its sources
/// that has one, or by nothing if none has. `${a|b}` means the same; `{{` is a plain brace.
///
/// The sources are `consumer`, `consumer.groups`, `address` (the client's), `route`, `method`, `host`, `path`,
/// `request.id`, `header:NAME`, `query:NAME` (not decoded) and `cookie:NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Sources(Vec<Source>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Consumer,
    Groups,
    Address,
    Route,
    Path,
    RequestId,
    Header(String),
    Query(String),
    Cookie(String),
}

/// The names of the sources, for error messages.
const SOURCES: &str = "consumer, consumer.groups, address, route, method, host, path, request.id, header:NAME, \
                       query:NAME or cookie:NAME";

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// A message for the operator.
    pub fn parse(text: &str) -> Result<Template, String> {
        let mut parts = Vec::new();
        let mut fixed = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{") {
            if let Some(behind) = after.strip_prefix("{") {
                fixed.push_str(before);
                fixed += "{";
                rest = behind;
                continue;
            }
            fixed.push_str(before.strip_suffix('$').unwrap_or(before));
            let (sources, behind) = after
                .split_once("}")
                .ok_or("found \"{\" without \"}\"; write \"{{\" for a plain brace")?;
            if !fixed.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut fixed)));
            }
            parts.push(Part::Sources(
                sources.split('|').map(Source::parse).collect::<Result<_, _>>()?,
            ));
            rest = behind;
        }
        fixed.push_str(rest);
        if !fixed.is_empty() {
            parts.push(Part::Text(fixed));
        }
        Ok(Template { parts })
    }

    /// The text for the current request.
    ///
    /// # Errors
    /// Those of the host calls for the values.
    pub fn render(&self) -> Result<String> {
        self.render_by_network(128)
    }

    /// As [`Template::render`], with the network of an IPv6 address instead of the address: its first `ipv6_prefix` bits, like
    /// `2001:db8:0:1::/64`. A host has all addresses of its network, and can use another one for each request. With 128, the address.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render_by_network(&self, ipv6_prefix: u8) -> Result<String> {
        match self.parts.as_slice() {
            [Part::Text(text)] => return Ok(text.clone()),
            [Part::Sources(sources)] => return first(sources, ipv6_prefix),
            _ => {}
        }
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Sources(sources) => text.push_str(&first(sources, ipv6_prefix)?),
            }
        }
        Ok(text)
    }

    /// The fixed parts of the text, in order.
    pub fn fixed_parts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Sources(_) => None,
        })
    }
}

fn first(sources: &[Source], ipv6_prefix: u8) -> Result<String> {
    for source in sources {
        match source.value(ipv6_prefix)? {
            Some(value) if !value.is_empty() => return Ok(value),
            _ => {}
        }
    }
    Ok(String::new())
}

impl Source {
    fn parse(text: &str) -> Result<Source, String> {
        let named = text.split_once(':').filter(|(_, name)| !name.is_empty());
        Ok(match (text, named) {
            ("consumer", _) => Source::Consumer,
            ("consumer.groups", _) => Source::Groups,
            ("address", _) => Source::Address,
            ("route", _) => Source::Route,
            ("method", _) => Source::Header(":method".to_owned()),
            ("host", _) => Source::Header(":authority".to_owned()),
            ("path", _) => Source::Path,
            ("request.id", _) => Source::RequestId,
            (_, Some(("header", name))) => Source::Header(name.to_ascii_lowercase()),
            (_, Some(("query", name))) => Source::Query(name.to_owned()),
            (_, Some(("cookie", name))) => Source::Cookie(name.to_owned()),
            _ => return Err(format!("unknown source \"{text}\", expected {SOURCES}")),
        })
    }

    fn value(&self, ipv6_prefix: u8) -> Result<Option<String>> {
        let headers = Headers::of(Map::RequestHeaders);
        Ok(match self {
            Source::Consumer => CONSUMER_NAME.value()?,
            Source::Groups => CONSUMER_GROUPS.value()?,
            Source::Address => property::client_address()?.map(|address| network(address, ipv6_prefix)),
            Source::Route => ROUTE.value()?,
            Source::Path => headers.first(":path")?.map(|mut path| {
                path.truncate(path.find('?').unwrap_or(path.len()));
                path
            }),
            Source::RequestId => match headers.first("x-request-id")? {
                Some(id) => Some(id),
                None => REQUEST_ID.value()?,
            },
            Source::Header(name) => headers.first(name)?,
            // Not decoded: a decoded value could contain bytes that a header must not.
            Source::Query(name) => headers.first(":path")?.and_then(|path| {
                let mut pairs = Query::of(&path)
                    .parameters()
                    .map(|text| text.split_once('=').unwrap_or((text, "")));
                pairs
                    .find(|(known, _)| known == name)
                    .map(|(_, value)| value.to_owned())
            }),
            Source::Cookie(name) => headers.cookie(name)?,
        })
    }
}

/// An address; of IPv6, the network with this prefix length.
fn network(address: IpAddr, ipv6_prefix: u8) -> String {
    match address {
        IpAddr::V6(address) if ipv6_prefix < 128 => {
            let mask = u128::MAX.checked_shl(128 - u32::from(ipv6_prefix)).unwrap_or(0);
            let mut text = Ipv6Addr::from_bits(address.to_bits() & mask).to_string();
            text.push('/');
            text::push_number(&mut text, u64::from(ipv6_prefix));
            text
        }
        address => address.to_string(),
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Template, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Template;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a text with placeholders like \"{consumer}\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Template, E> {
                Template::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::memory;

    fn rendered(text: &str) -> String {
        memory::with(|memory| {
            let headers = [
                (":method", "GET"),
                (":path", "/a?q=x%0d&k"),
                (":authority", "h"),
                ("cookie", "c=v"),
            ];
            let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
            memory
                .current()
                .maps
                .insert(Map::RequestHeaders as u32, headers.to_vec());
            memory
                .current()
                .properties
                .insert("lockgate.client.address".to_owned(), b"192.0.2.1".to_vec());
        });
        Template::parse(text).expect("a template").render().expect("a text")
    }

    #[test]
    fn every_source_is_filled_in() {
        assert_eq!(rendered("{method} {host}{path}"), "GET h/a");
        assert_eq!(rendered("<{query:q}|{cookie:c}>"), "<x%0d|v>");
        assert_eq!(rendered("{address}"), "192.0.2.1");
        assert_eq!(rendered("plain $ text }"), "plain $ text }");
        assert_eq!(rendered("{{\"cost\": \"$${method}\"}"), "{\"cost\": \"$GET\"}");
        assert_eq!(rendered("${method}"), "GET");
        assert_eq!(rendered(""), "");
    }

    #[test]
    fn the_first_source_with_a_value_wins_and_none_is_empty() {
        assert_eq!(rendered("{consumer|header:x-user|address}"), "192.0.2.1");
        assert_eq!(rendered("[{consumer}]"), "[]");
    }

    #[test]
    fn an_ipv6_address_is_its_network_and_an_ipv4_address_stays() {
        for (address, prefix, expected) in [
            ("2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::/64"),
            ("2001:db8:1:2:3:4:5:6", 56, "2001:db8:1::/56"),
            ("2001:db8:1:2:3:4:5:6", 127, "2001:db8:1:2:3:4:5:6/127"),
            ("2001:db8:1:2:3:4:5:6", 128, "2001:db8:1:2:3:4:5:6"),
            ("2001:db8::1", 0, "::/0"),
            ("192.0.2.1", 64, "192.0.2.1"),
        ] {
            assert_eq!(network(address.parse().expect("an address"), prefix), expected);
        }
    }

    #[test]
    fn an_unknown_source_is_refused_with_the_known_ones() {
        let message = Template::parse("{user}").expect_err("unknown");
        assert!(
            message.contains("\"user\"") && message.contains("consumer"),
            "{message}"
        );
        assert!(Template::parse("{consumer").is_err());
        assert!(Template::parse("{header:}").is_err());
    }
}
