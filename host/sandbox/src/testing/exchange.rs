//! A request to run plugins on.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};
use lockgate_exchange::{ConnectionInfo, Exchange, RequestHead, Scheme, SharedExchange, StreamInfo};

/// `GET /a?b=c` to `example.com` with [`headers`], from `10.1.2.3:4567` (the client is `203.0.113.9`) to `127.0.0.1:8080`.
#[must_use]
pub fn exchange() -> SharedExchange {
    let request = RequestHead {
        method: Method::GET,
        path: PathAndQuery::from_static("/a?b=c"),
        authority: HeaderValue::from_static("example.com"),
        scheme: Scheme::Http,
        headers: headers(),
        is_upgrade: false,
    };
    let connection = ConnectionInfo {
        id: 7,
        listener: "web".into(),
        peer: SocketAddr::from(([10, 1, 2, 3], 4567)),
        local: SocketAddr::from(([127, 0, 0, 1], 8080)),
        tls: None,
        properties: RefCell::default(),
    };
    let info = StreamInfo::new(
        Rc::new(connection),
        IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
        HeaderValue::from_static("r-1"),
        http::Version::HTTP_11,
    );
    Rc::new(RefCell::new(Exchange::new(request, info)))
}

/// `x-user: anna`, and `x-twice` with the values `one` and `two`.
#[must_use]
pub fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-user", HeaderValue::from_static("anna"));
    headers.append("x-twice", HeaderValue::from_static("one"));
    headers.append("x-twice", HeaderValue::from_static("two"));
    headers
}
