//! Endpoints that are dead, close or are slow: what is tried again, and what is not.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http_body_util::Either;
use lockgate_client::{Address, HostRecord, Resolve, Resolving};
use lockgate_units::Period;
use lockgate_upstream::{HostPolicy, SendError, Upstream, UpstreamSettings};
use tokio::net::TcpListener;

use crate::peer::{Act, OK, Peer, get, on_a_worker, post, with_body};
use crate::request::{TestClient, fetch, settings, upstream};

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
        let (client, upstream) = (TestClient::new(), upstream(&[peer.address]));
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
            let (client, upstream) = (TestClient::new(), upstream(&[peer.address]));
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
            let (client, upstream) = (TestClient::new(), upstream(&[peer.address]));
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
        let (client, upstream) = (TestClient::new(), upstream(&[peer.address]));
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
            .send(&upstream(&[peer.address]), get())
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
        let (client, upstream) = (TestClient::new(), upstream(&[peer.address]));
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
        settings.timeouts.connect = Period::millis(100);
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

/// Every name is 127.0.0.1.
struct Loopback;

impl Resolve for Loopback {
    fn resolve(&self, _: &Arc<str>) -> Resolving {
        let record = HostRecord::default();
        record.set([IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        Box::pin(async { Ok(Arc::new(record)) })
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
            let client = TestClient::with_resolver(Arc::new(Loopback));
            fetch(&client, &Upstream::new("test", &settings), get())
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
