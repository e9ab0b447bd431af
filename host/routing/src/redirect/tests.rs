//! Where a redirect leads, and where it never does.

use proptest::prelude::*;

use super::*;

fn redirect() -> Redirect {
    Redirect {
        status: StatusCode::PERMANENT_REDIRECT,
        scheme: None,
        host: None,
        port: None,
        path: None,
        strip_query: false,
    }
}

fn location(redirect: &Redirect, scheme: &str, authority: &str, target: &str) -> String {
    let target: PathAndQuery = target.parse().unwrap();
    let request = RequestUrl {
        scheme,
        authority: authority.as_bytes(),
        target: &target,
    };
    redirect.location(request).to_str().unwrap().to_owned()
}

#[test]
fn what_is_not_given_is_the_requests() {
    for (scheme, host, port, url, expected) in [
        // To HTTPS: the port of the clear listener is not carried over.
        (
            Some(RedirectScheme::Https),
            None,
            None,
            ("http", "a.example:8080", "/x?y=1"),
            "https://a.example/x?y=1",
        ),
        (
            Some(RedirectScheme::Https),
            None,
            None,
            ("http", "a.example", "/"),
            "https://a.example/",
        ),
        (
            Some(RedirectScheme::Https),
            None,
            Some(8443),
            ("http", "a.example:8080", "/x"),
            "https://a.example:8443/x",
        ),
        (
            Some(RedirectScheme::Https),
            None,
            Some(443),
            ("http", "a.example:8080", "/x"),
            "https://a.example/x",
        ),
        (
            Some(RedirectScheme::Http),
            None,
            Some(443),
            ("https", "a.example", "/x"),
            "http://a.example:443/x",
        ),
        // Another host: the port is the one that the client has used.
        (
            None,
            Some("b.example"),
            None,
            ("http", "a.example:8080", "/x"),
            "http://b.example:8080/x",
        ),
        (
            None,
            Some("b.example"),
            None,
            ("https", "a.example", "/x"),
            "https://b.example/x",
        ),
        (
            None,
            Some("b.example"),
            Some(80),
            ("http", "a.example:8080", "/x"),
            "http://b.example/x",
        ),
        (
            None,
            Some("[::1]"),
            Some(81),
            ("http", "[::2]:8080", "/x"),
            "http://[::1]:81/x",
        ),
        (
            Some(RedirectScheme::Https),
            None,
            None,
            ("http", "[::2]:8080", "/x"),
            "https://[::2]/x",
        ),
        (None, None, Some(9000), ("http", "[::2]", "/x"), "http://[::2]:9000/x"),
        // Ports that say what the scheme says already.
        (None, None, None, ("http", "a.example:80", "/x"), "http://a.example/x"),
        (
            None,
            None,
            None,
            ("https", "a.example:443", "/x"),
            "https://a.example/x",
        ),
        (
            None,
            None,
            None,
            ("https", "a.example:80", "/x"),
            "https://a.example:80/x",
        ),
        // No host at all (HTTP/1.0).
        (Some(RedirectScheme::Https), None, None, ("http", "", "/x?y"), "/x?y"),
        (None, None, None, ("http", "a.example", "*"), "http://a.example/"),
    ] {
        let redirect = Redirect {
            scheme,
            host: host.map(str::to_owned),
            port,
            ..redirect()
        };
        let (from, authority, target) = url;
        assert_eq!(location(&redirect, from, authority, target), expected, "{url:?}");
    }
}

#[test]
fn the_query_can_be_left_out() {
    let redirect = Redirect {
        strip_query: true,
        ..redirect()
    };
    assert_eq!(location(&redirect, "http", "a", "/x?y=1"), "http://a/x");
}

#[test]
fn an_odd_path_is_no_other_host() {
    for (target, expected) in [
        ("//evil.example", "https://a/evil.example"),
        ("///evil.example/x", "https://a/evil.example/x"),
        ("/\\evil.example", "https://a/%5Cevil.example"),
        ("/@evil.example", "https://a/@evil.example"),
        ("/%0d%0aSet-Cookie:%20x=1", "https://a/%0d%0aSet-Cookie:%20x=1"),
        (
            "/x?next=//evil.example&q={|}",
            "https://a/x?next=//evil.example&q=%7B%7C%7D",
        ),
    ] {
        let redirect = Redirect {
            scheme: Some(RedirectScheme::Https),
            ..redirect()
        };
        assert_eq!(location(&redirect, "http", "a", target), expected);
        let relative = location(&redirect, "http", "", target);
        assert!(
            relative.starts_with('/') && !relative.starts_with("//") && !relative.starts_with("/\\"),
            "{relative}"
        );
    }
}

proptest! {
    /// Whatever a client sends, host and scheme of the address are those of the route, and nothing splits the header.
    #[test]
    fn no_path_changes_the_host(path in "[/\\\\a-z@:.;%0-9\"<>^`{|}\u{e9}~-]{0,30}", query in proptest::option::of("[!-~]{0,20}")) {
        let text = format!("/{path}{}", query.map(|query| format!("?{query}")).unwrap_or_default());
        let Ok(target) = PathAndQuery::try_from(text) else { return Ok(()) };
        let redirect = Redirect { scheme: Some(RedirectScheme::Https), host: Some("b.example".to_owned()), ..redirect() };
        let request = RequestUrl { scheme: "http", authority: b"a.example:8080", target: &target };
        let location = redirect.location(request);
        let location = location.to_str().unwrap();
        prop_assert!(location.bytes().all(|byte| byte.is_ascii_graphic()));
        let rest = location.strip_prefix("https://b.example/");
        prop_assert!(rest.is_some_and(|rest| !rest.starts_with('/') && !rest.contains('\\')), "{location}");
        let uri: http::Uri = location.parse().unwrap();
        prop_assert_eq!((uri.scheme_str(), uri.host(), uri.port_u16()), (Some("https"), Some("b.example"), None));
    }
}
