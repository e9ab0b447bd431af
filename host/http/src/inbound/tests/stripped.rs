//! Fields that are meant for one hop only.

use super::*;

#[test]
fn hop_by_hop_fields_stay_behind() {
    let got = admitted(http1(
        "/",
        &[
            ("host", "a"),
            ("connection", "close, X-Mine , te,upgrade"),
            ("connection", "also-mine"),
            ("x-mine", "1"),
            ("also-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic eDp5"),
            ("te", "gzip, trailers"),
            ("trailer", "x"),
            ("upgrade", "websocket"),
            ("transfer-encoding", "chunked"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
        ],
    ))
    .unwrap();
    assert_eq!(
        names(&got.head.headers),
        ["accept", "te", "trailer", SET[0], SET[1], SET[2], SET[3]]
    );
    assert_eq!(got.head.headers["te"], "trailers");
}

#[test]
fn connection_cannot_take_away_what_the_gateway_sets_or_needs() {
    let listed = "x-forwarded-for, x-forwarded-proto, x-forwarded-host, x-request-id, content-length, host";
    let got = admitted(http1(
        "/",
        &[("host", "a"), ("content-length", "5"), ("connection", listed)],
    ))
    .unwrap();
    assert_eq!(
        names(&got.head.headers),
        ["content-length", SET[0], SET[1], SET[2], SET[3]]
    );
    assert_eq!(got.head.authority, "a");
}

#[test]
fn answers_and_trailers_are_stripped_too() {
    let fields = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-listed",
    ];
    let mut headers = HeaderMap::new();
    for name in fields
        .into_iter()
        .chain(["etag", "content-length", "set-cookie", "proxy-status"])
    {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("x-listed"));
    }
    let mut trailers = headers.clone();
    strip_response(&mut headers);
    assert_eq!(
        names(&headers),
        ["content-length", "etag", "proxy-status", "set-cookie", "trailer"]
    );
    strip_trailers(&mut trailers);
    assert_eq!(names(&trailers), ["etag", "proxy-status"]);
}
