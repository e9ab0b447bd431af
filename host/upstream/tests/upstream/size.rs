//! The state of a request is part of the state of every client connection, so it has a bound.

use http_body_util::Either;
use lockgate_client::{Interim, OutgoingHead};

use crate::request::{TestClient, upstream};

#[test]
fn the_future_of_a_request_stays_small() {
    let upstream = upstream(&[([127, 0, 0, 1], 1).into()]);
    let (client, headers, host) = (
        TestClient::new(),
        http::HeaderMap::new(),
        http::HeaderValue::from_static("test"),
    );
    let head = OutgoingHead {
        method: &http::Method::GET,
        target: "/",
        host: &host,
        headers: &headers,
        interim: &Interim::default(),
        upgrade: None,
    };
    let future = client.forward(&upstream, head, Either::Left("".into()), |_, _| {});
    assert!(size_of_val(&future) <= 192, "{} bytes", size_of_val(&future));
}
