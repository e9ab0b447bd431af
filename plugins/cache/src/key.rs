//! The key of a stored response: the resource, and whom the response is for. No host call is made here.

use lockgate_sdk::query::Query;

/// Where the client has sent the request, and what proxies in front say about that: upstreams build links and redirects from it.
#[derive(Debug, Default)]
pub(crate) struct Origin<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) authority: &'a str,
    /// `X-Forwarded-Proto`, if it is not the scheme, `X-Forwarded-Host`, if it is not the authority, and others of them.
    others: Vec<(&'a str, &'a str)>,
    /// Values of `Forwarded`.
    pub(crate) forwarded: Vec<&'a str>,
}

impl<'a> Origin<'a> {
    /// Adds a header `x-forwarded-…`. The gateway removes those of clients that are not trusted proxies, and sets its own.
    pub(crate) fn add_forwarded(&mut self, name: &'a str, value: &'a str) {
        self.others.push((name, value));
    }

    /// Appends what differs from scheme and authority. Line ends occur in no header, so that the parts are unambiguous.
    fn append_to(&self, resource: &mut String) {
        let is_known = |(name, value): &(&str, &str)| match *name {
            "x-forwarded-proto" => value.eq_ignore_ascii_case(self.scheme),
            "x-forwarded-host" => value.eq_ignore_ascii_case(self.authority),
            _ => false,
        };
        for (name, value) in self.others.iter().filter(|other| !is_known(other)) {
            resource.push('\n');
            resource.push_str(name);
            resource.push(':');
            resource.push_str(&value.to_ascii_lowercase());
        }
        let parameters = self.forwarded.iter().flat_map(|value| value.split([',', ';']));
        // Addresses of clients and proxies are no part of the resource.
        for parameter in parameters.map(str::trim) {
            let name = parameter.split('=').next().unwrap_or_default().trim();
            if ["host", "proto"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
                resource.push_str("\nforwarded:");
                resource.push_str(&parameter.to_ascii_lowercase());
            }
        }
    }
}

/// The resource of a request: scheme, host, path, the query sorted by name, without the ignored parameters, and what proxies in front say
/// about scheme and host.
pub(crate) fn resource(origin: &Origin<'_>, path_and_query: &str, ignored: &[String]) -> String {
    let path = path_and_query.split_once('?').map_or(path_and_query, |(path, _)| path);
    let mut parameters: Vec<&str> = Query::of(path_and_query).parameters().collect();
    parameters.retain(|parameter| !ignored.iter().any(|name| name == name_of(parameter)));
    // The sort is stable: the order of two values of one name may have a meaning.
    parameters.sort_by_key(|parameter| name_of(parameter));

    let (scheme, authority) = (origin.scheme, origin.authority);
    let mut resource = String::with_capacity(scheme.len() + authority.len() + path_and_query.len() + 16);
    resource.push_str(scheme);
    resource.push_str("://");
    resource.push_str(&authority.to_ascii_lowercase());
    resource.push_str(path);
    let mut separator = '?';
    for parameter in parameters {
        resource.push(separator);
        resource.push_str(parameter);
        separator = '&';
    }
    origin.append_to(&mut resource);
    resource
}

/// The key of a resource. `generation` changes when the resource is invalidated. `upstream` separates the versions of a
/// service, `consumer` the consumers. The parts are unambiguous: URLs and upstreams contain neither spaces nor line ends, and a line of the
/// resource after the URL begins with a header's name, the next one with a space.
pub(crate) fn key(resource: &str, generation: u64, upstream: Option<&str>, consumer: Option<&str>) -> String {
    let mut key = String::with_capacity(resource.len() + 64);
    key.push_str(resource);
    if resource.contains('\n') {
        key.push('\n');
    }
    key.push(' ');
    key.push_str(&generation.to_string());
    if let Some(upstream) = upstream {
        key.push(' ');
        key.push_str(upstream);
    }
    if let Some(consumer) = consumer {
        key.push('\n');
        key.push_str(consumer);
    }
    key
}

/// The number of records for the generations of all resources. Two resources with the same record are invalidated
/// together, which is rare and harmless.
const GENERATION_RECORDS: u64 = 4_096;

/// The key in shared data of the record with a resource's generation.
pub(crate) fn generation_record(resource: &str) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in resource.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!(
        "lockgate.cache.generation.{}",
        (hash ^ (hash >> 32)) % GENERATION_RECORDS
    )
}

fn name_of(parameter: &str) -> &str {
    parameter.split_once('=').map_or(parameter, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> String {
        let origin = Origin {
            scheme: "http",
            authority: "Example.COM",
            ..Origin::default()
        };
        resource(&origin, path, &["utm_source".to_owned()])
    }

    /// The resource behind proxies that send these headers.
    fn behind(headers: &[(&'static str, &'static str)], forwarded: &[&'static str]) -> String {
        let mut origin = Origin {
            scheme: "http",
            authority: "example.com",
            forwarded: forwarded.to_vec(),
            ..Origin::default()
        };
        for (name, value) in headers {
            origin.add_forwarded(name, value);
        }
        resource(&origin, "/a", &[])
    }

    #[test]
    fn what_proxies_say_about_scheme_and_host_makes_another_resource() {
        let plain = behind(
            &[("x-forwarded-proto", "http"), ("x-forwarded-host", "Example.com")],
            &[],
        );
        assert_eq!(plain, of("/a"));
        let all = [
            plain,
            behind(&[("x-forwarded-proto", "https")], &[]),
            behind(&[("x-forwarded-host", "www.example.com")], &[]),
            behind(
                &[("x-forwarded-proto", "https"), ("x-forwarded-host", "www.example.com")],
                &[],
            ),
            behind(&[("x-forwarded-port", "8443")], &[]),
            behind(&[("x-forwarded-prefix", "/api")], &[]),
            behind(&[], &["for=192.0.2.1;proto=https;host=a"]),
            behind(&[], &["for=192.0.2.1;proto=https, for=192.0.2.2"]),
        ];
        for (index, one) in all.iter().enumerate() {
            assert_eq!(all.iter().position(|other| other == one), Some(index), "{one:?}");
        }
        let by = |client: &'static str| behind(&[], &[client]);
        assert_eq!(by("for=192.0.2.1;Proto=https"), by("for=192.0.2.9;proto=https"));
    }

    #[test]
    fn the_order_of_parameters_makes_no_difference_but_that_of_equal_names_does() {
        assert_eq!(of("/a?b=2&a=1"), "http://example.com/a?a=1&b=2");
        assert_eq!(of("/a?a=1&b=2"), of("/a?b=2&a=1"));
        assert_ne!(of("/a?a=1&a=2"), of("/a?a=2&a=1"));
        assert_ne!(of("/a?a"), of("/a?b"));
    }

    #[test]
    fn ignored_and_empty_parameters_make_no_difference() {
        assert_eq!(of("/a?utm_source=x&a=1&&utm_source"), of("/a?a=1"));
        assert_eq!(of("/a?"), of("/a"));
        assert_ne!(of("/a"), of("/A"), "paths have case");
    }

    #[test]
    fn consumers_and_versions_have_separate_keys() {
        let all = [
            key("r", 0, None, None),
            key("r", 1, None, None),
            key("r", 0, Some("v2"), None),
            key("r", 0, None, Some("v2")),
            key("r", 0, None, Some("")),
            key("r", 0, Some("v2"), Some("alice")),
            key("r\nx-forwarded-host:a", 0, Some("v2"), None),
            key("r\nx-forwarded-host:a 0", 0, Some("v2"), None),
            key("r\nx-forwarded-host:a", 0, None, Some("v2")),
        ];
        for (index, one) in all.iter().enumerate() {
            assert_eq!(all.iter().position(|other| other == one), Some(index));
        }
    }

    #[test]
    fn the_records_are_bounded_and_spread() {
        let names: std::collections::BTreeSet<_> = (0..20_000)
            .map(|number| generation_record(&of(&format!("/{number}"))))
            .collect();
        assert!((3_900..=4_096).contains(&names.len()), "{} records in use", names.len());
    }
}
