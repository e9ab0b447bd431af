//! Trust in forwarding headers.

use super::*;

#[test]
fn forwarding_headers_of_an_untrusted_peer_are_replaced() {
    let got = admitted(http1(
        "/",
        &[
            ("host", "a"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "10.0.0.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-port", "1"),
            ("forwarded", "for=10.0.0.1"),
            ("x-request-id", "mine"),
        ],
    ))
    .unwrap();
    assert_eq!(names(&got.head.headers), SET);
    assert_eq!(
        got.head.headers.get_all(X_FORWARDED_FOR).iter().collect::<Vec<_>>(),
        ["203.0.113.9"]
    );
    assert_eq!(got.head.headers[X_FORWARDED_PROTO], "http");
    assert_eq!(got.head.headers[X_FORWARDED_HOST], "a");
    assert_eq!(got.head.headers[X_REQUEST_ID].len(), 32);
    assert_eq!(got.client.to_string(), "203.0.113.9");
}

#[test]
fn forwarding_headers_of_a_trusted_peer_are_kept() {
    let got = admitted_from(
        "10.0.0.1:1",
        &["10.0.0.0/8"],
        http1(
            "/",
            &[
                ("host", "a"),
                ("x-forwarded-for", "198.51.100.7"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "public.example"),
                ("x-forwarded-port", "443"),
                ("x-request-id", "abc-123"),
            ],
        ),
    )
    .unwrap();
    assert_eq!(got.client.to_string(), "198.51.100.7");
    assert_eq!(got.request_id, "abc-123");
    assert_eq!(got.head.headers[X_FORWARDED_FOR], "198.51.100.7, 10.0.0.1");
    assert_eq!(got.head.headers[X_FORWARDED_PROTO], "https");
    assert_eq!(got.head.headers[X_FORWARDED_HOST], "public.example");
    assert_eq!(got.head.headers["x-forwarded-port"], "443");
}

#[test]
fn invalid_forwarding_headers_of_a_trusted_peer_are_replaced() {
    let fields = [("host", "a"), ("x-forwarded-proto", "gopher"), ("x-request-id", "a\"b")];
    let got = admitted_from("10.0.0.1:1", &["10.0.0.0/8"], http1("/", &fields)).unwrap();
    assert_eq!(got.head.headers[X_FORWARDED_PROTO], "http");
    assert_eq!(got.request_id.len(), 32);
}

#[test]
fn the_client_is_the_nearest_address_that_is_no_trusted_proxy() {
    for (peer, lists, expected) in [
        ("203.0.113.9:1", vec!["1.1.1.1"], "203.0.113.9"),
        ("10.0.0.1:1", vec![], "10.0.0.1"),
        ("10.0.0.1:1", vec!["1.1.1.1, 2.2.2.2, 10.0.0.2"], "2.2.2.2"),
        ("10.0.0.1:1", vec!["1.1.1.1", "10.0.0.3", "10.0.0.2"], "1.1.1.1"),
        ("10.0.0.1:1", vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1:1", vec!["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1:1", vec!["1.1.1.1:4711 ,"], "1.1.1.1"),
        ("10.0.0.1:1", vec!["[2001:db8::1]:80"], "2001:db8::1"),
        ("10.0.0.1:1", vec!["[2001:db8::2]"], "2001:db8::2"),
        ("10.0.0.1:1", vec!["::ffff:1.1.1.1"], "1.1.1.1"),
        ("[::ffff:10.0.0.1]:1", vec!["1.1.1.1"], "1.1.1.1"),
        ("[::ffff:203.0.113.9]:1", vec!["1.1.1.1"], "203.0.113.9"),
    ] {
        let mut fields = vec![("host", "a")];
        fields.extend(lists.iter().map(|list| ("x-forwarded-for", *list)));
        let got = admitted_from(peer, &["10.0.0.0/8"], http1("/", &fields)).unwrap();
        assert_eq!(got.client.to_string(), expected, "{peer} {lists:?}");
    }
}

#[test]
fn ids_are_32_hexadecimal_digits_and_differ() {
    let (one, other) = (RequestIds::new(), RequestIds::new());
    let ids: HashSet<_> = (0..1000).flat_map(|_| [one.next(), other.next()]).collect();
    assert_eq!(ids.len(), 2000);
    assert!(
        ids.iter()
            .all(|id| id.len() == 32 && id.as_bytes().iter().all(u8::is_ascii_hexdigit))
    );
}

proptest! {
    #[test]
    fn no_list_invents_an_untrusted_address(items in proptest::collection::vec("[0-9a-f:.x, ]{0,12}", 0..6)) {
        let list = items.join(",");
        let got = admitted_from("10.0.0.1:1", &["10.0.0.0/8"], http1("/", &[("host", "a"), ("x-forwarded-for", &list)])).unwrap();
        let proxies: IpNet = "10.0.0.0/8".parse().unwrap();
        let listed = || list.split(',').any(|item| forwarded::address(item.trim()) == Some(got.client));
        prop_assert!(proxies.contains(&got.client) || listed());
    }

    #[test]
    fn whatever_connection_lists_the_gateways_fields_are_there(listed in "[ -~]{0,64}") {
        let got = admitted(http1("/", &[("host", "a"), ("connection", &listed)])).unwrap();
        for name in SET {
            prop_assert!(got.head.headers.contains_key(name));
        }
        prop_assert!(!got.head.headers.contains_key("connection"));
    }
}
