//! What happens when an upstream is dead, closes, lies or is slow; and when the request itself is at fault.

use std::time::Duration;

use http::Method;
use http_body_util::Either;
use lockgate_client::Address;
use lockgate_units::Period;
use lockgate_upstream::{HostPolicy, SendError, Upstream, UpstreamSettings};
use tokio::net::TcpListener;

use crate::peer::{
    Act, Broken, OK, Peer, TestClient, fetch, get, on_a_worker, post, read, settings, upstream, with_body,
};

/// An address that nobody listens on.
async fn vacant() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port")
        .local_addr()
        .expect("bound")
}

#[test]
fn a_kept_connection_that_was_closed_meanwhile_costs_no_request() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::AnswerAndClose(OK)], &[Act::Answer(OK)]]).await;
        let (client, upstream) = (TestClient::new(), peer.upstream());
        fetch(&client, &upstream, get()).await.expect("an answer");
        tokio::time::sleep(Duration::from_millis(20)).await;
        let sent = client
            .send(&upstream, post("body"))
            .await
            .expect("a request that was never written goes elsewhere");
        assert_eq!(sent.attempts, 1);
        assert_eq!(peer.requests.borrow().len(), 2);
    });
}

#[test]
fn a_get_that_a_kept_connection_answers_with_nothing_is_repeated_as_it_was() {
    on_a_worker(async {
        for end in [Act::Close, Act::Reset] {
            let peer = Peer::new(&[&[Act::Answer(OK), end], &[Act::Answer(OK)]]).await;
            let (client, upstream) = (TestClient::new(), peer.upstream());
            fetch(&client, &upstream, get()).await.expect("an answer");
            let sent = client
                .send(&upstream, get())
                .await
                .expect("the repeated request is answered");
            assert_eq!(sent.attempts, 2);
            let requests = peer.requests.borrow();
            assert_eq!(requests.len(), 3);
            assert_eq!(requests[1], requests[2]);
            assert!(requests[2].starts_with("GET /a?b=c HTTP/1.1\r\n") && requests[2].contains("x-kept: Yes\r\n"));
        }
    });
}

#[test]
fn a_post_that_was_written_is_never_repeated() {
    on_a_worker(async {
        for request in [
            post("body"),
            post(""),
            with_body(Method::PATCH, Either::Left("x".into())),
        ] {
            let peer = Peer::new(&[&[Act::Answer(OK), Act::Close], &[Act::Answer(OK)]]).await;
            let (client, upstream) = (TestClient::new(), peer.upstream());
            fetch(&client, &upstream, get()).await.expect("an answer");
            let error = client
                .send(&upstream, request)
                .await
                .expect_err("nobody knows whether it took effect");
            assert!(matches!(error, SendError::Closed { .. }), "{error}");
            assert_eq!(peer.requests.borrow().len(), 2);
        }
    });
}

#[test]
fn a_put_with_a_body_is_not_repeated() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK), Act::Close], &[Act::Answer(OK)]]).await;
        let (client, upstream) = (TestClient::new(), peer.upstream());
        fetch(&client, &upstream, get()).await.expect("an answer");
        let put = with_body(Method::PUT, Either::Left("x".into()));
        assert!(matches!(
            client.send(&upstream, put).await,
            Err(SendError::Closed { .. })
        ));
        assert_eq!(peer.requests.borrow().len(), 2);
    });
}

#[test]
fn a_fresh_connection_that_answers_with_nothing_is_an_error() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Close]]).await;
        let error = TestClient::new()
            .send(&peer.upstream(), get())
            .await
            .expect_err("there is no answer");
        assert!(matches!(error, SendError::Closed { .. }), "{error}");
        assert_eq!(peer.connections.get(), 1);
    });
}

#[test]
fn a_get_is_repeated_only_once() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK), Act::Close], &[Act::Close]]).await;
        let (client, upstream) = (TestClient::new(), peer.upstream());
        fetch(&client, &upstream, get()).await.expect("an answer");
        assert!(matches!(
            client.send(&upstream, get()).await,
            Err(SendError::Closed { .. })
        ));
        assert_eq!(peer.requests.borrow().len(), 3);
    });
}

#[test]
fn a_refused_connection_is_an_error_of_its_own() {
    on_a_worker(async {
        let error = TestClient::new()
            .send(&upstream(&[vacant().await]), get())
            .await
            .expect_err("nobody listens");
        assert!(matches!(error, SendError::Connect { .. }), "{error}");
    });
}

#[test]
fn an_endpoint_that_refuses_is_followed_by_the_next() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK)]]).await;
        let (client, upstream) = (TestClient::new(), upstream(&[vacant().await, peer.address]));
        for _ in 0..4 {
            fetch(&client, &upstream, post("body"))
                .await
                .expect("the other endpoint answers");
        }
        assert_eq!(peer.requests.borrow().len(), 4);
    });
}

#[test]
fn connecting_takes_no_longer_than_the_connect_timeout() {
    on_a_worker(async {
        // A listener that never accepts: once its queue is full, the kernel lets further connections wait.
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let listener = socket.listen(1).expect("a listener");
        let address = listener.local_addr().expect("bound");
        let mut waiting = Vec::new();
        while let Ok(Ok(stream)) =
            tokio::time::timeout(Duration::from_millis(100), tokio::net::TcpStream::connect(address)).await
        {
            waiting.push(stream);
            assert!(waiting.len() < 100, "the queue never fills");
        }
        let mut settings = settings(&[address]);
        settings.connect_timeout = Period::millis(100);
        let started = std::time::Instant::now();
        let error = TestClient::new()
            .send(&Upstream::new("test", &settings), get())
            .await
            .expect_err("it cannot connect");
        assert!(matches!(error, SendError::ConnectTimeout { .. }), "{error}");
        assert!(started.elapsed() < Duration::from_secs(2));
    });
}

#[test]
fn a_body_that_is_cut_short_ends_with_an_error() {
    on_a_worker(async {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\nhalf",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhalf\r\n0\r\n\r\n",
        ] {
            let peer = Peer::new(&[&[Act::AnswerAndClose(answer)]]).await;
            let sent = TestClient::new().send(&peer.upstream(), get()).await.expect("a head");
            assert!(read(sent).await.is_err(), "{answer}");
        }
    });
}

#[test]
fn a_reset_in_the_middle_of_a_body_ends_it_with_an_error() {
    on_a_worker(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let upstream = upstream(&[listener.local_addr().expect("bound")]);
        let peer = async {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.expect("accept");
            let _ = stream.read(&mut [0; 1024]).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf").await.expect("written");
            tokio::time::sleep(Duration::from_millis(20)).await;
            stream.set_zero_linger().expect("linger");
        };
        let client = TestClient::new();
        let exchange = async { read(client.send(&upstream, get()).await.expect("a head")).await };
        let ((), result) = tokio::join!(peer, exchange);
        assert!(
            result.is_err(),
            "a close-delimited body must not end cleanly by a reset"
        );
    });
}

#[test]
fn a_body_may_end_with_the_connection_when_it_says_no_length() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::AnswerAndClose("HTTP/1.1 200 OK\r\n\r\nall of it")]]).await;
        assert_eq!(
            fetch(&TestClient::new(), &peer.upstream(), get())
                .await
                .expect("an answer"),
            "all of it"
        );
    });
}

#[test]
fn malformed_and_ambiguous_answers_are_refused() {
    on_a_worker(async {
        for answer in [
            "nonsense\r\n\r\n",
            "HTTP/1.1 999999 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\nok",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nok",
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\nok",
            "HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\na: b\rc\r\n\r\nok",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        ] {
            let peer = Peer::new(&[&[Act::AnswerAndClose(answer)]]).await;
            let error = TestClient::new().send(&peer.upstream(), get()).await.expect_err(answer);
            assert!(matches!(error, SendError::Protocol { .. }), "{answer}: {error}");
        }
    });
}

#[test]
fn what_comes_on_an_idle_connection_never_answers_the_next_request() {
    on_a_worker(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let upstream = upstream(&[listener.local_addr().expect("bound")]);
        let peer = async {
            use tokio::io::AsyncWriteExt;
            let (mut first, _) = listener.accept().await.expect("accept");
            crate::peer::skip_head(&mut first).await;
            first.write_all(OK.as_bytes()).await.expect("written");
            tokio::time::sleep(Duration::from_millis(20)).await;
            let evil = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 4\r\n\r\nevil";
            first.write_all(evil).await.expect("written");
            let (mut second, _) = listener.accept().await.expect("accept");
            crate::peer::skip_head(&mut second).await;
            second.write_all(OK.as_bytes()).await.expect("written");
        };
        let exchange = async {
            let client = TestClient::new();
            fetch(&client, &upstream, get()).await.expect("an answer");
            tokio::time::sleep(Duration::from_millis(60)).await;
            let sent = client.send(&upstream, post("body")).await.expect("a fresh connection");
            assert_eq!((sent.response.status().as_u16(), sent.attempts), (200, 1));
        };
        tokio::join!(peer, exchange);
    });
}

#[test]
fn provisional_answers_without_end_are_refused() {
    on_a_worker(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let upstream = upstream(&[listener.local_addr().expect("bound")]);
        tokio::task::spawn_local(async move {
            use tokio::io::AsyncWriteExt;
            let (mut stream, _) = listener.accept().await.expect("accept");
            crate::peer::skip_head(&mut stream).await;
            while stream.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n").await.is_ok() {}
        });
        let error = TestClient::new().send(&upstream, get()).await.expect_err("no answer");
        assert!(matches!(error, SendError::Protocol { .. }), "{error}");
    });
}

#[test]
fn a_head_that_never_ends_is_refused() {
    on_a_worker(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let upstream = upstream(&[listener.local_addr().expect("bound")]);
        tokio::task::spawn_local(async move {
            use tokio::io::AsyncWriteExt;
            let (mut stream, _) = listener.accept().await.expect("accept");
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await;
            while stream.write_all(&[b'a'; 4096]).await.is_ok() {}
        });
        let error = TestClient::new()
            .send(&upstream, get())
            .await
            .expect_err("the head is endless");
        assert!(matches!(error, SendError::Protocol { .. }), "{error}");
    });
}

#[test]
fn a_request_body_that_ends_early_is_the_senders_fault() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Silence]]).await;
        let request = with_body(Method::POST, Either::Right(Either::Right(Broken(false))));
        let error = TestClient::new()
            .send(&peer.upstream(), request)
            .await
            .expect_err("the body is short");
        assert!(matches!(error, SendError::RequestBody(_)), "{error}");
    });
}

#[test]
fn a_content_length_without_a_body_cannot_swallow_the_next_request() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK)]]).await;
        let (client, upstream) = (TestClient::new(), peer.upstream());
        let mut request = get();
        request
            .headers_mut()
            .insert("content-length", "50".parse().expect("a number"));
        fetch(&client, &upstream, request).await.expect("an answer");
        fetch(&client, &upstream, get()).await.expect("an answer");
        assert!(peer.requests.borrow()[0].contains("content-length: 0\r\n"));
        assert!(peer.requests.borrow()[1].starts_with("GET "));
    });
}

#[test]
fn an_early_answer_to_an_unfinished_upload_is_passed_on_and_the_connection_closed() {
    on_a_worker(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let upstream = upstream(&[listener.local_addr().expect("bound")]);
        let peer = async {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.expect("accept");
            let _ = stream.read(&mut [0; 1024]).await;
            stream
                .write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno")
                .await
                .expect("written");
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        };
        let exchange = async {
            let client = lockgate_upstream::Client::<Endless>::new();
            let request = http::Request::post("/")
                .header("host", "test")
                .body(Endless)
                .expect("valid");
            let sent = client.send(&upstream, request).await.expect("the early answer");
            assert_eq!(sent.response.status(), 413);
            assert_eq!(read(sent).await.expect("complete"), "no");
        };
        tokio::join!(peer, exchange);
    });
}

/// A body whose next chunk never comes.
struct Endless;

impl http_body::Body for Endless {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[test]
fn names_are_looked_up_and_the_host_follows_the_policy() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK)]]).await;
        let address: Address = format!("localhost:{}", peer.address.port()).parse().expect("a name");
        for (policy, expected) in [
            (HostPolicy::Pass, "test".to_owned()),
            (HostPolicy::Endpoint, address.to_string()),
            (
                HostPolicy::Name("orders.internal".parse().expect("a value")),
                "orders.internal".to_owned(),
            ),
        ] {
            let mut settings = UpstreamSettings::of([address.clone()]);
            settings.host = policy;
            fetch(&TestClient::new(), &Upstream::new("test", &settings), get())
                .await
                .expect("an answer");
            let host = format!("host: {expected}\r\n");
            assert!(
                peer.requests
                    .borrow()
                    .last()
                    .is_some_and(|request| request.contains(&host)),
                "{host}"
            );
        }
    });
}

#[test]
fn an_upstream_without_weight_has_no_endpoint() {
    on_a_worker(async {
        let error = TestClient::new()
            .send(&upstream(&[]), get())
            .await
            .expect_err("there is no endpoint");
        assert!(matches!(error, SendError::NoEndpoint));
    });
}

#[test]
fn a_request_that_came_over_http2_goes_out_as_http1() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK)]]).await;
        let mut request = get();
        *request.version_mut() = http::Version::HTTP_2;
        fetch(
            &TestClient::new(),
            &Upstream::new("test", &settings(&[peer.address])),
            request,
        )
        .await
        .expect("an answer");
        assert!(peer.requests.borrow()[0].starts_with("GET /a?b=c HTTP/1.1\r\n"));
    });
}
