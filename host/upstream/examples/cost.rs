//! Instructions that a request costs in this crate alone: counted under callgrind, so many requests less so few.
//!
//! `valgrind --tool=callgrind --callgrind-out-file=/dev/null target/fast/examples/cost 12000`, less the same with 2000. The endpoint is
//! in this process, on no socket, and answers at once.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::{BodyExt, Empty};
use lockgate_client::{Address, Connect, Connecting, Duplex, Interim, OutgoingHead, Stream};
use lockgate_upstream::{Client, Upstream, UpstreamSettings};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nserver: peer\r\ndate: Mon, 30 Nov 2026 10:00:00 GMT\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\n0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

struct Endpoints;

impl Connect for Endpoints {
    fn connect<'a>(&'a self, _: &'a Address) -> Connecting<'a> {
        Box::pin(async {
            let end = "127.0.0.1:1".parse().expect("an address");
            let bytes: Pin<Box<dyn Duplex>> = Box::pin(Endpoint::default());
            Ok(Stream {
                bytes,
                peer: end,
                local: end,
            })
        })
    }
}

#[derive(Default)]
struct Endpoint {
    has_request: Cell<bool>,
    reader: RefCell<Option<Waker>>,
}

impl Duplex for Endpoint {
    fn abort(&self) {}
}

impl AsyncRead for Endpoint {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.has_request.replace(false) {
            buffer.put_slice(RESPONSE);
            return Poll::Ready(Ok(()));
        }
        *self.reader.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for Endpoint {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.has_request.set(true);
        if let Some(reader) = self.reader.borrow_mut().take() {
            reader.wake();
        }
        Poll::Ready(Ok(buffer.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn main() {
    let count: u32 = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .expect("a number of requests");
    let client: Client<Empty<Bytes>> = Client::with_connector(Rc::new(Endpoints), 1);
    let upstream = Upstream::new(
        "cost",
        &UpstreamSettings::of(["127.0.0.1:1".parse().expect("an address")]),
    );
    let host = HeaderValue::from_static("cost");
    let headers = HeaderMap::from_iter(
        [
            ("user-agent", "wrk"),
            ("accept", "*/*"),
            ("x-request-id", "0123456789abcdef0123456789abcdef"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
        ]
        .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value))),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let head = OutgoingHead {
            interim: &Interim::default(),
            upgrade: None,
            method: &Method::GET,
            target: "/a",
            host: &host,
            headers: &headers,
        };
        let future = client.forward(&upstream, head, Empty::new(), |_, _| {});
        println!("{} bytes of future", size_of_val(&future));
        drop(future);
        for _ in 0..count {
            let sent = client
                .forward(&upstream, head, Empty::new(), |_, _| {})
                .await
                .expect("a response");
            assert_eq!(
                sent.response
                    .into_body()
                    .collect()
                    .await
                    .expect("a body")
                    .to_bytes()
                    .len(),
                100
            );
        }
    });
}
