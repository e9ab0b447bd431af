//! What has come on a connection that waits for its next request, while the worker was busy. The peers have threads of their own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use http::Method;
use http_body_util::Either;

use crate::attempt::{TestClient, endpoint, fetch, read};
use crate::peer::{OK, get, on_a_worker, post, with_body};

/// A peer that serves its connections, one after the other, as `serve` does. It ends with the test.
fn peer(mut serve: impl FnMut(usize, TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept() else { return };
            serve(number, stream);
        }
    });
    address
}

/// Reads a request up to the end of its head, and what comes with it.
fn take(stream: &mut TcpStream) -> Vec<u8> {
    let mut taken = Vec::new();
    let mut room = [0; 4096];
    while !taken.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut room) {
            Ok(0) | Err(_) => break,
            Ok(read) => taken.extend_from_slice(&room[..read]),
        }
    }
    taken
}

/// What the peer has done, in numbers.
#[derive(Clone, Default)]
struct Done(Arc<AtomicUsize>);

impl Done {
    fn again(&self) {
        self.0.fetch_add(1, SeqCst);
    }

    /// The worker does not look at its sockets until the peer has done it so many times.
    fn keep_busy_until(&self, times: usize) {
        while self.0.load(SeqCst) < times {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The worker does not look at its sockets for this long.
fn be_busy() {
    thread::sleep(Duration::from_millis(60));
}

#[test]
fn bytes_planted_while_the_worker_is_busy_never_answer_a_request() {
    for planted in [
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        "HTTP/1.1 103 Early Hints\r\n\r\n",
        "x",
    ] {
        let done = Done::default();
        let planting = done.clone();
        let address = peer(move |_, mut stream| {
            take(&mut stream);
            stream.write_all(OK.as_bytes()).expect("written");
            let planting = planting.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(20));
                stream.write_all(planted.as_bytes()).expect("planted");
                planting.again();
                // It stays open.
                let _ = stream.read(&mut [0]);
            });
        });
        on_a_worker(async {
            let (client, endpoint) = (TestClient::new(), endpoint(address));
            for (times, request) in [get(), post("body"), get(), post("body")].into_iter().enumerate() {
                done.keep_busy_until(times);
                assert_eq!(fetch(&client, &endpoint, request).await.expect("a response"), "ok");
            }
        });
    }
}

#[test]
fn a_connection_that_was_closed_while_the_worker_was_busy_is_not_used() {
    for resets in [false, true] {
        let done = Done::default();
        let closing = done.clone();
        let address = peer(move |_, mut stream| {
            take(&mut stream);
            stream.write_all(OK.as_bytes()).expect("written");
            thread::sleep(Duration::from_millis(20));
            if resets {
                socket2::SockRef::from(&stream)
                    .set_linger(Some(Duration::ZERO))
                    .expect("linger");
            }
            drop(stream);
            closing.again();
        });
        on_a_worker(async {
            let (client, endpoint) = (TestClient::new(), endpoint(address));
            for times in 0..4 {
                done.keep_busy_until(times);
                assert_eq!(fetch(&client, &endpoint, post("body")).await.expect("a response"), "ok");
            }
        });
    }
}

#[test]
fn an_early_response_is_read_after_the_connection_has_broken() {
    let answers = [
        "HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno",
        "HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno",
    ];
    let address = peer(move |number, mut stream| {
        take(&mut stream);
        stream
            .write_all(answers[number % answers.len()].as_bytes())
            .expect("written");
        // Dropped with most of the request unread: the close is a reset.
    });
    on_a_worker(async {
        let (client, endpoint) = (TestClient::new(), endpoint(address));
        for _ in 0..60 {
            let body = Either::Left(vec![b'x'; 5_000_000].into());
            let sent = client
                .send(&endpoint, with_body(Method::POST, body))
                .await
                .expect("the early response");
            assert_eq!(sent.response.status(), 413);
            assert_eq!(read(sent).await.expect("complete"), "no");
        }
    });
}

#[test]
fn an_early_response_that_comes_in_the_middle_of_a_write_is_read() {
    // The worker fills the socket, is busy while the peer answers and resets, and writes again.
    let address = peer(|_, mut stream| {
        take(&mut stream);
        stream
            .write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")
            .expect("written");
    });
    on_a_worker(async {
        let (client, endpoint) = (TestClient::<Lazy>::new(), endpoint(address));
        let request = http::Request::post("/")
            .header("host", "test")
            .body(Lazy(3))
            .expect("valid");
        let sent = client.send(&endpoint, request).await.expect("the early response");
        assert_eq!(sent.response.status(), 401);
    });
}

/// A body whose pieces are slow to make.
struct Lazy(u8);

impl http_body::Body for Lazy {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        if self.0 == 0 {
            return std::task::Poll::Ready(None);
        }
        self.0 -= 1;
        be_busy();
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(vec![b'x'; 20_000].into()))))
    }
}
