//! The key of a stored response: the resource, and whom the response is for. No host call is made here.

use lockgate_sdk::query::Query;

/// The resource of a request: scheme, host, path, and the query sorted by name, without the ignored parameters.
pub(crate) fn resource(scheme: &str, authority: &str, path_and_query: &str, ignored: &[String]) -> String {
    let path = path_and_query.split_once('?').map_or(path_and_query, |(path, _)| path);
    let mut parameters: Vec<&str> = Query::of(path_and_query).parameters().collect();
    parameters.retain(|parameter| !ignored.iter().any(|name| name == name_of(parameter)));
    // The sort is stable: the order of two values of one name may have a meaning.
    parameters.sort_by_key(|parameter| name_of(parameter));

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
    resource
}

/// The key of a resource. `generation` changes when the resource is invalidated. `upstream` separates the versions of a
/// service, `consumer` the consumers. Resources and upstreams contain neither spaces nor line ends, so that the parts
/// are unambiguous.
pub(crate) fn key(resource: &str, generation: u64, upstream: Option<&str>, consumer: Option<&str>) -> String {
    let mut key = String::with_capacity(resource.len() + 64);
    key.push_str(resource);
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
        resource("http", "Example.COM", path, &["utm_source".to_owned()])
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
