//! Parses addresses: listen addresses, networks, host names.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use lockgate_json::mistake::Mistake;
use lockgate_json::pointer::Pointer;
use lockgate_routing::HostPattern;

/// A listen address: an IP address and a port.
pub(super) fn listen(text: &str, here: &Pointer) -> Result<SocketAddr, Mistake> {
    text.parse().map_err(|_| {
        let mistake = Mistake::invalid(
            here.clone(),
            "an IP address and port, like \"127.0.0.1:8080\" or \"[::]:8080\"",
        );
        let port = text.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok());
        mistake.optional_hint(match (text.rsplit_once(':').map(|(host, _)| host), port) {
            (Some("" | "*"), Some(port)) => {
                Some(format!("for all addresses of this machine, write \"0.0.0.0:{port}\""))
            }
            (Some("localhost"), Some(port)) => {
                Some(format!("host names are not resolved here; write \"127.0.0.1:{port}\""))
            }
            (None, Some(port)) => Some(format!("add an address, like \"0.0.0.0:{port}\"")),
            (Some(_), None) => Some("a port is a number from 0 to 65535".to_owned()),
            _ => None,
        })
    })
}

/// Whether two addresses cannot be listened on at the same time.
pub(super) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |wide: IpAddr, other: IpAddr| wide.is_unspecified() && (wide.is_ipv6() || other.is_ipv4());
    a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || covers(a.ip(), b.ip()) || covers(b.ip(), a.ip()))
}

/// A network in CIDR notation. An address without a prefix length is a network of one address.
pub(super) fn network(text: &str, here: &Pointer) -> Result<IpNet, Mistake> {
    let network = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map(|network| network.trunc()).map_err(|_| {
        let mistake = Mistake::invalid(
            here.clone(),
            "a network like \"10.0.0.0/8\" or \"fd00::/8\", or an IP address",
        );
        match text.split_once('/') {
            Some((address, _)) if address.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()) => {
                mistake.hint("a prefix length is 0 to 32")
            }
            Some((address, _)) if address.parse::<IpAddr>().is_ok() => mistake.hint("a prefix length is 0 to 128"),
            _ => mistake,
        }
    })
}

/// A host of a route, in lower case: a name, an IP address, or `*.name`.
pub(super) fn host(text: &str, here: &Pointer) -> Result<HostPattern, Mistake> {
    let lower = text.to_ascii_lowercase();
    if let Some(name) = lower.strip_prefix("*.")
        && is_host(name)
    {
        return Ok(HostPattern::Wildcard(format!(".{name}")));
    }
    if is_host(&lower) || is_ip(&lower) {
        return Ok(HostPattern::Exact(lower));
    }
    let mistake = Mistake::invalid(
        here.clone(),
        "a host name like \"api.example.com\" or \"*.example.com\"",
    );
    let (before, after) = lower.rsplit_once(':').unwrap_or((&lower, ""));
    Err(if text == "*" {
        mistake.hint("a route without \"hosts\" matches every host")
    } else if let Some((_, rest)) = lower.split_once("://") {
        mistake.hint(format!(
            "remove the scheme: \"{}\"",
            rest.split(['/', ':']).next().unwrap_or(rest)
        ))
    } else if lower.contains('*') {
        mistake.hint("\"*\" is allowed only as the whole first label: \"*.example.com\"")
    } else if is_host(before) && after.parse::<u16>().is_ok() {
        mistake.hint(format!("remove the port: \"{before}\""))
    } else if !lower.is_ascii() {
        mistake.hint("write international names in their ASCII form, \"xn--…\"")
    } else {
        mistake
    })
}

/// Whether it is a host name of a `Host` header. `_` is allowed, as real names have it.
fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Whether it is an IPv6 address of a `Host` header, in brackets.
fn is_ip(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Pointer {
        Pointer::root()
    }

    #[test]
    fn sockets_collide_when_one_covers_the_other() {
        let collide = |a: &str, b: &str| super::collide(a.parse().unwrap(), b.parse().unwrap());
        assert!(collide("127.0.0.1:80", "127.0.0.1:80") && collide("0.0.0.0:80", "127.0.0.1:80"));
        assert!(
            collide("127.0.0.1:80", "[::]:80") && collide("[::1]:80", "[::]:80") && collide("[::]:80", "0.0.0.0:80")
        );
        assert!(!collide("127.0.0.1:80", "127.0.0.1:81") && !collide("127.0.0.1:80", "127.0.0.2:80"));
        assert!(!collide("127.0.0.1:0", "127.0.0.1:0") && !collide("0.0.0.0:80", "[::1]:80"));
    }

    #[test]
    fn networks_are_cut_to_their_prefix() {
        for (text, network) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(super::network(text, &here()).unwrap().to_string(), network);
        }
        let hint = super::network("10.0.0.0/33", &here()).unwrap_err().hint;
        assert_eq!(hint.as_deref(), Some("a prefix length is 0 to 32"));
    }

    #[test]
    fn hosts_are_lower_cased_and_mistakes_explained() {
        assert_eq!(
            host("API.example.com", &here()),
            Ok(HostPattern::Exact("api.example.com".into()))
        );
        assert_eq!(
            host("*.Example.com", &here()),
            Ok(HostPattern::Wildcard(".example.com".into()))
        );
        assert_eq!(host("[::1]", &here()), Ok(HostPattern::Exact("[::1]".into())));
        for (text, part) in [
            ("*", "every host"),
            ("a.*.com", "only as the whole first label"),
            ("https://a.com:1/b", "\"a.com\""),
            ("a.com:80", "\"a.com\""),
            ("bücher.de", "xn--"),
        ] {
            let hint = host(text, &here()).unwrap_err().hint.unwrap_or_default();
            assert!(hint.contains(part), "{text}: {hint}");
        }
        for text in ["", "a..b", "-a", "a b", "*."] {
            assert!(host(text, &here()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_socket_without_an_ip_address_is_explained() {
        for (text, part) in [
            (":80", "0.0.0.0:80"),
            ("localhost:80", "127.0.0.1:80"),
            ("8080", "0.0.0.0:8080"),
            ("1.2.3.4:99999", "65535"),
        ] {
            let hint = listen(text, &here()).unwrap_err().hint.unwrap_or_default();
            assert!(hint.contains(part), "{text}: {hint}");
        }
        assert!(listen("example.com:80", &here()).is_err());
    }
}
