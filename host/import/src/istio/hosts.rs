//! Names of hosts: how Istio completes short ones, which pattern covers which, and what gateway.json takes.

use std::net::IpAddr;

/// The full name that a host means in a resource of this namespace. Two hosts are the same if these are.
pub(super) fn canonical(host: &str, namespace: Option<&str>) -> String {
    let host = host.to_ascii_lowercase();
    if host.contains(['.', '*', ':']) {
        return host;
    }
    format!("{host}.{}.svc.cluster.local", namespace.unwrap_or("default"))
}

/// The name to connect to. Without a namespace, a short name stays one: the resolver completes it.
pub(super) fn dns_name(host: &str, namespace: Option<&str>) -> String {
    match namespace {
        Some(_) => canonical(host, namespace),
        None => host.to_ascii_lowercase(),
    }
}

/// The `Host` headers that clients in a mesh use for a service: its full name and the short forms of it.
pub(super) fn aliases(host: &str, namespace: Option<&str>) -> Vec<String> {
    let full = dns_name(host, namespace);
    let Some(service) = full.strip_suffix(".svc.cluster.local") else {
        return vec![full];
    };
    let mut names = vec![full.clone(), format!("{service}.svc"), service.to_owned()];
    let name = service.split('.').next().unwrap_or_default();
    names.push(name.to_owned());
    names
}

/// Whether a pattern (`*`, `*.example.com` or a host) covers a host or another pattern.
pub(super) fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some("") => true,
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => pattern == host,
    }
}

/// The narrower of two patterns. None: no host has both.
pub(super) fn intersection(one: &str, other: &str) -> Option<String> {
    if covers(one, other) {
        return Some(other.to_owned());
    }
    covers(other, one).then(|| one.to_owned())
}

/// Whether a condition of gateway.json can have this host: a name, `*.name`, or an IPv6 address in brackets.
pub(super) fn is_pattern(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let name = host.strip_prefix("*.").unwrap_or(host);
    name.len() <= 253 && name.split('.').all(is_label)
}

/// A host with a port, as endpoints are written. None: the host cannot be one.
pub(super) fn address(host: &str, port: u16) -> Option<String> {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => Some(format!("[{ip}]:{port}")),
        Ok(IpAddr::V4(ip)) => Some(format!("{ip}:{port}")),
        Err(_) => is_name(host).then(|| format!("{host}:{port}")),
    }
}

/// Whether it is a name to connect to. A last label of digits would be that of a broken IP address.
fn is_name(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    is_pattern(host) && !host.starts_with('*') && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_completed_in_their_namespace() {
        assert_eq!(canonical("Reviews", Some("prod")), "reviews.prod.svc.cluster.local");
        assert_eq!(canonical("reviews", None), "reviews.default.svc.cluster.local");
        assert_eq!(canonical("api.example.com", Some("prod")), "api.example.com");
        assert_eq!(
            (dns_name("reviews", None), dns_name("a.b", None)),
            ("reviews".into(), "a.b".into())
        );
        assert_eq!(
            aliases("reviews", Some("prod")),
            [
                "reviews.prod.svc.cluster.local",
                "reviews.prod.svc",
                "reviews.prod",
                "reviews"
            ]
        );
        assert_eq!(aliases("api.example.com", None), ["api.example.com"]);
    }

    #[test]
    fn patterns_cover_and_intersect() {
        assert!(covers("*", "a.b") && covers("*", "*") && covers("*.b", "a.b") && covers("*.b", "*.a.b"));
        assert!(!covers("*.b", "b") && !covers("a.b", "*.b") && !covers("*.b", "*"));
        assert_eq!(intersection("*", "a.b").as_deref(), Some("a.b"));
        assert_eq!(intersection("x.a.b", "*.b").as_deref(), Some("x.a.b"));
        assert_eq!(intersection("*.a", "*.b"), None);
    }

    #[test]
    fn addresses_are_names_or_ips() {
        assert_eq!(address("10.0.0.1", 80).as_deref(), Some("10.0.0.1:80"));
        assert_eq!(address("::1", 80).as_deref(), Some("[::1]:80"));
        assert_eq!(address("orders", 80).as_deref(), Some("orders:80"));
        assert_eq!(
            (address("*.a", 80), address("unix:///x", 80), address("a b", 1)),
            (None, None, None)
        );
    }
}
